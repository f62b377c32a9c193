"""A payoff is its exact rational value with the fraction dropped, wherever the terms are valid."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.instruments.payoff import PAYOFF_SCALE, payoff_amount
from thalweg.instruments.terms import KNOTS_MAX, Instrument, Payoff, knot
from thalweg.instruments.validity import VALUE_MAX, VALUE_MIN, validate
from thalweg.units import PRICE_MAX, QUANTITY_MAX, UNIT_MAX, Address, Hash, Price, Quantity, UnixSeconds

PRICES = st.integers(0, PRICE_MAX) | st.integers(0, 200_000 * 10**8)
STRIKES = st.integers(1, PRICE_MAX) | st.integers(1, 200_000 * 10**8)
QUANTITIES = st.integers(0, QUANTITY_MAX) | st.integers(0, 100 * 10**8)
UNITS = st.integers(1, UNIT_MAX) | st.just(10**6)
POINTS = st.dictionaries(STRIKES, st.integers(VALUE_MIN, VALUE_MAX), min_size=1, max_size=KNOTS_MAX - 1)


def make(payoff: Payoff, knots: tuple[int, ...], unit: int) -> Instrument:
    terms = Instrument(payoff, Address(bytes(20)), Hash(bytes(32)), UnixSeconds(60), unit, knots)
    validate(terms)
    return terms


def toward_zero(value: Fraction) -> int:
    return int(value)


@settings(deadline=None)
@given(STRIKES, UNITS, QUANTITIES, PRICES)
def test_options_pay_the_exact_value_with_the_fraction_dropped(
    strike: int, unit: int, quantity: int, price: int
) -> None:
    scale = Fraction(quantity * unit, PAYOFF_SCALE)
    call = payoff_amount(make(Payoff.CALL, (strike,), unit), Quantity(quantity), Price(price))
    put = payoff_amount(make(Payoff.PUT, (strike,), unit), Quantity(quantity), Price(price))
    assert call == toward_zero(scale * max(price - strike, 0))
    assert put == toward_zero(scale * max(strike - price, 0))


@settings(deadline=None)
@given(POINTS, st.integers(VALUE_MIN, VALUE_MAX), UNITS, QUANTITIES, st.data())
def test_a_curve_pays_the_straight_line_between_its_knots(
    points: dict[int, int], at_zero: int, unit: int, quantity: int, data: st.DataObject
) -> None:
    curve = sorted({0: at_zero, **points}.items())
    price = data.draw(PRICES | st.sampled_from([x for x, _ in curve]))
    left = max(i for i, (x, _) in enumerate(curve[:-1]) if x <= price)
    (x0, y0), (x1, y1) = curve[left : left + 2]
    value = y0 + Fraction((y1 - y0) * (price - x0), x1 - x0)
    terms = make(Payoff.CURVE, tuple(knot(Price(x), y) for x, y in curve), unit)
    paid = payoff_amount(terms, Quantity(quantity), Price(price))
    assert paid == toward_zero(Fraction(quantity * unit, PAYOFF_SCALE) * value)
    assert -(2**255) <= paid < 2**255


@settings(deadline=None)
@given(STRIKES, UNITS, QUANTITIES, PRICES)
def test_a_call_is_the_curve_that_has_its_shape(strike: int, unit: int, quantity: int, price: int) -> None:
    if strike == PRICE_MAX:
        strike -= 1
    shape = (knot(Price(0), 0), knot(Price(strike), 0), knot(Price(strike + 1), 1))
    call, curve = make(Payoff.CALL, (strike,), unit), make(Payoff.CURVE, shape, unit)
    assert payoff_amount(call, Quantity(quantity), Price(price)) == payoff_amount(
        curve, Quantity(quantity), Price(price)
    )
