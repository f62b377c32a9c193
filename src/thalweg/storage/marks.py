"""The marks of one channel key on disk: what was signed last in each channel.

A channel has two slots of SLOT_BYTES, A and B, used in turn; the valid one of the greater sequence number counts. So a
write that a crash cut short leaves the mark before it whole. Slots of one kind lie together, an A and its B far apart:

    header (HEADER_BYTES) | chunk 0: A slots, then B slots of CHUNK_CHANNELS channels | chunk 1 ...

Chunks are written with zeros and synced before use: a mark is one write in place and one sync, with no metadata.
One slot in the whole file may be damaged: the write that was under way. It is written again before anything else. More
damage, or a gap, is rot and is refused: whoever forgot what he signed must not sign. (A single slot that rotted while
nothing was under way looks like a write cut short; the intents, or the journal, have the state that was signed.)
"""

import errno
import hashlib
import os
import struct
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final, NamedTuple, Self

from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.ports import Mark
from thalweg.storage.folder import disk_fault, is_full, write_synced, write_whole
from thalweg.units import ChannelId, Hash, Version

SLOT_BYTES: Final = 128
HEADER_BYTES: Final = 4096
CHUNK_CHANNELS: Final = 512
CHANNELS_MAX: Final = 256 * CHUNK_CHANNELS  # more than a node ever knows, for marks outlive a lost journal: 32 MiB

_HEADER: Final = b"THALWEG MARKS 1\n"
_HALF_BYTES: Final = CHUNK_CHANNELS * SLOT_BYTES
_CHUNK_BYTES: Final = 2 * _HALF_BYTES
_RECORD: Final = struct.Struct(">Q32sQ32s")  # sequence, channel id, version, digest
_CHECKSUM_BYTES: Final = 16
_EMPTY: Final = bytes(SLOT_BYTES)


class _Place:
    """Where a channel's marks lie, and the newest of them."""

    __slots__ = ("index", "mark", "sequence")

    def __init__(self, index: int, sequence: int, mark: Mark) -> None:
        self.index, self.sequence, self.mark = index, sequence, mark


class MarkFile:
    """The open file. All marks are in memory too, so reading one costs nothing."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._places: dict[ChannelId, _Place] = {}
        self._room = 0  # channels that the chunks written so far hold
        self._failure = ""

    @classmethod
    def create(cls, path: Path) -> None:
        """Write a file without marks, durably. An existing one is only replaced if it holds none.

        Raises:
            UserFault: EXISTS, if there are marks.
            Unavailable: the disk failed or is full.
        """
        empty = _HEADER.ljust(HEADER_BYTES, b"\0") + bytes(_CHUNK_BYTES)
        if path.exists() and path.read_bytes() != empty:
            raise UserFault(Reason.EXISTS, f"{path} holds marks already: name a new folder")
        write_whole(path, empty)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read all marks, and write again the one slot that a crash may have cut short.

        Raises:
            UserFault: CORRUPT, if the file is missing or damaged beyond that.
            Unavailable: the disk failed or is full.
        """
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError as error:
            raise _corrupt(path, "it is missing") from error
        file = cls(path, descriptor)
        try:
            file._load()
        except OSError as error:
            file.close()
            raise disk_fault(error, path) from error
        except BaseException:
            file.close()
            raise
        return file

    def get(self, channel_id: ChannelId) -> Mark | None:
        """Return a channel's newest mark."""
        place = self._places.get(channel_id)
        return place.mark if place else None

    def all(self) -> dict[ChannelId, Mark]:
        """Return the newest mark of every channel."""
        return {channel_id: place.mark for channel_id, place in self._places.items()}

    def room(self, known: AbstractSet[ChannelId]) -> int:
        """Return how many channels beyond the `known` ones can have marks."""
        return CHANNELS_MAX - len(self._places) - sum(channel_id not in self._places for channel_id in known)

    def put(self, channel_id: ChannelId, mark: Mark) -> None:
        """Write a channel's newest mark; it is durable on return.

        Raises:
            UserFault: LIMIT, if CHANNELS_MAX channels have marks already.
            InvariantBroken: the disk failed or is full; nothing may be signed after it.
        """
        if self._failure:
            raise InvariantBroken(self._failure)
        place = self._places.get(channel_id)
        if place is None and len(self._places) >= CHANNELS_MAX:
            raise UserFault(
                Reason.LIMIT, f"{self._path} holds marks of {CHANNELS_MAX} channels: use another channel key"
            )
        new = _Place(place.index, place.sequence + 1, mark) if place else _Place(len(self._places), 1, mark)
        try:
            if new.index >= self._room:
                self._grow(self._room + CHUNK_CHANNELS)
            self._write_slot(channel_id, new)
        except OSError as error:
            reason = f"{Reason.DISK_FULL}: " if is_full(error) else ""
            self._failure = (
                f"{reason}{self._path} cannot be written ({error.strerror}): check the disk, then start again"
            )
            raise InvariantBroken(self._failure) from error
        self._places[channel_id] = new

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self._failure = self._failure or "the signer is closed"
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write_slot(self, channel_id: ChannelId, place: _Place) -> None:
        slot = _encode(channel_id, place.sequence, place.mark)
        write_synced(self._descriptor, slot, _offset(place.index, place.sequence))

    def _write(self, offset: int, content: bytes) -> None:
        written = os.pwrite(self._descriptor, content, offset)
        if written != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _grow(self, room: int) -> None:
        """Write zeros up to the end of the chunk that holds the last of `room` channels."""
        start = HEADER_BYTES + self._room // CHUNK_CHANNELS * _CHUNK_BYTES
        end = HEADER_BYTES + room // CHUNK_CHANNELS * _CHUNK_BYTES
        self._write(start, bytes(end - start))
        os.fsync(self._descriptor)
        self._room = room

    def _load(self) -> None:
        content = _read_all(self._path, self._descriptor)
        chunks, rest = divmod(len(content) - HEADER_BYTES, _CHUNK_BYTES)
        if chunks < 1 or content[:HEADER_BYTES] != _HEADER.ljust(HEADER_BYTES, b"\0"):
            raise _corrupt(self._path, "its header is damaged, or it was cut off")
        if any(content[len(content) - rest :]):
            raise _corrupt(self._path, "it was cut off")
        self._room = chunks * CHUNK_CHANNELS
        damaged = [found for index in range(self._room) if (found := self._load_pair(content, index)) is not None]
        if len(damaged) > 1:
            raise _corrupt(self._path, f"{len(damaged)} of its slots are damaged")
        for offset in damaged:
            self._mend(offset)

    def _load_pair(self, content: bytes, index: int) -> int | None:
        """Take in one channel's two slots. Returns the offset of the one that is damaged, if one is."""
        offsets = [_offset(index, sequence) for sequence in (1, 2)]
        slots = [content[offset : offset + SLOT_BYTES] for offset in offsets]
        if slots == [_EMPTY, _EMPTY]:
            return None
        records = [_decode(slot) for slot in slots]
        found = sorted((record for record in records if record is not None), key=lambda record: record.sequence)
        damaged = [
            offset
            for offset, slot, record in zip(offsets, slots, records, strict=True)
            if record is None and slot != _EMPTY
        ]
        if len(damaged) > 1 or not _is_story(found, records, bool(damaged)):
            raise _corrupt(self._path, f"the slots of channel {index} do not belong together")
        if found:
            newest = found[-1]
            if newest.channel_id in self._places or index != len(self._places):
                raise _corrupt(self._path, f"channel {index} is there twice, or one before it is missing")
            self._places[newest.channel_id] = _Place(index, newest.sequence, newest.mark)
        return damaged[0] if damaged else None

    def _mend(self, offset: int) -> None:
        """Write the slot that was cut short: the channel's mark once more, or nothing for a channel's first mark."""
        for channel_id, place in self._places.items():
            if _offset(place.index, place.sequence + 1) == offset:
                place.sequence += 1
                self._write_slot(channel_id, place)
                return
        write_synced(self._descriptor, _EMPTY, offset)


