"""The worst that a book can cost its owner: the collateral of a channel whose model is "worst possible payoff".

A book is one participant's legs against everybody else. Legs that settle by one report (same oracle, feed and expiry)
form a *group* and offset each other at every settlement price; different groups settle at unrelated prices, so their
worst cases add up.

Within a group the exact total T(S) is piecewise linear, so its least value over all S in 0..PRICE_MAX is at a knot or
at an end; a total that still falls beyond the last knot is refused as unbounded. What settles is the sum of amounts
each cut toward zero by less than one base unit. Cutting a leg that costs him is in his favour; cutting one that pays
him is not, so with n legs that can pay, a loss L = -min T becomes at most floor(L) where n is 0, else ceil(L) + n - 1
(the sum is an integer greater than min T - n). Nothing is required where no leg can ever cost him.

All of it is one sweep over the sorted knots: each leg adds a level and a slope where each of its segments begins.
Levels and slopes are integers at a resolution of 2^-64 of the payoff's own 1e-16 base unit. Options and flat segments
are exact in it; another slope is rounded down by less than 1, which over less than 2^63 of price is worth less than
half of a 1e-16. So the result is never too small, and exceeds the exact one by one base unit at the very most.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from thalweg.errors import InvariantBroken, Reason
from thalweg.instruments.payoff import PAYOFF_SCALE
from thalweg.instruments.terms import Instrument, Payoff, unknot
from thalweg.instruments.validity import TermsFault
from thalweg.units import PRICE_MAX, Amount, mul_div_down, mul_div_up

_SHIFT: Final = 64
_RESOLUTION: Final = PAYOFF_SCALE << _SHIFT


class Leg(msgspec.Struct, frozen=True):
    """One position as its owner sees it: `quantity` is positive where he is long, negative where he is short."""

    instrument: Instrument
    quantity: int


class _Turn(NamedTuple):
    """From `price` on, the total's line is higher by `level` (its value at price 0) and steeper by `slope`."""

    price: int
    level: int
    slope: int


def required(legs: Sequence[Leg]) -> Amount:
    """Return the least amount, in base units of the settlement asset, that covers these legs at any outcome.

    The legs are all those of one participant, their instruments valid and their absolute quantities at most
    QUANTITY_MAX. Legs against different counterparties settle apart: pass each of them.

    Raises:
        TermsFault: UNBOUNDED, where a rising price can cost more than any amount.
    """
    if not legs:
        return Amount(0)
    groups: dict[tuple[bytes, bytes, int], list[Leg]] = {}
    for leg in legs:
        terms = leg.instrument
        groups.setdefault((terms.oracle, terms.feed, terms.expiry), []).append(leg)
    return Amount(sum(map(_group_required, groups.values())))


def _group_required(legs: Sequence[Leg]) -> int:
    turns: list[_Turn] = []
    paying = costing = 0
    for leg in legs:
        pays, costs = _sides(leg)
        paying += pays
        costing += costs
        turns.extend(_turns(leg))
    if not costing:
        return 0
    loss = _greatest_loss(turns, len(legs))
    if paying:
        return max(mul_div_up(loss, 1, _RESOLUTION) + paying - 1, 0)
    return mul_div_down(loss, 1, _RESOLUTION)


def _greatest_loss(turns: list[_Turn], legs: int) -> int:
    """Return -min over S of the total that the turns add up to (negative: he always gains), in 1/_RESOLUTION."""
    least: int | None = None
    level = slope = at = 0
    for price, more_level, more_slope in sorted(turns):
        if price != at:
            total = level + slope * at
            least = total if least is None else min(least, total)
            at = price
        level += more_level
        slope += more_slope
    if slope <= -legs:  # each leg's slope was rounded down by less than 1, so the exact total falls
        raise TermsFault(
            Reason.UNBOUNDED, "a rising price costs more than any amount: buy a call or curve that caps the loss"
        )
    ends = level + slope * at, level + slope * PRICE_MAX
    return -min(ends if least is None else (least, *ends))


def _sides(leg: Leg) -> tuple[bool, bool]:
    """Say whether the leg can pay its owner at some price, and whether it can cost him."""
    long = leg.quantity > 0
    if leg.instrument.payoff != Payoff.CURVE:
        return long, leg.quantity < 0
    values = [unknot(packed)[1] for packed in leg.instrument.knots]
    rises = max(values) > 0 or values[-1] > values[-2]
    falls = min(values) < 0 or values[-1] < values[-2]
    return (rises, falls) if long else (falls, rises)


def _turns(leg: Leg) -> Iterable[_Turn]:
    scaled = leg.quantity * leg.instrument.unit
    fine = scaled << _SHIFT
    match leg.instrument.payoff:
        case Payoff.CALL:
            (strike,) = leg.instrument.knots
            return (_Turn(strike, -fine * strike, fine),)
        case Payoff.PUT:
            (strike,) = leg.instrument.knots
            return _Turn(0, fine * strike, -fine), _Turn(strike, -fine * strike, fine)
        case Payoff.CURVE:
            return _curve_turns(leg.instrument.knots, fine)
        case _:
            raise InvariantBroken(f"payoff {leg.instrument.payoff!r} was agreed to but has no collateral rule")


def _curve_turns(knots: tuple[int, ...], fine: int) -> Iterable[_Turn]:
    """Yield the segments' lines, each exact at its left knot, as differences from the segment before."""
    level = slope = 0
    for (x0, y0), (x1, y1) in pairwise(unknot(packed) for packed in knots):
        steeper = mul_div_down(fine, y1 - y0, x1 - x0)
        base = fine * y0 - steeper * x0
        yield _Turn(x0, base - level, steeper - slope)
        level, slope = base, steeper
