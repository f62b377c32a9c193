"""What is about to be signed, and the journal entries it follows from, in one record: one sync for both.

A fixed ring of slots beside the marks, written with zeros and synced before use, so a record is one write in place and
one sync. Each holds entries that the journal does not have yet and the marks that the mark file does not have yet;
before the ring would be written over, both are brought up to date (`store`). Records are numbered, and record n lies in
slot n modulo SLOTS. Every record is synced before the next, so a crash can cut short only the one after the newest, of
which nothing was signed; any other damage is rot, and is refused. (Rot of the newest itself looks like a write cut
short: what was signed last could then be signed anew. Until the ring was, rot had to hit journal and marks for that.)

A record says which entry of which journal it follows, by that entry's checksum, which covers all before it: it is taken
up by that journal or a copy of it, and by nothing else that comes to the same count.

    magic (HEADER_BYTES) | slot 0 | slot 1 ...        slot: checksum | length | record (MessagePack) | anything
"""

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Self

import msgspec

from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.ports import Mark
from thalweg.storage.folder import disk_fault, is_full, write_synced, write_whole
from thalweg.storage.tables import entry_chain
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
    """One record: `entries` are those from `first` on, in the journal whose entry before has the checksum `after`."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    journal_id: bytes
    first: Annotated[int, msgspec.Meta(ge=1)]
    after: bytes
    entries: tuple[bytes, ...]
    marks: dict[ChannelId, Mark]


class IntentFile:
    """The open ring. `create` once, then `open` once a start."""

    def __init__(self, path: Path, descriptor: int, newest: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._newest = newest
        self._kept = newest  # what records up to this one hold is elsewhere too
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
        """Open the ring for writing; whatever `read_intents` returned must be kept elsewhere by now.

        Raises:
            UserFault: CORRUPT, if it is missing or damaged.
            Unavailable: the disk failed.
        """
        found = read_intents(path)
        try:
            return cls(path, os.open(path, os.O_RDWR), found[-1].number if found else 0)
        except OSError as error:
            raise disk_fault(error, path) from error

    @property
    def is_full(self) -> bool:
        """Say whether the next record would be written over one that is kept nowhere else."""
        return self._newest - self._kept == SLOTS

    def write(
        self, journal_id: bytes, first: int, after: bytes, entries: tuple[bytes, ...], marks: dict[ChannelId, Mark]
    ) -> bool:
        """Write a record; it is durable on return. False, with nothing written, where it is larger than a slot.

        Raises:
            InvariantBroken: the disk failed, or the ring is full; nothing may be signed after it.
        """
        if self._failure:
            raise InvariantBroken(self._failure)
        number = self._newest + 1
        record = msgspec.msgpack.encode(Intent(number, journal_id, first, after, entries, marks))
        if len(record) > SLOT_BYTES - _FRAME_BYTES:
            return False
        if self.is_full:
            raise InvariantBroken(f"{self._path} is full: its records were not kept elsewhere")
        frame = _checksum(record) + _LENGTH.pack(len(record)) + record
        try:
            write_synced(self._descriptor, frame, _offset(number))
        except OSError as error:
            reason = f"{Reason.DISK_FULL}: " if is_full(error) else ""
            self._failure = f"{reason}{self._path} cannot be written ({error}): check the disk, then start again"
            raise InvariantBroken(self._failure) from error
        self._newest = number
        return True

    def keep(self) -> None:
        """Note that what all records hold is kept elsewhere: they may be written over."""
        self._kept = self._newest

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self._failure = self._failure or "the intents are closed"
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_intents(path: Path) -> list[Intent]:
    """Return the records in their order; those that the journal has by now are among them.

    Raises:
        UserFault: CORRUPT, if the file is missing, or damaged beyond one write that was cut short.
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
    slots = [content[_offset(slot) : _offset(slot) + SLOT_BYTES] for slot in range(SLOTS)]
    records = [_decode(slot, path) for slot in slots]
    found = {record.number: record for record in records if record is not None}
    newest = max(found, default=0)
    damaged = {slot for slot, record in enumerate(records) if record is None and any(slots[slot])}
    oldest = max(1, newest - SLOTS + 1)
    missing = set(range(oldest, newest + 1)) - found.keys()
    if damaged - {(newest + 1) % SLOTS} or missing - {newest - SLOTS + 1} or min(found, default=oldest) < oldest:
        raise _corrupt(path, f"some of its records up to number {newest} are damaged")
    return [found[number] for number in sorted(found)]


def entries_after(intents: Iterable[Intent], journal_id: bytes, seq: int, chain: bytes) -> Iterator[bytes]:
    """Yield what follows entry `seq` of a journal, whose checksum is `chain`, from the intents in their order."""
    for intent in intents:
        if (intent.journal_id, intent.first, intent.after) == (journal_id, seq + 1, chain):
            yield from intent.entries
            for entry in intent.entries:
                seq, chain = seq + 1, entry_chain(chain, entry)


def _offset(number: int) -> int:
    return HEADER_BYTES + number % SLOTS * SLOT_BYTES


def _decode(slot: bytes, path: Path) -> Intent | None:
    """Return the record of a slot; None where it is empty or cut short."""
    (length,) = _LENGTH.unpack_from(slot, _CHECKSUM_BYTES)
    record = slot[_FRAME_BYTES : _FRAME_BYTES + length]
    if not record or len(record) != length or slot[:_CHECKSUM_BYTES] != _checksum(record):
        return None
    try:
        return msgspec.msgpack.decode(record, type=Intent)
    except msgspec.DecodeError as error:  # as it was written, so by a release that knows more
        raise _corrupt(path, f"a record cannot be read ({error}); a newer release may have written it") from error


def _checksum(record: bytes) -> bytes:
    return hashlib.blake2b(record, digest_size=_CHECKSUM_BYTES, person=b"intent").digest()


def _corrupt(path: Path, what: str) -> UserFault:
    return UserFault(
        Reason.CORRUPT,
        f"{path}, the record of what this node was about to sign, cannot be used: {what}. Signing without it could "
        "lose money. Bring the keystore folder back, or restore a backup into a new folder: it will close its channels",
    )
