"""yamux 1.0: many streams over one connection, each with flow control. Sans-IO.

`feed` takes what was received and returns what happened; `take` returns what to send next. Every stream starts with a
window of 256 KiB each way: a sender that exceeds what it was granted broke the rules. What is queued goes out by
priority (0 first), streams of one priority in turn; frames about windows, pings and resets go before all data.
https://github.com/hashicorp/yamux/blob/master/spec.md
"""

from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network.limits import YAMUX_WINDOW_BYTES
from thalweg.network.yamux_frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER_BYTES,
    LINK_STREAM,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    header,
)

PROTOCOL: Final = "/yamux/1.0.0"
PRIORITIES: Final = 2
URGENT: Final = 0
BULK: Final = 1
CONTROL_FRAMES_MAX: Final = 4096  # answers waiting to be sent: a peer that makes more and does not read is cut off
DISCARDABLE_MAX: Final = 64 * YAMUX_WINDOW_BYTES
_STREAM_ID_MAX: Final = 2**32 - 1
_WINDOW_MAX: Final = 2**32 - 1
_CREDIT_BATCH: Final = YAMUX_WINDOW_BYTES // 2  # window updates are sent for this much, not for every read


class Opened(msgspec.Struct, frozen=True):
    """The peer opened a stream."""

    stream_id: int


class Received(msgspec.Struct, frozen=True):
    """Bytes of a stream arrived. Give them back as credit once they are used."""

    stream_id: int
    data: memoryview


class Ended(msgspec.Struct, frozen=True):
    """The peer will send nothing more on a stream."""

    stream_id: int


class WasReset(msgspec.Struct, frozen=True):
    """The peer abandoned a stream."""

    stream_id: int


class Ponged(msgspec.Struct, frozen=True):
    """The peer answered our ping."""

    value: int


class WentAway(msgspec.Struct, frozen=True):
    """The peer is closing the link."""

    code: int


Event = Opened | Received | Ended | WasReset | Ponged | WentAway


class _Stream:
    """Both directions of one stream."""

    __slots__ = (
        "credit", "ended", "finished", "finishing", "id", "outgoing", "priority", "queued", "ready", "receivable",
        "sendable",
    )  # fmt: skip

    def __init__(self, stream_id: int, priority: int) -> None:
        self.id = stream_id
        self.priority = priority
        self.outgoing: list[bytes | memoryview] = []
        self.queued = 0  # bytes in `outgoing`
        self.sendable = YAMUX_WINDOW_BYTES  # bytes the peer lets us send
        self.receivable = YAMUX_WINDOW_BYTES  # bytes we let the peer send
        self.credit = 0  # bytes used and not yet granted again
        self.ready = False  # it stands in the queue of its priority
        self.finishing = False  # our end is asked for
        self.finished = False  # our FIN is sent
        self.ended = False  # the peer's FIN came

    def has_work(self) -> bool:
        if self.queued:
            return self.sendable > 0
        return self.finishing and not self.finished


