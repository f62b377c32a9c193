"""The network port of a node: a listening socket, links to peers, their message streams and other protocols.

    host = Host(seed, agent="thalweg/0.1.0", limits=Limits(), on_link_up=up, on_link_down=down, on_message=message)
    address = await host.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(host.run())

Rules: everything runs on one event loop and callbacks are called on it, in order for a peer: `on_link_up`, any number
of `on_message`, `on_link_down`. Messages to one peer arrive in order or the link drops. A callback may raise
`PeerFault` to cut the peer off; any other exception ends `run`.
"""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from thalweg.errors import InvariantBroken, PeerFault, Reason, Unavailable, UserFault
from thalweg.network import services
from thalweg.network.dialling import Dialler
from thalweg.network.keeper import Keeper
from thalweg.network.limits import Limits
from thalweg.network.link import Link
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity, PeerId
from thalweg.network.secure import Credentials
from thalweg.network.stream import Stream
from thalweg.network.switch import Handler, Service, Switch

TICK_SECONDS: Final = 0.25  # how often limits of time are looked at
BACKLOG: Final = 128  # connections the system keeps until we accept them
_log: Final = logging.getLogger(__name__)


class PeerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a linked peer. `agent` and `protocols` are its own words."""

    peer: PeerId
    address: Multiaddr  # the socket's other end
    dialled: bool  # by us
    agent: str = ""
    protocols: tuple[str, ...] = ()
    rtt_seconds: float | None = None  # of the last keep-alive
    age_seconds: float = 0.0  # of the link
    observed: Multiaddr | None = None  # where it sees us
    record: bytes = b""  # its signed peer record, unchecked


class Host:
    """Links to peers, by PeerId. Implements `thalweg.node.ports.Network`."""

    def __init__(
        self,
        key: bytes,
        *,
        agent: str,
        limits: Limits,
        on_link_up: Callable[[PeerId], None],
        on_link_down: Callable[[PeerId, str], None],
        on_message: Callable[[PeerId, bytes], None],
    ) -> None:
        """`key` is a 32-byte Ed25519 seed; `agent` is what identify tells peers about our software."""
        self._limits = limits
        self._switch = Switch(
            Credentials(Identity(key), X25519PrivateKey.generate()),
            limits,
            agent,
            on_link_up=on_link_up,
            on_link_down=on_link_down,
            on_message=on_message,
            spawn=self._spawn,
            crash=self._crash,
            changed=self._wake_keeper,
        )
        self.dialler = Dialler(self._switch)  # how addresses are reached; relays and Tor add their ways
        self._keepers: dict[PeerId, Keeper] = {}
        self._keeping: dict[PeerId, asyncio.Task[None]] = {}
        self._servers: list[asyncio.Server] = []
        self._group: asyncio.TaskGroup | None = None  # while `run` runs
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop: asyncio.Future[None] | None = None  # done: close; failed: raise from `run`
        self._ended = asyncio.Event()

    @property
    def peer_id(self) -> PeerId:
        """Return our own id."""
        return self._switch.credentials.identity.peer_id

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Return where we listen, our peer id included."""
        return tuple(self._switch.addresses)

    @property
    def counts(self) -> Counter[str]:
        """Return why links ended and what was refused, by reason."""
        return self._switch.counts

    @property
    def held_bytes(self) -> int:
        """Return how many bytes were received and not read, of all links."""
        return self._switch.scale.held

    @property
    def identity(self) -> Identity:
        """Return our identity key, to sign what we say on the network."""
        return self._switch.credentials.identity

    @property
    def told(self) -> tuple[Multiaddr, ...]:
        """Return the addresses that peers are told."""
        return self._switch.told or self.addresses

    def is_relayed(self, peer: PeerId) -> bool:
        """Say whether the link to a peer leads through a relay."""
        link = self._switch.links.of(peer)
        return link is not None and link.is_relayed

    def described(self, peer: PeerId) -> tuple[Multiaddr, ...]:
        """Return where a linked peer says it is."""
        link = self._switch.links.of(peer)
        return () if link is None or link.description is None else link.description.addresses

    def new_link(self) -> Link:
        """Return a link for a connection that somebody else made to us by way of another peer."""
        return Link(self._switch)

    def tell(self, addresses: tuple[Multiaddr, ...], record: bytes) -> None:
        """Say these addresses to peers from now on, and this record of them."""
        self._switch.told, self._switch.record = addresses, record

    def peers(self) -> tuple[PeerId, ...]:
        """Return the peers that messages can be sent to now."""
        return self._switch.peers()

    def info(self, peer: bytes) -> PeerInfo | None:
        """Return what is known of a linked peer."""
        link = self._switch.links.of(PeerId(peer))
        if link is None or link.peer is None:
            return None
        said = link.description
        return PeerInfo(
            peer=link.peer,
            address=link.remote,
            dialled=link.is_dialer,
            agent=said.agent if said is not None else "",
            protocols=said.protocols if said is not None else (),
            rtt_seconds=link.rtt_seconds,
            age_seconds=asyncio.get_running_loop().time() - link.born_at,
            observed=said.observed if said is not None else None,
            record=said.record if said is not None else b"",
        )

    def linked(self) -> tuple[PeerInfo, ...]:
        """Return every established link, whether or not messages can be sent on it."""
        peers = [link.peer for link in self._switch.links.all() if link.is_established and link.peer is not None]
        return tuple(info for peer in peers if (info := self.info(peer)) is not None)

    async def listen(self, ip: str, port: int) -> Multiaddr:
        """Bind a TCP port (0: any free one) and return the address to give to others; `run` accepts the links.

        Raises:
            UserFault: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                lambda: Link(self._switch), ip, port, backlog=BACKLOG, start_serving=False
            )
        except OSError as error:
            raise UserFault(
                Reason.UNREACHABLE, f"cannot listen at {ip} port {port} ({error}); choose another port, or 0 for any"
            ) from error
        for listening in server.sockets:  # after the bind, which still fails where the port is taken
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._servers.append(server)
        if self._group is not None:
            await server.start_serving()
        address = Multiaddr.of(ip, server.sockets[0].getsockname()[1], self.peer_id)
        self._switch.addresses.append(address)
        return address

    async def dial(self, address: Multiaddr) -> PeerId:
        """Connect to an address that names its peer, and return the peer once the link is authenticated.

        Raises:
            UserFault: the address names no peer.
            Unavailable: UNREACHABLE, nobody answered, or someone else did.
        """
        peer = address.peer
        if peer is None:
            raise UserFault(Reason.MALFORMED, f"{address} does not say who is there; append /p2p/ and the peer's id")
        links = self._switch.links
        if links.of(peer) is None:
            try:
                await self.dialler.connect(address, peer)
            except Unavailable:
                if links.of(peer) is None:  # else it dialled us at the same time
                    raise
        await self._switch.linked(peer, wait=False)
        return peer

    def keep(self, peer: PeerId, address: Multiaddr) -> None:
        """Stay connected to a peer: dial now, and again after every loss with backoff and jitter.

        Idempotent; a new address replaces the old.

        Raises:
            UserFault: the address is another peer's, the peer is this node, or too many are kept (LIMIT).
        """
        if address.peer not in (None, peer) or peer == self.peer_id:
            raise UserFault(Reason.MALFORMED, f"{address} is not an address of the peer {peer} to connect to")
        full = address.to(peer)
        keeper = self._keepers.get(peer)
        if keeper is not None:
            keeper.move(full)
            return
        if len(self._keepers) >= self._limits.kept_max:
            raise UserFault(Reason.LIMIT, f"{self._limits.kept_max} peers are kept connected; release one first")
        links = self._switch.links
        self._keepers[peer] = Keeper(full, self._limits, dial=self.dial, is_linked=lambda: links.of(peer) is not None)
        if self._group is not None:
            self._start_keeping(peer)

    def release(self, peer: PeerId) -> None:
        """Stop keeping a peer connected. An existing link stays."""
        self._keepers.pop(peer, None)
        task = self._keeping.pop(peer, None)
        if task is not None:
            task.cancel()

    def queue(self, peer: bytes, message: bytes) -> None:
        """Queue a message for a peer until `flush`; without a link it is dropped.

        More than `Limits.send_bytes_max` queued drops the link: peers resynchronise on reconnect.

        Raises:
            UserFault: OVERSIZED, above `Limits.message_bytes_max`.
        """
        self._switch.queue(peer, message)

    def flush(self) -> None:
        """Send the queued messages."""
        self._switch.flush()

    def send(self, peer: bytes, message: bytes) -> None:
        """Queue a message and send it at the end of this turn of the event loop, with what else comes until then."""
        self._switch.queue(peer, message)
        self._switch.flush(soon=True)

    def disconnect(self, peer: bytes, reason: str) -> None:
        """Drop the link to a peer after what is queued was sent. A kept peer is dialled again later."""
        self._switch.disconnect(peer, reason)

    def handle(self, protocol: str, handler: Handler) -> None:
        """Serve an application protocol: `handler` runs once a stream in its own task. Call before peers connect.

        When it returns the stream is closed. PeerFault from it drops the link, Unavailable ends the stream.
        """
        self._switch.handle(protocol, handler)

    def attach(self, service: Service) -> None:
        """Let a protocol live on every link. Call before peers connect."""
        self._switch.attach(service)

    def post(self, link: Link, call: Callable[[], None]) -> None:
        """Make a call when what just came on a link is parsed, behind the calls that its messages make."""
        self._switch.post(link, call)

    def drop(self, peer: PeerId, fault: PeerFault) -> None:
        """Drop the link to a peer that broke a rule, and refuse it for a while."""
        link = self._switch.links.of(peer)
        if link is not None:
            link.drop(fault)

    def ban(self, peer: PeerId, seconds: float, reason: str) -> None:
        """Drop the link to a peer, keep it no longer, and refuse it for so long."""
        self.release(peer)
        self._switch.links.ban(peer, asyncio.get_running_loop().time() + seconds)
        self.disconnect(peer, reason)

    def pardon(self, peer: PeerId) -> None:
        """Refuse a peer no longer."""
        self._switch.links.pardon(peer)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run a service's task; what it raises `run` raises. None is begun while the host does not run."""
        return self._spawn(work)

    def crash(self, error: BaseException) -> None:
        """Stop with a bug of a service's: `run` raises it."""
        self._crash(error)

    async def open(self, peer: PeerId, protocol: str) -> Stream:
        """Open a stream of an application protocol to a linked peer; one we keep is waited for, up to the dial limit.

        Raises:
            Unavailable: UNREACHABLE, no link; UNKNOWN_FEATURE, the peer does not serve the protocol; LIMIT.
        """
        link = await self._switch.linked(peer, wait=peer in self._keepers)
        return await self._switch.open(link, peer, protocol)

    async def ping(self, peer: PeerId) -> float:
        """Return the round trip time to a linked peer in seconds.

        Raises:
            Unavailable: UNREACHABLE.
            PeerFault: MALFORMED, the peer answered with other bytes; the link is dropped.
        """
        link = await self._switch.linked(peer, wait=peer in self._keepers)
        try:
            return await services.ping(await self._switch.open(link, peer, services.PING))
        except PeerFault as fault:
            link.drop(fault)
            raise

    async def run(self) -> None:
        """Serve until `aclose`; run it in a TaskGroup. Raises what a callback or handler raised but a peer's fault.

        A host that was closed before it ran ends at once: whoever starts a node may be told to stop meanwhile.
        """
        if self._stop is not None:
            raise InvariantBroken("a host runs once")
        if self._ended.is_set():
            return
        self._stop = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as self._group:
                self.dialler.is_running = True
                self._spawn(self._tick())
                for peer in self._keepers:
                    self._start_keeping(peer)
                for server in self._servers:
                    await server.start_serving()
                await self._stop
                self._close_servers()
                await self._switch.close()
                for task in self._tasks:
                    task.cancel()
        finally:
            self._group, self.dialler.is_running = None, False
            self._close_servers()
            for link in self._switch.links.all():
                link.abort()
            await asyncio.sleep(0)  # the event loop closes the sockets
            self._switch.finish()
            self._ended.set()

    async def aclose(self) -> None:
        """Send what is queued, close every link and socket, and return when `run` has ended. Idempotent."""
        if self._stop is None:
            self._close_servers()
            self._ended.set()
            return
        if not self._stop.done():
            self._stop.set_result(None)
        await self._ended.wait()

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._switch.tick(clock())

    def _start_keeping(self, peer: PeerId) -> None:
        task = self._spawn(self._keepers[peer].run())
        if task is not None:
            self._keeping[peer] = task

    def _wake_keeper(self, peer: PeerId) -> None:
        keeper = self._keepers.get(peer)
        if keeper is not None:
            keeper.wake()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run a task of the host's; none is begun while it stops."""
        if self._group is None or self._stop is None or self._stop.done():
            work.close()
            return None
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _crash(self, error: BaseException) -> None:
        if self._stop is not None and not self._stop.done():
            self._stop.set_exception(error)
        else:
            _log.error("a callback failed while the host stops", exc_info=error)

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
