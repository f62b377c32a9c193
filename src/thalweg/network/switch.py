"""What a host does with its links: takes or refuses them, connects their streams to who serves them, tells the node.

`Host` has the sockets and tasks; here is everything that follows once a connection exists.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol

from thalweg.errors import PeerFault, Reason, ThalwegError, Unavailable, UserFault
from thalweg.network import identify, messages, services
from thalweg.network.limits import Limits
from thalweg.network.link import INBOX_BYTES, Link
from thalweg.network.links import Links
from thalweg.network.messages import MessageStream
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.notices import Notices
from thalweg.network.peer_id import PeerId
from thalweg.network.rate import Bucket
from thalweg.network.secure import Credentials
from thalweg.network.stream import Receiver, Stream
from thalweg.network.weighing import Scale

Handler = Callable[[Stream], Coroutine[Any, Any, None]]


class Service(Protocol):
    """A protocol that lives on every link without a task a stream: it takes its streams' bytes itself."""

    protocol: str

    def established(self, link: Link, peer: PeerId) -> None:
        """Note that a link can be used."""

    def serve(self, link: Link, peer: PeerId, stream_id: int) -> Receiver:
        """Serve a stream that the peer opened."""

    def dropped(self, link: Link) -> None:
        """Note that a link is gone; it may not have been established."""

    def tick(self, now: float) -> None:
        """Note that a moment has passed."""


LINES_PER_SECOND: Final = 20
IDENTIFY_END_SECONDS: Final = 0.02  # js-libp2p loses an answer read together with the negotiation and its end
_log: Final = logging.getLogger(__name__)


