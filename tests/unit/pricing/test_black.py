"""Black-76 against published figures, parity, and the volatility it gives back."""

from math import exp, log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import Reason, UserFault
from thalweg.pricing.black import black_greeks, black_price, implied_volatility
from thalweg.pricing.fixed import to_price
from thalweg.units import PRICE_MAX

FORWARDS = st.floats(1.0, 1e6)
MONEYNESS = st.floats(-5.0, 5.0)  # in standard deviations
VOLATILITIES = st.floats(0.05, 3.0)
YEARS = st.floats(1e-4, 2.0)


def test_the_price_is_the_published_one() -> None:
    """Haug, The Complete Guide to Option Pricing Formulas (2nd ed., 2007), section 1.1.3: Black-76.

    Futures on Brent: F = K = 19, r = 10 %, T = 0.75, volatility 28 %: call = put = 1.7011, discounted.
    """
    undiscounted = black_price(True, 19.0, 19.0, 0.28 * sqrt(0.75))
    assert undiscounted * exp(-0.1 * 0.75) == pytest.approx(1.7011, abs=5e-5)
    assert black_price(False, 19.0, 19.0, 0.28 * sqrt(0.75)) == pytest.approx(undiscounted, rel=1e-14)


@settings(deadline=None)
@given(FORWARDS, MONEYNESS, VOLATILITIES, YEARS)
def test_call_less_put_is_forward_less_strike(forward: float, z: float, volatility: float, years: float) -> None:
    deviation = volatility * sqrt(years)
    strike = forward * exp(z * deviation)
    call, put = black_price(True, forward, strike, deviation), black_price(False, forward, strike, deviation)
    assert call - put == pytest.approx(forward - strike, abs=1e-12 * max(forward, strike))


@settings(deadline=None)
@given(FORWARDS, MONEYNESS, VOLATILITIES, YEARS)
def test_the_implied_volatility_of_an_out_of_the_money_price_is_the_one_it_came_from(
    forward: float, z: float, volatility: float, years: float
) -> None:
    deviation = volatility * sqrt(years)
    strike = forward * exp(z * deviation)
    is_call = strike >= forward
    price = black_price(is_call, forward, strike, deviation)
    assert implied_volatility(is_call, price, forward, strike, years) == pytest.approx(volatility, rel=1e-9)


@settings(deadline=None)
@given(st.floats(-2.0, 2.0), VOLATILITIES, YEARS)
def test_in_the_money_prices_imply_the_same_volatility(z: float, volatility: float, years: float) -> None:
    deviation = volatility * sqrt(years)
    strike = 100.0 * exp(z * deviation)
    is_call = strike < 100.0
    price = black_price(is_call, 100.0, strike, deviation)
    assert implied_volatility(is_call, price, 100.0, strike, years) == pytest.approx(volatility, rel=1e-6)


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (0.0, Reason.MALFORMED),
        (float("nan"), Reason.MALFORMED),
        (10.0, Reason.INSUFFICIENT),
        (9.0, Reason.INSUFFICIENT),
        (100.0, Reason.INSUFFICIENT),
    ],
)
def test_a_price_outside_its_bounds_implies_no_volatility(price: float, reason: Reason) -> None:
    with pytest.raises(UserFault) as refusal:
        implied_volatility(True, price, 100.0, 90.0, 0.5)
    assert refusal.value.reason == reason


@pytest.mark.parametrize("is_call", [True, False])
def test_greeks_are_the_derivatives_of_the_price(is_call: bool) -> None:
    forward, strike, volatility, years, step = 60_000.0, 65_000.0, 0.55, 0.2, 1e-4

    def price(f: float = forward, v: float = volatility, t: float = years) -> float:
        return black_price(is_call, f, strike, v * sqrt(t))

    greeks = black_greeks(is_call, forward, strike, volatility, years)
    bump = forward * step
    up, down = price(f=forward + bump), price(f=forward - bump)
    assert greeks.price == price()
    assert greeks.delta == pytest.approx((up - down) / (2 * bump), rel=1e-6)
    assert greeks.gamma == pytest.approx((up - 2 * price() + down) / bump**2, rel=1e-4)
    assert greeks.vega == pytest.approx(
        (price(v=volatility + step) - price(v=volatility - step)) / (2 * step), rel=1e-6
    )
    assert greeks.theta == pytest.approx((price(t=years - step) - price(t=years + step)) / (2 * step), rel=1e-5)


def test_at_expiry_an_option_is_worth_its_intrinsic_value() -> None:
    assert black_price(True, 110.0, 100.0, 0.0) == 10.0
    assert black_price(False, 110.0, 100.0, 0.0) == 0.0
    assert black_greeks(False, 90.0, 100.0, 0.5, 0.0).delta == -1.0
    assert black_greeks(True, 90.0, 100.0, 0.5, -1.0).delta == 0.0


def test_prices_are_rounded_to_the_nearest_hundred_millionth_ties_to_even() -> None:
    assert to_price(1.234567894) == 123_456_789
    assert to_price(-0.5) == -50_000_000
    assert [to_price(tie * 2**-9) for tie in (1, 3)] == [195_312, 585_938]  # 195,312.5 and 585,937.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e11, -1e11])
def test_what_is_not_a_price_is_refused(value: float) -> None:
    assert PRICE_MAX < 1e19
    with pytest.raises(UserFault) as refusal:
        to_price(value)
    assert refusal.value.reason == Reason.OVERFLOW


def test_the_solver_ends_on_tiny_prices() -> None:
    forward, strike, years = 60_000.0, 200_000.0, 1 / 365.25
    volatility = implied_volatility(True, 1e-12, forward, strike, years)
    assert log(black_price(True, forward, strike, volatility * sqrt(years))) == pytest.approx(log(1e-12), abs=1e-6)
