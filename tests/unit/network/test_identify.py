import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason
from thalweg.network import protobuf
from thalweg.network.identify import ADDRESSES_MAX, PROTOCOLS_MAX, TEXT_MAX, Description, decode
from thalweg.network.multiaddr import Multiaddr

HERE = Multiaddr.of("127.0.0.1", 4001)


def test_a_description_comes_back() -> None:
    said = Description(
        public_key=b"key",
        agent="thalweg/0.1.0",
        protocols=("/a/1", "/b/1"),
        addresses=(HERE,),
        observed=Multiaddr.of("::1", 9),
    )
    assert decode(said.encode()) == said


def test_fields_are_numbered_as_the_specification_says() -> None:
    said = Description(public_key=b"K", agent="A", protocols=("P",), addresses=(HERE,), observed=HERE, version="V")
    assert protobuf.parse(said.encode()) == [
        (1, b"K"), (2, HERE.encode()), (3, b"P"), (4, HERE.encode()), (5, b"V"), (6, b"A"),
    ]  # fmt: skip


def test_unknown_fields_and_addresses_are_left_out() -> None:
    quic = bytes.fromhex("047f000001910203e8cd03")
    message = protobuf.bytes_field(2, quic) + protobuf.bytes_field(2, HERE.encode()) + protobuf.bytes_field(99, b"x")
    assert decode(message).addresses == (HERE,)


def test_texts_are_cut_and_cannot_steer_a_terminal() -> None:
    said = decode(protobuf.bytes_field(6, b"\x1b[31m" + b"a" * 1000))
    assert said.agent.startswith("?[31maaa")
    assert len(said.agent) == TEXT_MAX


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (protobuf.bytes_field(3, b"/x") * (PROTOCOLS_MAX + 1), Reason.LIMIT),
        (protobuf.bytes_field(2, HERE.encode()) * (ADDRESSES_MAX + 1), Reason.LIMIT),
        (protobuf.bytes_field(6, b"\xff"), Reason.MALFORMED),
        (b"\x0a\xff", Reason.MALFORMED),
    ],
)
def test_too_much_or_malformed_is_the_peers_fault(message: bytes, reason: Reason) -> None:
    with pytest.raises(PeerFault) as caught:
        decode(message)
    assert caught.value.reason is reason


@given(st.binary(max_size=300))
def test_random_bytes_never_raise_anything_else(message: bytes) -> None:
    try:
        decode(message)
    except PeerFault:
        return
