"""What the engine needs from the world. Each port has a production adapter and a simulated twin in `testing`.

All calls return at once. What the world answers comes back later as an event, so the engine's loop is closed and the
journal holds everything that ever happened.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from thalweg.channel.effects import Authorize
from thalweg.channel.onchain import Call
from thalweg.units import Address, ChannelId, Hash, Signature, UnixSeconds, Version


class JournalIdentity(msgspec.Struct, frozen=True):
    """Which journal this is: a random id, and how many times it was started."""

    id: bytes
    generation: int


class Mark(msgspec.Struct, frozen=True):
    """The newest thing a key signed in a channel."""

    version: Version
    digest: Hash


class Journal(Protocol):
    """An append-only list of entries, and the newest snapshot of what they amount to."""

    @property
    def identity(self) -> JournalIdentity:
        """Return this journal's identity as of this start."""

    def append(self, entries: Iterable[bytes], marks: Mapping[ChannelId, Mark] | None = None) -> None:
        """Write entries in order, all or none; they are durable on return (one fsync a call).

        `marks` are of the states that are signed next because of them, one a channel. A journal that lies beside its
        signer makes them durable in the same fsync; another may ignore them, and the signer makes its own.

        Raises:
            InvariantBroken: the disk failed or is full; nothing may be signed or sent after it.
        """

    def snapshot(self) -> bytes | None:
        """Return the newest snapshot, if any."""

    def entries(self) -> Iterable[bytes]:
        """Yield the entries after the newest snapshot, in order."""

    def compact(self, snapshot: bytes) -> None:
        """Replace everything written so far by `snapshot`, atomically."""

    def close(self) -> None:
        """Release the folder."""


class Signer(Protocol):
    """Holds the keys and its own durable mark a channel, so no caller can make it sign two states of one version."""

    def address(self) -> Address:
        """Return the address of the channel key."""

    def sign_state(self, channel_id: ChannelId, version: Version, digest: Hash) -> Signature:
        """Sign a state. The mark is durable before this returns; the same state may be signed again.

        Raises:
            UserFault: SIGNED_BEFORE, if this version or a greater one was signed with another digest.
        """

    def mark(self, channel_id: ChannelId) -> Mark | None:
        """Return the newest mark of a channel."""

    def sign_digest(self, digest: Hash) -> Signature:
        """Sign anything that is not a channel state (opening, challenge, deposit, order)."""


class Network(Protocol):
    """Authenticated links. Messages to one peer arrive in order or the link drops; there is no delivery promise."""

    def queue(self, peer: bytes, message: bytes) -> None:
        """Queue a message for a peer by its PeerId; without a link it is dropped (peers resynchronise on reconnect)."""

    def flush(self) -> None:
        """Send what is queued."""

    def disconnect(self, peer: bytes, reason: str) -> None:
        """Drop the link to a peer."""


class Chain(Protocol):
    """Submits calls; answers arrive as events (`thalweg.channel.onchain.ChainEvent`)."""

    def submit(self, tag: str, call: Call) -> None:
        """Send a call and see it through (nonce, fee bumps, resubmission). The same tag twice is one transaction."""

    def watch(self, channel_id: ChannelId) -> None:
        """Report this channel's views from now on."""


class Wallet(Protocol):
    """The account that pays: deposits, and gas."""

    def authorize(self, request: Authorize) -> None:
        """Sign an opening and prepare its deposits (permit or allowance); the answer is `FundingAuthorized`."""


class Clock(Protocol):
    """The node's time and its one alarm."""

    @property
    def block_time(self) -> UnixSeconds:
        """Return the time of the newest block whose views were told; 0: none since the start."""

    def now(self) -> UnixSeconds:
        """Return the time: the later of the wall's and the chain's."""

    def wake_at(self, time: UnixSeconds) -> None:
        """Have the engine pumped at or soon after `time`; a later call replaces an earlier one."""
