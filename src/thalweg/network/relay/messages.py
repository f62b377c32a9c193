"""What is said on hop and stop streams, and the voucher of a reservation. Sans-IO.

https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md#protobuf
"""

from enum import IntEnum
from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.network import envelope, protobuf
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity, PeerId

HOP: Final = "/libp2p/circuit/relay/0.2.0/hop"
STOP: Final = "/libp2p/circuit/relay/0.2.0/stop"
MESSAGE_BYTES_MAX: Final = 4096
ADDRESSES_MAX: Final = 16
_FIELDS_MAX: Final = 64
_VOUCHER_DOMAIN: Final = "libp2p-relay-rsvp"
_VOUCHER_KIND: Final = b"\x03\x02"
_U32_MAX: Final = 2**32 - 1


class Kind(IntEnum):
    """Of a hop message. A stop message has CONNECT as 0 and STATUS as 1."""

    RESERVE = 0
    CONNECT = 1
    STATUS = 2


class Status(IntEnum):
    """How a request ended."""

    UNUSED = 0
    OK = 100
    RESERVATION_REFUSED = 200
    RESOURCE_LIMIT_EXCEEDED = 201
    PERMISSION_DENIED = 202
    CONNECTION_FAILED = 203
    NO_RESERVATION = 204
    MALFORMED_MESSAGE = 400
    UNEXPECTED_MESSAGE = 401


class Limit(msgspec.Struct, frozen=True):
    """What a circuit may carry: seconds, and bytes each way. 0: no limit."""

    seconds: int = 0
    bytes: int = 0


class Reservation(msgspec.Struct, frozen=True):
    """A slot at a relay: until when (seconds since 1970), at which of its addresses, and its signed word for it."""

    expires_at: int
    addresses: tuple[Multiaddr, ...] = ()
    voucher: bytes = b""


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """Between a peer and a relay."""

    kind: Kind
    peer: PeerId | None = None
    reservation: Reservation | None = None
    limit: Limit | None = None
    status: int = 0

    def encode(self) -> bytes:
        """Return the HopMessage."""
        parts = [protobuf.number_field(1, self.kind), *_peer_field(2, self.peer)]
        if self.reservation is not None:
            parts.append(protobuf.bytes_field(3, _reservation(self.reservation)))
        return b"".join([*parts, *_limit_field(4, self.limit), *_status_field(5, self.status)])


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Between a relay and the peer that a circuit leads to."""

    is_status: bool = False  # else CONNECT
    peer: PeerId | None = None
    limit: Limit | None = None
    status: int = 0

    def encode(self) -> bytes:
        """Return the StopMessage."""
        parts = [protobuf.number_field(1, int(self.is_status)), *_peer_field(2, self.peer)]
        return b"".join([*parts, *_limit_field(3, self.limit), *_status_field(4, self.status)])


def read_hop(data: bytes) -> Hop:
    """Parse a HopMessage.

    Raises:
        PeerFault: MALFORMED or OVERSIZED.
    """
    fields = _fields(data)
    kind = _number(fields, 1)
    if kind > Kind.STATUS:
        raise PeerFault(Reason.MALFORMED, f"a hop message of kind {kind}")
    reservation = _bytes(fields, 3)
    return Hop(
        kind=Kind(kind),
        peer=_read_peer(fields, 2),
        reservation=None if reservation is None else _read_reservation(reservation),
        limit=_read_limit(fields, 4),
        status=_number(fields, 5),
    )


def read_stop(data: bytes) -> Stop:
    """Parse a StopMessage.

    Raises:
        PeerFault: MALFORMED or OVERSIZED.
    """
    fields = _fields(data)
    kind = _number(fields, 1)
    if kind > 1:
        raise PeerFault(Reason.MALFORMED, f"a stop message of kind {kind}")
    return Stop(
        is_status=bool(kind), peer=_read_peer(fields, 2), limit=_read_limit(fields, 3), status=_number(fields, 4)
    )


def seal_voucher(relay: Identity, peer: PeerId, expires_at: int) -> bytes:
    """Return a relay's signed word that it serves a peer."""
    fields = (
        protobuf.bytes_field(1, relay.peer_id),
        protobuf.bytes_field(2, peer),
        protobuf.number_field(3, expires_at),
    )
    return envelope.seal(relay, _VOUCHER_DOMAIN, _VOUCHER_KIND, b"".join(fields))


def read_voucher(sealed: bytes) -> tuple[PeerId, PeerId, int]:
    """Return relay, peer and expiry of a voucher.

    Raises:
        PeerFault: OVERSIZED, MALFORMED; WRONG_SIGNER, the relay did not sign it.
    """
    signer, payload = envelope.open_sealed(sealed, _VOUCHER_DOMAIN, _VOUCHER_KIND)
    fields = dict(protobuf.parse(payload, _FIELDS_MAX))
    if fields.get(1) != signer:
        raise PeerFault(Reason.WRONG_SIGNER, "a voucher is not its relay's")
    return signer, PeerId.of_bytes(_bytes(fields, 2) or b""), _number(fields, 3)


_Fields = dict[int, int | bytes]


def _fields(data: bytes) -> _Fields:
    if len(data) > MESSAGE_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"a relay message of {len(data)} bytes")
    return dict(protobuf.parse(data, _FIELDS_MAX))


def _number(fields: _Fields, number: int) -> int:
    value = fields.get(number, 0)
    return value if isinstance(value, int) else 0


def _bytes(fields: _Fields, number: int) -> bytes | None:
    value = fields.get(number)
    return value if isinstance(value, bytes) else None


def _peer_field(number: int, peer: PeerId | None) -> list[bytes]:
    return [] if peer is None else [protobuf.bytes_field(number, protobuf.bytes_field(1, peer))]


def _limit_field(number: int, limit: Limit | None) -> list[bytes]:
    if limit is None:
        return []
    body = protobuf.number_field(1, limit.seconds) + protobuf.number_field(2, limit.bytes)
    return [protobuf.bytes_field(number, body)]


def _status_field(number: int, status: int) -> list[bytes]:
    return [protobuf.number_field(number, status)] if status else []


def _reservation(said: Reservation) -> bytes:
    parts = [protobuf.number_field(1, said.expires_at)]
    parts += [protobuf.bytes_field(2, address.encode()) for address in said.addresses[:ADDRESSES_MAX]]
    if said.voucher:
        parts.append(protobuf.bytes_field(3, said.voucher))
    return b"".join(parts)


def _read_peer(fields: _Fields, number: int) -> PeerId | None:
    body = _bytes(fields, number)
    if body is None:
        return None
    return PeerId.of_bytes(_bytes(dict(protobuf.parse(body, _FIELDS_MAX)), 1) or b"")


def _read_limit(fields: _Fields, number: int) -> Limit | None:
    body = _bytes(fields, number)
    if body is None:
        return None
    inner = dict(protobuf.parse(body, _FIELDS_MAX))
    return Limit(min(_number(inner, 1), _U32_MAX), _number(inner, 2))


def _read_reservation(body: bytes) -> Reservation:
    fields = protobuf.parse(body, _FIELDS_MAX)
    addresses: list[Multiaddr] = []
    for number, value in fields:
        if number == 2 and isinstance(value, bytes) and len(addresses) < ADDRESSES_MAX:
            try:
                addresses.append(Multiaddr.decode(value))
            except PeerFault:  # of a kind we do not know
                continue
    return Reservation(_number(dict(fields), 1), tuple(addresses), _bytes(dict(fields), 3) or b"")
