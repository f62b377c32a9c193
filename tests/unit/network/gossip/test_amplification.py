"""Small questions do not make us send large answers again and again; each case counts the bytes both ways."""

import random

from thalweg.network.gossip import (
    ACCEPTED,
    Beat,
    Caps,
    Cut,
    Dial,
    Effect,
    Joined,
    Judgement,
    Parameters,
    Published,
    Received,
    Recorded,
    Send,
    State,
    Subscribed,
    step,
)
from thalweg.network.gossip.rpc import Exchanged, Graft, Prune, Rpc, Subscription, encode

TOPIC = "orders"
READS, LEAVES = Subscription(TOPIC, True), Subscription(TOPIC, False)
PEER = b"peer"


class Anything:
    """A validator."""

    payload_bytes_max = 4096

    def glance(self, payload: bytes) -> bytes | Judgement:
        return payload[:8]

    def verify(self, payload: bytes) -> Judgement:
        return ACCEPTED


def victim(messages: int = 1000, others: int = 20) -> State:
    """A reader that has told of many messages and knows many peers by their records."""
    state = State(Parameters(caps=Caps(author_messages_per_second=10**6)), random.Random(1))
    step(state, Subscribed(TOPIC, Anything()), 0.0)
    for number in range(others):
        name = b"other %d" % number
        step(state, Joined(name, is_outbound=True), 0.0)
        step(state, Received(name, encode(Rpc(subscriptions=(READS,)))), 0.0)
        step(state, Recorded(name, bytes(1000)), 0.0)
    step(state, Beat(), 0.0)
    for number in range(messages):
        step(state, Published(TOPIC, b"%d" % number), 0.0)
    step(state, Joined(PEER, is_outbound=False), 0.0)
    step(state, Received(PEER, encode(Rpc(subscriptions=(READS,)))), 0.0)
    return state


def sent(effects: list[Effect]) -> int:
    return sum(len(effect.rpc) for effect in effects if isinstance(effect, Send) and effect.peer == PEER)


def ask(state: State, rpc: Rpc, times: int, now: float = 0.1) -> tuple[int, list[Effect]]:
    """Send an RPC many times within a heartbeat; return how many bytes came back, and everything that was wanted."""
    effects = [effect for _ in range(times) for effect in step(state, Received(PEER, encode(rpc)), now)]
    return sent(effects), effects


def test_grafting_leaving_and_reading_again_tells_what_we_have_once_a_heartbeat() -> None:
    state = victim()
    churn = Rpc(subscriptions=(LEAVES, READS), controls=(Graft(TOPIC),))
    once, _ = ask(state, Rpc(controls=(Graft(TOPIC),)), 1)
    assert once > 30_000  # IHAVE with a thousand ids
    again, effects = ask(state, churn, 50)
    assert again < once / 10
    assert any(isinstance(effect, Cut) for effect in effects)  # and whoever goes on is cut off


def test_an_honest_change_of_mind_costs_nothing() -> None:
    state = victim()
    ask(state, Rpc(subscriptions=(LEAVES,)), 1)
    ask(state, Rpc(subscriptions=(READS,)), 1)
    assert state.scores.of(PEER) == 0


def test_a_graft_of_who_does_not_read_the_topic_is_not_answered() -> None:
    state = victim()
    ask(state, Rpc(subscriptions=(LEAVES,)), 1)
    answer, _ = ask(state, Rpc(controls=(Graft(TOPIC),)), 10)
    assert answer == 0
    assert PEER not in state.topics[TOPIC].mesh


def test_a_refused_graft_is_answered_once_a_heartbeat_and_names_peers_only_at_first() -> None:
    state = victim()
    for number in range(30):  # the mesh is full
        name = b"full %d" % number
        step(state, Joined(name, is_outbound=False), 0.0)
        step(state, Received(name, encode(Rpc(subscriptions=(READS,), controls=(Graft(TOPIC),)))), 0.0)
    first, _ = ask(state, Rpc(controls=(Graft(TOPIC),)), 1)
    assert first > 10_000  # sixteen records
    rest, _ = ask(state, Rpc(controls=(Graft(TOPIC),)), 3)
    assert rest == 0
    step(state, Beat(), 1.0)
    later, _ = ask(state, Rpc(controls=(Graft(TOPIC),)), 1, now=1.1)
    assert 0 < later < 100


def test_a_prune_that_answers_nothing_names_nobody_and_leaves_no_trace() -> None:
    state = victim()
    state.scores.of = lambda peer: 10.0  # type: ignore[method-assign]
    named = Prune(TOPIC, tuple(Exchanged(b"x%d" % number, b"record") for number in range(16)), 3600)
    _, effects = ask(state, Rpc(controls=(named,)), 10)
    assert not any(isinstance(effect, Dial) for effect in effects)
    assert (TOPIC, PEER) not in state.backoffs


def test_prunes_make_us_dial_a_limited_number_of_peers_a_heartbeat() -> None:
    state = victim()
    names = [f"topic {number}" for number in range(20)]
    for name in names:
        step(state, Subscribed(name, Anything()), 0.0)
    joining = Rpc(
        subscriptions=tuple(Subscription(name, True) for name in names), controls=tuple(Graft(name) for name in names)
    )
    ask(state, joining, 1)
    state.scores.of = lambda peer: 10.0  # type: ignore[method-assign]
    prunes = [
        Prune(name, tuple(Exchanged(b"%s %d" % (name.encode(), number), b"record") for number in range(16)), 60)
        for name in names
    ]
    _, effects = ask(state, Rpc(controls=tuple(prunes)), 1)
    dials = [effect for effect in effects if isinstance(effect, Dial)]
    assert len(dials) == state.parameters.shape.exchanged_max


def test_backoffs_of_peers_that_come_and_go_are_bounded() -> None:
    state = State(Parameters(caps=Caps(backoffs_max=50)), random.Random(1))
    step(state, Subscribed(TOPIC, Anything()), 0.0)
    for number in range(200):
        name = b"sybil %d" % number
        step(state, Joined(name, is_outbound=True), 0.0)
        rpc = Rpc(subscriptions=(READS,), controls=(Graft(TOPIC), Prune(TOPIC, (), 3600)))
        step(state, Received(name, encode(rpc)), 0.0)
        assert len(state.backoffs) <= 50
    assert (TOPIC, b"sybil 199") in state.backoffs
