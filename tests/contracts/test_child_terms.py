"""What a child's terms may be, to the last unit and second, and the words that the chain keeps of its dispute."""

from typing import Any

import msgspec
import pytest
from eth_abi import abi as codec
from tests.contracts.claims import image, lock
from tests.contracts.evm import account
from tests.contracts.family import DAY_S, DECIDED, Kid, disputed
from tests.contracts.reference import words
from tests.contracts.reference.accounts import Account, Dispute
from tests.contracts.scene import CHALLENGE_S, Channel, Scene, State

from thalweg.chain.artefacts import SUBCHANNELS, entries
from thalweg.channel.claims import Condition
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import CloseOut
from thalweg.units import VERSION_FINAL, Amount, AssetIndex, UnixSeconds

MONTH_S = 30 * DAY_S
NOBODY = 255
LIFE_S = 730 * DAY_S
TIME_MAX = 2**32 - 1


def _kid(scene: Scene, *names: str, amounts: tuple[int, ...] = (30, 20), **changes: Any) -> tuple[Kid, Channel]:
    """Return a child of these terms, and a parent that lends to it and is in dispute."""
    near = scene.opened("alice", "hal")
    until = changes.pop("until", scene.evm.now() + 10 * DAY_S)
    kid = Kid(scene, names or ("alice", "bob"), amounts, until, [near], **changes)
    disputed(near, near.implicit())
    return kid, near


def _refusal(kid: Kid, near: Channel) -> str:
    return kid.refusal(kid.challenge(kid.implicit(), near))


def _word(scene: Scene, kid: Kid, name: str = "dispute") -> int:
    return int(scene.evm.ask(scene.subchannels, SUBCHANNELS, name, kid.child.id))


@pytest.mark.parametrize(
    "how",
    [
        "one twice", "an asset twice", "alone", "no settlement asset", "three at the mark", "no close-out", "payouts",
        "an amount too few", "an amount too many", "longer than a month", "for ever", "no end",
    ],
)  # fmt: skip
def test_terms_that_no_child_can_have_are_refused(scene: Scene, how: str) -> None:
    people: tuple[str, ...] = {"one twice": ("alice", "alice"), "alone": ("alice",)}.get(how, ("alice", "bob"))
    every: dict[str, dict[str, Any]] = {
        "an asset twice": {"assets": (scene.token, scene.token), "amounts": (30, 20, 0, 0)},
        "alone": {"amounts": (30,)},
        "no settlement asset": {"settlement": AssetIndex(1)},
        "three at the mark": {"close_out": CloseOut.MARK, "amounts": (30, 20, 10)},
        "no close-out": {"close_out": 2},
        "payouts": {"payouts": (account("alice").address,)},
        "an amount too few": {"amounts": (50,)},
        "an amount too many": {"amounts": (30, 20, 0)},
        "longer than a month": {"challenge_period_s": MONTH_S + 1},
        "for ever": {"until": 2**64 - 1},
        "no end": {"until": 0},
    }
    changes = every.get(how, {})
    if how == "three at the mark":
        people = ("alice", "bob", "carol")

    assert _refusal(*_kid(scene, *people, **changes)) == "adjudicator: malformed"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"close_out": CloseOut.MARK},
        {"challenge_period_s": MONTH_S},
        {"amounts": (2**124 - 1, 2**124 - 1)},
        {"challenge_period_s": 0},
    ],
)
def test_terms_at_the_edge_are_a_childs(scene: Scene, changes: dict[str, Any]) -> None:
    assert _refusal(*_kid(scene, **changes)) == ""


@pytest.mark.parametrize("amounts", [(2**124, 0), (0, 2**124), (2**128 + 30, 20), (2**256 - 1, 1)])
def test_an_amount_that_no_channel_could_hold_is_lent_to_no_child(scene: Scene, amounts: tuple[int, int]) -> None:
    assert _refusal(*_kid(scene, amounts=amounts)) == "adjudicator: amount overflows"


def test_a_child_lasts_two_years_at_most_from_its_dispute(scene: Scene) -> None:
    until = scene.evm.now() + LIFE_S + 100
    kid, near = _kid(scene, until=until)

    scene.evm.travel(until - LIFE_S - 1)
    assert _refusal(kid, near) == "adjudicator: malformed"
    scene.evm.travel(until - LIFE_S)
    assert _refusal(kid, near) == ""


def test_a_child_that_ended_long_ago_has_ended(scene: Scene) -> None:
    assert _refusal(*_kid(scene, until=1)) == "adjudicator: expired"


@pytest.mark.parametrize("bit", [0, 1, 100, 191])
def test_every_bit_of_the_opening_is_bound_by_the_nonce(scene: Scene, bit: int) -> None:
    kid, near = _kid(scene)
    terms = msgspec.structs.replace(kid.child.terms, nonce=kid.child.terms.nonce ^ 1 << bit)
    kid.child = msgspec.structs.replace(kid.child, terms=terms)

    assert _refusal(kid, near) == "adjudicator: wrong hash"


@pytest.mark.parametrize("count", [16, 17])
def test_sixteen_parents_may_lend_to_a_child(scene: Scene, count: int) -> None:
    near = scene.opened("alice", "hal")
    disputed(near, near.implicit())
    kid = Kid(scene, ("alice", "bob"), (30, 20), scene.evm.now() + 10 * DAY_S, [near] * count)

    assert (kid.refusal(kid.challenge(kid.implicit(), near)) == "") == (count == 16)


# --- disputes -------------------------------------------------------------------------------------------------------


def _expected(kid: Kid, state: State, deadline: int, status: int = 2, lowest: int = 0) -> tuple[int, int]:
    """Return the child's two words by docs/contracts.md."""
    begun: list[int] = [*kid.child.amounts]
    shown = Account(kid.child.terms, begun, [0] * len(begun), lowest, dispute=Dispute(state, deadline, NOBODY))
    funding, dispute = words.of(shown)
    assert funding >> 248 == status
    return funding, dispute


