"""How an address is reached: TCP, and the ways that relays and Tor add. Each makes a connection under a link."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from thalweg.errors import Reason, Unavailable
from thalweg.network.link import Link
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.resolving import Resolver, connect_to_first
from thalweg.network.switch import Switch

Way = Callable[[Multiaddr, Link], Awaitable[None]]
_ANY: Final = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - the port matters, not the interface
_PORT_IN_USE: Final = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)  # a connection between the same two ports is fading


class Dialler:
    """Connects to addresses."""

    def __init__(self, switch: Switch) -> None:
        self.is_running = False
        self.by_relay: Way | None = None
        self.by_tor: Way | None = None
        self.by_proxy: Way | None = None  # where set, plain TCP too
        self.local_port = 0  # dial from there, so that a router has one address for what we listen on and what we dial
        self._switch = switch
        self._resolver = Resolver()

    async def connect(self, address: Multiaddr, peer: PeerId) -> None:
        """Return once a link to a peer is authenticated.

        Raises:
            Unavailable: UNREACHABLE, nobody answered, or someone else did; UNKNOWN_FEATURE, no way leads there.
        """
        if not self.is_running:
            raise Unavailable(Reason.UNREACHABLE, "the network is not running")
        limits = self._switch.limits
        way = self._way(address)
        ready: asyncio.Future[PeerId] = asyncio.get_running_loop().create_future()
        link = Link(self._switch, expected=peer, ready=ready)
        try:
            async with asyncio.timeout(limits.dial_seconds):
                await way(address, link)
            await ready  # the handshake has its own limit of time
        except (OSError, TimeoutError) as error:
            why = str(error) or f"within {limits.dial_seconds} s"
            raise Unavailable(Reason.UNREACHABLE, f"{address} does not answer ({why})") from error
        finally:
            if not ready.done() or ready.cancelled():  # given up by us
                ready.cancel()
                link.abort()

    async def punch(self, address: Multiaddr, peer: PeerId | None) -> None:
        """Open a connection at the moment the other end does: as its client where `peer` is named, else as its server.

        Raises:
            Unavailable: UNREACHABLE.
        """
        if peer is not None:
            await self.connect(address, peer)
            return
        link = Link(self._switch)
        try:
            async with asyncio.timeout(self._switch.limits.dial_seconds):
                await self._by_tcp(address, link)
        except (OSError, TimeoutError) as error:
            link.abort()
            raise Unavailable(Reason.UNREACHABLE, f"{address} cannot be reached through its router") from error

    def _way(self, address: Multiaddr) -> Way:
        if address.relay is not None:
            way = self.by_relay
        elif address.is_onion:
            way = self.by_tor
        else:
            way = self.by_proxy or self._by_tcp
        if way is None:
            raise Unavailable(Reason.UNKNOWN_FEATURE, f"this node has no way to {address}: it uses no relay or no Tor")
        return way

    async def _by_tcp(self, address: Multiaddr, link: Link) -> None:
        if self.local_port and address.ip is not None and not address.ip.is_loopback:
            family = socket.AF_INET6 if address.ip.version == 6 else socket.AF_INET
            dialled = await self._from_own_port(family, str(address.ip), address.port)
            if dialled is not None:
                await asyncio.get_running_loop().create_connection(lambda: link, sock=dialled)
                return
        is_name = address.ip is None
        hosts = await self._resolver.resolve(address.host, address.port) if is_name else [address.host]
        await connect_to_first(link, hosts, address.port)

    async def _from_own_port(self, family: socket.AddressFamily, host: str, port: int) -> socket.socket | None:
        """Return a connection from the port we listen on; None where the port cannot be used for this one."""
        own = socket.socket(family, socket.SOCK_STREAM)
        try:
            own.setblocking(False)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            own.bind((_ANY[family], self.local_port))
        except OSError:
            own.close()
            return None
        try:
            await asyncio.get_running_loop().sock_connect(own, (host, port))
        except OSError as error:
            own.close()
            if error.errno in _PORT_IN_USE:
                return None
            raise
        except BaseException:
            own.close()
            raise
        return own
