"""The streams of one link: yamux underneath, a receiver for each on top. No sockets; asyncio only to let writers wait.

A stream begins by negotiating its protocol, is then handed to the receiver that serves or uses it, and is forgotten
when both sides ended or either reset it.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from thalweg.errors import InvariantBroken, PeerFault, Reason, ThalwegError, Unavailable
from thalweg.network import multistream, yamux
from thalweg.network.limits import Limits
from thalweg.network.negotiation import Draining, Negotiating
from thalweg.network.rate import Bucket
from thalweg.network.stream import Receiver

WEIGHED_BYTES: Final = 64 * 1024  # how far a link's count may be from what all links together are told of


class Carriage(Protocol):
    """What streams ask of their link."""

    limits: Limits

    @property
    def is_closed(self) -> bool:
        """Say whether the link was dropped."""

    @property
    def is_dialer(self) -> bool:
        """Say whether we dialled."""

    def flush_soon(self) -> None:
        """Send what is queued in this turn of the event loop."""

    def drop(self, error: ThalwegError) -> None:
        """Drop the link."""

    def serves(self, protocol: str) -> bool:
        """Say whether streams of a protocol are served."""

    def serve(self, stream_id: int, protocol: str) -> Receiver:
        """Serve a stream that the peer opened."""

    def ponged(self) -> None:
        """Note that the peer answered a ping."""

    def weigh(self, size: int) -> None:
        """Count bytes received and not read, of all links together (negative: read now).

        Raises:
            Unavailable: LIMIT, all hold too much, and this one most.
        """


class Streams:
    """Everything that is multiplexed over a link. It is the `Carrier` of each stream."""

    __slots__ = ("_clock", "_deadlines", "_drains", "_link", "_mux", "_openings", "_receivers", "_resets", "_weighed", "held", "limits")  # noqa: E501  # fmt: skip

    def __init__(self, link: Carriage, clock: Callable[[], float]) -> None:
        self.limits = link.limits
        self._link = link
        self._clock = clock
        self._mux = yamux.Session(
            dialer=link.is_dialer,
            inbound_max=link.limits.streams_inbound_max,
            outbound_max=link.limits.streams_outbound_max,
        )
        self._receivers: dict[int, Receiver] = {}
        self._deadlines: dict[int, float] = {}  # when a stream that negotiates or drains is reset
        self._drains: list[tuple[int, asyncio.Future[None]]] = []  # who waits for a stream's queue to shrink
        self._openings = Bucket(link.limits.streams_per_second, clock())
        self._resets = Bucket(link.limits.resets_per_second, clock())
        self.held = 0  # bytes received and not read
        self._weighed = 0  # of them, what all links together were told of

    @property
    def queued(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._mux.queued

    @property
    def frames_received(self) -> int:
        """Return how many frames came so far."""
        return self._mux.frames_received

    # what the host and the receivers do

    def open(self, protocol: str, agreed: Callable[[int], Receiver], failed: Callable[[ThalwegError], None]) -> int:
        """Open a stream, return its id: `agreed` gets it, and returns the receiver, once the peer takes the protocol.

        Raises:
            Unavailable: LIMIT, as many streams as we open at once are open; UNREACHABLE, the link is dropped.
        """
        if self._link.is_closed:
            raise Unavailable(Reason.UNREACHABLE, "the link is closed")
        stream_id = self._mux.open(yamux.BULK)
        negotiating = Negotiating(
            self,
            stream_id,
            multistream.Dialer(protocol),
            lambda _: self._hand_over(stream_id, agreed(stream_id)),
            failed,
        )
        self._receivers[stream_id] = negotiating
        self._set_deadline(stream_id)
        negotiating.start()
        return stream_id

    def prefer(self, stream_id: int) -> None:
        """Send a stream's bytes before those of others."""
        self._mux.prioritise(stream_id, yamux.URGENT)

    def retire(self, stream_id: int) -> None:
        """Forget a stream that is served and closed; what its peer still sends is dropped, for a while."""
        if stream_id in self._receivers:
            self._receivers[stream_id] = Draining(self, stream_id)
            self._set_deadline(stream_id)

    def write(self, stream_id: int, data: bytes) -> None:
        """Queue bytes."""
        self._mux.write(stream_id, data)
        self._link.flush_soon()

    def queue(self, stream_id: int, data: bytes) -> None:
        """Queue bytes; the caller flushes the link."""
        self._mux.write(stream_id, data)

    def credit(self, stream_id: int, size: int) -> None:
        """Let the peer send as many bytes more."""
        if self._mux.credit(stream_id, size):
            self._link.flush_soon()

    def hold(self, size: int) -> None:
        """Count bytes received and not yet read.

        Raises:
            PeerFault: LIMIT, more than a link may hold.
            Unavailable: LIMIT, all links hold too much, and this one most.
        """
        self.held += size
        if abs(self.held - self._weighed) >= WEIGHED_BYTES and not self._link.is_closed:
            self._weigh(self.held)
        if size > 0 and self.held > self.limits.receive_bytes_max:
            raise PeerFault(Reason.LIMIT, f"{self.held} bytes were sent that nobody has read")

    def queued_on(self, stream_id: int) -> int:
        """Return how many bytes wait to be sent on a stream."""
        return self._mux.queued_on(stream_id)

    async def drained(self, stream_id: int) -> None:
        """Return when at most half of what a stream may queue is queued, or the link is dropped."""
        if not self._link.is_closed:
            future = asyncio.get_running_loop().create_future()
            self._drains.append((stream_id, future))
            await future

    def finish(self, stream_id: int) -> None:
        """End our side of a stream after what is queued."""
        self._mux.finish(stream_id)
        self._link.flush_soon()

    def reset(self, stream_id: int) -> None:
        """Abandon a stream."""
        self._mux.reset(stream_id)
        self._forget_done()
        self._link.flush_soon()

    def drop(self, error: ThalwegError) -> None:
        """Drop the link."""
        self._link.drop(error)

    # what the link says

    def feed(self, plain: bytes) -> None:
        """Take decrypted bytes.

        Raises:
            ThalwegError: the link must be dropped.
        """
        for event in self._mux.feed(plain):
            if self._link.is_closed:  # what is sent still depends on the windows, so the frames were parsed
                return
            if type(event) is yamux.Received:  # nearly always
                receiver = self._receivers.get(event.stream_id)
                if receiver is not None:
                    receiver.received(event.data)
            else:
                self._on_event(event)
        if self._mux.refused:
            refused, self._mux.refused = self._mux.refused, 0
            self._count(self._openings, refused, "opens")
        self._forget_done()

    @property
    def has_output(self) -> bool:
        """Say whether `take` may return anything."""
        return self._mux.has_output

    def take(self, budget: int) -> bytes:
        """Return the next frames to send, `budget` bytes at most; nothing where nothing may be sent."""
        return b"".join(self._mux.take(budget))

    def sent(self) -> None:
        """Note that as much as possible was sent: writers may go on."""
        self._forget_done()
        if self._drains:
            self._wake_writers()

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        self._mux.ping(0)
        self._link.flush_soon()

    def lose(self, error: ThalwegError) -> None:
        """Tell every receiver that the link is gone."""
        receivers, self._receivers = self._receivers, {}
        for receiver in receivers.values():
            receiver.lost(error)
        self._deadlines.clear()
        self._wake_writers()
        self._weigh(0)

    def _weigh(self, held: int) -> None:
        change, self._weighed = held - self._weighed, held
        self._link.weigh(change)

    def expire(self, now: float) -> None:
        """Reset the streams that had to come to their end by now."""
        late = [stream_id for stream_id, deadline in self._deadlines.items() if now > deadline]
        for stream_id in late:
            receiver = self._receivers.get(stream_id)
            self.reset(stream_id)
            if receiver is not None:
                receiver.lost(Unavailable(Reason.UNREACHABLE, "the stream did not come to its end in time"))

    def _on_event(self, event: yamux.Event) -> None:
        match event:
            case yamux.Received():
                raise InvariantBroken("received bytes are handed on before")
            case yamux.Opened(stream_id):
                self._count(self._openings, 1, "opens")
                self._accept(stream_id)
            case yamux.Ended(stream_id):
                if stream_id in self._receivers:
                    self._receivers[stream_id].ended()
            case yamux.WasReset(stream_id):
                self._count(self._resets, 1, "resets")
                receiver = self._receivers.pop(stream_id, None)
                if receiver is not None:
                    receiver.lost(Unavailable(Reason.UNREACHABLE, "the peer reset the stream"))
            case yamux.Ponged():
                self._link.ponged()
            case yamux.WentAway(code):
                self._link.drop(Unavailable(Reason.UNREACHABLE, f"the peer closed the link (code {code})"))

    def _count(self, bucket: Bucket, streams: int, what: str) -> None:
        if not bucket.take(streams, self._clock()):
            raise PeerFault(Reason.FLOOD, f"the peer {what} more streams a second than are taken")

    def _accept(self, stream_id: int) -> None:
        self._receivers[stream_id] = Negotiating(
            self,
            stream_id,
            multistream.Listener(self._link.serves),
            lambda protocol: self._hand_over(stream_id, self._link.serve(stream_id, protocol)),
            lambda _: None,
        )
        self._set_deadline(stream_id)

    def _hand_over(self, stream_id: int, receiver: Receiver) -> Receiver:
        self._deadlines.pop(stream_id, None)
        if not self._link.is_closed:
            self._receivers[stream_id] = receiver
        return receiver

    def _set_deadline(self, stream_id: int) -> None:
        self._deadlines[stream_id] = self._clock() + self.limits.negotiation_seconds

    def _forget_done(self) -> None:
        if self._mux.done:
            for stream_id in self._mux.done:
                self._receivers.pop(stream_id, None)
                self._deadlines.pop(stream_id, None)
            self._mux.done.clear()

    def _wake_writers(self) -> None:
        waiting, self._drains = self._drains, []
        for stream_id, future in waiting:
            if not self._link.is_closed and self.queued_on(stream_id) > self.limits.stream_send_bytes_max // 2:
                self._drains.append((stream_id, future))
            elif not future.done():
                future.set_result(None)
