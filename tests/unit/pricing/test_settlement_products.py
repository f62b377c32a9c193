"""TWAP-settled options, two assets, variance swaps, SABR and perpetuals: laws, limits, published figures, bad input."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import UserFault
from thalweg.instruments.report import GRID_S, WINDOW_TICKS
from thalweg.pricing.black import YEAR_S
from thalweg.pricing.european import black76
from thalweg.pricing.formula import Request
from thalweg.pricing.products.perpetuals import funding, future, perpetual_delta, perpetual_price
from thalweg.pricing.products.spreads import TWO, exchange, spread
from thalweg.pricing.products.twap import FORWARD, TICK_S, twap
from thalweg.pricing.products.variance import fair_variance, variance_swap_value
from thalweg.pricing.sabr import Sabr, fit_sabr, sabr_volatility
from thalweg.pricing.smile import Smile
from thalweg.pricing.surface import Slice, Surface
from thalweg.pricing.svi import Svi
from thalweg.pricing.terms import Perpetual, VarianceSwap

PRICE = Request(outputs=("price",))
MINUTE = 60.0 / YEAR_S


def price(**changes: Any) -> float:
    terms = {"is_call": True, "forward": 60_000.0, "strike": 60_010.0, "volatility": 0.6, "years": 15.5 * MINUTE}
    return float(twap(**{"seen_average": 59_990.0, **terms, **changes}, request=PRICE)["price"])


def test_the_window_is_the_one_contracts_settle_on() -> None:
    assert TICK_S == GRID_S
    assert WINDOW_TICKS == 30


def test_long_before_the_window_a_twap_option_is_a_european_one_of_the_average_time() -> None:
    """The average has the variance of about 30.5 minutes - 2/3 of the window less time."""
    years = 30.0 / 365.25
    ours = twap(True, 60_000.0, 58_000.0, 0.6, years, request=PRICE)["price"]
    times = years - np.arange(30, 0, -1) * MINUTE
    variance = np.minimum.outer(times, times).mean()
    european = black76(True, 60_000.0, 58_000.0, 0.6 * np.sqrt(variance / years), years, outputs=["price"])["price"]
    assert float(ours) == pytest.approx(float(european), rel=1e-9)


def test_inside_the_window_monte_carlo_agrees() -> None:
    rng = np.random.default_rng(9)
    left, years = 15, 15.5 * MINUTE
    times = years - np.arange(left, 0, -1) * MINUTE
    steps = np.diff(times, prepend=0.0)
    walk = np.cumsum(rng.standard_normal((200_000, left)) * np.sqrt(steps), axis=1)
    paths = 60_000.0 * np.exp(-0.18 * times + 0.6 * np.concatenate([walk, -walk]))
    average = (15 * 59_990.0 + paths.sum(axis=1)) / 30.0
    payoffs = np.maximum(average - 60_010.0, 0.0)
    pairs = 0.5 * (payoffs[: len(walk)] + payoffs[len(walk) :])
    assert price() == pytest.approx(pairs.mean(), abs=5.0 * pairs.std() / np.sqrt(pairs.size))


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 45.0), st.floats(59_000.0, 61_000.0), st.floats(0.1, 3.0), st.floats(58_000.0, 62_000.0))
def test_calls_less_puts_are_what_is_expected_of_the_average(
    minutes: float, strike: float, vol: float, seen_average: float
) -> None:
    terms = {"strike": strike, "volatility": vol, "years": minutes * MINUTE, "seen_average": seen_average}
    left = int((terms["years"] - np.arange(30, 0, -1) * (60.0 / YEAR_S) >= 0.0).sum())
    expected = ((30 - left) * seen_average + left * 60_000.0) / 30.0
    call, put = price(**terms), price(**terms, is_call=False)
    assert call - put == pytest.approx(expected - strike, abs=1e-7)
    assert call >= max(expected - strike, 0.0) - 1e-7


def test_sensitivities_fade_as_ticks_are_seen() -> None:
    minutes = np.array([40.5, 25.5, 15.5, 5.5, 1.5, 0.5])
    result = twap(
        True, 60_000.0, 60_000.0, 0.6, minutes * MINUTE, seen_average=60_000.0, request=Request(outputs=tuple(FORWARD))
    )
    left = np.minimum(np.floor(minutes), 30)
    assert result["delta"] == pytest.approx(0.5 * left / 30.0, abs=2e-3)
    assert np.all(np.diff(result["vega"]) < 0.0)
    assert result["delta"][-1] == 0.0
    assert all(np.all(np.isfinite(values)) for values in result.values())


def test_sensitivities_in_the_window_are_differences() -> None:
    exact = {
        name: float(x)
        for name, x in twap(
            True, 60_000.0, 60_010.0, 0.6, 15.5 * MINUTE, seen_average=59_990.0,
            request=Request(outputs=tuple(FORWARD), units="raw"),
        ).items()
    }  # fmt: skip
    h = 0.5
    up, here, down = (price(forward=60_000.0 + step) for step in (h, 0.0, -h))
    assert exact["delta"] == pytest.approx((up - down) / (2 * h), rel=1e-6)
    assert exact["gamma"] == pytest.approx((up - 2 * here + down) / h**2, rel=1e-3)
    assert exact["vega"] == pytest.approx((price(volatility=0.601) - price(volatility=0.599)) / 0.002, rel=1e-5)
    step = 1e-3 * MINUTE
    later, sooner = price(years=15.5 * MINUTE + step), price(years=15.5 * MINUTE - step)
    assert exact["theta"] == pytest.approx(-(later - sooner) / (2 * step), rel=1e-5)


def test_void_ticks_count_less_and_what_is_missing_is_named() -> None:
    assert price(seen=10) != price()
    assert price(years=0.0) == 0.0
    assert price(years=0.0, seen_average=60_050.0) == pytest.approx(40.0)
    with pytest.raises(UserFault, match=r"seen_average is 0.0: it must be above zero"):
        price(seen_average=0.0)


def test_a_spread_of_nothing_is_an_exchange_and_kirk_is_near() -> None:
    market = (0.3, 0.4, 0.6, 0.7, 0.05, 0.02, 0.01)
    traded = exchange(100.0, 95.0, *market, request=PRICE)["price"]
    for method, tolerance in (("integral", 1e-10), ("kirk", 1e-10)):
        same = spread(True, 100.0, 95.0, 0.0, *market, method=method, request=PRICE)["price"]
        assert float(same) == pytest.approx(float(traded), abs=tolerance)
    both = [spread(True, 100.0, 95.0, 4.0, *market, method=one, request=PRICE)["price"] for one in ("integral", "kirk")]
    assert float(both[0]) == pytest.approx(float(both[1]), abs=2e-2)


def test_the_integral_of_a_spread_agrees_with_monte_carlo_and_parity() -> None:
    rng = np.random.default_rng(4)
    z = rng.standard_normal((2, 200_000))
    z = np.concatenate([z, -z], axis=1)
    first = 100.0 * np.exp(0.3 * z[0] - 0.045)
    second = 95.0 * np.exp(0.5 * (-0.4 * z[0] + np.sqrt(1 - 0.16) * z[1]) - 0.125)
    paid = np.maximum(first - second - 7.0, 0.0)
    terms = (100.0, 95.0, 7.0, 0.3, 0.5, -0.4, 1.0)
    call, put = (float(spread(flag, *terms, request=PRICE)["price"]) for flag in (True, False))
    assert call == pytest.approx(paid.mean(), abs=5.0 * paid.std() / np.sqrt(paid.size))
    assert call - put == pytest.approx(-2.0, abs=1e-9)


def test_spread_sensitivities_are_differences() -> None:
    def of(**changes: float) -> dict[str, Any]:
        terms: dict[str, Any] = {"spot1": 100.0, "spot2": 95.0, "strike": 4.0, "volatility1": 0.3, "volatility2": 0.4}
        terms |= {"correlation": 0.5, "years": 0.7, "rate": 0.03}
        return spread(True, **{**terms, **changes}, request=Request(outputs=tuple(TWO), units="raw"))

    exact = of()
    centre = {"spot1": 100.0, "spot2": 95.0, "volatility1": 0.3, "volatility2": 0.4, "years": 0.7, "correlation": 0.5}
    names = {"delta1": "spot1", "delta2": "spot2", "vega1": "volatility1", "vega2": "volatility2", "theta": "years"}
    for output, name in {**names, "correlation": "correlation"}.items():
        step = 1e-4 * centre[name]
        slope = (of(**{name: centre[name] + step})["price"] - of(**{name: centre[name] - step})["price"]) / (2 * step)
        assert float(exact[output]) == pytest.approx(float(-slope if output == "theta" else slope), rel=1e-6)


def test_bad_spreads_are_refused() -> None:
    with pytest.raises(UserFault, match=r"correlation is 1.2: it must be between -1 and 1"):
        exchange(1.0, 1.0, 0.3, 0.3, 1.2, 1.0)
    with pytest.raises(UserFault, match="'kirk', not 'guess'"):
        spread(True, 1.0, 1.0, 0.0, 0.3, 0.3, 0.0, 1.0, method="guess")


FLAT = Surface((Slice(0.5, 100.0, Smile(Svi(0.08, 1e-9, 0.0, 0.0, 0.1))),))
SKEWED = Surface((Slice(0.5, 100.0, Smile(Svi(0.02, 0.1, -0.5, 0.0, 0.1))),))


def test_fair_variance_is_the_square_of_a_flat_volatility_and_more_than_the_money_s_where_smiles_bend() -> None:
    assert fair_variance(FLAT, 0.5) == pytest.approx(0.16, abs=1e-8)
    assert fair_variance(SKEWED, 0.5) > float(SKEWED.terms(0.0, 0.5)[0]) / 0.5
    whole = VarianceSwap(years=0.5, strike=0.16, notional=1000.0, gone=0.5, realised=0.36)
    assert variance_swap_value(whole, FLAT, 0.04) == pytest.approx(1000.0 * np.exp(-0.02) * 0.1, rel=1e-7)
    with pytest.raises(UserFault, match="gone is -1"):
        VarianceSwap(strike=0.1, years=0.5, gone=-1.0)


def test_fair_variance_is_that_of_the_log_contract_of_a_mixture() -> None:
    """Where volatility is 20 % or 60 % with even odds, variance is the mean of both."""
    k = np.linspace(-2.5, 2.5, 161)
    strikes = np.exp(k)
    mixed = sum(0.5 * black76(k > 0, 1.0, strikes, v, 0.5, outputs=["price"])["price"] for v in (0.2, 0.6))
    integrand = 2.0 / 0.5 * np.exp(-k) * mixed
    assert np.trapezoid(integrand, k) == pytest.approx(0.5 * (0.04 + 0.36), rel=2e-3)


def test_sabr_meets_its_limits_and_its_fit_finds_it_again() -> None:
    strikes = np.array([50.0, 80.0, 99.9999, 100.0, 100.0001, 130.0, 220.0])
    lognormal = sabr_volatility(Sabr(0.3, 1.0, 0.0, 1e-9), 100.0, strikes, 1.0)
    assert lognormal == pytest.approx(np.full(7, 0.3), rel=1e-7)
    one = Sabr(0.3 * 10.0, 0.5, -0.4, 0.8)
    smile = sabr_volatility(one, 100.0, strikes, 1.0)
    assert smile[2] == pytest.approx(smile[4], rel=1e-5)
    assert sabr_volatility(one, 100.0, 100.0, 1.0, corrected=False) == pytest.approx(smile[3])
    at_one = Sabr(0.3, 1.0, -0.4, 0.8)
    assert sabr_volatility(at_one, 100.0, strikes, 1.0) == pytest.approx(
        sabr_volatility(at_one, 100.0, strikes, 1.0, corrected=False), rel=1e-12
    )
    fit = fit_sabr(100.0, strikes.tolist(), smile.tolist(), 1.0, beta=0.5)
    assert fit.settled
    assert (fit.sabr.alpha, fit.sabr.rho, fit.sabr.nu) == pytest.approx((3.0, -0.4, 0.8), rel=1e-6)


def test_sabr_agrees_with_quantlib() -> None:
    ql = pytest.importorskip("QuantLib", reason="QuantLib is a development dependency")
    rng = np.random.default_rng(2)
    for _ in range(50):
        alpha, beta, rho, nu = (
            rng.uniform(0.1, 0.5),
            rng.uniform(0.3, 0.99),
            rng.uniform(-0.9, 0.9),
            rng.uniform(0.1, 1.2),
        )
        strike, years = rng.uniform(0.5, 2.0), rng.uniform(0.05, 2.0)
        theirs = ql.sabrVolatility(strike, 1.1, years, alpha, beta, nu, rho)
        ours = sabr_volatility(Sabr(alpha, beta, rho, nu), 1.1, strike, years, corrected=False)
        assert float(ours) == pytest.approx(theirs, rel=1e-9)


def test_bad_sabr_is_refused() -> None:
    with pytest.raises(UserFault, match="not SABR's parameters"):
        Sabr(-0.1, 1.0, 0.0, 0.5)
    with pytest.raises(UserFault, match=r"strike\[1\] is -1.0"):
        sabr_volatility(Sabr(0.3, 1.0, 0.0, 0.5), 1.0, [1.0, -1.0], 1.0)
    with pytest.raises(UserFault, match="three or more"):
        fit_sabr(100.0, [100.0, 110.0], [0.3, 0.3], 1.0)


def test_perpetuals_are_the_fixed_point_of_their_funding() -> None:
    """Gains less funding discount to nothing: checked on the recursion E[f'] = f + funding over a short step."""
    for rate, dividend, iota in ((0.05, 0.0, 0.0), (0.02, 0.07, 0.3)):
        terms = Perpetual(kappa=50.0, iota=iota)
        ratio = perpetual_price(terms, 1.0, rate, dividend)
        drift = (rate - dividend) * ratio
        assert drift == pytest.approx(terms.kappa * (ratio - 1.0) + iota, abs=1e-12)
        coin = Perpetual(kappa=50.0, iota=iota, inverse=True)
        inverse = 1.0 / perpetual_price(coin, 1.0, rate, dividend)
        # a long loses as 1/f rises, and 1/x drifts at dividend - rate under the coin's measure
        assert -(dividend - rate) * inverse == pytest.approx(coin.kappa * (1.0 - inverse) + iota, abs=1e-12)
    assert perpetual_delta(Perpetual()) == 1.0
    assert perpetual_price(Perpetual(kappa=1e9), 123.0, 0.05) == pytest.approx(123.0, rel=1e-9)


def test_futures_and_funding() -> None:
    assert future(100.0, 0.5, 0.05, 0.01) == pytest.approx(100.0 * np.exp(0.02))
    assert funding(100.1, 100.0, 8.0) == pytest.approx(0.0005)
    assert funding(99.9, 100.0, 4.0) == pytest.approx(-0.00025)
    assert funding(100.04, 100.0, 8.0) == 0.0
    with pytest.raises(UserFault, match=r"kappa is 0.01"):
        perpetual_price(Perpetual(kappa=0.01), 100.0, 0.05)
    with pytest.raises(UserFault, match=r"spot is -1.0"):
        future(-1.0, 0.5)
    with pytest.raises(UserFault, match=r"years is -0.5"):
        future(1.0, -0.5)
    with pytest.raises(UserFault, match="mark must be positive"):
        funding(0.0, 100.0, 1.0)
