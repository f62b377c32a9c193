"""One connection to a peer on asyncio: bytes in, through Noise, to its streams, and back.

Reading: everything that arrived is parsed at once, then the application is called, then what it wrote is sent: one
system call in, one out. Writing: frames are taken by priority only when the socket takes them, so an urgent message
never waits behind more than the socket's own buffer.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Protocol, cast

from thalweg.errors import InvariantBroken, PeerFault, Reason, ThalwegError, Unavailable
from thalweg.network.identify import Description
from thalweg.network.limits import Limits
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.rate import Bucket
from thalweg.network.secure import PLAIN_BYTES_MAX, Credentials, Opener, Sealer
from thalweg.network.stream import Receiver
from thalweg.network.streams import Streams
from thalweg.network.upgrade import Upgrade, Upgraded
from thalweg.network.yamux_frames import GO_AWAY, LINK_STREAM, Code, header

INBOX_BYTES: Final = 256 * 1024
UNSENT_BYTES: Final = 128 * 1024  # in the system's hands; without it bulk fills megabytes there before a message
_NOT_SENT_LOW: Final = getattr(socket, "TCP_NOTSENT_LOWAT", None)
SOCKET_BUFFER_BYTES: Final = 64 * 1024  # handed to the socket and not sent, before we stop handing over more


class Owner(Protocol):
    """What a link asks of its host."""

    limits: Limits
    credentials: Credentials
    crash: Callable[[BaseException], None]  # stop the host: a bug
    inbox: memoryview  # where sockets put what arrives, `INBOX_BYTES` long

    def entered(self, link: "Link") -> None:
        """Count a new connection. Raises Unavailable where it is one too many."""

    def admit(self, link: "Link", peer: PeerId) -> None:
        """Take a link to an authenticated peer. Raises ThalwegError where it is refused."""

    def established(self, link: "Link", peer: PeerId) -> None:
        """Use the link."""

    def serves(self, protocol: str) -> bool:
        """Say whether streams of a protocol are served."""

    def serve(self, link: "Link", peer: PeerId, stream_id: int, protocol: str) -> Receiver:
        """Serve a stream that the peer opened."""

    def dropped(self, link: "Link", error: ThalwegError) -> None:
        """Note that a link is of no use any more."""

    def left(self, link: "Link") -> None:
        """Note that the socket is closed."""

    def settle(self) -> None:
        """Make the application's calls that wait."""

    @property
    def is_behind(self) -> bool:
        """Say whether links should not be read."""

    def wait(self, link: "Link") -> None:
        """Call `read_on` when they may be."""

    def weigh(self, link: "Link", size: int) -> None:
        """Count bytes that a link holds. Raises Unavailable where it holds most and all hold too much."""


