"""The required collateral is never below the worst settlement, and hardly ever above it."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import Reason
from thalweg.instruments.collateral import Leg, required
from thalweg.instruments.payoff import PAYOFF_SCALE, payoff_amount
from thalweg.instruments.terms import KNOTS_MAX, Instrument, Payoff, knot, unknot
from thalweg.instruments.validity import VALUE_MAX, VALUE_MIN, TermsFault, validate
from thalweg.units import PRICE_MAX, QUANTITY_MAX, UNIT_MAX, Address, Hash, Price, Quantity, UnixSeconds

ORACLE = Address(b"\x01" * 20)
FEED = Hash(b"\x02" * 32)


def make(payoff: Payoff, knots: tuple[int, ...], unit: int = 10**6, expiry: int = 1_800_000_000) -> Instrument:
    return Instrument(payoff, ORACLE, FEED, UnixSeconds(expiry), unit, knots)


@st.composite
def curves(draw: st.DrawFn, unit: st.SearchStrategy[int], price_max: int, value: int) -> Instrument:
    prices = sorted(draw(st.sets(st.integers(1, price_max), min_size=1, max_size=KNOTS_MAX - 1)))
    values = [draw(st.integers(max(-value, VALUE_MIN), min(value, VALUE_MAX))) for _ in range(len(prices) + 1)]
    if draw(st.booleans()):
        values[-1] = values[-2]
    knots = tuple(knot(Price(x), y) for x, y in zip([0, *prices], values, strict=True))
    return make(Payoff.CURVE, knots, draw(unit))


def instruments(unit: st.SearchStrategy[int], price_max: int, value: int) -> st.SearchStrategy[Instrument]:
    vanilla: Callable[[Payoff, int, int], Instrument] = lambda payoff, strike, scale: make(payoff, (strike,), scale)  # noqa: E731
    options = st.builds(vanilla, st.sampled_from([Payoff.CALL, Payoff.PUT]), st.integers(1, price_max), unit)
    return options | curves(unit, price_max, value)


def books(unit: st.SearchStrategy[int], price_max: int, value: int, quantity: int) -> st.SearchStrategy[list[Leg]]:
    leg = st.builds(Leg, instruments(unit, price_max, value), st.integers(-quantity, quantity).filter(bool))
    return st.lists(leg, min_size=1, max_size=8)


ORDINARY = books(st.sampled_from([10**6, 10**18]), 10**13, 10**13, 10**10)
SMALL = books(st.sampled_from([10**12, 10**15]), 40, 40, 40)  # knots so close that every price can be tried
EXTREME = books(st.sampled_from([1, UNIT_MAX]), PRICE_MAX, VALUE_MAX + 1, QUANTITY_MAX)


def settled(leg: Leg, price: int) -> int:
    amount = payoff_amount(leg.instrument, Quantity(abs(leg.quantity)), Price(price))
    return amount if leg.quantity > 0 else -amount


def prices_of(leg: Leg) -> list[int]:
    if leg.instrument.payoff == Payoff.CURVE:
        return [int(unknot(packed)[0]) for packed in leg.instrument.knots]
    return list(leg.instrument.knots)


def candidates(legs: list[Leg]) -> list[int]:
    knots = {0, PRICE_MAX}.union(*map(prices_of, legs))
    near = {price + step for price in knots for step in (-1, 0, 1)}
    return sorted(price for price in near if 0 <= price <= PRICE_MAX)


def exact(leg: Leg, price: int) -> Fraction:
    """The payoff before the fraction is dropped, written a second time and differently."""
    scaled = Fraction(leg.quantity * leg.instrument.unit, PAYOFF_SCALE)
    knots = leg.instrument.knots
    match leg.instrument.payoff:
        case Payoff.CALL:
            return scaled * max(price - knots[0], 0)
        case Payoff.PUT:
            return scaled * max(knots[0] - price, 0)
        case _:
            points = [unknot(packed) for packed in knots]
            last = max(i for i, (x, _) in enumerate(points[:-1]) if x <= price)
            (x0, y0), (x1, y1) = points[last : last + 2]
            return scaled * (y0 + Fraction((y1 - y0) * (price - x0), x1 - x0))


def falls_for_ever(legs: list[Leg]) -> bool:
    return sum(exact(leg, PRICE_MAX) - exact(leg, PRICE_MAX - 1) for leg in legs if prices_of(leg)[-1] < PRICE_MAX) < 0


def outcome(legs: list[Leg]) -> int | Reason:
    try:
        return required(legs)
    except TermsFault as fault:
        return fault.reason


BOOKS = pytest.mark.parametrize("strategy", [ORDINARY, SMALL, EXTREME], ids=["ordinary", "small", "extreme"])


@BOOKS
@settings(deadline=None)
@given(data=st.data())
def test_no_settlement_costs_more_than_what_is_required(
    strategy: st.SearchStrategy[list[Leg]], data: st.DataObject
) -> None:
    legs = data.draw(strategy)
    for leg in legs:
        validate(leg.instrument)
    covered = outcome(legs)
    if not isinstance(covered, Reason):
        anywhere = data.draw(st.lists(st.integers(0, PRICE_MAX), max_size=10))
        for price in [*candidates(legs), *anywhere]:
            assert sum(settled(leg, price) for leg in legs) >= -covered


@BOOKS
@settings(deadline=None)
@given(data=st.data())
def test_what_is_required_exceeds_the_worst_settlement_by_at_most_a_unit_a_leg(
    strategy: st.SearchStrategy[list[Leg]], data: st.DataObject
) -> None:
    legs = data.draw(strategy)
    covered = outcome(legs)
    if not isinstance(covered, Reason):
        worst = max(-min(sum(exact(leg, price) for leg in legs) for price in candidates(legs)), Fraction(0))
        assert covered <= worst + len(legs) + 1


@settings(deadline=None)
@given(ORDINARY)
def test_a_book_is_refused_as_unbounded_exactly_where_its_total_falls_for_ever(legs: list[Leg]) -> None:
    assert (outcome(legs) == Reason.UNBOUNDED) == falls_for_ever(legs)


@settings(deadline=None)
@given(books(st.just(10**15), 6, 6, 6))
def test_every_price_of_a_small_book_is_covered(legs: list[Leg]) -> None:
    covered = outcome(legs)
    if not isinstance(covered, Reason):
        assert all(sum(settled(leg, price) for leg in legs) >= -covered for price in range(9))


@settings(deadline=None)
@given(ORDINARY)
def test_the_order_of_legs_does_not_matter(legs: list[Leg]) -> None:
    assert outcome(legs) == outcome(legs[::-1])
