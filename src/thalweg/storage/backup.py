"""Backups: an encrypted copy of the journal, taken while the node runs; and the way back.

    MAGIC | header length (4) | header (JSON) | chunks: ChaCha20-Poly1305 of CHUNK_BYTES each, the last one shorter

The file's key is HKDF-SHA256 of the seed's backup key under the header's salt. A chunk's nonce is its number, the top
byte 1 for the last, and every chunk authenticates the header: nothing can be cut, swapped, or given another header.

A backup never replaces one that has more in it, and a restore never a journal that has. The keys are not in it: the
mnemonic brings them back. A restored journal gets a new id, which no keystore knows: the node starts recovering, since
nobody can say what was signed after the backup (`identity`).
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from thalweg.codec import encode
from thalweg.errors import Reason, UserFault
from thalweg.storage.folder import FILE_MODE, INTENTS, JOURNAL, DataFolder, disk_fault, sync_folder
from thalweg.storage.intents import Intent, entries_after, read_intents
from thalweg.storage.journal import SqliteJournal, new_journal_id, remove_log, rename_journal, sqlite_fault
from thalweg.storage.keys import Keys, create_keystore, unlock
from thalweg.storage.mnemonic import to_entropy
from thalweg.storage.tables import INSERT_ENTRY, check_header, entry_chain, read_identity, verify

CHUNK_BYTES: Final = 1 << 20
BACKUP_BYTES_MAX: Final = 1 << 36

_MAGIC: Final = b"THALWEG BACKUP 1\n"
_HEADER_BYTES_MAX: Final = 4096
_TAG_BYTES: Final = 16
_SALT_BYTES: Final = 32


class BackupHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose journal it is, and how far it goes."""

    journal_id: bytes
    generation: int
    entries: int  # ever appended, those a snapshot stands for included
    salt: bytes


def backup(path: Path, target: Path, keys: Keys) -> BackupHeader:
    """Write the journal of the data folder at `path` to `target`, consistent, whether or not its node runs.

    The copy is checked in full first, so a damaged journal never replaces a good backup.

    Raises:
        UserFault: NEWER, if `target` has more in it; EXISTS, if it is something else; CORRUPT or NOT_FOUND journal.
        Unavailable: the disk failed or is full; `target` is as it was.
    """
    journal = path / JOURNAL
    check_header(journal)
    copy = path / f"backup-{secrets.token_hex(8)}.tmp"
    try:
        intents = read_intents(path / INTENTS)  # before the journal, which has by then whatever leaves them
        header = _copy(journal, copy, intents)
        if target.exists():
            _check_target(target, header, keys)
        _encrypt(copy, target, header, keys)
    except OSError as error:
        raise disk_fault(error, target) from error
    finally:
        copy.unlink(missing_ok=True)
    return header


def restore(source: Path, path: Path, password: str, mnemonic: str | None = None) -> BackupHeader:
    """Bring the journal in the backup `source` into the data folder at `path`.

    With `mnemonic` the folder is made anew, under `password`; without, it is one that has its keystore and has lost
    its journal, or has an older one of the same id. The node will start recovering.

    Raises:
        UserFault: NEWER, if the folder's journal has all that the backup has; EXISTS, if it is another journal;
            LOCKED; WRONG_PASSWORD, if password or mnemonic do not open the backup; CORRUPT backup or journal.
        Unavailable: the disk failed or is full.
    """
    if mnemonic is None:
        with DataFolder.open(path) as folder:
            return _restore(source, folder, unlock(folder, password))
    _authentic_header(source, Keys(to_entropy(mnemonic)))
    with DataFolder.create(path) as folder:
        return _restore(source, folder, create_keystore(folder, password, mnemonic))


def read_header(source: Path) -> BackupHeader:
    """Return a backup's header, not yet authenticated.

    Raises:
        UserFault: NOT_FOUND, or CORRUPT, if it is not a backup.
    """
    with _opened(source) as file:
        return _read_header(file, source)[0]