class _Record(NamedTuple):
    """What a slot holds."""

    sequence: int
    channel_id: ChannelId
    mark: Mark


def _is_story(found: list[_Record], records: list[_Record | None], has_damage: bool) -> bool:
    """Say whether two slots are what turn-by-turn writing leaves: odd sequences in A, even in B, one apart."""
    if any(record is not None and record.sequence % 2 != turn for record, turn in zip(records, (1, 0), strict=True)):
        return False
    if len(found) == 2:
        old, new = found
        return (
            new.sequence == old.sequence + 1
            and new.channel_id == old.channel_id
            and new.mark.version >= old.mark.version
        )
    return has_damage or found[0].sequence == 1


def _offset(index: int, sequence: int) -> int:
    """Return where the mark of a sequence number lies: odd ones in A, even ones in B."""
    chunk, place = divmod(index, CHUNK_CHANNELS)
    half = 0 if sequence % 2 else _HALF_BYTES
    return HEADER_BYTES + chunk * _CHUNK_BYTES + half + place * SLOT_BYTES


def _encode(channel_id: ChannelId, sequence: int, mark: Mark) -> bytes:
    record = _RECORD.pack(sequence, channel_id, mark.version, mark.digest)
    return (record + _checksum(record)).ljust(SLOT_BYTES, b"\0")


def _decode(slot: bytes) -> _Record | None:
    record = slot[: _RECORD.size]
    if slot != (record + _checksum(record)).ljust(SLOT_BYTES, b"\0"):
        return None
    sequence, channel_id, version, digest = _RECORD.unpack(record)
    return _Record(sequence, ChannelId(channel_id), Mark(Version(version), Hash(digest)))


def _checksum(record: bytes) -> bytes:
    return hashlib.blake2b(record, digest_size=_CHECKSUM_BYTES, person=b"mark").digest()


def _read_all(path: Path, descriptor: int) -> bytes:
    size_max = HEADER_BYTES + CHANNELS_MAX // CHUNK_CHANNELS * _CHUNK_BYTES
    with os.fdopen(os.dup(descriptor), "rb") as file:
        content = file.read(size_max + 1)
    if len(content) > size_max:
        raise _corrupt(path, "it is larger than it can be")
    return content


def _corrupt(path: Path, what: str) -> UserFault:
    return UserFault(
        Reason.CORRUPT,
        f"{path}, the record of what this node signed, cannot be used: {what}. Signing without it could lose money. "
        "Bring the keystore folder back, or restore a backup into a new folder: it will close its channels",
    )
