"""However much one RPC holds, one step does a limited amount of work; nothing is lost and order is kept."""

import random
from hashlib import sha256

import pytest

from thalweg.errors import PeerFault, Reason
from thalweg.network import protobuf
from thalweg.network.gossip import (
    ACCEPTED,
    Caps,
    Cut,
    Deliver,
    Effect,
    Joined,
    Judgement,
    Left,
    More,
    Parameters,
    Published,
    Received,
    Resumed,
    Send,
    State,
    Subscribed,
    Verdict,
    step,
)
from thalweg.network.gossip.rpc import IWant, Message, Rpc, Subscription, decode, encode

TOPIC = "orders"
CAPS = Caps()


class Counting:
    """A validator that counts the signatures it checked; what begins with `x` is forged."""

    payload_bytes_max = 4096

    def __init__(self) -> None:
        self.checked = 0

    def glance(self, payload: bytes) -> bytes | Judgement:
        return payload

    def verify(self, payload: bytes) -> Judgement:
        self.checked += 1
        return Judgement(Verdict.REJECT, Reason.WRONG_SIGNER) if payload[:1] == b"x" else ACCEPTED


class ByAuthor(Counting):
    """All messages have one author."""

    def glance(self, payload: bytes) -> bytes | Judgement:
        return b"author"


def reader() -> tuple[State, Counting]:
    state, rules = State(Parameters(), random.Random(1)), Counting()
    step(state, Subscribed(TOPIC, rules), 0.0)
    step(state, Joined(b"peer", is_outbound=False), 0.0)
    return state, rules


def rpc_of(payloads: list[bytes]) -> bytes:
    return encode(Rpc(messages=tuple(Message(TOPIC, payload) for payload in payloads)))


def test_an_rpc_of_many_messages_is_looked_at_a_few_at_a_time_in_order_and_whole() -> None:
    state, rules = reader()
    payloads = [b"%d" % number for number in range(CAPS.messages_per_rpc_max)]
    event: Received | Resumed = Received(b"peer", rpc_of(payloads))
    delivered: list[bytes] = []
    while True:
        before = rules.checked
        effects = step(state, event, 0.0)
        assert rules.checked - before <= CAPS.messages_per_step
        delivered += [effect.payload for effect in effects if isinstance(effect, Deliver)]
        if not any(isinstance(effect, More) for effect in effects):
            break
        event = Resumed(b"peer")
    assert delivered == payloads


def test_what_is_asked_for_comes_in_rpcs_that_a_peer_takes() -> None:
    """Many small messages reach the limit of messages before that of bytes."""
    state, _ = reader()
    step(state, Received(b"peer", encode(Rpc(subscriptions=(Subscription(TOPIC, True),)))), 0.0)
    payloads = [b"%d" % number for number in range(3000)]
    for payload in payloads:
        step(state, Published(TOPIC, payload), 0.0)
    wanted = Rpc(controls=(IWant(tuple(sha256(payload).digest() for payload in payloads)),))
    effects = step(state, Received(b"peer", encode(wanted)), 0.1)
    answers = [decode(effect.rpc, CAPS).messages for effect in effects if isinstance(effect, Send)]
    assert [message.payload for messages in answers for message in messages] == payloads


def test_who_is_cut_off_is_not_looked_at_any_further() -> None:
    state, rules = reader()
    effects: list[Effect] = step(state, Received(b"peer", rpc_of([b"x%d" % number for number in range(1000)])), 0.0)
    assert any(isinstance(effect, Cut) for effect in effects)
    assert not any(isinstance(effect, More) for effect in effects)
    checked = rules.checked
    assert checked <= CAPS.messages_per_step
    assert step(state, Resumed(b"peer"), 0.0) == []
    assert rules.checked == checked


def test_what_was_ignored_is_taken_when_its_time_has_come() -> None:
    """Whoever sends a message too early, or while its author is over his rate, must not keep others from getting it."""
    state = State(Parameters(caps=Caps(author_messages_per_second=1, messages_per_step=10)), random.Random(1))
    step(state, Subscribed(TOPIC, ByAuthor()), 0.0)
    step(state, Joined(b"peer", is_outbound=False), 0.0)
    messages = [b"author %d" % number for number in range(5)]
    first = step(state, Received(b"peer", rpc_of(messages)), 0.0)
    assert [effect.payload for effect in first if isinstance(effect, Deliver)] == messages[:2]
    later = step(state, Received(b"peer", rpc_of(messages)), 10.0)
    assert [effect.payload for effect in later if isinstance(effect, Deliver)] == messages[2:4]


def test_what_a_lost_peer_left_is_forgotten() -> None:
    state, _ = reader()
    step(state, Received(b"peer", rpc_of([b"%d" % number for number in range(100)])), 0.0)
    step(state, Left(b"peer"), 0.0)
    assert step(state, Resumed(b"peer"), 0.0) == []


EMPTY_ID = protobuf.bytes_field(2, b"")
BOMBS = {
    "ids of no size in many IHAVEs": protobuf.bytes_field(3, protobuf.bytes_field(1, EMPTY_ID * 2000) * 200),
    "ids of no size in many control fields": protobuf.bytes_field(3, protobuf.bytes_field(2, EMPTY_ID * 4000)) * 100,
    "peers of no size in many PRUNEs": protobuf.bytes_field(3, protobuf.bytes_field(4, EMPTY_ID * 60) * 250),
    "messages of empty fields": protobuf.bytes_field(2, protobuf.bytes_field(9, b"") * 16) * 1000,
    "peers of empty fields": protobuf.bytes_field(
        3, protobuf.bytes_field(4, protobuf.bytes_field(2, protobuf.bytes_field(9, b"") * 8) * 60) * 25
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_nested_fields_share_one_limit(name: str) -> None:
    assert len(BOMBS[name]) <= CAPS.rpc_bytes_max
    with pytest.raises(PeerFault) as caught:
        decode(BOMBS[name], CAPS)
    assert caught.value.reason is Reason.LIMIT


def test_the_limit_of_fields_is_exact() -> None:
    message = encode(Rpc(messages=(Message("t", b"p"),)))  # three fields
    assert len(decode(message * 4, Caps(fields_per_rpc_max=12)).messages) == 4
    with pytest.raises(PeerFault) as caught:
        decode(message * 4, Caps(fields_per_rpc_max=11))
    assert caught.value.reason is Reason.LIMIT
