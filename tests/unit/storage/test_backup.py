"""Backups: consistent while the node writes, never replacing more by less, and the way back into recovery."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.storage import DataFolder, Keys, Opened, Standing, create_keystore, open_folder
from thalweg.storage import backup as backup_module
from thalweg.storage.backup import backup, read_header, restore
from thalweg.storage.intents import SLOTS
from thalweg.storage.mnemonic import to_mnemonic

KEYS = Keys(bytes(16))
ENTRY = bytes(range(250)) * 4


@contextlib.contextmanager
def started(path: Path) -> Iterator[Opened]:
    opened = open_folder(path, "password")
    try:
        yield opened
    finally:
        opened.close()


def content(path: Path) -> tuple[bytes | None, list[bytes]]:
    with started(path) as opened:
        return opened.journal.snapshot(), list(opened.journal.entries())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "alice.backup"


@pytest.fixture
def saved(alice: Path, target: Path) -> Path:
    """Return a folder whose journal has a snapshot and ten entries, all of them backed up."""
    with started(alice) as opened:
        opened.journal.append([b"one", b"two"])
        opened.journal.compact(b"one and two")
        opened.journal.append([ENTRY] * 10)
    backup(alice, target, KEYS)
    return alice


def test_a_backup_is_taken_while_the_node_runs_and_restored_elsewhere(
    alice: Path, target: Path, tmp_path: Path
) -> None:
    with started(alice) as opened:
        opened.journal.append([b"one", b"two"])
        opened.journal.compact(b"one and two")
        opened.journal.append([ENTRY] * 3000)  # three chunks
        header = backup(alice, target, KEYS)
        opened.journal.append([b"after"])
        assert (header.journal_id, header.generation) == (opened.journal.identity.id, 1)
        assert header.entries == 3002
    assert read_header(target) == header
    assert target.stat().st_mode & 0o777 == 0o600
    assert ENTRY[:50] not in target.read_bytes()
    restore(target, tmp_path / "new", "password", KEYS.mnemonic)
    with started(tmp_path / "new") as opened:
        assert opened.standing is Standing.RECOVERING
        assert opened.journal.identity.id != header.journal_id
        assert opened.journal.seq == 3002
        assert opened.keys.mnemonic == KEYS.mnemonic
    assert content(tmp_path / "new") == (b"one and two", [ENTRY] * 3000)


def test_a_lost_journal_comes_back_into_its_folder_recovering(saved: Path, target: Path) -> None:
    for file in saved.glob("journal.sqlite3*"):
        file.unlink()
    restore(target, saved, "password")
    with started(saved) as opened:
        assert opened.standing is Standing.RECOVERING
    assert content(saved) == (b"one and two", [ENTRY] * 10)


def append_more(opened: Opened) -> None:
    """Append more than the intents hold, so that an old copy of the journal stays an old one."""
    for _ in range(SLOTS + 1):
        opened.journal.append([b"more"])


def test_an_older_copy_of_the_journal_is_replaced(alice: Path, target: Path, tmp_path: Path) -> None:
    with started(alice) as opened:
        opened.journal.append([b"one"])
    shutil.copy(alice / "journal.sqlite3", tmp_path / "copy")
    with started(alice) as opened:
        append_more(opened)
    backup(alice, target, KEYS)
    shutil.copy(tmp_path / "copy", alice / "journal.sqlite3")
    restore(target, alice, "password")
    assert content(alice) == (None, [b"one", *[b"more"] * (SLOTS + 1)])


def test_what_the_intents_still_hold_is_in_a_backup_and_needs_no_restoring(
    alice: Path, target: Path, tmp_path: Path
) -> None:
    with started(alice) as opened:
        opened.journal.append([b"one"])
        opened.journal.flush()
        shutil.copytree(alice, tmp_path / "copy")
        opened.journal.append([b"two"])
        shutil.copytree(alice, tmp_path / "killed")
    killed = tmp_path / "killed"
    backup(killed, target, KEYS)
    with pytest.raises(UserFault) as refused:
        restore(target, killed, "password")
    assert refused.value.reason is Reason.NEWER
    assert backup(killed, target, KEYS).entries == 2  # though the attempt to restore has counted a start
    assert content(killed) == (None, [b"one", b"two"])


def test_nothing_but_the_backup_is_left_behind(saved: Path, target: Path) -> None:
    with started(saved):
        backup(saved, target, KEYS)
    assert not [file.name for file in saved.iterdir() if file.name not in ("lock", "keystore", "journal.sqlite3")]
    assert not list(target.parent.glob("*.new"))


def test_a_backup_replaces_an_older_one(saved: Path, target: Path) -> None:
    with started(saved) as opened:
        opened.journal.append([b"more"])
    assert backup(saved, target, KEYS).entries == 13
    assert backup(saved, target, KEYS).entries == 13
    assert read_header(target).entries == 13


def test_a_backup_never_replaces_a_newer_one(saved: Path, target: Path, tmp_path: Path) -> None:
    shutil.copy(saved / "journal.sqlite3", tmp_path / "old")
    with started(saved) as opened:
        append_more(opened)
    backup(saved, target, KEYS)
    newer = target.read_bytes()
    shutil.copy(tmp_path / "old", saved / "journal.sqlite3")
    for starts in range(3):  # first its start is older; then the starts have caught up, and its entries are fewer
        with pytest.raises(UserFault, match="name another file") as refused:
            backup(saved, target, KEYS)
        assert refused.value.reason is Reason.NEWER, starts
        with started(saved):
            pass
    assert target.read_bytes() == newer


def test_a_backup_never_replaces_anything_else(saved: Path, target: Path, tmp_path: Path) -> None:
    letter = tmp_path / "letter"
    letter.write_text("dear")
    other = tmp_path / "other.backup"
    with DataFolder.create(tmp_path / "bob") as folder:
        bob = create_keystore(folder, "password", to_mnemonic(b"\1" * 16))
    restore(target, tmp_path / "again", "password", KEYS.mnemonic)
    with started(tmp_path / "bob"):
        backup(tmp_path / "bob", other, bob)
    for folder_path, file, keys in ((saved, letter, KEYS), (saved, other, KEYS), (tmp_path / "again", target, KEYS)):
        before = file.read_bytes()
        with pytest.raises(UserFault, match="name another file") as refused:
            backup(folder_path, file, keys)
        assert refused.value.reason is Reason.EXISTS
        assert file.read_bytes() == before


def test_a_damaged_journal_never_replaces_a_good_backup(saved: Path, target: Path) -> None:
    good = target.read_bytes()
    journal = saved / "journal.sqlite3"
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(ENTRY, ENTRY[::-1], 1))
    assert journal.read_bytes() != whole
    with pytest.raises(UserFault) as refused:
        backup(saved, target, KEYS)
    assert refused.value.reason is Reason.CORRUPT
    journal.unlink()
    with pytest.raises(UserFault) as refused:
        backup(saved, target, KEYS)
    assert refused.value.reason is Reason.NOT_FOUND
    assert target.read_bytes() == good


def test_a_restore_never_replaces_a_journal_that_has_as_much(saved: Path, target: Path) -> None:
    for entries in ([], [b"more"]):
        with started(saved) as opened:
            opened.journal.append(entries)
        with pytest.raises(UserFault, match="nothing was changed") as refused:
            restore(target, saved, "password")
        assert refused.value.reason is Reason.NEWER
    with started(saved) as opened:
        assert opened.standing is Standing.OWN
        assert opened.journal.seq == 13


def test_a_restore_never_replaces_another_journal_nor_one_in_use(saved: Path, target: Path, tmp_path: Path) -> None:
    restore(target, tmp_path / "again", "password", KEYS.mnemonic)
    with pytest.raises(UserFault, match="new folder") as refused:
        restore(target, tmp_path / "again", "password")
    assert refused.value.reason is Reason.EXISTS
    with started(saved), pytest.raises(UserFault) as refused:
        restore(target, saved, "password")
    assert refused.value.reason is Reason.LOCKED
    with pytest.raises(UserFault) as refused:
        restore(target, saved, "password", KEYS.mnemonic)
    assert refused.value.reason is Reason.EXISTS


def test_a_backup_opens_only_with_its_mnemonic_and_leaves_no_folder_otherwise(
    saved: Path, target: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserFault, match="another mnemonic") as refused:
        restore(target, tmp_path / "new", "password", to_mnemonic(b"\1" * 16))
    assert refused.value.reason is Reason.WRONG_PASSWORD
    with pytest.raises(UserFault) as refused:
        restore(target, tmp_path / "new", "password", "not a mnemonic")
    assert refused.value.reason is Reason.MALFORMED
    assert not (tmp_path / "new").exists()


def test_a_damaged_backup_is_refused_and_restores_nothing(
    saved: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "CHUNK_BYTES", 4096)
    target.unlink()
    backup(saved, target, KEYS)
    (saved / "journal.sqlite3").unlink()
    good, chunk = target.read_bytes(), 4096 + 16
    damaged = [good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :] for at in range(0, len(good), len(good) // 60)]
    damaged += [good[:length] for length in (0, 5, 30, 200, len(good) // 2, len(good) - 1, len(good) - chunk)]
    damaged += [good + b"\0", good + good[-chunk:], good[:-chunk] + bytes(chunk)]
    for content in damaged:
        target.write_bytes(content)
        with pytest.raises(UserFault) as refused:
            restore(target, saved, "password")
        assert refused.value.reason in (Reason.CORRUPT, Reason.WRONG_PASSWORD)
        assert not list(saved.glob("journal.sqlite3")) + list(saved.glob("*.restore*"))
    target.write_bytes(good)
    restore(target, saved, "password")


def test_parts_of_two_backups_do_not_mix(saved: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_module, "CHUNK_BYTES", 4096)
    target.unlink()
    backup(saved, target, KEYS)
    first = target.read_bytes()
    backup(saved, target, KEYS)
    second = target.read_bytes()
    assert len(first) == len(second)
    (saved / "journal.sqlite3").unlink()
    target.write_bytes(first[:-4112] + second[-4112:])
    with pytest.raises(UserFault) as refused:
        restore(target, saved, "password")
    assert refused.value.reason is Reason.CORRUPT


def test_no_room_for_a_backup_leaves_the_old_one(saved: Path, target: Path, tmp_path: Path) -> None:
    old = target.read_bytes()
    with started(saved) as opened:
        opened.journal.append([b"more"])
    with pytest.raises(Unavailable, match="cannot write"):
        backup(saved, tmp_path / "missing" / "folder", KEYS)
    target.with_name(target.name + ".new").mkdir()
    with pytest.raises(Unavailable):
        backup(saved, target, KEYS)
    assert target.read_bytes() == old


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    (tmp_path / "damaged").write_bytes(b"THALWEG BACKUP 1\n\0\0\0\5{...}")
    for name, reason in (("none", Reason.NOT_FOUND), ("letter", Reason.CORRUPT), ("damaged", Reason.CORRUPT)):
        with pytest.raises(UserFault) as refused:
            read_header(tmp_path / name)
        assert refused.value.reason is reason
    with pytest.raises(UserFault) as refused:
        read_header(tmp_path)
    assert refused.value.reason is Reason.UNREACHABLE
