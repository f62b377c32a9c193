"""The journal port on SQLite: write-ahead log, synchronous=FULL, one transaction and one sync per `append`.

- What is open is whole: `open` reads everything once and refuses a file that is not as it was written.
- After the first failed write nothing more is accepted: what the disk holds is known only by opening it again.
- One connection writes and checkpoints. A second that checkpoints beside a writer may corrupt the file in SQLite
  before 3.51.3 (https://www.sqlite.org/wal.html#walresetbug). Readers (backup) may be many.
- Checkpoints are ours, small and frequent, so that none takes longer than a few commits do
  (docs/decisions/0030-journal-on-sqlite.md has the measurements).

Any thread may call, one at a time.
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NoReturn, Self

from thalweg.errors import InvariantBroken, Reason, Unavailable, UserFault
from thalweg.node.ports import JournalIdentity, Mark
from thalweg.storage.folder import FILE_MODE, disk_fault, sync_folder
from thalweg.storage.identity import JOURNAL_ID_BYTES
from thalweg.storage.tables import (
    APPLICATION_ID,
    INSERT_ENTRY,
    MIGRATIONS,
    Migration,
    check_header,
    corrupt,
    entry_chain,
    install,
    migrate,
    read_identity,
    rows_after,
    snapshot_chain,
    verify,
    write_identity,
)
from thalweg.storage.wal import log_is_whole
from thalweg.units import ChannelId

ENTRY_BYTES_MAX: Final = 1 << 24
SNAPSHOT_BYTES_MAX: Final = 1 << 29

_PAGE_BYTES: Final = 4096
_CHECKPOINT_PAGES: Final = 256  # of log, before they are copied into the main file
_LOG_BYTES_KEPT: Final = 4 << 20  # the log is overwritten in place up to this size: no metadata to sync
_DISK_ERRORS: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_BUSY")


class SqliteJournal:
    """An open journal. `create` once, then `open` once a start."""

    def __init__(self, path: Path, connection: sqlite3.Connection, identity: JournalIdentity) -> None:
        self._path = path
        self._connection = connection
        self._identity = identity
        self._base, self._seq, self._chain = verify(path, connection)
        self._log_pages = 0
        self._failure = ""

    @classmethod
    def create(cls, path: Path, journal_id: bytes) -> None:
        """Write an empty journal, never started. After a crash it is there in full or not at all.

        Raises:
            UserFault: EXISTS, if there is a file already.
            Unavailable: the disk failed or is full.
        """
        if path.exists():
            raise UserFault(Reason.EXISTS, f"{path} is there already")
        beside = path.with_name(path.name + ".new")
        beside.unlink(missing_ok=True)
        remove_log(beside)
        remove_log(path)
        try:
            os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))
            with contextlib.closing(connect(beside)) as connection:
                connection.execute(f"PRAGMA page_size = {_PAGE_BYTES:d}")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
                connection.execute("PRAGMA journal_mode = WAL")
                install(connection, JournalIdentity(journal_id, 0))
            os.replace(beside, path)
            sync_folder(path.parent)
        except sqlite3.Error as error:
            raise sqlite_fault(path, error) from error
        except OSError as error:
            raise disk_fault(error, path) from error

    @classmethod
    def open(cls, path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> Self:
        """Check the whole journal, migrate it where its schema is older, and count this start, durably.

        Raises:
            UserFault: NOT_FOUND; CORRUPT; NEWER, if a newer release wrote it. It is left as it was.
            Unavailable: the disk failed or is full.
        """
        check_header(path)
        if not log_is_whole(path.with_name(path.name + "-wal")):
            raise corrupt(path, "its write-ahead log is damaged")
        try:
            with contextlib.ExitStack() as opened:
                connection = opened.enter_context(contextlib.closing(connect(path)))
                journal = cls._start(path, connection, migrations)
                opened.pop_all()
                return journal
        except sqlite3.Error as error:
            raise sqlite_fault(path, error) from error

    @classmethod
    def _start(cls, path: Path, connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> Self:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if mode != "wal" or answer != "ok":
            raise corrupt(path, answer if mode == "wal" else f"its journal mode is {mode}")
        migrate(path, connection, migrations)
        before = read_identity(path, connection)
        journal = cls(path, connection, JournalIdentity(before.id, before.generation + 1))
        journal._checkpoint()  # so that a log cut short in its last commit is not written on, but started over
        write_identity(connection, journal.identity)
        return journal

    @property
    def identity(self) -> JournalIdentity:
        """Return this journal's identity as of this start."""
        return self._identity

    @property
    def seq(self) -> int:
        """Return how many entries were ever appended."""
        return self._seq

    @property
    def chain(self) -> bytes:
        """Return the checksum of the last entry (or of the snapshot, where none followed): it covers all before it."""
        return self._chain

    def append(self, entries: Iterable[bytes], marks: Mapping[ChannelId, Mark] | None = None) -> None:
        """Write entries in order, all or none; they are durable on return. `marks` are left to the signer.

        Raises:
            InvariantBroken: an entry is too large, or the disk failed or is full; nothing may be signed after it.
        """
        self._check_alive()
        seq, chain, size = self._seq, self._chain, 0
        rows = []
        for entry in entries:
            seq, chain, size = seq + 1, entry_chain(chain, entry), size + len(entry)
            if len(entry) > ENTRY_BYTES_MAX:
                raise InvariantBroken(f"a journal entry of {len(entry)} bytes is over the limit of {ENTRY_BYTES_MAX}")
            rows.append((seq, entry, chain))
        if not rows:
            return
        try:
            if len(rows) == 1:
                self._connection.execute(INSERT_ENTRY, rows[0])
            else:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany(INSERT_ENTRY, rows)
                self._connection.execute("COMMIT")
            self._seq, self._chain = seq, chain
            self._count_log(size)
        except sqlite3.Error as error:
            self._fail(error)

    def snapshot(self) -> bytes | None:
        """Return the newest snapshot, if any."""
        self._check_alive()
        row = self._connection.execute("SELECT snapshot FROM snapshot").fetchone()
        return row[0] if row else None

    def entries(self) -> Iterator[bytes]:
        """Yield the entries after the newest snapshot, in order."""
        self._check_alive()
        for _, entry, _ in rows_after(self._connection, self._base):
            yield entry

    def compact(self, snapshot: bytes) -> None:
        """Replace everything written so far by `snapshot`, atomically.

        Raises:
            InvariantBroken: it is too large, or the disk failed or is full.
        """
        self._check_alive()
        if len(snapshot) > SNAPSHOT_BYTES_MAX:
            raise InvariantBroken(f"a snapshot of {len(snapshot)} bytes is over the limit of {SNAPSHOT_BYTES_MAX}")
        chain = snapshot_chain(self._seq, snapshot)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM entries")
            self._connection.execute(
                "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?)", (self._seq, snapshot, chain)
            )
            self._connection.execute("COMMIT")
            self._base, self._chain = self._seq, chain
            self._checkpoint()
        except sqlite3.Error as error:
            self._fail(error)

    def close(self) -> None:
        """Close the file; what was appended is in it. Closing twice is fine."""
        self._failure = self._failure or "the journal is closed"
        self._connection.close()

    def _count_log(self, size: int) -> None:
        self._log_pages += 1 + size // _PAGE_BYTES
        if self._log_pages >= _CHECKPOINT_PAGES:
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Copy the log into the main file, so that the next write starts the log over. Waits for nobody."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._log_pages = 0

    def _check_alive(self) -> None:
        if self._failure:
            raise InvariantBroken(self._failure)

    def _fail(self, error: sqlite3.Error) -> NoReturn:
        """Accept nothing more: what was acknowledged is safe, what the disk did with the rest is unknown."""
        reason, story = _story(self._path, error)
        self._failure = f"{reason}: {story}"
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        raise InvariantBroken(self._failure) from error


