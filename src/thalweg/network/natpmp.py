"""NAT-PMP (RFC 6886): ask a home router to lead a port of its public address to us. Twelve bytes of UDP."""

import asyncio
import ipaddress
import struct
from pathlib import Path
from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason, Unavailable

PORT: Final = 5351
LIFE_SECONDS: Final = 3600
TRIES: Final = 4  # each waits twice as long
FIRST_WAIT_SECONDS: Final = 0.25
_TCP: Final = 2
_ANSWER: Final = 128
_RESULTS: Final = {1: "unsupported version", 2: "not allowed", 3: "no network", 4: "out of resources", 5: "unknown"}
_ROUTES: Final = Path("/proc/net/route")


class Mapping(msgspec.Struct, frozen=True):
    """A port of the router's that leads to us, and for how many seconds."""

    host: str
    port: int
    seconds: int


def address_request() -> bytes:
    """Return the question for the public address."""
    return b"\0\0"


def map_request(internal: int, external: int, seconds: int) -> bytes:
    """Return the request to lead an external TCP port to an internal one; 0 seconds: no longer."""
    return struct.pack(">BBHHHI", 0, _TCP, 0, internal, external, seconds)


def read_address(data: bytes) -> str:
    """Parse the router's public address.

    Raises:
        PeerFault: MALFORMED.
        Unavailable: it has none, or does not say.
    """
    _check(data, 0, 12)
    return str(ipaddress.IPv4Address(data[8:12]))


def read_mapping(data: bytes) -> tuple[int, int]:
    """Parse an answer: the external port, and for how many seconds.

    Raises:
        PeerFault: MALFORMED.
        Unavailable: the router refuses.
    """
    _check(data, _TCP, 16)
    _, port, seconds = struct.unpack_from(">HHI", data, 8)
    return port, seconds


def _check(data: bytes, operation: int, size: int) -> None:
    if len(data) < 4 or data[0] != 0 or data[1] != _ANSWER + operation:
        raise PeerFault(Reason.MALFORMED, "not an answer of NAT-PMP")
    result = int.from_bytes(data[2:4])
    if result:
        raise Unavailable(Reason.UNREACHABLE, f"the router maps no port: {_RESULTS.get(result, result)}")
    if len(data) < size:
        raise PeerFault(Reason.MALFORMED, "an answer of NAT-PMP is truncated")


def default_gateway() -> str | None:
    """Return the router's address, where the system says it (Linux)."""
    try:
        lines = _ROUTES.read_text().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and int(fields[3], 16) & 2:
            return str(ipaddress.IPv4Address(bytes.fromhex(fields[2])[::-1]))
    return None


async def map_port(gateway: str, port: int, *, at: int = PORT, seconds: int = LIFE_SECONDS) -> Mapping:
    """Have a TCP port led to us; `at` is the router's port for NAT-PMP.

    Raises:
        Unavailable: UNREACHABLE, the router does not answer or refuses.
    """
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[bytes] = asyncio.Queue(maxsize=16)

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            if not answers.full():
                answers.put_nowait(data)

    transport, _ = await loop.create_datagram_endpoint(Ear, remote_addr=(gateway, at))
    try:
        host = read_address(await _ask(transport, answers, address_request()))
        external, granted = read_mapping(await _ask(transport, answers, map_request(port, port, seconds)))
    except PeerFault as fault:
        raise Unavailable(Reason.UNREACHABLE, f"the router at {gateway}: {fault.detail}") from fault
    finally:
        transport.close()
    return Mapping(host, external, granted)


async def _ask(transport: asyncio.DatagramTransport, answers: asyncio.Queue[bytes], request: bytes) -> bytes:
    wait = FIRST_WAIT_SECONDS
    for _ in range(TRIES):
        transport.sendto(request)
        try:
            async with asyncio.timeout(wait):
                while (data := await answers.get())[1:2] != bytes((_ANSWER + request[1],)):
                    continue
                return data
        except TimeoutError:
            wait *= 2
    raise Unavailable(Reason.UNREACHABLE, "the router does not speak NAT-PMP")
