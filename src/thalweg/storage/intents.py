"""What is about to be signed, and the journal entries it follows from, in one record: one sync for both.

A fixed ring of slots beside the marks, written with zeros and synced before use, so a record is one pwrite in place and
one fdatasync. Each holds entries that the journal does not have yet and the marks that the mark file does not have yet;
when the ring is full both are brought up to date (`store`), and the ring is written over from its first slot. Every
record is synced before the next, so a crash can cut short only the last one, of which nothing was signed.

    magic (HEADER_BYTES) | slot 0 | slot 1 ...        slot: checksum | length | record (MessagePack) | zeros
"""

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec

from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.ports import JournalIdentity, Mark
from thalweg.storage.folder import disk_fault, is_full, sync_data, write_whole
from thalweg.units import ChannelId

SLOTS: Final = 16
SLOT_BYTES: Final = 16_384
HEADER_BYTES: Final = 4096

_HEADER: Final = b"THALWEG INTENTS 1\n".ljust(HEADER_BYTES, b"\0")
_EMPTY: Final = _HEADER + bytes(SLOTS * SLOT_BYTES)
_FILE_BYTES: Final = len(_EMPTY)
_CHECKSUM_BYTES: Final = 16
_LENGTH: Final = struct.Struct(">I")
_FRAME_BYTES: Final = _CHECKSUM_BYTES + _LENGTH.size


class Intent(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One record: `entries` are those numbered from `first` on in that journal, in that run of it."""

    journal_id: bytes
    generation: int
    first: Annotated[int, msgspec.Meta(ge=1)]
    entries: tuple[bytes, ...]
    marks: dict[ChannelId, Mark]

    @property
    def last(self) -> int:
        """Return the number of its last entry."""
        return self.first + len(self.entries) - 1


class IntentFile:
    """The open ring. `create` once, then `open` once a start."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._next = 0
        self._failure = ""

    @classmethod
    def create(cls, path: Path) -> None:
        """Write an empty ring, durably.

        Raises:
            UserFault: EXISTS, if one is there that is not empty.
            Unavailable: the disk failed or is full.
        """
        if path.exists() and path.read_bytes() != _EMPTY:
            raise UserFault(Reason.EXISTS, f"{path} holds intents already: name a new folder")
        write_whole(path, _EMPTY)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the ring for writing from its first slot on; `read_intents` must have been heeded before.

        Raises:
            UserFault: CORRUPT, if it is missing or not such a file.
            Unavailable: the disk failed.
        """
        read_intents(path)
        try:
            return cls(path, os.open(path, os.O_RDWR))
        except OSError as error:
            raise disk_fault(error, path) from error

    @property
    def is_full(self) -> bool:
        """Say whether every slot is written: what they hold must be kept elsewhere before `start_over`."""
        return self._next == SLOTS

    def write(self, intent: Intent) -> bool:
        """Write a record; it is durable on return. False, with nothing written, where it is larger than a slot.

        Raises:
            InvariantBroken: the disk failed, or the ring is full; nothing may be signed after it.
        """
        if self._failure:
            raise InvariantBroken(self._failure)
        record = msgspec.msgpack.encode(intent)
        if len(record) > SLOT_BYTES - _FRAME_BYTES:
            return False
        if self.is_full:
            raise InvariantBroken(f"{self._path} is full: its records were not kept elsewhere")
        frame = _checksum(record) + _LENGTH.pack(len(record)) + record
        try:
            if os.pwrite(self._descriptor, frame, HEADER_BYTES + self._next * SLOT_BYTES) != len(frame):
                raise OSError(f"{len(frame)} bytes were not written whole")
            sync_data(self._descriptor)
        except OSError as error:
            reason = f"{Reason.DISK_FULL}: " if is_full(error) else ""
            self._failure = f"{reason}{self._path} cannot be written ({error}): check the disk, then start again"
            raise InvariantBroken(self._failure) from error
        self._next += 1
        return True

    def start_over(self) -> None:
        """Write over the ring from its first slot on: everything in it is kept elsewhere."""
        self._next = 0

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self._failure = self._failure or "the intents are closed"
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_intents(path: Path) -> list[Intent]:
    """Return the records that are whole, in the order of their entries; those the journal has by now among them.

    Raises:
        UserFault: CORRUPT, if the file is missing or is none.
        Unavailable: the disk failed.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise _corrupt(path, "it is missing") from error
    except OSError as error:
        raise disk_fault(error, path) from error
    if len(content) != _FILE_BYTES or content[:HEADER_BYTES] != _HEADER:
        raise _corrupt(path, "its header is damaged, or it was cut off")
    slots = (content[offset : offset + SLOT_BYTES] for offset in range(HEADER_BYTES, _FILE_BYTES, SLOT_BYTES))
    found = [intent for slot in slots if (intent := _decode(slot)) is not None]
    return sorted(found, key=lambda intent: (intent.generation, intent.first))


def clear_intents(path: Path) -> None:
    """Forget every record, durably: what they held is kept elsewhere.

    Raises:
        Unavailable: the disk failed or is full; they are as they were.
    """
    if path.read_bytes() != _EMPTY:
        write_whole(path, _EMPTY)


def entries_after(intents: Iterable[Intent], run: JournalIdentity, seq: int) -> Iterator[bytes]:
    """Yield the entries of a run of a journal that follow entry `seq` without a gap, from sorted intents.

    Those of another journal or run are not its own; those after a gap follow what an older copy has lost.
    """
    for intent in intents:
        if JournalIdentity(intent.journal_id, intent.generation) == run and intent.first <= seq + 1 <= intent.last:
            yield from intent.entries[seq + 1 - intent.first :]
            seq = intent.last


def _decode(slot: bytes) -> Intent | None:
    (length,) = _LENGTH.unpack_from(slot, _CHECKSUM_BYTES)
    record = slot[_FRAME_BYTES : _FRAME_BYTES + length]
    if len(record) != length or not record or slot[:_CHECKSUM_BYTES] != _checksum(record):
        return None
    try:
        return msgspec.msgpack.decode(record, type=Intent)
    except msgspec.DecodeError:
        return None


def _checksum(record: bytes) -> bytes:
    return hashlib.blake2b(record, digest_size=_CHECKSUM_BYTES, person=b"intent").digest()


def _corrupt(path: Path, what: str) -> UserFault:
    return UserFault(
        Reason.CORRUPT,
        f"{path}, the record of what this node was about to sign, cannot be used: {what}. Signing without it could "
        "lose money. Bring the keystore folder back, or restore a backup into a new folder: it will close its channels",
    )