def new_journal_id() -> bytes:
    """Return the random id of a journal to come."""
    return secrets.token_bytes(JOURNAL_ID_BYTES)


def rename_journal(path: Path, journal_id: bytes) -> None:
    """Give a closed journal another id, so that no keystore knows it. Checks all of it first.

    Raises:
        UserFault: CORRUPT or NEWER, as `SqliteJournal.open`.
        Unavailable: the disk failed or is full.
    """
    with contextlib.closing(SqliteJournal.open(path)) as journal:
        try:
            write_identity(journal._connection, JournalIdentity(journal_id, journal.identity.generation))
        except sqlite3.Error as error:
            raise sqlite_fault(path, error) from error


def remove_log(path: Path) -> None:
    """Remove what SQLite keeps beside a journal that is itself gone, or about to be replaced."""
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def connect(path: Path) -> sqlite3.Connection:
    """Open a file for writing as a journal needs it: autocommit, every commit synced, checkpoints left to us."""
    with contextlib.ExitStack() as opened:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        opened.callback(connection.close)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: down to the medium; elsewhere it changes nothing
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES_KEPT:d}")
        opened.pop_all()
        return connection


def _story(path: Path, error: sqlite3.Error) -> tuple[Reason, str]:
    """Return what the disk did. SQLite knows a full disk, but not a quota or a size limit from a failing one."""
    name = getattr(error, "sqlite_errorname", "")
    safe = "everything acknowledged is in it"
    if name == "SQLITE_FULL":
        return Reason.DISK_FULL, f"no room for the journal {path}; {safe}: free some space and start again"
    what = f"the journal {path} could not be written ({name}: {error}); {safe}"
    return Reason.UNREACHABLE, f"{what}: check the disk, the quota and the file size limit, then start again"


def sqlite_fault(path: Path, error: sqlite3.Error) -> Unavailable | UserFault:
    """Return what to raise where SQLite could not use a journal: the disk is to blame, or what is written on it."""
    if getattr(error, "sqlite_errorname", "").startswith(_DISK_ERRORS):
        return Unavailable(*_story(path, error))
    return corrupt(path, str(error))