class Link(asyncio.BufferedProtocol):
    """A connection from its first byte on."""

    __slots__ = (
        "_closed_at", "_expected", "_finishing", "_flushing", "_frames", "_heard_at", "_loop", "_measure_at", "_opener",
        "_owner", "_paused_at", "_pinged_at", "_ready", "_sealer", "_transport", "_upgrade", "address", "born_at",
        "description", "limits", "peer", "port", "route", "rtt_seconds", "streams",
    )  # fmt: skip

    def __init__(
        self, owner: Owner, *, expected: PeerId | None = None, ready: asyncio.Future[PeerId] | None = None
    ) -> None:
        """Whoever dials says whom he expects, and is told through `ready` when the link is established or fails."""
        self.limits = owner.limits
        self.peer: PeerId | None = None  # known and admitted
        self.address = ""  # of the socket's other end
        self.port = 0
        self.route: Multiaddr | None = None  # where it is no plain TCP connection: the address dialled, or the relay's
        self.rtt_seconds: float | None = None
        self.description: Description | None = None  # what the peer says about itself
        self._owner = owner
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        self.born_at = self._heard_at = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self._expected = expected
        self._upgrade: Upgrade | None = None
        self._sealer: Sealer | None = None
        self._opener: Opener | None = None
        self.streams = Streams(self, self._loop.time)
        self._frames = Bucket(owner.limits.frames_per_second, self.born_at)
        self._pinged_at: float | None = None  # while an answer is due
        self._measure_at = self.born_at  # when the round trip is measured again
        self._paused_at: float | None = None  # while the socket takes nothing
        self._flushing = False  # a flush follows in this turn of the loop
        self._finishing = False  # closed for use, sending what is queued
        self._closed_at: float | None = None

    @property
    def is_dialer(self) -> bool:
        """Say whether we dialled."""
        return self._ready is not None

    @property
    def is_relayed(self) -> bool:
        """Say whether a relay is in between."""
        return self.route is not None and self.route.relay is not None

    @property
    def remote(self) -> Multiaddr:
        """Return where the peer is, as far as this end can tell."""
        return self.route or Multiaddr.of(self.address, self.port)

    @property
    def is_established(self) -> bool:
        """Say whether streams can be opened."""
        return self._sealer is not None and self._closed_at is None

    @property
    def is_closed(self) -> bool:
        """Say whether the link was dropped."""
        return self._closed_at is not None

    def __str__(self) -> str:
        return f"{self.peer or 'a stranger'} at {self.address} port {self.port}"

    def drop(self, error: ThalwegError, *, flush: bool = False) -> None:
        """Close the link for a reason, where asked after what is queued was sent. Idempotent."""
        if self._closed_at is not None:
            return
        self._closed_at = self._loop.time()
        self.streams.lose(error)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(Unavailable(Reason.UNREACHABLE, f"{self}: {error}"))
        self._owner.dropped(self, error)
        if flush and self._sealer is not None:
            self._finishing = True
            self.flush_soon()
        else:
            self._farewell(Code.PROTOCOL_ERROR if isinstance(error, PeerFault) else Code.NORMAL)

    def abort(self) -> None:
        """Close the socket at once; what is queued is lost."""
        self.drop(Unavailable(Reason.UNREACHABLE, "aborted"))
        if self._transport is not None:
            self._transport.abort()

    # what the streams ask

    def serves(self, protocol: str) -> bool:
        """Say whether streams of a protocol are served."""
        return self._owner.serves(protocol)

    def serve(self, stream_id: int, protocol: str) -> Receiver:
        """Serve a stream that the peer opened."""
        if self.peer is None:
            raise InvariantBroken("a stranger opened a stream")
        return self._owner.serve(self, self.peer, stream_id, protocol)

    def weigh(self, size: int) -> None:
        """Count bytes received and not read, of all links."""
        self._owner.weigh(self, size)

    def ponged(self) -> None:
        """Note that the peer answered a ping."""
        if self._pinged_at is not None:
            self.rtt_seconds, self._pinged_at = self._heard_at - self._pinged_at, None

    def flush_soon(self) -> None:
        """Send what is queued in this turn of the event loop."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def flush_unless_soon(self) -> None:
        """Send what is queued now, unless that follows anyway."""
        if not self._flushing:
            self.flush()

    def flush(self) -> None:
        """Send what is queued now."""
        self._flushing = False
        transport, sealer = self._transport, self._sealer
        if transport is None or sealer is None or transport.is_closing():
            return
        while self._paused_at is None and self.streams.has_output:
            if plain := self.streams.take(PLAIN_BYTES_MAX):
                transport.write(sealer.seal(plain))
        self.streams.sent()
        if self._finishing and not self.streams.queued:
            self._farewell(Code.NORMAL)

    # what asyncio says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the upgrade, where the host takes one more connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=SOCKET_BUFFER_BYTES)
        self.address, self.port = (self._transport.get_extra_info("peername") or ("", 0))[:2]
        if (own_socket := self._transport.get_extra_info("socket")) is not None:  # a circuit has none
            own_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if _NOT_SENT_LOW is not None:  # what the system holds and has not sent cannot be overtaken any more
                own_socket.setsockopt(socket.IPPROTO_TCP, _NOT_SENT_LOW, UNSENT_BYTES)
        try:
            self._owner.entered(self)
        except Unavailable as refusal:
            self.drop(refusal)
            return
        self._upgrade = Upgrade(
            self._owner.credentials,
            dialer=self.is_dialer,
            expected=self._expected,
            admit=self._admit,
            bytes_max=self.limits.handshake_bytes_max,
        )
        self._transport.write(self._upgrade.start())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what arrives: one place for all links, as it is used up before the next one reads."""
        return self._owner.inbox

    def buffer_updated(self, nbytes: int) -> None:
        """Parse everything, then let the application act, then send."""
        data = bytes(self._owner.inbox[:nbytes])
        self._heard_at = self._loop.time()
        self._flushing = True
        try:
            self._receive(data)
        except ThalwegError as error:
            self.drop(error)
        except Exception as error:  # our bug: asyncio would only log it; `Host.run` raises it
            self._owner.crash(error)
        self._owner.settle()
        self.flush()
        if self._owner.is_behind and self.route is None:  # the relay's own link waits for those through it
            self._read_later()

    def _read_later(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._owner.wait(self)

    def read_on(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._heard_at = self._loop.time()
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is closed."""
        self._transport = None
        self.drop(Unavailable(Reason.UNREACHABLE, str(exc) if exc else "the peer closed the connection"))
        self._owner.left(self)
        self._owner.settle()

    def pause_writing(self) -> None:
        """Keep what is queued, in order of priority, until the socket takes more."""
        self._paused_at = self._loop.time()

    def resume_writing(self) -> None:
        """Go on sending."""
        self._paused_at = None
        self.flush()

    def tick(self, now: float) -> None:
        """Enforce every limit of time; called about twice a second."""
        limits = self.limits
        if self._closed_at is not None:
            if now - self._closed_at > limits.linger_seconds:
                self.abort()
        elif self._upgrade is not None:
            if now - self.born_at > limits.handshake_seconds:
                self.drop(Unavailable(Reason.UNREACHABLE, f"no handshake within {limits.handshake_seconds} s"))
        elif self._paused_at is not None and now - self._paused_at > limits.silent_seconds_max:
            self.drop(Unavailable(Reason.UNREACHABLE, f"took no bytes for {limits.silent_seconds_max} s"))
        elif now - self._heard_at > limits.silent_seconds_max:
            self.drop(Unavailable(Reason.UNREACHABLE, f"silent for {limits.silent_seconds_max} s"))
        else:
            self.streams.expire(now)
            is_due = now - self._heard_at > limits.ping_after_seconds or now >= self._measure_at
            if self._pinged_at is None and is_due:
                self._pinged_at, self._measure_at = now, now + limits.measure_seconds
                self.streams.ping()

    def _receive(self, data: bytes) -> None:
        if self._opener is not None:
            if self._closed_at is None or self._finishing:
                self._open_frames(self._opener.feed(data))
        elif self._upgrade is not None and self._transport is not None and not self.is_closed:
            self._transport.write(self._upgrade.feed(data))
            if self._upgrade.result is not None:
                self._establish(self._upgrade.result)

    def _open_frames(self, plains: list[bytes]) -> None:
        before = self.streams.frames_received
        for plain in plains:
            self.streams.feed(plain)
        if not self._frames.take(len(plains) + self.streams.frames_received - before, self._heard_at):
            raise PeerFault(Reason.FLOOD, "more frames a second than are taken from one peer")

    def _establish(self, upgraded: Upgraded) -> None:
        self._upgrade = None
        self._sealer, self._opener = upgraded.sealer, upgraded.opener
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(upgraded.peer)
        self._owner.established(self, upgraded.peer)
        if upgraded.rest:
            self.streams.feed(upgraded.rest)

    def _admit(self, peer: PeerId) -> None:
        self._owner.admit(self, peer)
        self.peer = peer

    def _farewell(self, code: int) -> None:
        """Say that we close, and stop sending. The socket is closed when the peer has closed its end, or soon after.

        Closing it now, with bytes of the peer's unread, would make the system discard what we sent last.
        """
        transport, sealer = self._transport, self._sealer
        self._sealer = None
        if transport is None or transport.is_closing():
            return
        if sealer is None:
            transport.close()
        else:
            transport.write(sealer.seal(header(GO_AWAY, 0, LINK_STREAM, code)))
            try:
                transport.write_eof()
            except OSError:  # the peer's end is gone already
                transport.abort()
