"""Neighbours: peers on the same local network, found by mDNS without anybody's help."""

import asyncio
import contextlib
import logging
import secrets
import socket
import struct
from collections.abc import Callable
from typing import Final

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import mdns
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.rate import Bucket

ASK_SECONDS: Final = 10.0  # the first times, later
ASK_SECONDS_MAX: Final = 300.0
MESSAGES_PER_SECOND: Final = 50  # that are looked at
_log: Final = logging.getLogger(__name__)


class Neighbours:
    """mDNS on the local network."""

    def __init__(
        self,
        own: PeerId,
        addresses: Callable[[], tuple[Multiaddr, ...]],
        on_peer: Callable[[Multiaddr], None],
        *,
        interface: str = "0.0.0.0",  # noqa: S104 - the system chooses one
        place: tuple[str, int] = (mdns.GROUP, mdns.PORT),
        ask_seconds: float = ASK_SECONDS,
    ) -> None:
        """`addresses` says where we are; `on_peer` hears of every address of others."""
        self._own = own
        self._addresses = addresses
        self._on_peer = on_peer
        self._interface = interface
        self._place = place
        self._ask_seconds = ask_seconds
        self._name = secrets.token_hex(16)
        self._transport: asyncio.DatagramTransport | None = None
        self._messages = Bucket(MESSAGES_PER_SECOND, 0.0)

    async def run(self) -> None:
        """Ask and answer until cancelled.

        Raises:
            Unavailable: UNREACHABLE, there is no network that does multicast.
        """
        loop = asyncio.get_running_loop()
        owner = self

        class Ear(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                owner._heard(data)

            def error_received(self, exc: Exception) -> None:
                _log.debug("mDNS: %s", exc)

        try:
            transport, _ = await loop.create_datagram_endpoint(Ear, sock=self._socket())
        except OSError as error:
            raise Unavailable(Reason.UNREACHABLE, f"no multicast on this network ({error})") from error
        self._transport = transport
        wait = self._ask_seconds
        try:
            while True:
                self._send(mdns.question())
                self._answer()
                await asyncio.sleep(wait)
                wait = min(wait * 2, ASK_SECONDS_MAX)
        finally:
            transport.close()

    def _socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError, AttributeError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind(("", self._place[1]))
            member = struct.pack("4s4s", socket.inet_aton(self._place[0]), socket.inet_aton(self._interface))
            made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            if self._interface != "0.0.0.0":  # noqa: S104
                made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self._interface))
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            made.setblocking(False)
        except OSError:
            made.close()
            raise
        return made

    def _heard(self, data: bytes) -> None:
        if not self._messages.take_if_held(1, asyncio.get_running_loop().time()):
            return
        try:
            if mdns.asks(data):
                self._answer()
                return
            addresses = mdns.told(data)
        except PeerFault as fault:
            _log.debug("mDNS: %s", fault)
            return
        for address in addresses:
            peer, ip = address.peer, address.ip
            if peer is not None and peer != self._own and ip is not None and address.relay is None:
                self._on_peer(address)

    def _answer(self) -> None:
        addresses = tuple(each for each in self._addresses() if each.relay is None and not each.is_onion)
        if addresses:
            self._send(mdns.answer(self._name, addresses[:8]))

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            with contextlib.suppress(OSError):  # a network that is down is asked again later
                self._transport.sendto(data, self._place)
