"""A stream of an application protocol over a link: messages with a length in front, back-pressure both ways.

A link hands everything that happens on a stream to its `Receiver`: first the negotiation of its protocol
(`negotiation.py`), then a `Stream` (read when the application asks) or a message stream (`messages.py`).
"""

import asyncio
from collections import deque
from typing import Final, Protocol

from thalweg.errors import InvariantBroken, PeerFault, Reason, ThalwegError, Unavailable, UserFault
from thalweg.network.framing import MessageReader, frame
from thalweg.network.limits import YAMUX_WINDOW_BYTES, Limits
from thalweg.network.peer_id import PeerId

READS_AT_ONCE: Final = 32
READ_BYTES_MAX: Final = YAMUX_WINDOW_BYTES  # `read_exactly` of more would wait for ever


class Receiver(Protocol):
    """What happens on a stream of a link."""

    def received(self, data: memoryview) -> None:
        """Bytes arrived. Copy what is kept: the view may hold a larger buffer alive."""

    def ended(self) -> None:
        """The peer sends nothing more."""

    def lost(self, error: ThalwegError) -> None:
        """The stream was reset, or its link dropped. Nothing follows."""


class Carrier(Protocol):
    """What a stream needs of its link."""

    limits: Limits

    def write(self, stream_id: int, data: bytes) -> None:
        """Queue bytes, and send them in this turn of the event loop."""

    def queue(self, stream_id: int, data: bytes) -> None:
        """Queue bytes; the caller flushes the link."""

    def credit(self, stream_id: int, size: int) -> None:
        """Let the peer send as many bytes more."""

    def hold(self, size: int) -> None:
        """Count bytes that are received and not yet read (negative: read now)."""

    def queued_on(self, stream_id: int) -> int:
        """Return how many bytes wait to be sent."""

    async def drained(self, stream_id: int) -> None:
        """Return when at most half of what a stream may queue is queued, or the link is gone."""

    def finish(self, stream_id: int) -> None:
        """End our side after what is queued."""

    def reset(self, stream_id: int) -> None:
        """Abandon the stream."""

    def drop(self, error: ThalwegError) -> None:
        """Drop the link."""


