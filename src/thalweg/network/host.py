"""The network port of a node: a listening socket, links to peers, their message streams and other protocols.

    host = Host(seed, agent="thalweg/0.1.0", limits=Limits(), on_link_up=up, on_link_down=down, on_message=message)
    address = await host.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(host.run())

Rules: everything runs on one event loop and callbacks are called on it, in order for a peer: `on_link_up`, any number
of `on_message`, `on_link_down`. Messages to one peer arrive in order or the link drops. A callback may raise
`PeerFault` to cut the peer off; any other exception ends `run`.
"""

from collections.abc import Awaitable, Callable

from thalweg.network.limits import Limits
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.stream import Stream

Handler = Callable[[Stream], Awaitable[None]]


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
        raise NotImplementedError

    @property
    def peer_id(self) -> PeerId:
        """Return our own id."""
        raise NotImplementedError

    @property
    def addresses(self) -> tuple[Multiaddr, ...]:
        """Return where we listen, our peer id included."""
        raise NotImplementedError

    def peers(self) -> tuple[PeerId, ...]:
        """Return the peers that messages can be sent to now."""
        raise NotImplementedError

    async def listen(self, ip: str, port: int) -> Multiaddr:
        """Bind a TCP port (0: any free one) and return the address to give to others; `run` accepts the links.

        Raises:
            UserFault: the address cannot be bound.
        """
        raise NotImplementedError

    async def dial(self, address: Multiaddr) -> PeerId:
        """Connect to an address that names its peer, and return the peer once the link is authenticated.

        Raises:
            UserFault: the address names no peer.
            Unavailable: UNREACHABLE, nobody answered, or someone else did.
        """
        raise NotImplementedError

    def keep(self, peer: PeerId, address: Multiaddr) -> None:
        """Stay connected to a peer: dial now, and again after every loss with backoff and jitter.

        Idempotent; a new address replaces the old.
        """
        raise NotImplementedError

    def release(self, peer: PeerId) -> None:
        """Stop keeping a peer connected. An existing link stays."""
        raise NotImplementedError

    def send(self, peer: bytes, message: bytes) -> None:
        """Queue a message for a peer; without a link it is dropped.

        More than `Limits.send_bytes_max` queued drops the link: peers resynchronise on reconnect.

        Raises:
            UserFault: OVERSIZED, above `Limits.message_bytes_max`.
        """
        raise NotImplementedError

    def disconnect(self, peer: bytes, reason: str) -> None:
        """Drop the link to a peer after what is queued was handed to the socket. A kept peer is dialled again later."""
        raise NotImplementedError

    def handle(self, protocol: str, handler: Handler) -> None:
        """Serve an application protocol: `handler` runs once a stream in its own task. Call before peers connect.

        When it returns the stream is closed. PeerFault from it drops the link, Unavailable ends the stream.
        """
        raise NotImplementedError

    async def open(self, peer: PeerId, protocol: str) -> Stream:
        """Open a stream of an application protocol to a linked peer; one we keep is waited for, up to the dial limit.

        Raises:
            Unavailable: UNREACHABLE, no link; UNKNOWN_FEATURE, the peer does not serve the protocol; LIMIT.
        """
        raise NotImplementedError

    async def ping(self, peer: PeerId) -> float:
        """Return the round trip time to a linked peer in seconds.

        Raises:
            Unavailable: UNREACHABLE.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Serve until `aclose`; run it in a TaskGroup. Raises what a callback or handler raised but a peer's fault."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Send what is queued, close every link and socket, and return when `run` has ended. Idempotent."""
        raise NotImplementedError
