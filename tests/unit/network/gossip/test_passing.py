"""A good message waits a moment before it is passed on, and leaves with what came meanwhile, for whoever lacks it."""

import random
from hashlib import sha256

import pytest
from tests.unit.network.gossip.test_slices import TOPIC, Counting, rpc_of

from thalweg.network.gossip import (
    Beat,
    Caps,
    Due,
    Effect,
    Joined,
    Known,
    Lagged,
    Parameters,
    Pause,
    Received,
    Send,
    State,
    Subscribed,
    Unsubscribed,
    step,
)
from thalweg.network.gossip.rpc import Graft, IHave, IWant, Rpc, Subscription, decode, encode

PEERS = (b"ada", b"bob", b"eve")
READS = encode(Rpc(subscriptions=(Subscription(TOPIC, True),), controls=(Graft(TOPIC),)))


def meshed(caps: Caps | None = None) -> State:
    state = State(Parameters(caps=caps or Caps()), random.Random(1))
    step(state, Subscribed(TOPIC, Counting()), 0.0)
    for peer in PEERS:
        step(state, Joined(peer, is_outbound=True), 0.0)
        step(state, Received(peer, READS), 0.0)
    assert set(state.topics[TOPIC].mesh) == set(PEERS)
    return state


def passed(effects: list[Effect]) -> dict[bytes, list[bytes]]:
    """Return which payloads were sent to whom."""
    sent: dict[bytes, list[bytes]] = {}
    for effect in effects:
        if isinstance(effect, Send):
            sent.setdefault(effect.peer, []).extend(each.payload for each in decode(effect.rpc, Caps()).messages)
    return sent


def pauses(effects: list[Effect]) -> list[float]:
    return [effect.seconds for effect in effects if isinstance(effect, Pause)]


def test_what_comes_within_a_moment_leaves_as_one_rpc_a_peer() -> None:
    state = meshed()
    first = step(state, Received(b"ada", rpc_of([b"one"])), 1.0)
    assert not passed(first)
    (seconds,) = pauses(first)
    assert 0 <= seconds <= state.parameters.times.gather_seconds
    second = step(state, Received(b"bob", rpc_of([b"two"])), 1.0)
    assert not passed(second)
    assert not pauses(second)  # the first's time is for both
    due = step(state, Due(), 1.0 + seconds)
    assert passed(due) == {b"ada": [b"two"], b"bob": [b"one"], b"eve": [b"one", b"two"]}
    assert sum(isinstance(effect, Send) for effect in due) == len(PEERS)
    assert not step(state, Due(), 2.0)


def test_who_sends_a_message_himself_meanwhile_does_not_get_it() -> None:
    state = meshed()
    step(state, Received(b"ada", rpc_of([b"one"])), 1.0)
    step(state, Received(b"bob", rpc_of([b"one"])), 1.0)
    assert passed(step(state, Due(), 1.01)) == {b"eve": [b"one"]}


def test_no_more_than_so_many_messages_wait() -> None:
    state = meshed(Caps(gathered_max=3))
    effects = step(state, Received(b"ada", rpc_of([b"1", b"2", b"3", b"4"])), 1.0)
    assert passed(effects) == {b"bob": [b"1", b"2", b"3"], b"eve": [b"1", b"2", b"3"]}
    assert passed(step(state, Due(), 1.01)) == {b"bob": [b"4"], b"eve": [b"4"]}


def test_a_topic_that_is_left_meanwhile_passes_nothing_on() -> None:
    state = meshed()
    step(state, Received(b"ada", rpc_of([b"one"])), 1.0)
    step(state, Unsubscribed(TOPIC), 1.0)
    assert not step(state, Due(), 1.01)
    step(state, Subscribed(TOPIC, Counting()), 1.02)
    assert pauses(step(state, Received(b"ada", rpc_of([b"two"])), 20.0))


@pytest.mark.parametrize("is_known", [False, True])
def test_what_came_another_way_is_not_asked_for_nor_looked_at(is_known: bool) -> None:
    state = meshed()
    payload = b"from a shelf"
    message_id = sha256(payload).digest()
    if is_known:
        step(state, Known(TOPIC, payload), 1.0)
    effects = step(state, Received(b"ada", encode(Rpc(controls=(IHave(TOPIC, (message_id,)),)))), 1.0)
    asked = [each for effect in effects if isinstance(effect, Send) for each in decode(effect.rpc, Caps()).controls]
    assert asked == ([] if is_known else [IWant((message_id,))])
    step(state, Received(b"ada", rpc_of([payload])), 1.1)
    rules = state.topics[TOPIC].validator
    assert isinstance(rules, Counting)
    assert rules.checked == (not is_known)


def test_who_is_behind_asks_for_nothing_until_it_is_not() -> None:
    state = meshed()
    have = encode(Rpc(controls=(IHave(TOPIC, (sha256(b"x").digest(),)),)))
    step(state, Lagged(True), 1.0)
    assert not step(state, Received(b"ada", have), 1.0)
    assert state.counts["ihave_behind"] == 1
    step(state, Lagged(False), 2.0)
    assert any(isinstance(effect, Send) for effect in step(state, Received(b"ada", have), 2.0))


def test_what_comes_fast_is_passed_on_a_few_times_a_second() -> None:
    state = meshed()
    between = state.parameters.times.between_seconds
    step(state, Received(b"ada", rpc_of([b"one"])), 1.0)
    step(state, Due(), 1.02)
    (seconds,) = pauses(step(state, Received(b"ada", rpc_of([b"two"])), 1.03))
    assert seconds >= between - 0.01
    step(state, Due(), 1.03 + seconds)
    (seconds,) = pauses(step(state, Received(b"ada", rpc_of([b"three"])), 1.04 + seconds + between))
    assert seconds <= state.parameters.times.gather_seconds  # after a silence nothing has to wait so long


def test_a_second_copy_is_not_parsed_again_and_what_is_remembered_for_that_is_forgotten() -> None:
    state = meshed()
    step(state, Received(b"ada", rpc_of([b"one"])), 1.0)
    step(state, Received(b"bob", rpc_of([b"one", b"two"])), 1.0)
    assert [each.payload for each in state.recent.values()] == [b"one", b"two"]
    (again,) = decode(rpc_of([b"one"]), Caps(), state.recent).messages
    assert again is next(iter(state.recent.values()))
    step(state, Unsubscribed(TOPIC), 2.0)
    assert not state.recent
    step(state, Subscribed(TOPIC, Counting()), 2.0)
    step(state, Received(b"ada", rpc_of([b"three"])), 2.0)
    step(state, Beat(), 2.0 + state.parameters.weights.soon_seconds + 1)
    assert not state.recent


def test_what_spares_parsing_takes_little_room() -> None:
    state = meshed(Caps(recent_max=2, recent_bytes_max=50))
    step(state, Received(b"ada", rpc_of([b"1" * 60, b"2", b"3", b"4"])), 1.0)
    assert [each.payload for each in state.recent.values()] == [b"2", b"3"]
    step(state, Received(b"bob", rpc_of([b"1" * 60, b"4"])), 1.0)
    assert state.counts["duplicate"] == 2
    step(state, Beat(), 2.0 + state.parameters.weights.soon_seconds)
    assert not state.recent
