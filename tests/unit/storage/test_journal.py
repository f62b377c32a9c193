"""The journal: order, atomicity, replay, compaction, migrations, and what it refuses."""

import contextlib
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from thalweg.errors import InvariantBroken, Reason, Unavailable, UserFault
from thalweg.node.ports import Journal
from thalweg.storage import SqliteJournal, new_journal_id
from thalweg.storage.journal import ENTRY_BYTES_MAX
from thalweg.storage.tables import MIGRATIONS, Migration

VERSION_1 = Path(__file__).parents[2] / "vectors" / "journal-1.sqlite3"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite3"
    SqliteJournal.create(path, new_journal_id())
    return path


@contextlib.contextmanager
def opened(path: Path) -> Iterator[SqliteJournal]:
    with contextlib.closing(SqliteJournal.open(path)) as journal:
        yield journal


def content(path: Path) -> tuple[bytes | None, list[bytes]]:
    with opened(path) as journal:
        return journal.snapshot(), list(journal.entries())


def test_it_is_a_journal(path: Path) -> None:
    with opened(path) as journal:
        port: Journal = journal
        assert list(port.entries()) == []
        assert port.snapshot() is None


def test_entries_come_back_in_order_and_byte_for_byte(path: Path) -> None:
    entries = [b"", b"\0", b"first", bytes(range(256)) * 100, b"first"]
    with opened(path) as journal:
        journal.append(entries[:1])
        journal.append(iter(entries[1:]))
        journal.append([])
        assert list(journal.entries()) == entries
    assert content(path) == (None, entries)
    assert content(path) == (None, entries)


def test_thousands_of_entries_come_back_across_checkpoints(path: Path) -> None:
    entries = [number.to_bytes(4) * 300 for number in range(3000)]
    with opened(path) as journal:
        for start in range(0, 3000, 300):
            journal.append(entries[start : start + 300])
    assert content(path) == (None, entries)


def test_a_snapshot_replaces_what_was_written_before_it(path: Path) -> None:
    with opened(path) as journal:
        journal.append([b"one", b"two"])
        journal.compact(b"one and two")
        assert (journal.snapshot(), list(journal.entries())) == (b"one and two", [])
        journal.append([b"three"])
        assert journal.seq == 3
    assert content(path) == (b"one and two", [b"three"])
    with opened(path) as journal:
        journal.compact(b"all three")
        journal.compact(b"all three again")
        journal.append([b"four"])
        assert journal.seq == 4
    assert content(path) == (b"all three again", [b"four"])


def test_appending_while_reading_is_fine(path: Path) -> None:
    with opened(path) as journal:
        journal.append([b"x"] * 600)
        reading = iter(journal.entries())
        next(reading)
        journal.append([b"y"])
        assert list(reading)[-1] == b"y"


def test_entries_of_a_call_are_written_all_or_none(path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"never"
        raise KeyError

    with opened(path) as journal:
        journal.append([b"before"])
        with pytest.raises(KeyError):
            journal.append(failing())
        with pytest.raises(InvariantBroken, match="over the limit"):
            journal.append([b"never", bytes(ENTRY_BYTES_MAX + 1)])
        journal.append([b"after"])
    assert content(path) == (None, [b"before", b"after"])


def test_every_start_counts_and_the_id_stays(tmp_path: Path) -> None:
    path, journal_id = tmp_path / "journal.sqlite3", new_journal_id()
    SqliteJournal.create(path, journal_id)
    for generation in (1, 2, 3):
        with opened(path) as journal:
            assert (journal.identity.id, journal.identity.generation) == (journal_id, generation)


def test_only_the_owner_may_read_it(path: Path) -> None:
    with opened(path) as journal:
        journal.append([b"secret"])
        files = list(path.parent.iterdir())
        assert len(files) == 3
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_an_existing_journal_is_not_created_again(path: Path) -> None:
    with pytest.raises(UserFault) as refused:
        SqliteJournal.create(path, new_journal_id())
    assert refused.value.reason is Reason.EXISTS


def test_what_a_crash_left_of_creating_one_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    for name in ("journal.sqlite3.new", "journal.sqlite3.new-wal", "journal.sqlite3-wal"):
        (tmp_path / name).write_bytes(b"left over")
    SqliteJournal.create(path, new_journal_id())
    assert content(path) == (None, [])
    assert [file.name for file in tmp_path.iterdir()] == ["journal.sqlite3"]


def test_a_missing_journal_is_refused_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(UserFault) as refused:
        SqliteJournal.open(tmp_path / "journal.sqlite3")
    assert refused.value.reason is Reason.NOT_FOUND
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0", b"not a database" * 100])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(damage)
    with pytest.raises(UserFault) as refused:
        SqliteJournal.open(path)
    assert refused.value.reason is Reason.CORRUPT
    assert path.read_bytes() == damage


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE entries (seq, entry, chain)")
    with pytest.raises(UserFault) as refused:
        SqliteJournal.open(path)
    assert refused.value.reason is Reason.CORRUPT


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET entry = x'00' WHERE seq = 3",
        "UPDATE entries SET entry = 'text' WHERE seq = 3",
        "UPDATE entries SET chain = x'00' WHERE seq = 5",
        "DELETE FROM entries WHERE seq = 4",
        "DELETE FROM entries WHERE seq = 3",
        "UPDATE entries SET seq = 9 WHERE seq = 5",
        "DELETE FROM snapshot",
        "UPDATE snapshot SET snapshot = x'00'",
        "UPDATE snapshot SET seq = 1",
        "UPDATE record SET generation = generation + 1",
        "UPDATE record SET id = x'00'",
        "DELETE FROM record",
        "DROP TABLE snapshot",
        "PRAGMA user_version = 0",
    ],
)
def test_rows_that_are_not_as_written_are_refused(path: Path, change: str) -> None:
    with opened(path) as journal:
        journal.append([b"one", b"two"])
        journal.compact(b"both")
        journal.append([b"three", b"four", b"five"])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(change)
    for _ in range(2):
        with pytest.raises(UserFault) as refused:
            SqliteJournal.open(path)
        assert refused.value.reason is Reason.CORRUPT
        assert "restore" in refused.value.detail