class Stream:
    """One stream. On the wire a varint length goes before each message, `Limits.message_bytes_max` at most."""

    __slots__ = ("_buffer", "_carrier", "_closed", "_ended", "_held", "_id", "_lost", "_messages", "_reader", "_reads", "_receiver", "_waiting", "peer", "protocol")  # noqa: E501  # fmt: skip

    def __init__(self, carrier: Carrier, stream_id: int, peer: PeerId, protocol: str) -> None:
        self.peer = peer
        self.protocol = protocol
        self._carrier = carrier
        self._id = stream_id
        self._buffer = bytearray()  # received, not looked at
        self._reader = MessageReader(carrier.limits.message_bytes_max)
        self._messages: deque[bytes] = deque()  # cut, not read
        self._held = 0
        self._reads = 0
        self._receiver: Receiver | None = None  # whom everything is diverted to
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False  # our side
        self._ended = False  # the peer's side
        self._lost: ThalwegError | None = None

    async def read_message(self) -> bytes | None:
        """Return the next message, or None after the peer closed its side. One reader at a time.

        Raises:
            PeerFault: OVERSIZED or MALFORMED length, or the stream ended inside a message; the link is dropped.
            Unavailable: UNREACHABLE, the stream was reset or the link dropped.
        """
        self._reads += 1
        if self._reads % READS_AT_ONCE == 0:
            await asyncio.sleep(0)  # a handler that finds everything here must not keep others waiting
        while not self._messages:
            if self._buffer:
                self._cut()
            elif not await self._more():
                if self._reader.inside:
                    raise self._fault(PeerFault(Reason.MALFORMED, f"{self.protocol} ended inside a message"))
                return None
        return self._messages.popleft()

    async def read_exactly(self, size: int) -> bytes | None:
        """Return `size` bytes without framing, or None where the peer closed its side before them.

        Raises:
            Unavailable: UNREACHABLE, the stream was reset or the link dropped.
        """
        if size > READ_BYTES_MAX:
            raise InvariantBroken(f"{size} bytes cannot be read at once; a stream's window is {READ_BYTES_MAX}")
        self._reads += 1
        if self._reads % READS_AT_ONCE == 0:
            await asyncio.sleep(0)
        while len(self._buffer) < size:
            if not await self._more():
                return None
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._carrier.credit(self._id, size)
        self._recount()
        return data

    async def read_some(self) -> bytes:
        """Return what has arrived, or nothing where the peer closed its side.

        Raises:
            Unavailable: UNREACHABLE, the stream was reset or the link dropped.
        """
        while not self._buffer:
            if not await self._more():
                return b""
        data = bytes(self._buffer)
        self._buffer.clear()
        self._carrier.credit(self._id, len(data))
        self._recount()
        return data

    def divert(self, receiver: Receiver) -> None:
        """Hand everything that was not read and all that follows to another; it gives `credit` for what it took."""
        self._receiver = receiver
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            self._recount()
            receiver.received(memoryview(data))
        if self._lost is not None:
            receiver.lost(self._lost)
        elif self._ended:
            receiver.ended()

    def credit(self, size: int) -> None:
        """Let the peer send as many bytes more."""
        self._carrier.credit(self._id, size)

    def push(self, data: bytes) -> int:
        """Queue bytes without waiting, where the stream is there; return how many are queued."""
        self._carrier.write(self._id, data)
        return self._carrier.queued_on(self._id)

    def queued(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._carrier.queued_on(self._id)

    async def drained(self) -> None:
        """Return when at most half of what may be queued is queued, or the link is gone."""
        await self._carrier.drained(self._id)

    async def write_message(self, message: bytes) -> None:
        """Queue a message; waits while more than `Limits.stream_send_bytes_max` is queued.

        Raises:
            UserFault: OVERSIZED.
            Unavailable: UNREACHABLE, the stream was closed or reset, or the link dropped.
        """
        limit = self._carrier.limits.message_bytes_max
        if len(message) > limit:
            raise UserFault(Reason.OVERSIZED, f"a message of {len(message)} bytes; a peer takes at most {limit}")
        await self.write(frame(message))

    async def write(self, data: bytes) -> None:
        """Queue bytes without framing; waits like `write_message`."""
        self._check_writable()
        self._carrier.write(self._id, data)
        if self._carrier.queued_on(self._id) > self._carrier.limits.stream_send_bytes_max:
            await self._carrier.drained(self._id)
            self._check_writable()

    def close(self) -> None:
        """End our side after what is queued; the peer may go on writing. Idempotent."""
        if not self._closed:
            self._closed = True
            self._carrier.finish(self._id)

    def reset(self) -> None:
        """Abandon the stream at once, both ways. Idempotent."""
        if self._lost is None:
            self._carrier.reset(self._id)
            self.lost(Unavailable(Reason.UNREACHABLE, f"{self.protocol} was reset here"))

    # what the link says

    def received(self, data: memoryview) -> None:
        """Keep bytes until they are read."""
        if self._receiver is not None:
            self._receiver.received(data)
            return
        self._buffer += data
        self._recount()
        self._wake()

    def ended(self) -> None:
        """Note that the peer sends nothing more."""
        self._ended = True
        if self._receiver is not None:
            self._receiver.ended()
        self._wake()

    def lost(self, error: ThalwegError) -> None:
        """Note that the stream is gone; what was received whole can still be read."""
        if self._lost is None:
            self._lost = error
            self._buffer.clear()
            self._reader = MessageReader(0)
            self._recount()
            if self._receiver is not None:
                self._receiver.lost(error)
            self._wake()

    def _cut(self) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        try:
            self._messages.extend(self._reader.feed(data))
        except PeerFault as fault:
            raise self._fault(fault) from None
        self._carrier.credit(self._id, len(data))
        self._recount()

    def _recount(self) -> None:
        held = len(self._buffer) + self._reader.pending
        self._carrier.hold(held - self._held)
        self._held = held

    async def _more(self) -> bool:
        """Wait until something happened; False where nothing can follow."""
        if self._lost is not None:
            raise Unavailable(Reason.UNREACHABLE, f"{self.protocol} with {self.peer} is gone ({self._lost})")
        if self._ended:
            return False
        if self._waiting is not None:
            raise InvariantBroken("two tasks read one stream")
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None
        return True

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _check_writable(self) -> None:
        if self._lost is not None or self._closed:
            why = "closed here" if self._lost is None else str(self._lost)
            raise Unavailable(Reason.UNREACHABLE, f"{self.protocol} with {self.peer} is gone ({why})")

    def _fault(self, fault: PeerFault) -> PeerFault:
        self._carrier.drop(fault)
        return fault
