"""Simulated disks: what is durable survives a crash, and a crash may come at any write or between two effects.

An append is written whole or not at all, as SQLite does it: a torn write is a lost one. The signer's marks lie on the
same disk, apart from the journal, so an old journal can be put back under newer marks.
"""

from collections.abc import Callable, Iterable, Mapping

import coincurve
import msgspec

from thalweg.crypto import address_of, sign
from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.ports import JournalIdentity, Mark
from thalweg.units import Address, ChannelId, Hash, Signature, Version


class Crash(BaseException):
    """The machine stopped. Not an `Exception`, so that nothing in the code under test can catch it by accident."""


class Fuse:
    """Counts down to a crash: every write and every effect burns one step of it."""

    def __init__(self) -> None:
        self._left: int | None = None

    def light(self, steps: int) -> None:
        """Crash after `steps` more."""
        self._left = steps

    def put_out(self) -> None:
        """Do not crash any more."""
        self._left = None

    def burn(self) -> None:
        """Take one step.

        Raises:
            Crash: that was the last one.
        """
        if self._left is None:
            return
        self._left -= 1
        if self._left < 0:
            self._left = None
            raise Crash


class Backup(msgspec.Struct, frozen=True):
    """A copy of a journal as it was."""

    snapshot: bytes | None
    entries: tuple[bytes, ...]


class SimDisk:
    """What survives. `restored`: the journal is an old copy, so the next start must recover; `is_old`: it ever was."""

    def __init__(self) -> None:
        self.fuse = Fuse()
        self.snapshot: bytes | None = None
        self.entries: list[bytes] = []
        self.generation = 0
        self.marks: dict[ChannelId, Mark] = {}
        self.signed: dict[tuple[ChannelId, Version], Hash] = {}
        self.restored = False
        self.is_old = False

    def backup(self) -> Backup:
        """Copy the journal."""
        return Backup(self.snapshot, tuple(self.entries))

    def restore(self, backup: Backup) -> None:
        """Put an old journal back. The signer's marks stay: they are the keystore's."""
        self.snapshot, self.entries = backup.snapshot, list(backup.entries)
        self.restored = self.is_old = True


def check_mark(disk: SimDisk, channel_id: ChannelId, asked: Mark) -> None:
    """Check that a state may be signed.

    Raises:
        UserFault: SIGNED_BEFORE, another of its version, or a greater one, was.
    """
    newest = disk.marks.get(channel_id)
    if newest is not None and asked.version <= newest.version and asked != newest:
        raise UserFault(Reason.SIGNED_BEFORE, f"version {newest.version} was signed, {asked.version} is asked for")


class SimJournal:
    """The journal port on a simulated disk."""

    def __init__(self, disk: SimDisk) -> None:
        self._disk = disk
        disk.generation += 1
        self._identity = JournalIdentity(b"simulated", disk.generation)

    @property
    def identity(self) -> JournalIdentity:
        """Return this journal's identity as of this start."""
        return self._identity

    def append(self, entries: Iterable[bytes], marks: Mapping[ChannelId, Mark] | None = None) -> None:
        """Write entries, and the marks of what is signed next, all or none."""
        try:
            for channel_id, mark in (marks or {}).items():
                check_mark(self._disk, channel_id, mark)
        except UserFault as refusal:
            raise InvariantBroken(f"the journal would lead to what the signer refuses: {refusal}") from refusal
        self._disk.fuse.burn()
        self._disk.entries.extend(entries)
        self._disk.marks.update(marks or {})
        self._disk.fuse.burn()

    def snapshot(self) -> bytes | None:
        """Return the newest snapshot, if any."""
        return self._disk.snapshot

    def entries(self) -> Iterable[bytes]:
        """Yield the entries after the newest snapshot."""
        return iter(tuple(self._disk.entries))

    def compact(self, snapshot: bytes) -> None:
        """Replace everything by `snapshot`, atomically."""
        self._disk.fuse.burn()
        self._disk.snapshot, self._disk.entries = snapshot, []
        self._disk.fuse.burn()

    def close(self) -> None:
        """Release nothing: the disk is the world's."""


class SimSigner:
    """The signer port: a real key, durable marks, and beside them a record of everything ever signed.

    Only the marks decide; the record is the simulator's own proof that no version was signed twice.
    """

    def __init__(
        self, key: coincurve.PrivateKey, disk: SimDisk, on_signed: Callable[[ChannelId, Version], None]
    ) -> None:
        self._key = key
        self._disk = disk
        self._on_signed = on_signed

    def address(self) -> Address:
        """Return the address of the channel key."""
        return address_of(self._key.public_key)

    def sign_state(self, channel_id: ChannelId, version: Version, digest: Hash) -> Signature:
        """Sign a state; the mark is durable first."""
        asked = Mark(version, digest)
        check_mark(self._disk, channel_id, asked)
        self._disk.fuse.burn()
        self._disk.marks[channel_id] = asked
        if self._disk.signed.setdefault((channel_id, version), digest) != digest:
            raise InvariantBroken(f"two states of version {version} were signed")
        self._on_signed(channel_id, version)
        self._disk.fuse.burn()
        return sign(self._key, digest)

    def mark(self, channel_id: ChannelId) -> Mark | None:
        """Return the newest mark of a channel."""
        return self._disk.marks.get(channel_id)

    def sign_digest(self, digest: Hash) -> Signature:
        """Sign anything that is not a channel state."""
        return sign(self._key, digest)