def test_a_truncated_database_is_refused(path: Path) -> None:
    with opened(path) as journal:
        journal.append([bytes(1000)] * 40)
    size = path.stat().st_size
    for length in (size - 1, size - 4096, size // 2, 4096, 100, 99):
        with path.open("r+b") as file:
            file.truncate(length)
        with pytest.raises(UserFault) as refused:
            SqliteJournal.open(path)
        assert refused.value.reason is Reason.CORRUPT


def test_a_journal_of_a_newer_release_is_refused_and_left_as_it_is(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {MIGRATIONS[-1].number + 1}")
        connection.execute("DROP TABLE record")
    before = path.read_bytes()
    with pytest.raises(UserFault, match="newer release") as refused:
        SqliteJournal.open(path)
    assert refused.value.reason is Reason.NEWER
    assert path.read_bytes() == before


def test_a_journal_written_by_the_first_release_opens(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    shutil.copy(VERSION_1, path)
    with opened(path) as journal:
        assert (journal.identity.id, journal.identity.generation) == (bytes(range(16)), 2)
        assert journal.snapshot() == b"what came before"
        assert list(journal.entries()) == [b"three", b"four " * 2000]
        assert journal.seq == 4


def test_a_migration_changes_tables_and_keeps_every_entry(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    shutil.copy(VERSION_1, path)
    later = (*MIGRATIONS, Migration(MIGRATIONS[-1].number + 1, ("ALTER TABLE snapshot ADD COLUMN note TEXT",)))
    for generation in (2, 3):
        with contextlib.closing(SqliteJournal.open(path, later)) as journal:
            assert (journal.snapshot(), len(list(journal.entries()))) == (b"what came before", 2)
            assert journal.identity.generation == generation
    with pytest.raises(UserFault) as refused:
        SqliteJournal.open(path)
    assert refused.value.reason is Reason.NEWER


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with opened(path) as journal:
        journal.append([b"kept"])
    newest = MIGRATIONS[-1].number
    broken = (*MIGRATIONS, Migration(newest + 1, ("ALTER TABLE entries ADD COLUMN note TEXT", "SELECT nonsense")))
    with pytest.raises(UserFault):
        SqliteJournal.open(path, broken)
    assert content(path) == (None, [b"kept"])


def test_a_full_disk_stops_the_journal_and_loses_nothing(path: Path) -> None:
    with opened(path) as journal:
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages + 10}")
        written, message = append_until_refused(journal)
        assert "disk full: no room" in message
        assert "free some space" in message
        for call in (lambda: journal.append([b"more"]), lambda: journal.compact(b"state"), journal.snapshot):
            with pytest.raises(InvariantBroken, match="disk full"):
                call()
    assert written > 0
    assert content(path) == (None, [bytes(1000)] * written)


def test_a_full_disk_during_compaction_leaves_the_entries(path: Path) -> None:
    with opened(path) as journal:
        journal.append([b"one"])
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(InvariantBroken, match="disk full"):
            journal.compact(bytes(100_000))
    assert content(path) == (None, [b"one"])


def test_a_file_size_limit_stops_the_journal_and_loses_nothing(path: Path) -> None:
    with opened(path) as journal, file_size_limit(100_000):
        written, message = append_until_refused(journal)
    assert "file size limit" in message
    assert written > 0
    _, entries = content(path)
    assert entries[:written] == [bytes(1000)] * written
    assert len(entries) <= written + 1


def test_no_room_for_a_new_journal_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with file_size_limit(5000), pytest.raises(Unavailable):
        SqliteJournal.create(path, new_journal_id())
    assert not path.exists()
    SqliteJournal.create(path, new_journal_id())
    assert content(path) == (None, [])


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    journal = SqliteJournal.open(path)
    journal.close()
    journal.close()
    for call in (lambda: journal.append([b"x"]), journal.snapshot, lambda: list(journal.entries())):
        with pytest.raises(InvariantBroken, match="closed"):
            call()


def append_until_refused(journal: SqliteJournal) -> tuple[int, str]:
    """Append entries of 1,000 bytes; return how many were taken, and why no more."""
    for written in range(1000):
        try:
            journal.append([bytes(1000)])
        except InvariantBroken as error:
            return written, str(error)
    pytest.fail("the journal took everything")


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Have writes beyond `size` fail, as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
