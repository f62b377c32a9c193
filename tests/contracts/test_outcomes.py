"""What single claims come to, cell by cell: premiums, deliveries, loans, and terms that no honest node agrees to."""

from typing import Any

import msgspec
import pytest
from tests.contracts.claims import image, lock, option, position
from tests.contracts.compiled import creation_code, tell
from tests.contracts.marked import WEEK_S
from tests.contracts.oracles import FEED, GOODS, NOBODY, T, Talker
from tests.contracts.scene import USD, Scene

from thalweg.channel.claims import UNCONDITIONAL, Condition, Position, Subchannel
from thalweg.instruments.payoff import payoff_amount
from thalweg.instruments.terms import Instrument, Payoff, Style, knot
from thalweg.units import (
    NATIVE,
    SCALE,
    ZERO_HASH,
    Address,
    Amount,
    ChannelId,
    ClaimId,
    Price,
    Quantity,
    Seat,
    UnixSeconds,
)

AMOUNT_MAX = 2**128 - 1
NEVER = Condition((image(b"never" * 6 + b"no"),), UnixSeconds(T - 1))
Accruals = list[tuple[int, int]]


@pytest.fixture
def talker(scene: Scene) -> Talker:
    talker = Talker(scene)
    scene.evm.travel(T + 10_000)
    return talker


def _escrows(accruals: Accruals) -> list[int]:
    assert not any(margin for margin, _ in accruals)
    return [escrow for _, escrow in accruals]


# --- positions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("premium", [1, 2, AMOUNT_MAX, AMOUNT_MAX + 1, 2**255 - 1])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("is_met", [True, False])
def test_a_premium_is_paid_over_or_back_up_to_what_an_amount_can_be(
    talker: Talker, premium: int, sign: int, is_met: bool
) -> None:
    talker.settles(T, 60_000 * SCALE)
    condition = UNCONDITIONAL if is_met else NEVER
    claim = position(0, option(talker.address, 60_000, T, feed=FEED), premium=sign * premium, condition=condition)
    payee = 1 if (sign > 0) == is_met else 0  # long owes it where it is positive

    escrows = _escrows(talker.accruals([claim], T))

    assert escrows[payee] == min(premium, AMOUNT_MAX)
    assert escrows[1 - payee] == 0


def test_the_least_premium_there_can_be_locks_nothing(talker: Talker) -> None:
    talker.settles(T, 60_000 * SCALE)
    claim = position(1, option(talker.address, 60_000, T, feed=FEED), premium=-(2**255))

    assert _escrows(talker.accruals([claim], T)) == [AMOUNT_MAX, 0]


@pytest.mark.parametrize("payoff", [Payoff.CALL, Payoff.PUT])
@pytest.mark.parametrize("knots", [(), (50_000 * SCALE, 70_000 * SCALE)])
def test_an_option_of_no_strike_or_two_moves_nothing(talker: Talker, payoff: Payoff, knots: tuple[int, ...]) -> None:
    talker.settles(T, 60_000 * SCALE)
    terms = msgspec.structs.replace(option(talker.address, 60_000, T, payoff, feed=FEED), knots=knots)

    assert talker.accruals([position(1, terms)], T) == [(0, 0), (0, 0)]


@pytest.mark.parametrize("number", [0, 1, 2**64 - 1, 2**255])
@pytest.mark.parametrize("payoff", Payoff)
@pytest.mark.parametrize("style", [Style.LINEAR, Style.INVERSE])
def test_a_positions_number_says_nothing_of_what_it_pays(
    talker: Talker, style: Style, payoff: Payoff, number: int
) -> None:
    price = Price(60_700 * SCALE)
    talker.settles(T, price)
    strike = 60_000 * SCALE if payoff in (Payoff.CALL, Payoff.DIGITAL_CALL) else 61_000 * SCALE
    knots = (0, knot(price, 5 * SCALE)) if payoff == Payoff.CURVE else (strike,)
    terms = Instrument(payoff, talker.address, FEED, UnixSeconds(T), 10**9, knots, style)

    gain = payoff_amount(terms, Quantity(SCALE), price)

    assert talker.accruals([position(number, terms)], T) == [(gain, 0), (-gain, 0)]
    assert gain != 0


@pytest.mark.parametrize("hashes", [1, 2, 8])
@pytest.mark.parametrize("knots", [2, 15, 16])
def test_a_position_whose_condition_was_not_met_moves_nothing_however_many_knots_it_has(
    talker: Talker, knots: int, hashes: int
) -> None:
    curve = tuple(knot(Price(x), (x + 1) * SCALE) for x in range(knots))
    terms = Instrument(Payoff.CURVE, talker.address, FEED, UnixSeconds(T), 10**6, curve)
    never = Condition(tuple(image(bytes([one]) * 32) for one in range(hashes)), UnixSeconds(T - 1))

    assert talker.accruals([position(1, terms, condition=never)], T) == [(0, 0), (0, 0)]


