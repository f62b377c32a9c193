import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.network.gossip import ACCEPTED, Judgement, Verdict
from thalweg.network.gossip.validation import glance, verify
from thalweg.network.items import BODY_BYTES_MAX, LIFE_SECONDS_MAX, PASSED_MAX, ItemRules, Passed, is_signed, read, sign
from thalweg.network.peer_id import Identity

ALICE = Identity(b"alice".ljust(32))
NOW = 1_800_000_000.0
RULES = ItemRules("orders", lambda: NOW)


def test_an_item_comes_back_and_its_signature_holds_in_its_topic_only() -> None:
    payload = sign(ALICE, "orders", b"body", NOW + 60)
    item = read(payload)
    assert (item.author, item.expires_at, item.body) == (ALICE.peer_id.key, NOW + 60, b"body")
    assert is_signed("orders", payload)
    assert not is_signed("other", payload)
    assert RULES.glance(payload) == ALICE.peer_id.key
    assert RULES.verify(payload) == ACCEPTED


@given(st.integers(0, 103), st.integers(1, 255))
def test_no_byte_of_an_item_can_be_changed(place: int, change: int) -> None:
    payload = bytearray(sign(ALICE, "orders", b"", NOW))
    payload[place] ^= change
    assert RULES.verify(bytes(payload)).verdict is Verdict.REJECT


@pytest.mark.parametrize(
    ("expires_in", "reason"),
    [
        (-299.0, None),  # clocks may disagree by five minutes
        (-301.0, Reason.EXPIRED),
        (LIFE_SECONDS_MAX + 299.0, None),
        (LIFE_SECONDS_MAX + 301.0, Reason.NOT_YET),
    ],
)
def test_an_item_out_of_its_time_is_ignored(expires_in: float, reason: Reason | None) -> None:
    seen = RULES.glance(sign(ALICE, "orders", b"", NOW + expires_in))
    if reason is None:
        assert seen == ALICE.peer_id.key
    else:
        assert isinstance(seen, Judgement)
        assert (seen.verdict, seen.reason) == (Verdict.IGNORE, reason)


def test_a_body_has_its_limit() -> None:
    read(sign(ALICE, "orders", bytes(BODY_BYTES_MAX), NOW))
    with pytest.raises(UserFault) as caught:
        sign(ALICE, "orders", bytes(BODY_BYTES_MAX + 1), NOW)
    assert caught.value.reason is Reason.OVERSIZED
    with pytest.raises(PeerFault) as refused:
        read(bytes(RULES.payload_bytes_max + 1))
    assert refused.value.reason is Reason.OVERSIZED


@given(st.binary(max_size=200))
def test_random_bytes_are_judged_and_never_raise_anything_else(payload: bytes) -> None:
    assert isinstance(glance(RULES, payload), bytes | Judgement)
    assert isinstance(verify(RULES, payload), Judgement)


def test_an_item_is_taken_once_as_long_as_it_lives_whatever_gossip_forgot() -> None:
    rules = ItemRules("orders", lambda: NOW)
    first, second = (sign(ALICE, "orders", body, NOW + 60) for body in (b"one", b"two"))
    assert rules.verify(first) == ACCEPTED
    again = rules.glance(first)
    assert isinstance(again, Judgement)
    assert (again.verdict, again.reason) == (Verdict.IGNORE, Reason.EXISTS)
    assert rules.glance(second) == ALICE.peer_id.key


def test_a_forgery_is_not_remembered_and_hides_nothing() -> None:
    rules = ItemRules("orders", lambda: NOW)
    payload = sign(ALICE, "orders", b"body", NOW + 60)
    assert rules.verify(payload[:-1] + bytes((payload[-1] ^ 1,))).verdict is Verdict.REJECT
    assert rules.glance(payload) == ALICE.peer_id.key


def test_no_more_items_are_remembered_than_the_limit_the_expired_go_first() -> None:
    passed = Passed()
    names = [number.to_bytes(8) * 20 for number in range(2 * PASSED_MAX)]
    passed.add(b"live" * 40, NOW + 10_000, NOW)
    for number, name in enumerate(names):
        passed.add(name, NOW + (10_000 if number % 2 else -301), NOW)
        assert len(passed) <= PASSED_MAX
    assert names[-1] in passed
