"""identify: what a peer says about itself, and from where it sees us. Sans-IO; nothing in it is proven but the key.

https://github.com/libp2p/specs/blob/master/identify/README.md
"""

from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.network import protobuf
from thalweg.network.multiaddr import Multiaddr

PROTOCOL: Final = "/ipfs/id/1.0.0"
MESSAGE_BYTES_MAX: Final = 8 * 1024
ADDRESSES_MAX: Final = 64
PROTOCOLS_MAX: Final = 128
TEXT_MAX: Final = 256
PROTOCOL_VERSION: Final = "thalweg/1"

_PUBLIC_KEY, _ADDRESS, _PROTOCOL, _OBSERVED, _PROTOCOL_VERSION, _AGENT, _RECORD = *range(1, 7), 8


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What identify carries. Addresses of kinds we do not know are left out when it is read."""

    public_key: bytes
    agent: str
    protocols: tuple[str, ...]
    addresses: tuple[Multiaddr, ...] = ()
    observed: Multiaddr | None = None
    version: str = PROTOCOL_VERSION
    record: bytes = b""  # signed peer record (`peer_record.py`), as sent

    def encode(self) -> bytes:
        """Return the Identify message."""
        parts = [protobuf.bytes_field(_PUBLIC_KEY, self.public_key)]
        parts += [protobuf.bytes_field(_ADDRESS, address.encode()) for address in self.addresses]
        parts += [protobuf.bytes_field(_PROTOCOL, protocol.encode()) for protocol in self.protocols]
        if self.observed is not None:
            parts.append(protobuf.bytes_field(_OBSERVED, self.observed.encode()))
        parts.append(protobuf.bytes_field(_PROTOCOL_VERSION, self.version.encode()))
        parts.append(protobuf.bytes_field(_AGENT, self.agent.encode()))
        if self.record:
            parts.append(protobuf.bytes_field(_RECORD, self.record))
        return b"".join(parts)


def decode(message: bytes) -> Description:
    """Parse an Identify message.

    Raises:
        PeerFault: MALFORMED; LIMIT, more protocols or addresses than are taken.
    """
    fields = protobuf.parse(message)
    addresses, protocols = _every(fields, _ADDRESS), _every(fields, _PROTOCOL)
    if len(addresses) > ADDRESSES_MAX or len(protocols) > PROTOCOLS_MAX:
        raise PeerFault(Reason.LIMIT, f"identify names {len(addresses)} addresses and {len(protocols)} protocols")
    observed = _known(_every(fields, _OBSERVED)[-1:])
    return Description(
        public_key=_last(fields, _PUBLIC_KEY),
        agent=_text(_last(fields, _AGENT)),
        protocols=tuple(_text(protocol) for protocol in protocols),
        addresses=_known(addresses),
        observed=observed[0] if observed else None,
        version=_text(_last(fields, _PROTOCOL_VERSION)),
        record=_last(fields, _RECORD),
    )


def _every(fields: list[protobuf.Field], number: int) -> list[bytes]:
    return [value for found, value in fields if found == number and isinstance(value, bytes)]


def _last(fields: list[protobuf.Field], number: int) -> bytes:
    found = _every(fields, number)
    return found[-1] if found else b""


def _text(raw: bytes) -> str:
    """Return at most `TEXT_MAX` printable characters: it is shown to people."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise PeerFault(Reason.MALFORMED, "identify carries a text that is not UTF-8") from error
    return "".join(letter if letter.isprintable() else "?" for letter in text[:TEXT_MAX])


def _known(addresses: list[bytes]) -> tuple[Multiaddr, ...]:
    """Return the addresses we can use; others (quic, relays) are no fault."""
    known: list[Multiaddr] = []
    for raw in addresses:
        try:
            known.append(Multiaddr.decode(raw))
        except PeerFault:
            continue
    return tuple(known)