@pytest.mark.parametrize(("long", "short"), [(0, 2), (2, 0), (0, NOBODY), (NOBODY, 0), (2**255, 0), (0, 2**255)])
def test_a_position_with_somebody_who_is_not_there_moves_nothing(talker: Talker, long: int, short: int) -> None:
    talker.settles(T, 61_000 * SCALE)
    claim = position(1, option(talker.address, 60_000, T, feed=FEED), long=long, short=short, premium=5)

    accruals = talker.accruals([claim], T)

    assert [margin for margin, _ in accruals] == [0, 0]
    assert sum(escrow for _, escrow in accruals) == (5 if short == 0 else 0)


@pytest.mark.parametrize(
    ("payee", "asset", "expected"),
    [(0, 0, [7, 0]), (1, 0, [0, 7]), (2, 0, [0, 0]), (0, 1, [0, 0]), (0, 2, [0, 0]), (2**255, 0, [0, 0])],
)
def test_a_lock_for_somebody_or_in_something_that_is_not_there_pays_nobody(
    talker: Talker, payee: int, asset: int, expected: list[int]
) -> None:
    assert _escrows(talker.accruals([lock(1, 7, UNCONDITIONAL, 0, payee, asset)], T)) == expected


# --- deliveries -----------------------------------------------------------------------------------------------------


def _delivery(talker: Talker, number: int = 1, payoff: Payoff = Payoff.CALL, **changes: Any) -> Position:
    """Return alice's long of one contract: a hundred of the goods at 30 dollars."""
    condition, quantity = changes.pop("condition", UNCONDITIONAL), changes.pop("quantity", 1.0)
    terms = Instrument(payoff, talker.address, FEED, UnixSeconds(T), USD, (30 * SCALE, 100), Style.PHYSICAL, 1)
    return position(number, msgspec.structs.replace(terms, **changes), quantity, condition=condition)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [0, 100, 30 * USD, 0]),
        ({"quantity": 0.001}, [0, 0, 30_000, 0]),  # a tenth of a unit of the goods is none; their price is still due
        ({"knots": (1, 100)}, [0, 100, 0, 0]),  # and the other way round
        ({"knots": (0, 100)}, [0, 100, 0, 0]),
    ],
)
def test_a_delivery_too_small_for_one_of_its_sides_moves_the_other(
    talker: Talker, changes: dict[str, Any], expected: list[int]
) -> None:
    talker.settles(T, 31 * SCALE)

    assert _escrows(talker.accruals([_delivery(talker, **changes)], T, assets=2)) == expected


@pytest.mark.parametrize("is_mark", [False, True])
def test_a_delivery_that_never_stood_is_not_priced_by_one_that_did(talker: Talker, is_mark: bool) -> None:
    talker.settles(T, 45 * SCALE)
    expiry = UnixSeconds(T + 86_400 if is_mark else T)
    talker.smiles(T, expiry, 45 * SCALE)
    claims = [_delivery(talker, 1, expiry=expiry), _delivery(talker, 2, expiry=expiry, condition=NEVER)]

    escrows = _escrows(talker.accruals(claims, T, is_mark=is_mark, assets=2))

    moved, paid = (
        (33, 0) if is_mark else (100, 30 * USD)
    )  # at the mark: a third of the goods, which 15 of 45 dollars buy
    assert escrows == [30 * USD + (30 * USD if is_mark else 0), moved, paid, 100 + 100 - moved]


@pytest.mark.parametrize("payoff", [Payoff.CALL, Payoff.PUT, Payoff.FORWARD])
@pytest.mark.parametrize(
    ("is_mark", "how"),
    [
        (False, "silent"),
        (False, "no knots"),
        *((True, how) for how in ("silent", "no forward", "forward out of range", "no smile", "no knots")),
    ],
)
def test_a_delivery_that_nothing_prices_gives_both_sides_their_own_back(
    scene: Scene, talker: Talker, is_mark: bool, how: str, payoff: Payoff
) -> None:
    expiry = UnixSeconds(T + 86_400 if is_mark else T)
    changes: dict[str, Any] = {"knots": ()} if how == "no knots" else {}
    claim = _delivery(talker, payoff=payoff, expiry=expiry, **changes)
    if how == "silent":
        scene.evm.travel(T + 2 * WEEK_S + 1 + 86_400)
    elif is_mark:
        forward = {"no forward": 0, "forward out of range": 2**63}.get(how, 45 * SCALE)
        talker.smiles(T, expiry, forward, weight=2**81 if how == "no smile" else 2**64)
    else:
        talker.settles(T, 45 * SCALE)

    escrows = _escrows(talker.accruals([claim], T, is_mark=is_mark, assets=2))

    whole = [0, 100, 30 * USD, 0] if payoff == Payoff.PUT else [30 * USD, 0, 0, 100]
    assert escrows == ([0] * 4 if how == "no knots" else whole)


