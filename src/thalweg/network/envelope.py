"""Signed envelopes of libp2p: a payload, its type, and who signed it for which purpose. Sans-IO.

https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md
"""

from typing import Final

from thalweg.errors import PeerFault, Reason
from thalweg.network import protobuf, varint
from thalweg.network.peer_id import Identity, PeerId, decode_key, signed_by

ENVELOPE_BYTES_MAX: Final = 2048
_PUBLIC_KEY, _TYPE, _PAYLOAD, _SIGNATURE = 1, 2, 3, 5
_FIELDS_MAX: Final = 8


def seal(identity: Identity, domain: str, kind: bytes, payload: bytes) -> bytes:
    """Return a payload in an envelope signed for a purpose."""
    return b"".join(
        (
            protobuf.bytes_field(_PUBLIC_KEY, identity.public_key),
            protobuf.bytes_field(_TYPE, kind),
            protobuf.bytes_field(_PAYLOAD, payload),
            protobuf.bytes_field(_SIGNATURE, identity.sign(_signed(domain, kind, payload))),
        )
    )


def open_sealed(envelope: bytes, domain: str, kind: bytes) -> tuple[PeerId, bytes]:
    """Return who signed an envelope, and its payload.

    Raises:
        PeerFault: OVERSIZED; MALFORMED; WRONG_SIGNER.
    """
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"an envelope of {len(envelope)} bytes")
    fields = dict(protobuf.parse(envelope, _FIELDS_MAX))
    key, found, payload, signature = (fields.get(number, b"") for number in (_PUBLIC_KEY, _TYPE, _PAYLOAD, _SIGNATURE))
    if not (isinstance(key, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)) or found != kind:
        raise PeerFault(Reason.MALFORMED, "an envelope holds something else")
    signer = decode_key(key)
    if not signed_by(signer, _signed(domain, kind, payload), signature):
        raise PeerFault(Reason.WRONG_SIGNER, "an envelope is forged")
    return PeerId.of_key(signer), payload


def _signed(domain: str, kind: bytes, payload: bytes) -> bytes:
    return b"".join(varint.encode(len(part)) + part for part in (domain.encode(), kind, payload))