class Session:
    """One end of a connection's streams. The dialer's streams have odd ids, the listener's even ones."""

    __slots__ = (
        "_body_ends", "_body_left", "_body_of", "_control", "_discardable", "_inbound", "_inbound_max",
        "_newest_inbound", "_next_id", "_outbound", "_outbound_max", "_reader", "_ready", "_streams",
        "done", "frames_received", "queued", "refused",
    )  # fmt: skip

    def __init__(self, *, dialer: bool, inbound_max: int, outbound_max: int) -> None:
        self._streams: dict[int, _Stream] = {}
        self._next_id = 1 if dialer else 2
        self._newest_inbound = 0
        self._inbound = self._outbound = 0  # streams open, by who opened them
        self._inbound_max = inbound_max
        self._outbound_max = outbound_max
        self._reader = FrameReader()
        self._body_of: _Stream | None = None  # whose body is being received; None: dropped bytes
        self._body_left = 0
        self._body_ends = False  # the stream ends behind this body
        self._discardable = 0  # bytes the peer may still send to streams we dropped
        self._control: list[bytes] = []  # lists, since an empty deque takes 600 bytes, and these are short
        self._ready: tuple[list[_Stream], ...] = tuple([] for _ in range(PRIORITIES))
        self.queued = 0  # bytes written to streams and not yet taken
        self.frames_received = 0
        self.refused = 0  # streams that were one too many; the caller zeroes it
        self.done: list[int] = []  # streams that are over; the caller empties it

    # what we do

    def open(self, priority: int) -> int:
        """Open a stream and return its id.

        Raises:
            Unavailable: LIMIT, as many streams as we open at once are open.
        """
        if self._outbound >= self._outbound_max or self._next_id > _STREAM_ID_MAX:
            raise Unavailable(Reason.LIMIT, f"{self._outbound} streams are open to this peer; close some")
        stream = _Stream(self._next_id, priority)
        self._next_id += 2
        self._outbound += 1
        self._streams[stream.id] = stream
        self._control.append(header(WINDOW_UPDATE, SYN, stream.id, 0))
        return stream.id

    def prioritise(self, stream_id: int, priority: int) -> None:
        """Send what is queued on a stream from now on at another priority."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.priority = priority

    def write(self, stream_id: int, data: bytes) -> None:
        """Queue bytes on a stream; on one that is gone or finished they are dropped."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.finishing or not data:
            return
        stream.outgoing.append(data)
        stream.queued += len(data)
        self.queued += len(data)
        self._make_ready(stream)

    def finish(self, stream_id: int) -> None:
        """End our side of a stream after what is queued."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.finishing:
            stream.finishing = True
            self._make_ready(stream)

    def reset(self, stream_id: int) -> None:
        """Abandon a stream; what is queued on it is dropped."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._answer(header(WINDOW_UPDATE, RST, stream_id, 0))
            self._drop(stream)

    def credit(self, stream_id: int, size: int) -> bool:
        """Let the peer send as many bytes more as were used; grants go in batches. Say whether one is due."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.ended:
            return False
        stream.credit += size
        if stream.credit < _CREDIT_BATCH:
            return False
        self._answer(header(WINDOW_UPDATE, 0, stream_id, stream.credit))
        stream.receivable += stream.credit
        stream.credit = 0
        return True

    def ping(self, value: int) -> None:
        """Ask the peer to answer with `value` (32 bits)."""
        self._answer(header(PING, SYN, LINK_STREAM, value))

    def go_away(self, code: int) -> None:
        """Tell the peer that we close the link."""
        self._control.append(header(GO_AWAY, 0, LINK_STREAM, code))

    @property
    def has_output(self) -> bool:
        """Say whether `take` would return anything."""
        urgent, bulk = self._ready
        return bool(self._control or urgent or bulk)

    def queued_on(self, stream_id: int) -> int:
        """Return how many bytes are queued on a stream."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.queued

    # what is sent

    def take(self, budget: int) -> list[bytes | memoryview]:
        """Return the next frames to send, together at most `budget` bytes; nothing where nothing may be sent."""
        out: list[bytes | memoryview] = []
        if self._control:
            count = min(len(self._control), budget // HEADER_BYTES)
            out += self._control[:count]
            del self._control[:count]
            budget -= count * HEADER_BYTES
        for ready in self._ready:
            while ready and budget > 2 * HEADER_BYTES:
                stream = ready.pop(0)
                stream.ready = False
                budget -= self._take_frame(stream, budget - HEADER_BYTES, out)
                self._make_ready(stream)
        return out

    def _take_frame(self, stream: _Stream, size_max: int, out: list[bytes | memoryview]) -> int:
        if not stream.has_work():
            return 0
        size = min(stream.queued, stream.sendable, size_max - HEADER_BYTES * stream.finishing)
        stream.queued -= size
        stream.sendable -= size
        self.queued -= size
        ends = stream.finishing and not stream.queued
        if size:
            out.append(header(DATA, 0, stream.id, size))
        _move(stream.outgoing, size, out)
        if ends:  # in a frame of its own: js-libp2p ends a stream before it reads the data of the same frame
            out.append(header(WINDOW_UPDATE, FIN, stream.id, 0))
            stream.finished = True
            self._drop_if_done(stream)
        return HEADER_BYTES * (bool(size) + ends) + size

    def _make_ready(self, stream: _Stream) -> None:
        if not stream.ready and stream.has_work():
            stream.ready = True
            self._ready[stream.priority].append(stream)

    def _answer(self, frame: bytes) -> None:
        if len(self._control) >= CONTROL_FRAMES_MAX:
            raise PeerFault(Reason.FLOOD, f"{CONTROL_FRAMES_MAX} yamux answers wait; the peer does not read them")
        self._control.append(frame)

    # what the peer does

    def feed(self, data: bytes) -> list[Event]:
        """Take decrypted bytes and return what happened.

        Raises:
            PeerFault: MALFORMED, against the protocol; OVERSIZED, beyond a window; FLOOD, to streams long gone.
        """
        events: list[Event] = []
        for item in self._reader.feed(data):
            if not isinstance(item, Frame):
                self._on_body(item, events)
                continue
            self.frames_received += 1
            if item.kind == PING:
                self._on_ping(item, events)
            elif item.kind == GO_AWAY:
                events.append(WentAway(item.length))
            else:
                self._on_stream_frame(item, events)
        return events

    def _on_ping(self, frame: Frame, events: list[Event]) -> None:
        if frame.flags & SYN:
            self._answer(header(PING, ACK, LINK_STREAM, frame.length))
        elif frame.flags & ACK:
            events.append(Ponged(frame.length))

    def _on_stream_frame(self, frame: Frame, events: list[Event]) -> None:
        if frame.flags & SYN:
            self._accept(frame, events)
        stream = self._streams.get(frame.stream_id)
        if stream is None:
            self._check_was_open(frame.stream_id)
        if frame.kind == DATA:
            self._charge(stream, frame.length)
            self._body_of, self._body_left, self._body_ends = stream, frame.length, bool(frame.flags & FIN)
        elif stream is not None:
            self._widen(stream, frame.length)
        if stream is None:
            return
        if frame.flags & RST:
            stream.ended = True
            self._drop(stream)
            events.append(WasReset(stream.id))
        elif frame.flags & FIN and (frame.kind != DATA or frame.length == 0):
            self._end(stream, events)

    def _on_body(self, piece: memoryview, events: list[Event]) -> None:
        self._body_left -= len(piece)
        stream = self._body_of
        if stream is None or stream.id not in self._streams:
            return
        events.append(Received(stream.id, piece))
        if self._body_ends and not self._body_left:
            self._end(stream, events)

    def _accept(self, frame: Frame, events: list[Event]) -> None:
        stream_id = frame.stream_id
        if stream_id == LINK_STREAM or self._is_ours(stream_id) or stream_id <= self._newest_inbound:
            raise PeerFault(Reason.MALFORMED, f"yamux stream {stream_id} cannot be opened")
        self._newest_inbound = stream_id
        if self._inbound >= self._inbound_max:
            self.refused += 1
            self._let_discard(YAMUX_WINDOW_BYTES)
            self._answer(header(WINDOW_UPDATE, RST, stream_id, 0))
            return
        self._inbound += 1
        self._streams[stream_id] = _Stream(stream_id, BULK)
        self._answer(header(WINDOW_UPDATE, ACK, stream_id, 0))
        events.append(Opened(stream_id))

    def _check_was_open(self, stream_id: int) -> None:
        """A frame may cross our reset of its stream; one for a stream that never was is a fault."""
        newest = self._next_id - 2 if self._is_ours(stream_id) else self._newest_inbound
        if stream_id == LINK_STREAM or stream_id > newest:
            raise PeerFault(Reason.MALFORMED, f"a frame of yamux stream {stream_id}, which was never opened")

    def _charge(self, stream: _Stream | None, size: int) -> None:
        if stream is None or stream.ended:
            self._discardable -= size
            if self._discardable < 0:
                raise PeerFault(Reason.FLOOD, "data for yamux streams that are closed")
        elif size > stream.receivable:
            raise PeerFault(Reason.OVERSIZED, f"{size} bytes into a yamux window of {stream.receivable}")
        else:
            stream.receivable -= size

    def _let_discard(self, size: int) -> None:
        """Let what is under way to a stream we dropped come, but not whatever many dropped streams add up to."""
        self._discardable = min(self._discardable + size, DISCARDABLE_MAX)

    def _widen(self, stream: _Stream, size: int) -> None:
        stream.sendable += size
        if stream.sendable > _WINDOW_MAX:
            raise PeerFault(Reason.OVERFLOW, "a yamux window above 2^32 - 1")
        self._make_ready(stream)

    def _end(self, stream: _Stream, events: list[Event]) -> None:
        if not stream.ended:
            stream.ended = True
            events.append(Ended(stream.id))
            self._drop_if_done(stream)

    def _drop_if_done(self, stream: _Stream) -> None:
        if stream.ended and stream.finished:
            self._drop(stream)

    def _drop(self, stream: _Stream) -> None:
        if not stream.ended:
            self._let_discard(stream.receivable)
        self.queued -= stream.queued
        stream.outgoing.clear()
        stream.queued = 0
        stream.finishing = stream.finished = True
        del self._streams[stream.id]
        self.done.append(stream.id)
        if self._is_ours(stream.id):
            self._outbound -= 1
        else:
            self._inbound -= 1

    def _is_ours(self, stream_id: int) -> bool:
        return stream_id % 2 == self._next_id % 2


def _move(chunks: list[bytes | memoryview], size: int, out: list[bytes | memoryview]) -> None:
    """Move the first `size` bytes of `chunks` to `out`."""
    whole = 0
    for chunk in chunks:
        if len(chunk) > size:
            break
        size -= len(chunk)
        whole += 1
    out += chunks[:whole]
    del chunks[:whole]
    if size:
        view = memoryview(chunks[0])
        out.append(view[:size])
        chunks[0] = view[size:]
