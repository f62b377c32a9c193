"""Addresses that say every layer: `/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...`, as text and as bytes.

Known here: ip4, ip6, dns, dns4, dns6, tcp, p2p. One address is a host, then a TCP port, then (optionally) who is there.
https://github.com/multiformats/multiaddr
"""

import ipaddress
from collections.abc import Callable
from typing import Final, Self

import msgspec

from thalweg.errors import PeerFault, Reason, ThalwegError, UserFault
from thalweg.network import varint
from thalweg.network.peer_id import PeerId

TEXT_MAX: Final = 512
BYTES_MAX: Final = 512
HOST_NAME_MAX: Final = 253
PORT_MAX: Final = 2**16 - 1
_HOST_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")


class _Protocol(msgspec.Struct, frozen=True):
    """How one part is written: its name and code, its size in bytes (None: a length goes before), its two forms."""

    name: str
    code: int
    size: int | None
    to_bytes: Callable[[str], bytes]
    to_text: Callable[[bytes], str]


def _port_to_bytes(text: str) -> bytes:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > PORT_MAX:
        raise ValueError(f"{text!r} is not a port")
    return int(text).to_bytes(2)


def _host_to_bytes(text: str) -> bytes:
    if not 0 < len(text) <= HOST_NAME_MAX or not _HOST_LETTERS.issuperset(text):
        raise ValueError(f"{text!r} is not a host name")
    return text.encode()


def _host_to_text(raw: bytes) -> str:
    text = raw.decode()
    _host_to_bytes(text)
    return text


_PROTOCOLS: Final = (
    _Protocol(
        "ip4", 4, 4, lambda text: ipaddress.IPv4Address(text).packed, lambda raw: str(ipaddress.IPv4Address(raw))
    ),
    _Protocol(
        "ip6", 41, 16, lambda text: ipaddress.IPv6Address(text).packed, lambda raw: str(ipaddress.IPv6Address(raw))
    ),
    _Protocol("dns", 53, None, _host_to_bytes, _host_to_text),
    _Protocol("dns4", 54, None, _host_to_bytes, _host_to_text),
    _Protocol("dns6", 55, None, _host_to_bytes, _host_to_text),
    _Protocol("tcp", 6, 2, _port_to_bytes, lambda raw: str(int.from_bytes(raw))),
    _Protocol("p2p", 421, None, lambda text: bytes(PeerId.parse(text)), lambda raw: str(PeerId.of_bytes(raw))),
)
_BY_NAME: Final = {protocol.name: protocol for protocol in _PROTOCOLS}
_BY_CODE: Final = {protocol.code: protocol for protocol in _PROTOCOLS}
_HOSTS: Final = ("ip4", "ip6", "dns", "dns4", "dns6")


class Multiaddr(msgspec.Struct, frozen=True):
    """An address of a peer: the parts (name, value) in order."""

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, host: str, port: int, peer: PeerId | None = None) -> Self:
        """Return the address of an IP address or host name and a TCP port."""
        try:
            kind = f"ip{ipaddress.ip_address(host).version}"
        except ValueError:
            kind = "dns"
        parts = ((kind, host), ("tcp", str(port)))
        return cls(parts if peer is None else (*parts, ("p2p", str(peer))))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that a text names.

        Raises:
            UserFault: MALFORMED, saying which part is wrong.
        """
        try:
            parts = _split(text)
            _check(parts)
        except (ValueError, ThalwegError) as error:
            raise UserFault(
                Reason.MALFORMED,
                f"{text[:TEXT_MAX]!r} is not an address ({error}); write it as /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...",
            ) from error
        return cls(parts)

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the address in bytes received from a peer.

        Raises:
            PeerFault: MALFORMED, not one of the addresses known here.
        """
        try:
            parts = _read(raw)
            _check(parts)
        except (ValueError, ThalwegError) as error:
            raise PeerFault(Reason.MALFORMED, f"not an address: {error}") from error
        return cls(parts)

    def encode(self) -> bytes:
        """Return the address as bytes."""
        return b"".join(_part_to_bytes(name, value) for name, value in self.parts)

    @property
    def host(self) -> str:
        """Return the IP address or host name."""
        return self.parts[0][1]

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return int(self.parts[1][1])

    @property
    def peer(self) -> PeerId | None:
        """Return who is there, where the address says it."""
        return PeerId.parse(self.parts[2][1]) if len(self.parts) > 2 else None

    def __str__(self) -> str:
        return "".join(f"/{name}/{value}" for name, value in self.parts)


def _split(text: str) -> tuple[tuple[str, str], ...]:
    words = text.split("/")
    if len(text) > TEXT_MAX or words[0] != "" or len(words) % 2 == 0:
        raise ValueError("it must be pairs of /name/value")
    pairs = zip(words[1::2], words[2::2], strict=True)
    return tuple((name, _canonical(name, value)) for name, value in pairs)


def _canonical(name: str, value: str) -> str:
    protocol = _BY_NAME.get(name)
    if protocol is None:
        raise ValueError(f"protocol {name!r} is unknown")
    return protocol.to_text(protocol.to_bytes(value))


def _part_to_bytes(name: str, value: str) -> bytes:
    protocol = _BY_NAME[name]
    raw = protocol.to_bytes(value)
    size = varint.encode(len(raw)) if protocol.size is None else b""
    return varint.encode(protocol.code) + size + raw


def _read(raw: bytes) -> tuple[tuple[str, str], ...]:
    if len(raw) > BYTES_MAX:
        raise ValueError(f"it is longer than {BYTES_MAX} bytes")
    parts: list[tuple[str, str]] = []
    offset = 0
    while offset < len(raw):
        code, offset = _varint(raw, offset)
        protocol = _BY_CODE.get(code)
        if protocol is None:
            raise ValueError(f"protocol {code} is unknown")
        size, offset = _varint(raw, offset) if protocol.size is None else (protocol.size, offset)
        value = raw[offset : offset + size]
        if len(value) != size:
            raise ValueError("it is truncated")
        offset += size
        parts.append((protocol.name, protocol.to_text(value)))
    return tuple(parts)


def _varint(raw: bytes, offset: int) -> tuple[int, int]:
    found = varint.decode(raw, offset)
    if found is None:
        raise ValueError("it is truncated")
    return found


def _check(parts: tuple[tuple[str, str], ...]) -> None:
    names = tuple(name for name, _ in parts)
    if not names or names[0] not in _HOSTS or names[1:] not in (("tcp",), ("tcp", "p2p")):
        raise ValueError("it must be a host, a tcp port and, optionally, p2p")
