"""Whose journal is it: the rule, the crashes between the two counts, and copies put back."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from thalweg.errors import Reason, UserFault
from thalweg.node.ports import JournalIdentity, Mark
from thalweg.storage import (
    DataFolder,
    JournalRecord,
    Opened,
    SqliteJournal,
    Standing,
    adopt,
    marks_ahead,
    open_folder,
    standing,
)
from thalweg.storage.identity import load_record
from thalweg.storage.intents import SLOTS
from thalweg.units import ChannelId, Hash, Version

ID, OTHER = bytes(16), bytes(15) + b"\1"
CHANNEL, SECOND = ChannelId(bytes(32)), ChannelId(b"\1" * 32)


@contextlib.contextmanager
def started(path: Path) -> Iterator[Opened]:
    opened = open_folder(path, "password")
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize(
    ("journal", "record", "expected"),
    [
        (JournalIdentity(ID, 1), JournalRecord(ID, 0), Standing.OWN),
        (JournalIdentity(ID, 8), JournalRecord(ID, 7), Standing.OWN),
        (JournalIdentity(ID, 9), JournalRecord(ID, 7), Standing.OWN),  # crashed between the counts
        (JournalIdentity(ID, 7), JournalRecord(ID, 7), Standing.RECOVERING),  # a copy of the start before
        (JournalIdentity(ID, 2), JournalRecord(ID, 7), Standing.RECOVERING),
        (JournalIdentity(OTHER, 8), JournalRecord(ID, 7), Standing.RECOVERING),
        (JournalIdentity(OTHER, 1), JournalRecord(ID, 0), Standing.RECOVERING),
        (JournalIdentity(ID, 8), JournalRecord(ID, 7, recovering=True), Standing.RECOVERING),
    ],
)
def test_a_journal_is_our_own_if_it_has_the_id_and_counts_on(
    journal: JournalIdentity, record: JournalRecord, expected: Standing
) -> None:
    assert standing(journal, record) is expected


def test_channels_the_signer_is_ahead_in_are_found() -> None:
    marks = {CHANNEL: Mark(Version(5), Hash(bytes(32))), SECOND: Mark(Version(0), Hash(bytes(32)))}
    assert marks_ahead({}, {}) == set()
    assert marks_ahead(marks, {CHANNEL: Version(5), SECOND: Version(0)}) == set()
    assert marks_ahead(marks, {CHANNEL: Version(6), SECOND: Version(1)}) == set()
    assert marks_ahead(marks, {CHANNEL: Version(4), SECOND: Version(0)}) == {CHANNEL}
    assert marks_ahead(marks, {CHANNEL: Version(5)}) == {SECOND}


def test_starts_count_and_stay_our_own(alice: Path) -> None:
    for generation in (1, 2, 3):
        with started(alice) as opened:
            assert opened.standing is Standing.OWN
            assert opened.journal.identity.generation == generation
            assert load_record(opened.folder).generation == generation


def test_crashes_between_the_two_counts_do_no_harm(alice: Path) -> None:
    with DataFolder.open(alice) as folder:
        SqliteJournal.create(folder.journal, load_record(folder).journal_id)
        for _ in range(3):
            SqliteJournal.open(folder.journal).close()
        assert load_record(folder).generation == 0
    with started(alice) as opened:
        assert opened.standing is Standing.OWN
        assert opened.journal.identity.generation == 4


@pytest.mark.parametrize("later", [1, SLOTS + 1])
def test_a_copy_of_an_earlier_start_recovers_until_it_is_adopted(alice: Path, tmp_path: Path, later: int) -> None:
    """What the intents still hold mends it, but that it is a copy is known."""
    with started(alice) as opened:
        opened.journal.append([b"one"])
    shutil.copy(alice / "journal.sqlite3", tmp_path / "copy")
    with started(alice) as opened:
        for _ in range(later):
            opened.journal.append([b"two"])
    shutil.copy(tmp_path / "copy", alice / "journal.sqlite3")
    for _ in range(3):
        with started(alice) as opened:
            assert opened.standing is Standing.RECOVERING
            assert list(opened.journal.entries()) == ([b"one", b"two"] if later == 1 else [b"one"])
    with started(alice) as opened:
        adopt(opened.folder, opened.journal.identity)
    with started(alice) as opened:
        assert opened.standing is Standing.OWN


@pytest.mark.parametrize("name", ["marks-0", "intents"])
def test_starts_that_fail_midway_do_not_make_an_old_copy_the_newest(alice: Path, tmp_path: Path, name: str) -> None:
    with started(alice) as opened:
        opened.journal.append([b"one"])
    shutil.copy(alice / "journal.sqlite3", tmp_path / "copy")
    with started(alice) as opened:
        for _ in range(SLOTS + 1):
            opened.journal.append([b"two"])
    shutil.copy(tmp_path / "copy", alice / "journal.sqlite3")
    (alice / "keystore" / name).rename(tmp_path / name)
    for _ in range(3):
        with pytest.raises(UserFault):
            open_folder(alice, "password")
    (tmp_path / name).rename(alice / "keystore" / name)
    with started(alice) as opened:
        assert opened.standing is Standing.RECOVERING


def test_a_recovering_node_that_is_killed_keeps_what_it_was_told_is_durable(alice: Path, tmp_path: Path) -> None:
    with started(alice) as opened:
        opened.journal.append([b"one"])
    shutil.copy(alice / "journal.sqlite3", tmp_path / "copy")
    with started(alice):
        pass
    shutil.copy(tmp_path / "copy", alice / "journal.sqlite3")
    with started(alice) as opened:
        for number in range(5):
            opened.journal.append([b"%d" % number])
        shutil.copytree(alice, tmp_path / "killed")
    with started(tmp_path / "killed") as opened:
        assert opened.standing is Standing.RECOVERING
        assert list(opened.journal.entries()) == [b"one", b"0", b"1", b"2", b"3", b"4"]


JOURNAL_FILES = ("journal.sqlite3", "journal.sqlite3-wal")


@pytest.mark.parametrize("later", [1, SLOTS, 2 * SLOTS + 1])
def test_a_copy_taken_within_one_run_is_made_whole_or_found_by_the_marks(
    alice: Path, tmp_path: Path, later: int
) -> None:
    """What the intents still hold mends the copy; beyond them the signer knows of more than the journal."""
    states = [f"version {number}".encode() for number in range(2, 2 + later)]
    with started(alice) as opened:
        opened.journal.append([b"version 1"])
        opened.signer.sign_state(CHANNEL, Version(1), Hash(bytes(32)))
        opened.journal.flush()
        for name in JOURNAL_FILES:
            shutil.copy(alice / name, tmp_path / name)
        for number, entry in enumerate(states, 2):
            opened.journal.append([entry], {CHANNEL: Mark(Version(number), Hash(bytes(32)))})
        crashed = tmp_path / "crashed"
        shutil.copytree(alice, crashed)
    for name in JOURNAL_FILES:
        shutil.copy(tmp_path / name, crashed / name)
    with started(crashed) as opened:
        assert opened.standing is Standing.OWN
        known = list(opened.journal.entries())
        assert known == [b"version 1", *(states if later <= SLOTS else [])]
        ahead = marks_ahead(opened.signer.marks(), {CHANNEL: Version(len(known))})
        assert ahead == (set() if later <= SLOTS else {CHANNEL})
    with started(crashed) as opened:
        assert list(opened.journal.entries()) == known


def test_a_lost_journal_is_refused_and_not_begun_anew(alice: Path) -> None:
    with started(alice):
        pass
    (alice / "journal.sqlite3").unlink()
    for _ in range(2):
        with pytest.raises(UserFault, match="thalweg restore") as refused:
            open_folder(alice, "password")
        assert refused.value.reason is Reason.NOT_FOUND
        assert not (alice / "journal.sqlite3").exists()


@pytest.mark.parametrize("name", ["marks-0", "intents", "journal.json"])
@pytest.mark.parametrize("damage", [None, b"", b"{}", b'{"journal_id":"","generation":0,"recovering":false}'])
def test_a_keystore_that_is_not_whole_is_refused_and_the_folder_let_go(
    alice: Path, name: str, damage: bytes | None
) -> None:
    with started(alice):
        pass
    path = alice / "keystore" / name
    before = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage)
    for _ in range(2):
        with pytest.raises(UserFault) as refused:
            open_folder(alice, "password")
        assert refused.value.reason is Reason.CORRUPT
    path.write_bytes(before)
    with started(alice) as opened:
        assert opened.standing is Standing.OWN


def test_a_folder_in_use_and_a_wrong_password_are_refused(alice: Path) -> None:
    with started(alice):
        with pytest.raises(UserFault) as refused:
            open_folder(alice, "password")
        assert refused.value.reason is Reason.LOCKED
    with pytest.raises(UserFault) as refused:
        open_folder(alice, "another")
    assert refused.value.reason is Reason.WRONG_PASSWORD
    with started(alice) as opened:
        assert opened.journal.identity.generation == 2