def _copy(journal: Path, copy: Path, intents: list[Intent]) -> BackupHeader:
    """Copy a journal through SQLite: one read transaction, beside which the node goes on writing.

    What is acknowledged and still in the intents only is added to the copy.
    """
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))
    try:
        with (
            contextlib.closing(_read_only(journal, "mode=ro")) as live,
            contextlib.closing(sqlite3.connect(copy)) as to,
        ):
            live.backup(to)
            _take_up(to, journal, intents)
        with contextlib.closing(_read_only(copy, "immutable=1")) as still:
            identity, tail = read_identity(journal, still), verify(journal, still)
    except sqlite3.Error as error:
        raise sqlite_fault(journal, error) from error
    return BackupHeader(identity.id, identity.generation, tail.seq, secrets.token_bytes(_SALT_BYTES))


def _take_up(copy: sqlite3.Connection, journal: Path, intents: list[Intent]) -> None:
    """Add to a copy what follows it in the intents."""
    _, seq, chain = verify(journal, copy)
    for entry in entries_after(intents, read_identity(journal, copy).id, seq, chain):
        seq, chain = seq + 1, entry_chain(chain, entry)
        copy.execute(INSERT_ENTRY, (seq, entry, chain))
    copy.commit()


def _read_only(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _check_target(target: Path, header: BackupHeader, keys: Keys) -> None:
    try:
        there = _authentic_header(target, keys)
    except UserFault as error:
        raise UserFault(
            Reason.EXISTS, f"{target} is not a backup of this seed ({error.detail}): name another file"
        ) from error
    if there.journal_id != header.journal_id:
        raise UserFault(Reason.EXISTS, f"{target} is a backup of another journal of this seed: name another file")
    if there.generation > header.generation or there.entries > header.entries:
        raise UserFault(
            Reason.NEWER,
            f"{target} holds {there.entries} entries up to start {there.generation}, this journal {header.entries} up "
            f"to start {header.generation}: keep that backup, it may be the one that counts, and name another file",
        )


def _restore(source: Path, folder: DataFolder, keys: Keys) -> BackupHeader:
    header = _authentic_header(source, keys)
    if folder.journal.exists():
        _check_older(folder, header)
    else:
        remove_log(folder.journal)
    beside = folder.journal.with_name("journal.sqlite3.restore")
    try:
        remove_log(beside)
        _decrypt(source, beside, keys)
        rename_journal(beside, new_journal_id())
        os.replace(beside, folder.journal)
        sync_folder(folder.path)
    except OSError as error:
        raise disk_fault(error, folder.journal) from error
    finally:
        beside.unlink(missing_ok=True)
        remove_log(beside)
    return header


def _check_older(folder: DataFolder, header: BackupHeader) -> None:
    """Check that the folder's journal is an earlier state of the one in the backup. Closing it clears its log away."""
    with contextlib.closing(SqliteJournal.open(folder.journal)) as journal:
        started = journal.identity.generation - 1
        behind = entries_after(read_intents(folder.intents), journal.identity.id, journal.seq, journal.chain)
        entries = journal.seq + len(list(behind))
        if journal.identity.id != header.journal_id:
            raise UserFault(
                Reason.EXISTS, f"{folder.journal} is not the journal this backup was made of: name a new folder"
            )
        if started > header.generation or entries >= header.entries:
            raise UserFault(
                Reason.NEWER,
                f"{folder.journal} holds {entries} entries up to start {started}, the backup {header.entries} up to "
                f"start {header.generation}: nothing would be gained, so nothing was changed",
            )


def _encrypt(copy: Path, target: Path, header: BackupHeader, keys: Keys) -> None:
    """Write the backup beside `target`, sync it, and put it in place."""
    size = copy.stat().st_size
    if size > BACKUP_BYTES_MAX:
        raise UserFault(Reason.OVERSIZED, f"a journal of {size} bytes is too large to back up: compact it first")
    encoded = encode(header)
    preamble = _MAGIC + len(encoded).to_bytes(4) + encoded
    cipher = _cipher(keys, header)
    beside = target.with_name(target.name + ".new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file, copy.open("rb") as plain:
            file.write(preamble)
            for number, (chunk, is_last) in enumerate(_chunks(plain, CHUNK_BYTES)):
                file.write(cipher.encrypt(_nonce(number, is_last), chunk, preamble))
            file.flush()
            os.fsync(descriptor)
        os.replace(beside, target)
        sync_folder(target.absolute().parent)
    finally:
        beside.unlink(missing_ok=True)


def _decrypt(source: Path, target: Path, keys: Keys) -> None:
    """Write the journal in a backup to `target`, every chunk checked.

    Raises:
        UserFault: CORRUPT.
    """
    with _opened(source) as file:
        header, preamble = _read_header(file, source)
        cipher = _cipher(keys, header)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as plain:
            for number, (chunk, is_last) in enumerate(_chunks(file, CHUNK_BYTES + _TAG_BYTES)):
                plain.write(_open_chunk(cipher, number, is_last, chunk, preamble, source))
            plain.flush()
            os.fsync(descriptor)


def _authentic_header(source: Path, keys: Keys) -> BackupHeader:
    """Return a backup's header, authenticated by its first chunk.

    Raises:
        UserFault: NOT_FOUND; CORRUPT, if it is no backup; WRONG_PASSWORD, if it is not of this seed.
    """
    with _opened(source) as file:
        header, preamble = _read_header(file, source)
        chunk, is_last = next(_chunks(file, CHUNK_BYTES + _TAG_BYTES), (b"", True))
    try:
        _cipher(keys, header).decrypt(_nonce(0, is_last), chunk, preamble)
    except InvalidTag as error:
        raise UserFault(
            Reason.WRONG_PASSWORD, f"{source} was made with another mnemonic, or its beginning is damaged"
        ) from error
    return header


def _opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except FileNotFoundError as error:
        raise UserFault(Reason.NOT_FOUND, f"{source} does not exist") from error
    except OSError as error:
        raise UserFault(Reason.UNREACHABLE, f"cannot read {source}: {error.strerror}") from error


def _read_header(file: BinaryIO, source: Path) -> tuple[BackupHeader, bytes]:
    start = file.read(len(_MAGIC) + 4)
    size = int.from_bytes(start[len(_MAGIC) :])
    if start[: len(_MAGIC)] != _MAGIC or not 0 < size <= _HEADER_BYTES_MAX:
        raise UserFault(Reason.CORRUPT, f"{source} is not a backup")
    encoded = file.read(size)
    try:
        return msgspec.json.decode(encoded, type=BackupHeader), start + encoded
    except msgspec.DecodeError as error:
        raise UserFault(Reason.CORRUPT, f"the header of the backup {source} is damaged: {error}") from error


def _cipher(keys: Keys, header: BackupHeader) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt=header.salt, info=b"thalweg backup file").derive(keys.backup))


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """Yield pieces of `size` bytes and whether each is the last, up to BACKUP_BYTES_MAX."""
    chunk = file.read(size)
    for _ in range(BACKUP_BYTES_MAX // CHUNK_BYTES + 1):
        following = file.read(size)
        yield chunk, not following
        if not following:
            return
        chunk = following


def _nonce(number: int, is_last: bool) -> bytes:
    return bytes((is_last,)) + number.to_bytes(11)


def _open_chunk(
    cipher: ChaCha20Poly1305, number: int, is_last: bool, chunk: bytes, preamble: bytes, source: Path
) -> bytes:
    try:
        return cipher.decrypt(_nonce(number, is_last), chunk, preamble)
    except InvalidTag as error:
        raise UserFault(
            Reason.CORRUPT, f"{source} is damaged or cut off at part {number + 1}: use another backup"
        ) from error
