"""Amounts worked out by hand, and terms that nobody may sign."""

import pytest

from thalweg.errors import InvariantBroken, Reason
from thalweg.instruments.payoff import payoff_amount
from thalweg.instruments.terms import Instrument, Payoff, Style, knot
from thalweg.instruments.validity import VALUE_MAX, VALUE_MIN, TermsFault, validate
from thalweg.units import PRICE_MAX, QUANTITY_MAX, SCALE, UNIT_MAX, Address, Hash, Price, Quantity, UnixSeconds

USDC = 10**6


def make(payoff: Payoff, *knots: int, unit: int = USDC, style: Style = Style.LINEAR, deliver: int = 0) -> Instrument:
    oracle, feed = Address(b"\x01" * 20), Hash(b"\x02" * 32)
    return Instrument(payoff, oracle, feed, UnixSeconds(1_800_000_000), unit, knots, style, deliver)


def usd(value: float) -> Price:
    return Price(round(value * SCALE))


def lots(value: float) -> Quantity:
    return Quantity(round(value * SCALE))


BUTTERFLY = make(
    Payoff.CURVE,
    knot(usd(0), 0),
    knot(usd(90), 0),
    knot(usd(100), usd(10)),
    knot(usd(110), 0),
    knot(usd(111), 0),
)


@pytest.mark.parametrize(
    ("instrument", "quantity", "price", "amount"),
    [
        (make(Payoff.CALL, usd(60_000)), 1.0, 65_000, 5_000 * USDC),
        (make(Payoff.CALL, usd(60_000)), 1.0, 60_000, 0),
        (make(Payoff.CALL, usd(60_000)), 0.5, 60_000.000001, 0),
        (make(Payoff.CALL, usd(60_000)), 2.0, 60_000.0000015, 3),
        (make(Payoff.PUT, usd(60_000)), 0.25, 50_000, 2_500 * USDC),
        (make(Payoff.PUT, usd(60_000)), 1.0, 0, 60_000 * USDC),
        (make(Payoff.PUT, usd(60_000)), 1.0, 70_000, 0),
        (BUTTERFLY, 3.0, 95, 15 * USDC),
        (BUTTERFLY, 3.0, 100, 30 * USDC),
        (BUTTERFLY, 3.0, 1_000_000, 0),
    ],
)
def test_amounts_are_those_worked_out_by_hand(
    instrument: Instrument, quantity: float, price: float, amount: int
) -> None:
    assert payoff_amount(instrument, lots(quantity), usd(price)) == amount


def test_a_negative_amount_drops_its_fraction_toward_zero() -> None:
    falling = make(Payoff.CURVE, knot(usd(0), -1), knot(usd(1), -1))
    assert payoff_amount(falling, lots(149), usd(5)) == -1
    assert payoff_amount(falling, lots(99), usd(5)) == 0


def test_the_last_segment_of_a_curve_goes_on_for_ever() -> None:
    rising = make(Payoff.CURVE, knot(usd(0), usd(-1)), knot(usd(1), 0))
    assert payoff_amount(rising, lots(1), usd(10)) == 9 * USDC


def test_the_greatest_terms_stay_within_int256() -> None:
    steep = (knot(Price(0), VALUE_MIN), knot(Price(1), VALUE_MAX))
    width, height = 1, VALUE_MAX - VALUE_MIN
    numerator = QUANTITY_MAX * (VALUE_MIN * width + height * PRICE_MAX) * UNIT_MAX
    assert numerator < 2**251
    amount = payoff_amount(make(Payoff.CURVE, *steep, unit=UNIT_MAX), QUANTITY_MAX, PRICE_MAX)
    assert amount == numerator // 10**16
    wide = make(Payoff.CURVE, knot(Price(0), VALUE_MIN), knot(PRICE_MAX, VALUE_MIN), unit=UNIT_MAX)
    assert payoff_amount(wide, QUANTITY_MAX, PRICE_MAX) == -(QUANTITY_MAX * 2**63 * UNIT_MAX // 10**16)
    call = make(Payoff.CALL, 1, unit=UNIT_MAX)
    assert payoff_amount(call, QUANTITY_MAX, PRICE_MAX) == QUANTITY_MAX * (PRICE_MAX - 1) * UNIT_MAX // 10**16


@pytest.mark.parametrize(
    ("instrument", "reason"),
    [
        (make(Payoff.DIGITAL_CALL, usd(1)), Reason.UNKNOWN_INSTRUMENT),
        (make(Payoff.FORWARD, usd(1)), Reason.UNKNOWN_INSTRUMENT),
        (make(Payoff.CALL, usd(1), style=Style.INVERSE), Reason.UNKNOWN_INSTRUMENT),
        (make(Payoff.CALL, usd(1), style=Style.PHYSICAL, deliver=1), Reason.UNKNOWN_INSTRUMENT),
        (make(Payoff.CALL, usd(1), deliver=1), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CALL, usd(1), unit=0), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CALL, usd(1), unit=UNIT_MAX + 1), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CALL), Reason.INVALID_INSTRUMENT),
        (make(Payoff.PUT, 1, 2), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CALL, 0), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CALL, -1), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CALL, PRICE_MAX + 1), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, knot(Price(0), 1)), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, *(knot(Price(i), 1) for i in range(17))), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, knot(Price(1), 1), knot(Price(2), 1)), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, knot(Price(0), 1), knot(Price(2), 1), knot(Price(2), 1)), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, knot(Price(0), 1), knot(Price(PRICE_MAX + 1), 1)), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, knot(Price(0), 1), knot(Price(1), VALUE_MAX + 1)), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, knot(Price(0), 1), knot(Price(1), VALUE_MIN - 1)), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, -1, knot(Price(1), 1)), Reason.INVALID_INSTRUMENT),
        (make(Payoff.CURVE, knot(Price(0), 1), 2**256), Reason.INVALID_INSTRUMENT),
    ],
)
def test_terms_that_nobody_may_sign_are_refused_with_a_reason(instrument: Instrument, reason: Reason) -> None:
    with pytest.raises(TermsFault) as refusal:
        validate(instrument)
    assert refusal.value.reason == reason
    assert refusal.value.detail


@pytest.mark.parametrize(
    "changed",
    [
        Instrument(Payoff.CALL, Address(b"\x01" * 19), Hash(b"\x02" * 32), UnixSeconds(60), 1, (1,)),
        Instrument(Payoff.CALL, Address(b"\x01" * 20), Hash(b"\x02" * 31), UnixSeconds(60), 1, (1,)),
        Instrument(Payoff.CALL, Address(b"\x01" * 20), Hash(b"\x02" * 32), UnixSeconds(0), 1, (1,)),
        Instrument(Payoff.CALL, Address(b"\x01" * 20), Hash(b"\x02" * 32), UnixSeconds(2**64), 1, (1,)),
        Instrument(Payoff.CALL, Address(b"\x01" * 20), Hash(b"\x02" * 32), UnixSeconds(2**64 - 64 + 5), 1, (1,)),
        Instrument(Payoff.CALL, Address(b"\x01" * 20), Hash(b"\x02" * 32), UnixSeconds(1_800_000_030), 1, (1,)),
    ],
)
def test_names_and_times_must_have_their_size(changed: Instrument) -> None:
    with pytest.raises(TermsFault) as refusal:
        validate(changed)
    assert refusal.value.reason == Reason.INVALID_INSTRUMENT


def test_executing_a_payoff_that_should_have_been_refused_stops_the_node() -> None:
    with pytest.raises(InvariantBroken):
        payoff_amount(make(Payoff.CALL, usd(1), SCALE, style=Style.PHYSICAL), lots(1), usd(2))
