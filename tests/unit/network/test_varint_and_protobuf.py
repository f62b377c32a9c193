import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason
from thalweg.network import protobuf, varint

# the table of https://github.com/multiformats/unsigned-varint
SPECIFIED = [
    (1, "01"),
    (127, "7f"),
    (128, "8001"),
    (255, "ff01"),
    (300, "ac02"),
    (16384, "808001"),
]


@pytest.mark.parametrize(("value", "encoded"), SPECIFIED)
def test_the_specified_varints_are_written_and_read(value: int, encoded: str) -> None:
    assert varint.encode(value).hex() == encoded
    assert varint.decode(bytes.fromhex(encoded)) == (value, len(encoded) // 2)


@given(st.integers(0, 2**63 - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_a_varint_comes_back_wherever_it_stands(value: int, before: bytes, behind: bytes) -> None:
    encoded = varint.encode(value)
    found = varint.decode(before + encoded + behind, len(before))
    assert found == (value, len(before) + len(encoded))


@given(st.integers(0, 2**63 - 1))
def test_a_truncated_varint_waits_for_more(value: int) -> None:
    assert varint.decode(varint.encode(value)[:-1]) is None


@pytest.mark.parametrize("encoded", ["8000", "81808000", "ff" * 9, "80" * 9 + "01", "ff" * 20])
def test_a_varint_that_is_too_long_or_padded_is_refused(encoded: str) -> None:
    with pytest.raises(PeerFault) as caught:
        varint.decode(bytes.fromhex(encoded))
    assert caught.value.reason is Reason.MALFORMED


def test_known_fields_are_read_and_fixed_width_ones_skipped() -> None:
    message = (
        protobuf.number_field(1, 150)
        + bytes((5 << 3 | 1,)) + bytes(8)
        + protobuf.bytes_field(2, b"testing")
        + bytes((6 << 3 | 5,)) + bytes(4)
    )  # fmt: skip
    assert message.startswith(bytes.fromhex("089601"))  # the example of protobuf's encoding guide
    assert protobuf.parse(message) == [(1, 150), (2, b"testing")]


@pytest.mark.parametrize(
    "message",
    [
        b"\x12\x80\x00",
        b"\x12\x81",
        b"\x08",
        b"\x12\x05abc",
        b"\x0a",
        b"\x09\x00",
        b"\x0b",
        b"\x0f",
        b"\xff",
        b"\x08\x80\x00",
    ],
    ids=[
        "padded length",
        "half a length",
        "no value",
        "short bytes",
        "no length",
        "short fixed",
        "group",
        "wire type 7",
        "no tag",
        "padded",
    ],
)
def test_a_malformed_message_is_the_peers_fault(message: bytes) -> None:
    with pytest.raises(PeerFault) as caught:
        protobuf.parse(message)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("size", [0, 127, 128, 129, 16_383, 16_384, 70_000])
def test_a_length_of_any_size_is_read(size: int) -> None:
    value = bytes(size)
    message = protobuf.bytes_field(2, value)
    assert protobuf.parse(message + message) == [(2, value), (2, value)]
    if size:
        with pytest.raises(PeerFault):
            protobuf.parse(message[:-1])


def test_a_message_of_too_many_fields_is_refused() -> None:
    field = protobuf.number_field(1, 1)
    assert len(protobuf.parse(field * protobuf.FIELDS_MAX)) == protobuf.FIELDS_MAX
    with pytest.raises(PeerFault):
        protobuf.parse(field * (protobuf.FIELDS_MAX + 1))


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(message: bytes) -> None:
    try:
        protobuf.parse(message)
    except PeerFault:
        return