# --- loans ----------------------------------------------------------------------------------------------------------


class Lender:
    """A parent of a child whose judge says what it was told."""

    def __init__(self, scene: Scene, talker: Talker) -> None:
        self.evm = scene.evm
        self._judge: Address = scene.evm.create(creation_code("ToldJudge"))
        self._talker = talker

    def hears(self, seat: int, share: int, asset: bytes = NATIVE, status: int = 2) -> None:
        """Have the judge say what a seat of the child has."""
        tell(self.evm, self._judge, "say(address,uint256,uint256,uint256)", asset, seat, status, share)

    def claim(self, seats: tuple[int, ...], lent: tuple[int, ...], condition: Condition = UNCONDITIONAL) -> Subchannel:
        """Return a loan."""
        return Subchannel(
            ClaimId(1), self._judge, ChannelId(b"\7" * 32), tuple(map(Seat, seats)), tuple(map(Amount, lent)),
            ZERO_HASH, UnixSeconds(T + 10**8), condition,
        )  # fmt: skip

    def gets(self, *terms: Any, assets: int = 1) -> list[int]:
        """Return what every cell gets out of a loan."""
        return _escrows(self._talker.accruals([self.claim(*terms)], T, assets=assets))

    def refusal(self, gas: int) -> str:
        """Return why a loan cannot be resolved with so much gas."""
        return self._talker.refusal([self.claim((0, 1), (30, 20))], T, gas=gas)


@pytest.fixture
def lender(scene: Scene, talker: Talker) -> Lender:
    return Lender(scene, talker)


@pytest.mark.parametrize(
    ("seats", "lent", "shares", "expected"),
    [
        ((0, 1), (30, 20), (45, 5), [45, 5]),
        ((1, 0), (30, 20), (45, 5), [5, 45]),
        ((0, 1), (30, 20), (0, 7), [43, 7]),  # what nobody has is the lowest's
        ((0, NOBODY), (30, 20), (12, 0), [12, 38]),  # or his who has no seat
        ((NOBODY, NOBODY), (30, 20), (0, 0), [50, 0]),  # the lowest of them
        ((0, 1), (1, 0), (0, 1), [0, 1]),  # to the last unit
        ((0, 1), (30, 20), (60, 60), [50, 0]),  # and no more than was lent
        ((0,), (5, 6, 7), (2, 0), [5, 0]),  # who is not named has lent nothing
        ((0, 1, 1), (5, 6), (2, 9), [2, 9]),  # and who has lent nothing is not named
        ((NOBODY, 0), (0, AMOUNT_MAX + 1), (AMOUNT_MAX - 10, 0), [10, AMOUNT_MAX - 10]),
        ((NOBODY, 0), (0, 2**255), (AMOUNT_MAX - 10, 0), [10, AMOUNT_MAX - 10]),
    ],
)
def test_a_parent_mirrors_what_the_judge_of_its_child_says(
    lender: Lender, seats: tuple[int, ...], lent: tuple[int, ...], shares: tuple[int, int], expected: list[int]
) -> None:
    for seat, share in enumerate(shares):
        lender.hears(seat, share)

    assert lender.gets(seats, lent) == expected


def test_every_asset_is_mirrored_by_itself(lender: Lender) -> None:
    for seat, dollars, goods in ((0, 30, 1), (1, 4, 9)):
        lender.hears(seat, dollars)
        lender.hears(seat, goods, GOODS)

    assert lender.gets((0, 1), (30, 5, 4, 5), assets=2) == [30, 1, 4, 9]


def test_a_judge_that_fails_for_one_seat_gives_it_nothing(lender: Lender) -> None:
    lender.hears(0, 13)

    assert lender.gets((NOBODY, 1), (30, 20)) == [50, 0]
    assert lender.gets((0, 1), (30, 20)) == [50, 0]


@pytest.mark.parametrize("amount", [0, 1, AMOUNT_MAX, AMOUNT_MAX + 1, 2**255])
def test_a_loan_that_never_stood_goes_back_up_to_what_an_amount_can_be(lender: Lender, amount: int) -> None:
    lender.hears(0, 13)

    assert lender.gets((0, 1), (amount, 20), NEVER) == [min(amount, AMOUNT_MAX), 20]


def test_a_judge_that_is_asked_with_too_little_gas_is_not_silent(lender: Lender) -> None:
    lender.hears(0, 30)
    lender.hears(1, 20)

    assert {lender.refusal(gas) for gas in (70_000, 100_000, 130_000, 155_000)} == {"claim: more gas needed"}
    assert lender.refusal(190_000) == ""  # nor is more asked for than it takes
