"""Host names to IP addresses, for the few addresses that a person gave us. The system's resolver blocks a thread.

A name that does not resolve may block for minutes and cannot be interrupted. So lookups have threads of their own, a
few, which do not keep the process from ending; when all are busy the next one is refused, not queued.
"""

import asyncio
import contextlib
import socket
import threading
from typing import Final

from thalweg.errors import Reason, Unavailable

AT_ONCE_MAX: Final = 4
ADDRESSES_MAX: Final = 8  # of a name


class Resolver:
    """Looks up names."""

    def __init__(self) -> None:
        self._busy = 0

    async def resolve(self, name: str, port: int) -> list[str]:
        """Return the IP addresses of a host name, at least one.

        Raises:
            Unavailable: UNREACHABLE, there are none; LIMIT, too many lookups hang.
        """
        if self._busy >= AT_ONCE_MAX:
            raise Unavailable(Reason.LIMIT, f"{name} is not looked up: {AT_ONCE_MAX} other names have not resolved yet")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def done(addresses: list[str]) -> None:
            self._busy -= 1
            if not found.done():
                found.set_result(addresses)

        def look_up() -> None:
            try:
                answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                answers = []
            addresses = list(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in answers))
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(done, addresses[:ADDRESSES_MAX])

        self._busy += 1
        threading.Thread(target=look_up, name=f"resolve {name}", daemon=True).start()
        addresses = await found
        if not addresses:
            raise Unavailable(Reason.UNREACHABLE, f"the name {name} does not resolve")
        return addresses


async def connect_to_first(protocol: asyncio.BaseProtocol, hosts: list[str], port: int) -> None:
    """Connect to the first of a peer's IP addresses that answers.

    Raises:
        OSError: of the last one, where none does.
    """
    for number, host in enumerate(hosts, 1):
        try:
            await asyncio.get_running_loop().create_connection(lambda: protocol, host, port)
        except OSError:
            if number == len(hosts):
                raise
        else:
            return
