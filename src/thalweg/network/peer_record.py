"""Signed peer records: where a peer says it is, in libp2p's form, so that others can pass it on. Sans-IO.

https://github.com/libp2p/specs/blob/master/RFC/0003-routing-records.md
"""

from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.network import envelope, protobuf
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity, PeerId

ADDRESSES_MAX: Final = 32
_DOMAIN: Final = "libp2p-peer-record"
_KIND: Final = b"\x03\x01"
_PEER, _SEQUENCE, _ADDRESS_INFO, _ADDRESS = 1, 2, 3, 1


class PeerRecord(msgspec.Struct, frozen=True):
    """A peer, the number of its record (newer is greater), and its addresses of kinds we know."""

    peer: PeerId
    sequence: int
    addresses: tuple[Multiaddr, ...]


def seal(identity: Identity, sequence: int, addresses: tuple[Multiaddr, ...]) -> bytes:
    """Return our own record."""
    parts = [protobuf.bytes_field(_PEER, identity.peer_id), protobuf.number_field(_SEQUENCE, sequence)]
    for address in addresses[:ADDRESSES_MAX]:
        parts.append(protobuf.bytes_field(_ADDRESS_INFO, protobuf.bytes_field(_ADDRESS, address.encode())))
    return envelope.seal(identity, _DOMAIN, _KIND, b"".join(parts))


def read(sealed: bytes) -> PeerRecord:
    """Parse and check a record.

    Raises:
        PeerFault: OVERSIZED, MALFORMED, LIMIT; WRONG_SIGNER, it is forged or another's.
    """
    signer, payload = envelope.open_sealed(sealed, _DOMAIN, _KIND)
    peer, sequence = b"", 0
    addresses: list[Multiaddr] = []
    seen = 0
    for number, value in protobuf.parse(payload, ADDRESSES_MAX + 8):
        if number == _PEER and isinstance(value, bytes):
            peer = value
        elif number == _SEQUENCE and isinstance(value, int):
            sequence = value
        elif number == _ADDRESS_INFO and isinstance(value, bytes):
            seen += 1
            addresses += _known(value)
    if seen > ADDRESSES_MAX:
        raise PeerFault(Reason.LIMIT, f"a peer record names {seen} addresses; at most {ADDRESSES_MAX} are taken")
    if peer != signer:
        raise PeerFault(Reason.WRONG_SIGNER, "a peer record is signed by another")
    return PeerRecord(signer, sequence, tuple(addresses))


def _known(info: bytes) -> list[Multiaddr]:
    """Return the address in an AddressInfo, unless it is of a kind we do not know."""
    known: list[Multiaddr] = []
    for number, value in protobuf.parse(info, 4):
        if number == _ADDRESS and isinstance(value, bytes):
            try:
                known.append(Multiaddr.decode(value))
            except PeerFault:
                continue
    return known
