"""The ring of intents: what it holds after any damage, and what it refuses."""

from pathlib import Path

import pytest

from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.ports import Mark
from thalweg.storage.intents import HEADER_BYTES, SLOT_BYTES, SLOTS, IntentFile, entries_after, read_intents
from thalweg.storage.tables import NO_CHAIN, entry_chain
from thalweg.units import ChannelId, Hash, Version

ID, OTHER = bytes(16), b"x" * 16
CHANNEL = ChannelId(b"\1" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    IntentFile.create(tmp_path / "intents")
    return tmp_path / "intents"


def written(path: Path, count: int) -> list[bytes]:
    """Write so many records of one entry, bringing everything up to date whenever the ring is full."""
    file, chain = IntentFile.open(path), NO_CHAIN
    entries = [b"entry %d" % number for number in range(1, count + 1)]
    for number, entry in enumerate(entries, 1):
        if file.is_full:
            file.keep()
        assert file.write(ID, number, chain, (entry,), {CHANNEL: Mark(Version(number), Hash(bytes(32)))})
        chain = entry_chain(chain, entry)
    file.close()
    return entries


def slot_of(number: int) -> int:
    return HEADER_BYTES + number % SLOTS * SLOT_BYTES


def damage(path: Path, number: int) -> None:
    content = bytearray(path.read_bytes())
    content[slot_of(number) + 30] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("count", [0, 1, SLOTS - 1, SLOTS, SLOTS + 1, 3 * SLOTS + 5])
def test_the_newest_records_are_there_in_their_order(path: Path, count: int) -> None:
    entries = written(path, count)
    found = read_intents(path)
    assert [intent.entries[0] for intent in found] == entries[-SLOTS:]
    assert [intent.number for intent in found] == list(range(max(1, count - SLOTS + 1), count + 1))
    assert all(intent.marks[CHANNEL].version == intent.first for intent in found)


@pytest.mark.parametrize("count", [3, SLOTS, 2 * SLOTS + 3])
def test_only_the_write_after_the_newest_may_have_been_cut_short(path: Path, count: int) -> None:
    written(path, count)
    before = path.read_bytes()
    damage(path, count + 1)  # its slot holds the oldest record, or nothing yet
    kept = read_intents(path)
    assert [intent.number for intent in kept] == list(range(max(1, count - SLOTS + 2), count + 1))
    path.write_bytes(before)
    damage(path, count)  # the newest itself cannot be told from that
    assert read_intents(path)[-1].number == count - 1
    for number in range(max(2, count - SLOTS + 2), count):
        path.write_bytes(before)
        damage(path, number)
        with pytest.raises(UserFault) as refused:
            read_intents(path)
        assert refused.value.reason is Reason.CORRUPT
        with pytest.raises(UserFault):
            IntentFile.open(path)


def test_entries_are_taken_up_by_the_journal_they_follow_and_by_no_other(path: Path) -> None:
    entries = written(path, 5)
    found = read_intents(path)
    chain = entry_chain(entry_chain(NO_CHAIN, entries[0]), entries[1])
    assert list(entries_after(found, ID, 0, NO_CHAIN)) == entries
    assert list(entries_after(found, ID, 2, chain)) == entries[2:]
    assert list(entries_after(found, ID, 5, chain)) == []
    assert list(entries_after(found, ID, 2, bytes(8))) == []  # as many entries, but others
    assert list(entries_after(found, OTHER, 0, NO_CHAIN)) == []
    assert list(entries_after(found[3:], ID, 2, chain)) == []  # a gap


def test_what_is_too_large_is_left_to_the_journal_and_a_full_ring_is_not_written_over(path: Path) -> None:
    file = IntentFile.open(path)
    assert not file.write(ID, 1, NO_CHAIN, (bytes(SLOT_BYTES),), {})
    assert read_intents(path) == []
    for number in range(1, SLOTS + 1):
        assert file.write(ID, number, NO_CHAIN, (b"",), {})
    assert file.is_full
    with pytest.raises(InvariantBroken, match="full"):
        file.write(ID, SLOTS + 1, NO_CHAIN, (b"",), {})
    file.keep()
    assert file.write(ID, SLOTS + 1, NO_CHAIN, (b"",), {})
    file.close()
    with pytest.raises(InvariantBroken, match="closed"):
        file.write(ID, SLOTS + 2, NO_CHAIN, (b"",), {})


def test_a_ring_is_not_created_over_records(path: Path) -> None:
    IntentFile.create(path)
    written(path, 1)
    with pytest.raises(UserFault) as refused:
        IntentFile.create(path)
    assert refused.value.reason is Reason.EXISTS