def test_a_childs_dispute_is_the_two_words_of_the_specification(scene: Scene) -> None:
    kid, near = _kid(scene)
    older, newer = kid.state(6, (10, 40)), kid.state(9, (40, 10))
    kid.do(kid.challenge(older, near))
    deadline = scene.evm.now() + CHALLENGE_S
    assert (_word(scene, kid, "funding"), _word(scene, kid)) == _expected(kid, older, deadline)
    assert kid.outcome() == ((1, 0), (1, 0))

    kid.do(kid.answer(newer))

    assert (_word(scene, kid, "funding"), _word(scene, kid)) == _expected(kid, newer, deadline)
    kid.do(kid.resumption(10, deadline))
    assert _word(scene, kid) == 0
    again = kid.state(12, (40, 10))
    kid.do(kid.challenge(again, near))
    deadline = scene.evm.now() + CHALLENGE_S
    assert (_word(scene, kid, "funding"), _word(scene, kid)) == _expected(kid, again, deadline, lowest=10)
    kid.wait()
    kid.do(kid.settlement(again))
    assert (_word(scene, kid, "funding"), _word(scene, kid)) == (3 << 248, 0)


@pytest.mark.parametrize("index", [5, 6])
def test_version_0_of_a_child_is_nothing_but_what_it_began_with(scene: Scene, index: int) -> None:
    kid, near = _kid(scene)
    call, entry = kid.challenge(kid.implicit(), near), entries(SUBCHANNELS)["challenge"]
    arguments = list(codec.decode(entry.inputs, call.data[4:]))
    arguments[index] = b"\1" * 32  # its balances or its claims

    other = msgspec.structs.replace(call, data=entry.selector + codec.encode(entry.inputs, arguments))

    assert kid.refusal(call) == ""
    assert kid.refusal(other) == "adjudicator: wrong hash"


def test_answers_end_and_outcomes_begin_with_a_childs_deadline(scene: Scene) -> None:
    kid, near = _kid(scene)
    shown, newer = kid.state(6, (10, 40)), kid.state(9, (40, 10))
    kid.do(kid.challenge(shown, near))

    scene.evm.travel(kid.deadline - 1)
    assert kid.refusal(kid.answer(newer)) == ""
    assert kid.refusal(kid.settlement(shown)) == "adjudicator: not yet"
    scene.evm.travel(kid.deadline)
    assert kid.refusal(kid.answer(newer)) == "adjudicator: expired"
    assert kid.refusal(kid.settlement(shown)) == ""


def test_only_its_people_answer_with_a_childs_state(scene: Scene) -> None:
    kid, near = _kid(scene)
    kid.do(kid.challenge(kid.implicit(), near))

    for signers in ((), kid.people[:1], kid.people[::-1]):
        assert kid.refusal(kid.answer(kid.state(9, (0, 50), signers=signers))) == "adjudicator: wrong signer"


def test_the_end_of_time_cuts_a_childs_deadline(scene: Scene) -> None:
    scene.evm.travel(TIME_MAX - 1000)
    near = scene.opened("alice", "hal", challenge_period_s=60)
    kid = Kid(scene, ("alice", "bob"), (30, 20), TIME_MAX, [near])
    disputed(near, near.implicit())

    kid.do(kid.challenge(kid.implicit(), near))

    assert kid.deadline == TIME_MAX


def test_a_child_in_a_late_dispute_is_called_off_three_months_after_its_deadline(scene: Scene) -> None:
    kid, near = _kid(scene, challenge_period_s=MONTH_S)
    never = Condition((image(b"x" * 32),), UnixSeconds(2**60))
    stuck = kid.state(4, (30, 19), [lock(1, 1, never)])
    scene.evm.travel(kid.child.until + 20 * DAY_S)
    kid.do(kid.challenge(stuck, near))

    scene.evm.travel(kid.deadline + 90 * DAY_S)
    assert kid.refusal(kid.call_off(stuck)) == "adjudicator: not yet"
    scene.evm.travel(kid.deadline + 90 * DAY_S + 1)
    assert kid.refusal(kid.call_off(stuck)) == ""


# --- outcomes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([(30, 30), (20, 20)], (30, 20)),
        ([(30, 0), (20, 5)], (30, 20)),  # what is not free is decided too
        ([(10, 10), (20, 20)], (30, 20)),  # and what nobody has, the lowest seat's
        ([(60, 60), (20, 20)], (50, 0)),
    ],
)
def test_a_final_state_decides_all_that_a_child_has(
    scene: Scene, held: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    kid, near = _kid(scene)
    kid.do(kid.challenge(kid.implicit(), near))
    holdings = [
        Holding(Amount(balance), Amount(free), begun)
        for (balance, free), begun in zip(held, kid.child.amounts, strict=True)
    ]

    kid.do(kid.closing(kid.state(VERSION_FINAL, holdings)))

    assert kid.outcome() == tuple((DECIDED, share) for share in expected)


@pytest.mark.parametrize("count", [2, 3, 5, 16])
def test_every_seat_of_a_child_has_its_own_outcome(scene: Scene, count: int) -> None:
    names = ("alice", *(f"person {index}" for index in range(1, count)))
    kid, near = _kid(scene, *names, amounts=(100,) * count)
    balances = tuple(100 + seat - (count - 1 - seat) for seat in range(count))
    newest = kid.state(9, balances)
    kid.do(kid.challenge(newest, near))
    kid.wait()

    kid.do(kid.settlement(newest))

    assert kid.outcome() == tuple((DECIDED, balance) for balance in balances)
