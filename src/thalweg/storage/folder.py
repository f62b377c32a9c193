"""The data folder: where things lie, who may read them, and that only one process uses them.

    <folder>/                  0700
      lock                     the lease: held by flock while a process uses the folder; names its pid
      journal.sqlite3          the journal (with -wal and -shm beside it while open)
      keystore/                0700
        seed.json              the seed's entropy, Ethereum V3 encrypted; written last, so it means "complete"
        journal.json           which journal is this keystore's own (`identity`)
        marks-0                what channel key 0 signed (`marks`)
          intents                what is about to be signed, and the journal entries that lead to it (`intents`)

Files are 0600. Whatever is replaced is replaced whole: written beside, synced, renamed, and the folder synced.
Unix only: the lease needs flock.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Final, Self

from thalweg.errors import Reason, Unavailable, UserFault

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
JOURNAL: Final = "journal.sqlite3"
INTENTS: Final = "keystore/intents"
CONTENT_BYTES_MAX: Final = 1 << 20  # of one small file: keystore, identity, password

_PID_BYTES_MAX: Final = 20
_DSYNC: Final[int] = getattr(os, "RWF_DSYNC", 0)  # Linux: write and sync in one call, a third faster than in two


def write_synced(descriptor: int, content: bytes, offset: int) -> None:
    """Write in place; durable, down to the medium, on return. One call to the system where it has one for that.

    Raises:
        OSError: the disk failed or is full; what it holds is unknown until it is read again.
    """
    try:
        written = _write_and_sync(descriptor, content, offset) if _DSYNC else 0
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        written = 0
    if not written:
        written = os.pwrite(descriptor, content, offset)
        _sync(descriptor)
    if written != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_and_sync(descriptor: int, content: bytes, offset: int) -> int:
    return os.pwritev(descriptor, [content], offset, _DSYNC)


def _sync(descriptor: int) -> None:
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync alone leaves it in the drive's cache
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def sync_folder(path: Path) -> None:
    """Make names created, replaced or removed in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file by `content`: after a crash at any point it holds the old bytes or the new ones.

    Raises:
        Unavailable: DISK_FULL or UNREACHABLE; the old file is as it was.
    """
    beside = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise disk_fault(error, path) from error


def read_whole(path: Path) -> bytes:
    """Return a small file's bytes.

    Raises:
        UserFault: NOT_FOUND, OVERSIZED or UNREACHABLE (it cannot be read), naming the file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(CONTENT_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise UserFault(Reason.NOT_FOUND, f"{path} does not exist") from error
    except OSError as error:
        raise UserFault(Reason.UNREACHABLE, f"cannot read {path}: {error.strerror}") from error
    if len(content) > CONTENT_BYTES_MAX:
        raise UserFault(Reason.OVERSIZED, f"{path} is larger than {CONTENT_BYTES_MAX} bytes")
    return content


def is_full(error: OSError) -> bool:
    """Say whether the disk, the quota or the file size limit is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk_fault(error: OSError, path: Path) -> Unavailable:
    """Return what to raise for a write to `path` that failed."""
    if is_full(error):
        return Unavailable(Reason.DISK_FULL, f"no room to write {path}: free some space and try again")
    return Unavailable(Reason.UNREACHABLE, f"cannot write {path}: {error.strerror}")


class DataFolder:
    """A data folder this process holds the lease of, until `close`."""

    def __init__(self, path: Path, lease: int) -> None:
        self.path = path
        self._lease = lease

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make the folder (or take an empty one) and hold it.

        Raises:
            UserFault: EXISTS, if it already holds something else; LOCKED, if another process holds it.
            Unavailable: it cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            strangers = sorted(entry.name for entry in path.iterdir() if entry.name not in ("lock", "keystore"))
            if strangers:
                raise UserFault(Reason.EXISTS, f"{path} is not empty (it holds {strangers[0]}): name a new folder")
            path.chmod(FOLDER_MODE)
            (path / "keystore").mkdir(exist_ok=True, mode=FOLDER_MODE)
        except OSError as error:
            raise disk_fault(error, path) from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Hold an existing folder.

        Raises:
            UserFault: NOT_FOUND; EXPOSED, if others may read it; LOCKED, naming the process that holds it.
        """
        if not (path / "keystore").is_dir():
            raise UserFault(Reason.NOT_FOUND, f"{path} is not a data folder: create it with `thalweg init`")
        if path.stat().st_mode & 0o077:
            raise UserFault(Reason.EXPOSED, f"other users may open {path}, which holds keys: run `chmod 700 {path}`")
        try:
            lease = os.open(path / "lock", os.O_RDWR | os.O_CREAT, FILE_MODE)
        except OSError as error:
            raise disk_fault(error, path) from error
        try:
            _hold(lease, path)
        except BaseException:
            os.close(lease)
            raise
        return cls(path, lease)

    @property
    def journal(self) -> Path:
        """Return where the journal lies."""
        return self.path / JOURNAL

    @property
    def seed(self) -> Path:
        """Return where the encrypted seed lies. It is written last: where it exists, the keystore is complete."""
        return self.path / "keystore" / "seed.json"

    @property
    def journal_record(self) -> Path:
        """Return where the keystore notes which journal is its own."""
        return self.path / "keystore" / "journal.json"

    def marks(self, index: int) -> Path:
        """Return where the marks of a channel key lie."""
        return self.path / "keystore" / f"marks-{index}"

    @property
    def intents(self) -> Path:
        """Return where lies what is about to be signed."""
        return self.path / INTENTS

    def close(self) -> None:
        """Let another process have the folder."""
        if self._lease >= 0:
            os.close(self._lease)
            self._lease = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _hold(lease: int, path: Path) -> None:
    """Take the lease and write our pid into it. The file is never removed: that would let two hold two files."""
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lease, _PID_BYTES_MAX, 0).decode("ascii", "replace").strip() or "unknown"
        raise UserFault(
            Reason.LOCKED, f"{path} is in use by process {holder}: stop it first, or use another folder"
        ) from error
    os.ftruncate(lease, 0)
    os.pwrite(lease, f"{os.getpid()}\n".encode(), 0)
