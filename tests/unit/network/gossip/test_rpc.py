import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason
from thalweg.network import protobuf
from thalweg.network.gossip.parameters import ID_BYTES, TOPIC_BYTES_MAX, Caps
from thalweg.network.gossip.rpc import (
    Exchanged,
    Graft,
    IHave,
    IWant,
    Message,
    Prune,
    Rpc,
    Subscription,
    decode,
    encode,
)

CAPS = Caps()
SMALL = Caps(topics_max=2, messages_per_rpc_max=2, controls_per_rpc_max=2, ids_per_rpc_max=2, rpc_bytes_max=1000)
ID = bytes(ID_BYTES)

topics = st.text(max_size=20)
ids = st.lists(st.binary(min_size=ID_BYTES, max_size=ID_BYTES), max_size=4).map(tuple)
exchanged = st.builds(Exchanged, st.binary(max_size=40), st.binary(max_size=100))
controls = st.one_of(
    st.builds(IHave, topics, ids),
    st.builds(IWant, ids),
    st.builds(Graft, topics),
    st.builds(Prune, topics, st.lists(exchanged, max_size=3).map(tuple), st.integers(0, 2**40)),
)
rpcs = st.builds(
    Rpc,
    subscriptions=st.lists(st.builds(Subscription, topics, st.booleans()), max_size=3).map(tuple),
    messages=st.lists(st.builds(Message, topics, st.binary(max_size=200)), max_size=3).map(tuple),
    controls=st.lists(controls, max_size=5).map(tuple),
)


@given(rpcs)
def test_an_rpc_comes_back(rpc: Rpc) -> None:
    assert decode(encode(rpc), CAPS) == rpc


def test_fields_are_numbered_as_the_specification_says() -> None:
    rpc = Rpc(
        subscriptions=(Subscription("t", True),),
        messages=(Message("t", b"p"),),
        controls=(IHave("t", (ID,)), IWant((ID,)), Graft("t"), Prune("t", (Exchanged(b"i", b"r"),), 60)),
    )
    subscription, message, control = protobuf.parse(encode(rpc))
    assert (subscription[0], message[0], control[0]) == (1, 2, 3)
    assert [protobuf.parse(each) for _, each in (subscription, message) if isinstance(each, bytes)] == [
        [(1, 1), (2, b"t")], [(2, b"p"), (4, b"t")],
    ]  # fmt: skip
    assert isinstance(control[1], bytes)
    inner = [(number, each) for number, each in protobuf.parse(control[1]) if isinstance(each, bytes)]
    assert [(number, protobuf.parse(each)) for number, each in inner] == [
        (1, [(1, b"t"), (2, ID)]),
        (2, [(1, ID)]),
        (3, [(1, b"t")]),
        (4, [(1, b"t"), (2, b"\x0a\x01i\x12\x01r"), (3, 60)]),
    ]  # fmt: skip


def test_who_sent_a_message_and_his_signature_are_not_looked_at() -> None:
    body = b"".join(protobuf.bytes_field(number, b"x") for number in (1, 2, 3, 4, 5, 6))
    assert decode(protobuf.bytes_field(2, body), CAPS).messages == (Message("x", b"x"),)


def test_ids_that_are_no_hash_of_ours_are_left_out() -> None:
    have = IHave("t", (b"short", ID, ID + b"x"))
    assert decode(encode(Rpc(controls=(have,))), CAPS).controls == (IHave("t", (ID,)),)


def test_a_record_that_is_too_large_is_left_out() -> None:
    prune = Prune("t", (Exchanged(b"i", bytes(CAPS.records_bytes_max + 1)), Exchanged(b"i", bytes(2048))))
    decoded = decode(encode(Rpc(controls=(prune,))), CAPS).controls[0]
    assert isinstance(decoded, Prune)
    assert [len(each.record) for each in decoded.peers] == [0, 2048]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode(Rpc(messages=(Message("t", bytes(1000)),))), Reason.OVERSIZED),
        (encode(Rpc(messages=(Message("t" * (TOPIC_BYTES_MAX + 1), b""),))), Reason.OVERSIZED),
        (encode(Rpc(subscriptions=(Subscription("t", True),) * 3)), Reason.LIMIT),
        (encode(Rpc(messages=(Message("t", b""),) * 3)), Reason.LIMIT),
        (encode(Rpc(controls=(Graft("t"),) * 3)), Reason.LIMIT),
        (encode(Rpc(controls=(IWant((ID,) * 4),))), Reason.MALFORMED),
        (encode(Rpc(controls=(IWant((ID,) * 2), IWant((ID,) * 2)))), Reason.MALFORMED),
        (protobuf.bytes_field(2, protobuf.bytes_field(4, b"\xff")), Reason.MALFORMED),
        (protobuf.bytes_field(2, protobuf.bytes_field(4, b"a") * 2), Reason.MALFORMED),
        (protobuf.bytes_field(3, b"\x0a\xff"), Reason.MALFORMED),
        (encode(Rpc(messages=(Message("t", b"payload"),)))[:-1], Reason.MALFORMED),
    ],
)
def test_too_much_or_malformed_is_the_peers_fault(data: bytes, reason: Reason) -> None:
    with pytest.raises(PeerFault) as caught:
        decode(data, SMALL)
    assert caught.value.reason is reason


@given(st.binary(max_size=300))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    try:
        decode(data, SMALL)
    except PeerFault:
        return
