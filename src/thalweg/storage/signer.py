"""The signer port on a key in memory and a mark file on disk.

It trusts no caller: whatever the engine believes, one key signs one state a version, and never goes back.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final, Self

import coincurve

from thalweg.crypto import address_of, sign
from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.ports import Mark
from thalweg.storage.marks import MarkFile
from thalweg.units import VERSION_FINAL, Address, ChannelId, Hash, Signature, Version

_HASH_BYTES: Final = 32


class FileSigner:
    """Signs with one channel key. `open` it once a start; one signer a mark file."""

    def __init__(self, key: coincurve.PrivateKey, marks: MarkFile) -> None:
        self._key = key
        self._marks = marks
        self._noted: dict[ChannelId, Mark] = {}  # newer than in the mark file, durable in the intents
        self._address = address_of(key.public_key)

    @classmethod
    def open(cls, path: Path, key: coincurve.PrivateKey) -> Self:
        """Read the marks of a channel key.

        Raises:
            UserFault: CORRUPT, if the file is missing or damaged.
            Unavailable: the disk failed.
        """
        return cls(key, MarkFile.open(path))

    def address(self) -> Address:
        """Return the address of the channel key."""
        return self._address

    def sign_state(self, channel_id: ChannelId, version: Version, digest: Hash) -> Signature:
        """Sign a state. The mark is durable before this returns; the same state may be signed again.

        Raises:
            UserFault: SIGNED_BEFORE, if this version with another digest, or a greater version, was signed; LIMIT.
            InvariantBroken: the disk failed or is full, or the arguments are no channel id, version and hash.
        """
        asked = Mark(version, digest)
        if self.is_newer(channel_id, asked):
            self._marks.put(channel_id, asked)
            self._noted.pop(channel_id, None)
        return sign(self._key, digest)

    def is_newer(self, channel_id: ChannelId, asked: Mark) -> bool:
        """Say whether a mark is above the newest of its channel; False where it is that one.

        Raises:
            UserFault: SIGNED_BEFORE, if it is neither.
            InvariantBroken: the arguments are no channel id, version and hash.
        """
        version, digest = asked.version, asked.digest
        if len(channel_id) != _HASH_BYTES or len(digest) != _HASH_BYTES or not 0 <= version <= VERSION_FINAL:
            raise InvariantBroken(f"asked to sign version {version} of {channel_id.hex()} as {digest.hex()}")
        newest = self.mark(channel_id)
        if newest is None or version > newest.version:
            return True
        if asked != newest:
            raise UserFault(
                Reason.SIGNED_BEFORE,
                f"version {newest.version} of channel {channel_id.hex()} was signed; version {version}, as asked for "
                "now, would be a second or an older state",
            )
        return False

    def may_note(self, channel_id: ChannelId, asked: Mark) -> bool:
        """Say whether a mark is new and has a place in the mark file, where `settle` can put it.

        Raises:
            UserFault: SIGNED_BEFORE.
        """
        return self.is_newer(channel_id, asked) and self._marks.get(channel_id) is not None

    def note(self, marks: Mapping[ChannelId, Mark]) -> None:
        """Take marks as the newest ones that are durable elsewhere (`intents`) until `settle`."""
        self._noted.update(marks)

    def settle(self) -> None:
        """Write what was noted into the mark file; durable on return.

        Raises:
            InvariantBroken: the disk failed or is full.
        """
        for channel_id, mark in self._noted.items():
            self._marks.put(channel_id, mark)
        self._noted.clear()

    def mark(self, channel_id: ChannelId) -> Mark | None:
        """Return the newest mark of a channel."""
        return self._noted.get(channel_id) or self._marks.get(channel_id)

    def marks(self) -> dict[ChannelId, Mark]:
        """Return the newest mark of every channel."""
        return self._marks.all() | self._noted

    def room(self, known: AbstractSet[ChannelId]) -> int:
        """Return for how many channels beyond the `known` ones, which may have no mark yet, it can sign."""
        return self._marks.room(known)

    def sign_digest(self, digest: Hash) -> Signature:
        """Sign anything that is not a channel state; that it is not one is the caller's word."""
        return sign(self._key, digest)

    def close(self) -> None:
        """Sign no state any more. Closing twice is fine."""
        self._marks.close()
