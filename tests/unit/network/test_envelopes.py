import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason
from thalweg.network import envelope, peer_record, protobuf
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity

ALICE, MALLORY = Identity(b"alice".ljust(32)), Identity(b"mallory".ljust(32))
HERE = Multiaddr.of("127.0.0.1", 4001)
DOMAIN, KIND = "libp2p-peer-record", b"\x03\x01"


def test_a_record_comes_back() -> None:
    record = peer_record.read(peer_record.seal(ALICE, 7, (HERE, Multiaddr.of("::1", 9))))
    assert (record.peer, record.sequence, record.addresses) == (ALICE.peer_id, 7, (HERE, Multiaddr.of("::1", 9)))


def test_what_is_signed_is_domain_type_and_payload_each_with_its_length() -> None:
    sealed = envelope.seal(ALICE, "d", b"k", b"payload")
    fields = dict(protobuf.parse(sealed))
    assert fields[1] == ALICE.public_key
    assert (fields[2], fields[3]) == (b"k", b"payload")
    assert fields[5] == ALICE.sign(b"\x01d\x01k\x07payload")


def test_an_envelope_counts_for_its_purpose_only() -> None:
    sealed = envelope.seal(ALICE, "d", b"k", b"payload")
    assert envelope.open_sealed(sealed, "d", b"k") == (ALICE.peer_id, b"payload")
    for domain, kind, reason in (("other", b"k", Reason.WRONG_SIGNER), ("d", b"other", Reason.MALFORMED)):
        with pytest.raises(PeerFault) as caught:
            envelope.open_sealed(sealed, domain, kind)
        assert caught.value.reason is reason


def sealed(payload: bytes) -> bytes:
    return envelope.seal(MALLORY, DOMAIN, KIND, payload)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (sealed(protobuf.bytes_field(1, ALICE.peer_id)), Reason.WRONG_SIGNER),
        (sealed(b""), Reason.WRONG_SIGNER),
        (
            sealed(
                protobuf.bytes_field(1, MALLORY.peer_id)
                + protobuf.bytes_field(3, protobuf.bytes_field(1, HERE.encode())) * 33
            ),
            Reason.LIMIT,
        ),
        (peer_record.seal(ALICE, 1, (HERE,))[:-1], Reason.MALFORMED),
        (peer_record.seal(ALICE, 1, (HERE,))[:-1] + b"\xff", Reason.WRONG_SIGNER),
        (bytes(envelope.ENVELOPE_BYTES_MAX + 1), Reason.OVERSIZED),
        (b"", Reason.MALFORMED),
    ],
)
def test_a_forged_or_oversized_record_is_refused(record: bytes, reason: Reason) -> None:
    with pytest.raises(PeerFault) as caught:
        peer_record.read(record)
    assert caught.value.reason is reason


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_never_raise_anything_else(data: bytes, is_signed: bool) -> None:
    try:
        peer_record.read(sealed(data) if is_signed else data)
    except PeerFault:
        return
