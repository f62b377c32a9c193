"""Books whose worst outcome is known."""

from itertools import chain, repeat

import pytest

from thalweg.errors import InvariantBroken, Reason
from thalweg.instruments.collateral import Leg, required
from thalweg.instruments.terms import Instrument, Payoff, knot
from thalweg.instruments.validity import TermsFault
from thalweg.units import SCALE, Address, Hash, Price, UnixSeconds

USDC = 10**6
EXPIRY = 1_800_000_000
ONE = SCALE


def make(payoff: Payoff, *dollars: int, expiry: int = EXPIRY, feed: bytes = b"\x02" * 32) -> Instrument:
    knots = tuple(value * SCALE for value in dollars)
    return Instrument(payoff, Address(b"\x01" * 20), Hash(feed), UnixSeconds(expiry), USDC, knots)


def call(strike: int, quantity: int, expiry: int = EXPIRY) -> Leg:
    return Leg(make(Payoff.CALL, strike, expiry=expiry), quantity)


def put(strike: int, quantity: int, expiry: int = EXPIRY) -> Leg:
    return Leg(make(Payoff.PUT, strike, expiry=expiry), quantity)


@pytest.mark.parametrize(
    ("legs", "dollars"),
    [
        ([], 0),
        ([call(100, ONE)], 0),
        ([put(100, ONE), call(100, ONE)], 0),
        ([put(100, -ONE)], 100),
        ([put(100, -ONE), put(90, -ONE)], 190),
        ([call(100, ONE), call(110, -ONE)], 0),
        ([call(100, -ONE), call(110, ONE)], 10),
        ([call(100, -3 * ONE), call(110, 3 * ONE)], 30),
        ([put(100, -ONE), put(90, ONE)], 10),
        ([call(100, -ONE), call(110, ONE), put(90, -ONE), put(80, ONE)], 10),
        ([call(90, -ONE), call(100, 2 * ONE), call(110, -ONE)], 10),
    ],
)
def test_a_book_needs_its_worst_payoff(legs: list[Leg], dollars: int) -> None:
    paying = sum(leg.quantity > 0 for leg in legs)
    slack = max(paying - 1, 0) if dollars else 0
    assert required(legs) == dollars * USDC + slack


def test_a_spread_offsets_only_within_one_expiry_and_feed() -> None:
    near, far = put(100, -ONE, EXPIRY), put(90, ONE, EXPIRY + 86_400)
    assert required([near, far]) == 100 * USDC
    other = Leg(make(Payoff.PUT, 90, feed=b"\x03" * 32), ONE)
    assert required([near, other]) == 100 * USDC


def test_groups_add_up() -> None:
    assert required([put(100, -ONE), put(50, -ONE, EXPIRY + 1)]) == 150 * USDC


@pytest.mark.parametrize("legs", [[call(100, -ONE)], [call(100, -2 * ONE), call(90, ONE), put(5, ONE)]])
def test_a_naked_short_call_is_unbounded(legs: list[Leg]) -> None:
    with pytest.raises(TermsFault) as refusal:
        required(legs)
    assert refusal.value.reason == Reason.UNBOUNDED


def test_a_falling_end_of_a_curve_is_unbounded_for_its_holder_only() -> None:
    falling = Instrument(
        Payoff.CURVE, Address(bytes(20)), Hash(bytes(32)), UnixSeconds(EXPIRY), USDC,
        (knot(Price(0), 0), knot(Price(100 * SCALE), -100 * SCALE)),
    )  # fmt: skip
    with pytest.raises(TermsFault):
        required([Leg(falling, ONE)])
    assert required([Leg(falling, -ONE)]) == 0


def test_curves_whose_last_slopes_cancel_are_bounded() -> None:
    def third(end: int, rise: int) -> Instrument:
        points = (knot(Price(0), 0), knot(Price(3 * end), rise * end))
        return Instrument(Payoff.CURVE, Address(bytes(20)), Hash(bytes(32)), UnixSeconds(EXPIRY), USDC, points)

    assert required([Leg(third(1, 1), ONE), Leg(third(7, -1), ONE)]) <= 2


def test_a_slope_too_gentle_to_be_unbounded_counts_up_to_the_highest_price() -> None:
    def tiny(payoff: Payoff, *knots: int) -> Instrument:
        return Instrument(payoff, Address(bytes(20)), Hash(bytes(32)), UnixSeconds(EXPIRY), 1, knots)

    owed = tiny(Payoff.CURVE, knot(Price(0), 1 - 10**16), knot(Price(1), 1 - 10**16))
    gentle = tiny(Payoff.CURVE, knot(Price(0), 0), knot(Price(2**62), 1))  # 1 at its last knot, 2 at PRICE_MAX
    nothing = tiny(Payoff.CURVE, knot(Price(0), 0), knot(Price(1), 0))
    paying = Leg(tiny(Payoff.PUT, 1), 1)
    assert required([Leg(owed, 1), Leg(gentle, -1), paying, *[Leg(nothing, 1)] * 3]) == 2


def test_opposite_legs_of_one_instrument_may_still_lose_their_fractions() -> None:
    long, short = put(1, 60), put(1, -120)  # at price 0: 0.6 of a base unit each, and 1.2
    assert required([long, long, short]) == 1  # 0 + 0 - 1


def test_a_full_channel_of_legs_is_one_sweep() -> None:
    shorts = (put(1_000 + i, -ONE) for i in range(128))
    longs = (put(1_000 + i, ONE) for i in range(128))
    assert required(list(chain(shorts, longs))) == 127
    assert required(list(repeat(put(10, -ONE), 256))) == 2_560 * USDC


def test_a_payoff_without_a_rule_stops_the_node() -> None:
    with pytest.raises(InvariantBroken):
        required([Leg(make(Payoff.FORWARD, 1), -ONE)])
