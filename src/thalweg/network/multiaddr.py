"""Addresses that say every layer: `/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...`, as text and as bytes.

Known here: ip4, ip6, dns, dns4, dns6, tcp, onion3, p2p, p2p-circuit. An address is one of

    a host and its TCP port            /ip4/1.2.3.4/tcp/4001
    a host in the Tor network          /onion3/<56 letters>:4001
    a peer reached through a relay     <the relay's address>/p2p/<relay>/p2p-circuit

then, optionally, `/p2p/<who is there>`.
https://github.com/multiformats/multiaddr
"""

import base64
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
CIRCUIT: Final = "p2p-circuit"
ONION: Final = "onion3"
ONION_LETTERS: Final = 56
_ONION_BYTES: Final = 35
_HOST_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")


IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class _Protocol(msgspec.Struct, frozen=True):
    """How one part is written: its name and code, its size in bytes (None: a length goes before), its two forms."""

    name: str
    code: int
    size: int | None
    to_bytes: Callable[[str], bytes]
    to_text: Callable[[bytes], str]

    @property
    def has_value(self) -> bool:
        """Say whether a value follows the name."""
        return self.size != 0


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


def _onion_to_bytes(text: str) -> bytes:
    name, _, port = text.partition(":")
    raw = base64.b32decode(name.upper()) if len(name) == ONION_LETTERS else b""
    if len(raw) != _ONION_BYTES or port == "0":
        raise ValueError(f"{text!r} is not an onion address and its port")
    return raw + _port_to_bytes(port)


def _onion_to_text(raw: bytes) -> str:
    text = f"{base64.b32encode(raw[:_ONION_BYTES]).decode().lower()}:{int.from_bytes(raw[_ONION_BYTES:])}"
    _onion_to_bytes(text)
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
    _Protocol(ONION, 445, _ONION_BYTES + 2, _onion_to_bytes, _onion_to_text),
    _Protocol(CIRCUIT, 290, 0, lambda text: b"", lambda raw: ""),
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
        """Return the IP address or host name to connect to, the relay's where there is one."""
        kind, value = self.parts[0]
        return f"{value.partition(':')[0]}.onion" if kind == ONION else value

    @property
    def port(self) -> int:
        """Return the TCP port to connect to."""
        kind, value = self.parts[0]
        return int(value.partition(":")[2] if kind == ONION else self.parts[1][1])

    @property
    def is_onion(self) -> bool:
        """Say whether only Tor leads there."""
        return self.parts[0][0] == ONION

    @property
    def ip(self) -> IpAddress | None:
        """Return the IP address to connect to, where the address has one."""
        return ipaddress.ip_address(self.parts[0][1]) if self.parts[0][0] in ("ip4", "ip6") else None

    @property
    def peer(self) -> PeerId | None:
        """Return who is there, where the address says it."""
        kind, value = self.parts[-1]
        return PeerId.parse(value) if kind == "p2p" else None

    @property
    def relay(self) -> "Multiaddr | None":
        """Return the address of the relay that leads there, or None where the address is a direct one."""
        names = [name for name, _ in self.parts]
        return Multiaddr(self.parts[: names.index(CIRCUIT)]) if CIRCUIT in names else None

    def to(self, peer: PeerId) -> "Multiaddr":
        """Return this address with who is there."""
        return self if self.peer is not None else Multiaddr((*self.parts, ("p2p", str(peer))))

    def via(self) -> "Multiaddr":
        """Return the address of whoever is reached through the relay at this one."""
        return Multiaddr((*self.parts, (CIRCUIT, "")))

    def __str__(self) -> str:
        return "".join(f"/{name}/{value}" if value else f"/{name}" for name, value in self.parts)


def _split(text: str) -> tuple[tuple[str, str], ...]:
    words = text.split("/")
    if len(text) > TEXT_MAX or words[0] != "":
        raise ValueError("it must be pairs of /name/value")
    parts: list[tuple[str, str]] = []
    rest = iter(words[1:])
    for name in rest:
        protocol = _BY_NAME.get(name)
        if protocol is None:
            raise ValueError(f"protocol {name!r} is unknown")
        value = next(rest, None) if protocol.has_value else ""
        if value is None:
            raise ValueError(f"{name} has no value")
        parts.append((name, protocol.to_text(protocol.to_bytes(value))))
    return tuple(parts)


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
    start = 1 if names[:1] == (ONION,) else 2
    if start == 2 and not (names[:1] and names[0] in _HOSTS and names[1:2] == ("tcp",)):
        raise ValueError("it must begin with a host and a tcp port, or onion3")
    if names[start:] not in ((), ("p2p",), ("p2p", CIRCUIT), ("p2p", CIRCUIT, "p2p")):
        raise ValueError("after the port there may be p2p, or a relay's p2p, p2p-circuit and p2p")
