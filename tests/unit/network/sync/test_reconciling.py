"""Two shelves become equal, whatever was in them; and what it costs."""

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.network.sync.shelves import NOW, TOPIC, Talk, item, shelf

from thalweg.errors import PeerFault, Reason
from thalweg.network.sync import Caps, Shelf, answer, cost, negentropy, reconciling, rejoin, snapshot
from thalweg.network.sync.index import Index
from thalweg.network.sync.messages import (
    Answer,
    Fetch,
    GetShortIds,
    Give,
    Ids,
    Items,
    Reconciled,
    Request,
    read_answer,
    read_request,
)

SALT = b"12345678"
numbers = st.sets(st.integers(0, 400))


@given(numbers, numbers)
def test_after_a_rejoin_both_have_everything(mine: set[int], theirs: set[int]) -> None:
    one, other = shelf(mine), shelf(theirs)
    outcome = Talk(one, other).run(rejoin(one, TOPIC, NOW * 1000, SALT))
    assert set(one.payloads()) == set(other.payloads()) == {item(each) for each in mine | theirs}
    assert (outcome.got, outcome.gave, outcome.withheld) == (len(theirs - mine), len(mine - theirs), 0)


@pytest.mark.parametrize(("size", "missing"), [(3000, 0), (3000, 2), (3000, 2500), (25_000, 5000), (0, 3000)])
def test_large_shelves_become_equal_by_ranges_or_by_list(size: int, missing: int) -> None:
    chance = random.Random(size + missing)
    gone = chance.sample(range(max(size, missing)), missing)
    one = shelf(set(range(size)) - set(gone[: missing // 2]))
    other = shelf(set(range(max(size, missing))) - set(gone[missing // 2 :] if size else ()))
    Talk(one, other).run(rejoin(one, TOPIC, NOW * 1000, SALT))
    assert one.fingerprint((0, b"")) == other.fingerprint((0, b""))


def test_two_hundred_differences_in_ten_thousand_take_less_than_100_kb_items_included() -> None:
    gone = random.Random(1).sample(range(10_000), 200)
    one, other = shelf(set(range(10_000)) - set(gone[:100])), shelf(set(range(10_000)) - set(gone[100:]))
    talk = Talk(one, other)
    outcome = talk.run(rejoin(one, TOPIC, NOW * 1000, SALT))
    assert (outcome.got, outcome.gave) == (100, 100)
    assert talk.bytes < 100_000
    assert talk.rounds <= 6


def test_items_that_expire_before_the_cut_are_left_alone() -> None:
    one, other = Shelf(), Shelf()
    one.add(item(1, expires_in=10))
    other.add(item(2, expires_in=20))
    other.add(item(3, expires_in=3600))
    outcome = Talk(one, other).run(rejoin(one, TOPIC, (NOW + 60) * 1000, SALT))
    assert (outcome.got, outcome.gave) == (1, 0)
    assert len(other) == 2


@given(numbers, st.integers(1, 8))
def test_a_snapshot_in_parts_is_everything(theirs: set[int], parts: int) -> None:
    one, other = Shelf(), shelf(theirs)
    for part in range(parts):
        Talk(one, other).run(snapshot(TOPIC, part, parts))
    assert set(one.payloads()) == set(other.payloads())


def test_a_snapshot_of_many_pages_is_everything() -> None:
    one, other = shelf(()), shelf(range(3000))
    talk = Talk(one, other)
    assert talk.run(snapshot(TOPIC, 0, 1)).got == 3000
    assert talk.rounds > 5


def test_items_that_a_peer_says_it_has_and_does_not_give_are_counted() -> None:
    def withhold(request: Request, said: Answer) -> Answer:
        return Items(()) if isinstance(said, Items) else said

    one, other = shelf(range(10)), shelf(range(30))
    assert Talk(one, other, withhold).run(rejoin(one, TOPIC, NOW * 1000, SALT)).withheld == 20


@pytest.mark.parametrize("reason_and_lie", [
    (Reason.MALFORMED, lambda said: Items((item(999),)) if isinstance(said, Items) else said),  # not asked for
    (Reason.MALFORMED, lambda said: Ids(b"")),
    (Reason.UNKNOWN_FEATURE, lambda said: Reconciled(b"\x62")),
    (Reason.MALFORMED, lambda said: Reconciled(b"\x61\x00\x00\x02\x05")),
])  # fmt: skip
def test_a_peer_that_answers_what_was_not_asked_is_found_out(reason_and_lie: tuple[Reason, object]) -> None:
    reason, lie = reason_and_lie
    assert callable(lie)
    one, other = shelf(range(10)), shelf(range(30))
    with pytest.raises(PeerFault) as caught:
        Talk(one, other, lambda request, said: lie(said)).run(rejoin(one, TOPIC, NOW * 1000, SALT))
    assert caught.value.reason is reason


def test_a_reconciliation_without_end_is_given_up() -> None:
    one = shelf(range(300))
    endless = negentropy.encode([negentropy.Range(negentropy.END, fingerprint=bytes(16))])
    with pytest.raises(PeerFault) as caught:
        Talk(one, shelf(()), lambda request, said: Reconciled(endless)).run(rejoin(one, TOPIC, 0, SALT))
    assert caught.value.reason is Reason.LIMIT


def test_a_page_out_of_order_or_of_another_part_is_refused() -> None:
    other = shelf(range(20))

    def turn_round(request: Request, said: Answer) -> Answer:
        return Items(said.payloads[::-1]) if isinstance(said, Items) else said

    with pytest.raises(PeerFault) as caught:
        Talk(Shelf(), other, turn_round).run(snapshot(TOPIC, 0, 1))
    assert caught.value.reason is Reason.OUT_OF_ORDER
    with pytest.raises(PeerFault):
        Talk(Shelf(), other, lambda request, said: Items((item(1),), True)).run(snapshot(TOPIC, 0, 1))


@given(st.sets(st.tuples(st.integers(0, 5), st.binary(min_size=32, max_size=32)), max_size=60), st.integers(0, 6))
def test_a_fingerprint_is_the_hash_of_sum_and_count(keys: set[tuple[int, bytes]], cut: int) -> None:
    index = Index(keys)
    start = index.find((cut, b""))
    total = sum(int.from_bytes(key[1], "little") for key in keys if key[0] >= cut) % 2**256
    count = sum(key[0] >= cut for key in keys)
    assert index.fingerprint(start, len(index)) == sha256(total.to_bytes(32, "little") + bytes((count,))).digest()[:16]


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    index = shelf(range(50)).index
    for parse in (
        read_request,
        read_answer,
        lambda raw: reconciling.answer(index, raw),
        lambda raw: reconciling.answer(index, b"\x61" + raw),
    ):
        try:
            parse(data)
        except PeerFault:
            continue


def test_an_answer_has_a_limit_and_goes_on_behind_it() -> None:
    other = shelf(range(20_000))
    everything = negentropy.encode([negentropy.Range(negentropy.END, ids=())])
    said = reconciling.answer(other.index, everything)
    assert len(said) < reconciling.MESSAGE_BYTES_MAX + 1024
    assert [each.ids is not None for each in negentropy.decode(said)] == [True, False]


def test_a_full_shelf_keeps_who_came_first_and_does_not_ask_for_the_rest_again() -> None:
    kept = Shelf(Caps(items_max=10, author_items_max=4))
    for number in range(8):
        kept.add(item(number, author=1, expires_in=60 + number))
    assert [each for each in range(8) if item(each, 1, 60 + each) in kept.payloads()] == [4, 5, 6, 7]
    for number in range(20):
        kept.add(item(number, author=2 + number, expires_in=1000 + number))
    assert len(kept) == 10
    for refused in (item(0, 1, 60), item(19, 21, 1019)):
        assert kept.refuses(sha256(refused).digest())
    kept.expire(NOW + 67 + 301)
    assert len(kept) == 6
    kept.add(item(19, 21, 1019))
    assert len(kept) == 7
    kept.expire(NOW + 1020 + 301)
    assert len(kept) == 0


def test_what_an_answer_costs_grows_with_what_it_makes_us_look_at() -> None:
    kept = {TOPIC: shelf(range(3000))}
    assert cost(kept, Give(TOPIC, (item(1),) * 10)) > 10 * cost(kept, Fetch(TOPIC, bytes(320)))
    asked = GetShortIds(TOPIC, SALT, 0, 0, 1)
    first = cost(kept, asked)
    assert first > 1000
    answer(kept, asked)
    assert cost(kept, asked) < first / 4
    assert cost(kept, Fetch(TOPIC, bytes(8), SALT)) < first / 4 < cost(kept, Fetch(TOPIC, bytes(8), b"another."))
