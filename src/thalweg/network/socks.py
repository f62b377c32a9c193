"""SOCKS5 (RFC 1928): connections through a proxy, such as Tor, which resolves names itself.

Every target gets a user name of its own, so that Tor takes another path for each (RFC 1929; IsolateSOCKSAuth).
"""

import asyncio
import socket
from typing import Final

from thalweg.errors import Reason, Unavailable
from thalweg.network.link import Link
from thalweg.network.multiaddr import Multiaddr

NAME_BYTES_MAX: Final = 255
_VERSION, _CONNECT, _NAME = 5, 1, 3
_NO_PASSWORD, _PASSWORD = 0, 2
_REPLIES: Final = {
    1: "general failure", 2: "not allowed", 3: "network unreachable", 4: "host unreachable", 5: "connection refused",
    6: "timed out", 7: "command not supported", 8: "address type not supported",
}  # fmt: skip
_ADDRESS_BYTES: Final = {1: 4, 4: 16}


class SocksProxy:
    """A proxy at a host and port."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def dial(self, address: Multiaddr, link: Link) -> None:
        """Connect a link to an address through the proxy.

        Raises:
            Unavailable: UNREACHABLE, saying what the proxy said.
        """
        loop = asyncio.get_running_loop()
        tunnel = await self._reach()
        try:
            await self._connect(tunnel, address.host, address.port)
        except BaseException:
            tunnel.close()
            raise
        link.route = Multiaddr(tuple(part for part in address.parts if part[0] != "p2p"))
        await loop.create_connection(lambda: link, sock=tunnel)

    async def _reach(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        tunnel = socket.socket(family, kind, protocol)
        tunnel.setblocking(False)
        try:
            await loop.sock_connect(tunnel, place)
        except OSError as error:
            tunnel.close()
            raise Unavailable(
                Reason.UNREACHABLE, f"the proxy at {self._host} port {self._port} does not answer; is Tor running?"
            ) from error
        except BaseException:
            tunnel.close()
            raise
        return tunnel

    async def _connect(self, tunnel: socket.socket, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(tunnel, bytes((_VERSION, 2, _NO_PASSWORD, _PASSWORD)))
        version, method = await _take(tunnel, 2)
        if version != _VERSION or method not in (_NO_PASSWORD, _PASSWORD):
            raise Unavailable(Reason.UNREACHABLE, "the proxy does not speak SOCKS5, or asks for more than a name")
        name = host.encode()[:NAME_BYTES_MAX]
        if method == _PASSWORD:
            await loop.sock_sendall(tunnel, bytes((1, len(name))) + name + b"\x01x")
            _, refused = await _take(tunnel, 2)
            if refused:
                raise Unavailable(Reason.UNREACHABLE, "the proxy refuses our name")
        await loop.sock_sendall(tunnel, bytes((_VERSION, _CONNECT, 0, _NAME, len(name))) + name + port.to_bytes(2))
        _, reply, _, kind = await _take(tunnel, 4)
        if reply:
            why = _REPLIES.get(reply, f"reply {reply}")
            raise Unavailable(Reason.UNREACHABLE, f"{host} port {port} through the proxy: {why}")
        size = _ADDRESS_BYTES.get(kind)
        await _take(tunnel, (size if size is not None else (await _take(tunnel, 1))[0]) + 2)


async def _take(tunnel: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        more = await loop.sock_recv(tunnel, size - len(data))
        if not more:
            raise Unavailable(Reason.UNREACHABLE, "the proxy closed the connection")
        data += more
    return data
