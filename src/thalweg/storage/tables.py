"""The journal's tables: numbered migrations, and what each row's checksum covers.

A migration, once released, is never changed; a new one is added below it. All that are due run in one transaction.
A file of a newer schema than ours is refused: an older release cannot know what it would lose.

    record    one row: which journal this is, and how often it was started
    snapshot  at most one row: what all entries up to `seq` amount to
    entries   what was appended since; `seq` has no gaps and is never used again

Checksums are 8 bytes of BLAKE2b. Each entry's covers the one before it, so entries cannot go missing in between, be
swapped or changed. They guard against disks, not against people: whoever can write the file can write checksums.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.node.ports import JournalIdentity

APPLICATION_ID: Final = 0x54_48_57_47  # "THWG" in the header of the file: https://www.sqlite.org/fileformat2.html
NO_CHAIN: Final = bytes(8)  # what the first entry follows
INSERT_ENTRY: Final = "INSERT INTO entries (seq, entry, chain) VALUES (?, ?, ?)"

_HEADER_BYTES: Final = 100
_SQLITE_MAGIC: Final = b"SQLite format 3\x00"
_WAL_FORMAT: Final = b"\x02\x02"
_ROWS_READ: Final = 256
_SELECT: Final = "SELECT seq, entry, chain FROM entries WHERE seq > ? ORDER BY seq LIMIT ?"


class Tail(NamedTuple):
    """Where a journal ends: the entries in it are `base` + 1 to `seq`; `chain` is the checksum of the last."""

    base: int
    seq: int
    chain: bytes


class Migration(NamedTuple):
    """One step from the schema before to `number`."""

    number: int
    statements: tuple[str, ...]


MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE TABLE record (one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL,"
            " generation INTEGER NOT NULL, checksum BLOB NOT NULL)",
            "CREATE TABLE snapshot (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL,"
            " snapshot BLOB NOT NULL, chain BLOB NOT NULL)",
            "CREATE TABLE entries (seq INTEGER PRIMARY KEY, entry BLOB NOT NULL, chain BLOB NOT NULL)",
        ),
    ),
)


def entry_chain(before: bytes, entry: bytes) -> bytes:
    """Return the checksum of an entry that follows one whose checksum is `before`."""
    return hashlib.blake2b(before + entry, digest_size=8).digest()


def snapshot_chain(seq: int, snapshot: bytes) -> bytes:
    """Return the checksum of a snapshot that stands for all entries up to `seq`."""
    return hashlib.blake2b(seq.to_bytes(8) + snapshot, digest_size=8, person=b"snapshot").digest()


def record_checksum(identity: JournalIdentity, schema: int) -> bytes:
    """Return the checksum of the record row; it covers the number of the schema too."""
    content = schema.to_bytes(8) + identity.generation.to_bytes(8) + identity.id
    return hashlib.blake2b(content, digest_size=8, person=b"record").digest()


def corrupt(path: Path, what: str) -> UserFault:
    """Return what to raise for a journal that is not as it was written."""
    return UserFault(
        Reason.CORRUPT,
        f"{path}: {what}. Nothing was changed. Keep a copy of the folder, then move the journal away and "
        "run `thalweg restore` with your newest backup",
    )


def check_header(path: Path) -> None:
    """Look at the file's first bytes before SQLite does, which would take an empty or foreign file for its own.

    Raises:
        UserFault: NOT_FOUND or CORRUPT.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError as error:
        message = f"the journal {path} is missing: bring it back, or run `thalweg restore` with your newest backup"
        raise UserFault(Reason.NOT_FOUND, message) from error
    application = int.from_bytes(header[68:72])
    if len(header) < _HEADER_BYTES or header[:16] != _SQLITE_MAGIC or application != APPLICATION_ID:
        raise corrupt(path, "this is not a journal of ours")
    if header[18:20] != _WAL_FORMAT:
        raise corrupt(path, "the journal's header is damaged")


def schema_of(connection: sqlite3.Connection) -> int:
    """Return the number of the newest migration a file has had."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def install(
    connection: sqlite3.Connection, identity: JournalIdentity, migrations: tuple[Migration, ...] = MIGRATIONS
) -> None:
    """Run the migrations a file has not had and write its record row: one transaction. Autocommit mode is assumed."""
    have, newest = schema_of(connection), migrations[-1].number
    connection.execute("BEGIN IMMEDIATE")
    try:
        for migration in migrations:
            if migration.number > have:
                for statement in migration.statements:
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newest:d}")
        write_identity(connection, identity)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def migrate(path: Path, connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Bring a file up to the newest of `migrations`, all or none.

    Raises:
        UserFault: NEWER, if the file's schema is newer than that; CORRUPT, if it has none.
    """
    have, newest = schema_of(connection), migrations[-1].number
    if have > newest:
        raise UserFault(
            Reason.NEWER, f"the journal has schema {have}, this release knows {newest}: install the newer release"
        )
    if have < 1:
        raise corrupt(path, "it has no tables")
    identity = read_identity(path, connection)
    if have < newest:
        install(connection, identity, migrations)


def read_identity(path: Path, connection: sqlite3.Connection) -> JournalIdentity:
    """Return the id and the count of starts a file holds.

    Raises:
        UserFault: CORRUPT.
    """
    rows = connection.execute("SELECT id, generation, checksum FROM record").fetchall()
    journal_id, generation, checksum = rows[0] if rows else (None, None, None)
    if not isinstance(journal_id, bytes) or not isinstance(generation, int) or generation < 0:
        raise corrupt(path, "its record row is damaged")
    identity = JournalIdentity(journal_id, generation)
    if checksum != record_checksum(identity, schema_of(connection)):
        raise corrupt(path, "the checksum of its record row is wrong")
    return identity


def write_identity(connection: sqlite3.Connection, identity: JournalIdentity) -> None:
    """Write the record row."""
    checksum = record_checksum(identity, schema_of(connection))
    connection.execute(
        "INSERT OR REPLACE INTO record VALUES (1, ?, ?, ?)", (identity.id, identity.generation, checksum)
    )


def rows_after(connection: sqlite3.Connection, seq: int) -> Iterator[tuple[int, Any, Any]]:
    """Yield (seq, entry, chain) of the entries after `seq`, a few at a time, so that appending meanwhile is fine.

    In a file that is not verified yet the last two may be anything.
    """
    while rows := connection.execute(_SELECT, (seq, _ROWS_READ)).fetchall():
        yield from rows
        seq = rows[-1][0]


def verify(path: Path, connection: sqlite3.Connection) -> Tail:
    """Read every row and check that it is what was written.

    Raises:
        UserFault: CORRUPT.
    """
    base, chain = 0, NO_CHAIN
    for base, snapshot, chain in connection.execute("SELECT seq, snapshot, chain FROM snapshot"):
        if not isinstance(base, int) or not isinstance(snapshot, bytes) or chain != snapshot_chain(base, snapshot):
            raise corrupt(path, "the checksum of its snapshot is wrong")
    seq = base
    for number, entry, checksum in rows_after(connection, -1):
        chain = entry_chain(chain, entry) if isinstance(entry, bytes) else b""
        if number != seq + 1 or checksum != chain:
            raise corrupt(path, f"entry {number} is not the one that was written after entry {seq}")
        seq = number
    return Tail(base, seq, chain)
