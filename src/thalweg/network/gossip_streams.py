"""The two streams of gossip with a peer: what it sends waits in the inlet, what we send leaves through the outlet."""

from typing import Final, Protocol

from thalweg.errors import PeerFault, Reason, ThalwegError, Unavailable
from thalweg.network import gossip
from thalweg.network.framing import MessageReader, frame
from thalweg.network.link import Link
from thalweg.network.peer_id import PeerId
from thalweg.network.stream import Receiver

QUEUED_BYTES_MAX: Final = 1024 * 1024  # not yet read by a peer, beyond which messages to it are dropped
RPCS_WAITING_MAX: Final = 4096  # of a peer; a window of honest ones holds fewer
SETTLED_BYTES: Final = 16 * 1024  # a small part of a stream's window
BATCH_BYTES: Final = 32 * 1024  # of RPCs to one peer that leave as one
BATCH_RPCS: Final = 64
VITAL_BYTES_MAX: Final = 4 * 1024 * 1024  # beyond which the link is


class Owner(Protocol):
    """Whose streams they are."""

    def has_work(self, inlet: "Inlet") -> None:
        """Note that RPCs of a peer wait."""

    def can_hear(self, outlet: "Outlet") -> None:
        """Note that a peer speaks gossip."""

    def cannot_hear(self, outlet: "Outlet") -> None:
        """Note that it does not, or no longer."""


class Inlet:
    """A stream on which a peer sends, and what of it waits to be worked off."""

    __slots__ = (
        "_held", "_messages", "_owed", "_owner", "_reader", "_stream_id", "_waiting", "has_more", "link", "peer",
    )  # fmt: skip

    def __init__(self, owner: Owner, link: Link, peer: PeerId, stream_id: int, bytes_max: int) -> None:
        self._owner = owner
        self.link = link
        self._stream_id = stream_id
        self._reader = MessageReader(bytes_max)
        self._messages: list[bytes] = []
        self._waiting = 0  # their bytes
        self._held = 0  # bytes that the link counts as held here
        self._owed = 0  # bytes the peer has had no new credit for
        self.has_more = False  # the router has not looked at all of the last one
        self.peer = peer

    def received(self, data: memoryview) -> None:
        """Queue what is complete; the rest may come at once."""
        was_idle = self.is_idle
        messages = self._reader.feed(data)
        self._owed += len(data)
        if messages:
            self._messages += messages
            self._waiting += sum(map(len, messages))
            if len(self._messages) > RPCS_WAITING_MAX:
                raise PeerFault(Reason.FLOOD, f"{RPCS_WAITING_MAX} gossip RPCs wait to be looked at")
            if was_idle:
                self._owner.has_work(self)
        self._settle()

    def next(self) -> bytes | None:
        """Return the next RPC, and let the peer send as much again."""
        if not self._messages:
            return None
        message = self._messages.pop(0)
        self._waiting -= len(message)
        self._settle()
        return message

    @property
    def is_idle(self) -> bool:
        """Say whether nothing waits."""
        return not self._messages and not self.has_more

    def _settle(self) -> None:
        """Let the peer send as much again as does not wait here, of an unfinished message all; count what we hold.

        Little is neither credited nor counted at once: most messages come alone and are gone before it mattered.
        """
        credit = self._owed - self._waiting
        if credit >= SETTLED_BYTES:
            self._owed -= credit
            self.link.streams.credit(self._stream_id, credit)
        change = self._reader.pending + self._waiting - self._held
        if change >= SETTLED_BYTES or (change < 0 and (change <= -SETTLED_BYTES or not self._waiting)):
            self._held += change
            self.link.streams.hold(change)

    def supersede(self) -> None:
        """Hear no more on this stream: the peer opened another."""
        self.link.streams.reset(self._stream_id)
        self.ended()

    def ended(self) -> None:
        """Forget an unfinished message; what came whole is still looked at."""
        self._reader = MessageReader(0)
        self._settle()

    def lost(self, error: ThalwegError) -> None:
        """As `ended`: its link's end is told by itself."""
        self.ended()


class Outlet:
    """The stream on which a peer hears us."""

    __slots__ = ("_batch", "_batched", "_early", "_owner", "_stream_id", "is_lost", "link", "peer")

    def __init__(self, owner: Owner, link: Link, peer: PeerId) -> None:
        self._owner = owner
        self._stream_id: int | None = None
        self._batch: list[bytes] = []  # to leave at the end of a turn, as one RPC: RPCs one behind the other are one
        self._batched = 0  # its bytes
        self._early: list[bytes] = []  # until the peer agreed on the protocol
        self.link = link
        self.peer = peer
        self.is_lost = False

    def open(self) -> None:
        """Ask for the stream."""
        self.link.streams.open(gossip.PROTOCOL, self._agreed, self.lost)

    def send(self, rpc: bytes, *, is_vital: bool) -> bool:
        """Queue an RPC until `flush`; False where the peer is too slow for it."""
        if self._stream_id is None:
            if is_vital:
                self._early.append(frame(rpc))
            return is_vital
        queued = self.link.streams.queued_on(self._stream_id) + self._batched + len(rpc)
        if queued > (VITAL_BYTES_MAX if is_vital else QUEUED_BYTES_MAX):
            if is_vital:
                self.link.drop(Unavailable(Reason.LIMIT, f"{queued} bytes of gossip wait: the peer is too slow"))
            return False
        if is_vital or self._batched + len(rpc) > BATCH_BYTES or len(self._batch) == BATCH_RPCS:
            self.flush()
        self._batch.append(rpc)
        self._batched += len(rpc)
        if is_vital:  # joined, many small ones could be more than an RPC may hold
            self.flush()
        return True

    def flush(self) -> None:
        """Send what is queued, as one RPC."""
        if self._batch and self._stream_id is not None:
            self.link.streams.queue(self._stream_id, frame(b"".join(self._batch)))
            self.link.flush_unless_soon()
            self._batch.clear()
            self._batched = 0

    def _agreed(self, stream_id: int) -> Receiver:
        self._stream_id = stream_id
        self._owner.can_hear(self)
        if self._early:
            self.link.streams.write(stream_id, b"".join(self._early))
            self._early.clear()
        return self

    def received(self, data: memoryview) -> None:
        """Drop what comes: peers send on streams of their own."""
        if self._stream_id is not None:
            self.link.streams.credit(self._stream_id, len(data))

    def ended(self) -> None:
        """Nothing was expected."""

    def lost(self, error: ThalwegError) -> None:
        """The peer does not speak gossip, or no more."""
        self.is_lost = True
        self._owner.cannot_hear(self)