class Switch:
    """The owner of every link."""

    def __init__(
        self,
        credentials: Credentials,
        limits: Limits,
        agent: str,
        *,
        on_link_up: Callable[[PeerId], None],
        on_link_down: Callable[[PeerId, str], None],
        on_message: Callable[[PeerId, bytes], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        crash: Callable[[BaseException], None],
        changed: Callable[[PeerId], None],
    ) -> None:
        """`changed` hears of every link that comes or goes, before it is usable and whether or not it has messages."""
        self.credentials = credentials
        self.limits = limits
        self.addresses: list[Multiaddr] = []  # where we listen
        self.told: tuple[Multiaddr, ...] = ()  # what we say about that, where it is known better
        self.record = b""  # the same, signed
        self.links: Links[Link] = Links(credentials.identity.peer_id, limits)
        self.crash = crash
        self.counts: Counter[str] = Counter()  # why links ended, and what else was refused
        self._lines: Bucket | None = None
        self._waiting_links: list[Link] = []  # not read at present
        self.scale = Scale(limits)
        self.inbox = memoryview(bytearray(INBOX_BYTES))
        self._agent = agent
        self._on_link_up = on_link_up
        self._on_link_down = on_link_down
        self._on_message = on_message
        self._spawn = spawn
        self._changed = changed
        self._notices = Notices(crash, settled=self._read_on)
        self._channels: dict[bytes, tuple[Link, MessageStream]] = {}  # by PeerId
        self._written: set[Link] = set()  # since the last flush
        self._waiting: dict[PeerId, list[asyncio.Future[None]]] = {}  # for a link to come or go
        self._is_closing = False
        self._empty = asyncio.Event()  # no connection is left
        self._empty.set()
        self._handlers: dict[str, Handler] = {
            services.PING: services.serve_ping,
            identify.PROTOCOL: self._serve_identify,
        }
        self._services: dict[str, Service] = {}

    # what the host asks

    def handle(self, protocol: str, handler: Handler) -> None:
        """Serve a protocol."""
        self._handlers[protocol] = handler

    def attach(self, service: Service) -> None:
        """Let a service live on every link."""
        self._services[service.protocol] = service

    def tick(self, now: float) -> None:
        """Enforce what is limited in time."""
        for link in self.links.all():
            link.tick(now)
        self.scale.check(self.links.all())
        for service in self._services.values():
            service.tick(now)
        self.settle()

    def peers(self) -> tuple[PeerId, ...]:
        """Return the peers that messages can be sent to now."""
        return tuple(map(PeerId, self._channels))

    def queue(self, peer: bytes, message: bytes) -> None:
        """Queue a message for a peer until `flush`; without a link it is dropped."""
        limits = self.limits
        if len(message) > limits.message_bytes_max:
            raise UserFault(
                Reason.OVERSIZED, f"a message of {len(message)} bytes; a peer takes {limits.message_bytes_max}"
            )
        channel = self._channels.get(peer)
        if channel is None:
            return
        link, stream = channel
        if link.streams.queued + len(message) > limits.send_bytes_max:
            link.drop(Unavailable(Reason.LIMIT, f"{link.streams.queued} bytes wait to be sent: the peer is too slow"))
        else:
            stream.queue(message)
            self._written.add(link)

    def flush(self, *, soon: bool = False) -> None:
        """Send the queued messages now, or at the end of this turn of the event loop."""
        for link in self._written:
            if soon:
                link.flush_soon()
            else:
                link.flush()
        self._written.clear()

    def disconnect(self, peer: bytes, reason: str) -> None:
        """Drop the link to a peer after what is queued was sent; what it still says is not heard."""
        link = self.links.of(PeerId(peer))
        if link is not None:
            self._notices.forget(link)
            link.drop(Unavailable(Reason.UNREACHABLE, reason), flush=True)

    async def linked(self, peer: PeerId, *, wait: bool) -> Link:
        """Return the established link to a peer, where asked waiting as long as a dial may take.

        Raises:
            Unavailable: UNREACHABLE.
        """
        try:
            async with asyncio.timeout(self.limits.dial_seconds):
                while True:
                    link = self.links.of(peer)
                    if link is not None and link.is_established:
                        return link
                    if link is None and not wait:
                        raise Unavailable(Reason.UNREACHABLE, f"no link to {peer}; dial it or keep it connected")
                    await self._change(peer)
        except TimeoutError as error:
            raise Unavailable(Reason.UNREACHABLE, f"no link to {peer} within {self.limits.dial_seconds} s") from error

    async def open(self, link: Link, peer: PeerId, protocol: str) -> Stream:
        """Open a stream of a protocol on a link. One that the peer says it serves can be written to at once."""
        if link.description is not None and protocol in link.description.protocols:
            return self._open_at_once(link, peer, protocol)
        opened: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()

        def agreed(stream_id: int) -> Receiver:
            stream = Stream(link.streams, stream_id, peer, protocol)
            if opened.done():  # nobody waits any more
                stream.reset()
            else:
                opened.set_result(stream)
            return stream

        def failed(error: ThalwegError) -> None:
            if not opened.done():
                opened.set_exception(Unavailable(error.reason, f"{protocol} with {peer}: {error.detail}"))

        link.streams.open(protocol, agreed, failed)
        return await opened

    def _open_at_once(self, link: Link, peer: PeerId, protocol: str) -> Stream:
        """Open a stream whose first bytes leave with the proposal: a round trip less."""

        def failed(error: ThalwegError) -> None:
            stream.lost(Unavailable(error.reason, f"{protocol} with {peer}: {error.detail}"))

        stream_id = link.streams.open(protocol, lambda _: stream, failed)
        stream = Stream(link.streams, stream_id, peer, protocol)
        return stream

    async def close(self) -> None:
        """Close every link after what is queued was sent, take no more, and return when the sockets are closed."""
        self._is_closing = True
        for link in self.links.all():
            link.drop(Unavailable(Reason.UNREACHABLE, "this node stops"), flush=True)
        await self._empty.wait()

    # what a link says

    def entered(self, link: Link) -> None:
        """Count a new connection."""
        if self._is_closing:
            raise Unavailable(Reason.UNREACHABLE, "this node stops")
        evicted = self.links.enter(link)
        self._empty.clear()
        if evicted is not None:
            evicted.drop(Unavailable(Reason.LIMIT, "makes room for a peer from elsewhere"))
            evicted.abort()
            self.links.leave(evicted)

    def admit(self, link: Link, peer: PeerId) -> None:
        """Take a link to an authenticated peer; the one it replaces is dropped."""
        replaced = self.links.admit(link, peer, asyncio.get_running_loop().time())
        if replaced is not None:
            replaced.drop(Unavailable(Reason.UNREACHABLE, "replaced by a newer link"))

    def established(self, link: Link, peer: PeerId) -> None:
        """Use the link: the dialer opens the message stream, both ask who the other is."""
        self._tell_change(peer)
        if link.is_dialer:
            link.streams.open(messages.PROTOCOL, partial(self._attach, link, peer), lambda _: None)
        self._spawn(self._identify(link, peer))
        for service in self._services.values():
            service.established(link, peer)

    def serves(self, protocol: str) -> bool:
        """Say whether streams of a protocol are served."""
        return protocol == messages.PROTOCOL or protocol in self._handlers or protocol in self._services

    def serve(self, link: Link, peer: PeerId, stream_id: int, protocol: str) -> Receiver:
        """Serve a stream that the peer opened."""
        if protocol == messages.PROTOCOL:
            if peer in self._channels:
                raise PeerFault(Reason.LIMIT, "a second message stream was opened")
            return self._attach(link, peer, stream_id)
        if protocol in self._services:
            return self._services[protocol].serve(link, peer, stream_id)
        stream = Stream(link.streams, stream_id, peer, protocol)
        self._spawn(self._run_handler(self._handlers[protocol], stream, link, stream_id))
        return stream

    def dropped(self, link: Link, error: ThalwegError) -> None:
        """Note that a link is of no use any more."""
        self.counts[f"dropped_{error.reason.name.lower()}"] += 1
        was_used = self.links.lose(link)
        for service in self._services.values():
            service.dropped(link)
        if link.peer is None:
            if isinstance(error, PeerFault):
                self.links.fault(link, self._now())
            _log.debug("connection with %s failed: %s", link, error)
            return
        self._say("link to %s is down: %s", link, error)
        if isinstance(error, PeerFault):
            self.links.fault(link, self._now())
            self.links.ban(link.peer, self._now() + self.limits.ban_seconds)
        if self._channels.get(link.peer, (None, None))[0] is link:
            del self._channels[link.peer]
            reason = str(error) if isinstance(error, PeerFault) else error.detail
            self._notices.post(link, partial(self._on_link_down, link.peer, reason))
            self._notices.soon()
        if was_used:
            self._tell_change(link.peer)

    def left(self, link: Link) -> None:
        """Note that the socket is closed."""
        self.links.leave(link)
        if not self.links.all():
            self._empty.set()

    def weigh(self, link: Link, size: int) -> None:
        """Count bytes that links hold; where it is too much, drop the heaviest."""
        self.scale.add(link, size, self.links.all())

    def post(self, link: Link, call: Callable[[], None]) -> None:
        """Make a call when what just came on a link is parsed."""
        self._notices.post(link, call)

    def settle(self) -> None:
        """Make the node's calls that wait."""
        self._notices.settle()

    def finish(self) -> None:
        """Make every one of the node's calls that wait."""
        self._notices.finish()

    @property
    def is_behind(self) -> bool:
        """Say whether the node has so much to do that links should not be read."""
        return self._notices.is_behind

    def wait(self, link: Link) -> None:
        """Have a link read on when the node has caught up."""
        self._waiting_links.append(link)

    def _read_on(self) -> None:
        waiting, self._waiting_links = self._waiting_links, []
        for link in waiting:
            link.read_on()

    def _say(self, form: str, *words: object) -> None:
        """Log about links, so many lines a second: whoever connects again and again must not fill the disk."""
        now = self._now()
        if self._lines is None:
            self._lines = Bucket(LINES_PER_SECOND, now)
        if self._lines.take_if_held(1, now):
            _log.info(form, *words)
        else:
            self.counts["lines_not_logged"] += 1

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _change(self, peer: PeerId) -> None:
        """Return when a link to a peer came or went."""
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(peer, [])
        waiting.append(change)
        try:
            await change
        finally:
            waiting.remove(change)
            if not waiting:
                self._waiting.pop(peer, None)

    def _tell_change(self, peer: PeerId) -> None:
        for change in self._waiting.get(peer, ()):
            if not change.done():
                change.set_result(None)
        self._changed(peer)

    # the protocols

    def _attach(self, link: Link, peer: PeerId, stream_id: int) -> Receiver:
        def deliver(message: bytes) -> None:
            self._notices.post(link, partial(self._on_message, peer, message))

        stream = MessageStream(link.streams, stream_id, deliver, asyncio.get_running_loop().time)
        if not link.is_closed:
            link.streams.prefer(stream_id)
            self._channels[peer] = (link, stream)
            self._notices.post(link, partial(self._on_link_up, peer))
            self._notices.soon()
            self._say("link to %s is up", link)
        return stream

    async def _run_handler(self, handler: Handler, stream: Stream, link: Link, stream_id: int) -> None:
        try:
            await handler(stream)
        except PeerFault as fault:
            link.drop(fault)
        except Unavailable as error:
            _log.debug("stream %s of %s ended: %s", stream.protocol, link, error)
            stream.reset()
        except BaseException:
            stream.reset()
            raise
        else:
            stream.close()
            link.streams.retire(stream_id)

    async def _serve_identify(self, stream: Stream) -> None:
        link = self.links.of(stream.peer)
        description = identify.Description(
            public_key=self.credentials.identity.public_key,
            agent=self._agent,
            protocols=(messages.PROTOCOL, *self._services, *self._handlers),
            addresses=tuple(self.told or self.addresses),
            observed=link.remote if link is not None and not link.is_relayed else None,
            record=self.record,
        )
        await services.describe(stream, description)
        await asyncio.sleep(IDENTIFY_END_SECONDS)

    async def _identify(self, link: Link, peer: PeerId) -> None:
        try:
            async with asyncio.timeout(self.limits.negotiation_seconds):
                stream = await self.open(link, peer, identify.PROTOCOL)
                link.description = await services.ask_description(stream)
        except PeerFault as fault:
            link.drop(fault)
        except (Unavailable, TimeoutError) as error:
            _log.debug("%s did not identify itself: %s", link, error)
