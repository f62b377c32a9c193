"""Partial-time lookbacks and what they stand on: the bivariate normal; options on two assets; American bounds."""

from typing import Any

import mpmath
import numpy as np
import pytest

from thalweg.errors import Reason, UserFault
from thalweg.pricing.american import american
from thalweg.pricing.formula import Request
from thalweg.pricing.products.approximations import american_approximation
from thalweg.pricing.products.bivariate import bivariate_cdf
from thalweg.pricing.products.lookbacks import fixed_lookback, floating_lookback
from thalweg.pricing.products.partial import partial_fixed_lookback, partial_floating_lookback
from thalweg.pricing.products.rainbow import rainbow
from thalweg.pricing.quadrature import legendre

PRICE = Request(outputs=("price",))


def joint(a: float, b: float, r: float) -> float:
    """By integrating out the first normal, to 20 digits."""
    with mpmath.mp.workdps(25):
        root = mpmath.sqrt(1 - mpmath.mpf(r) ** 2)
        ends = mpmath.linspace(-12, a, 9)
        return float(mpmath.quad(lambda x: mpmath.npdf(x) * mpmath.ncdf((b - r * x) / root), ends))


@pytest.mark.parametrize("correlation", [0.0, 0.3, -0.6, 0.9, -0.97, 0.9999])
def test_the_bivariate_normal_has_twelve_digits(correlation: float) -> None:
    for a, b in ((0.3, -0.5), (1.2, 1.1), (-2.0, 3.0), (-1.0, -1.0), (0.5, 0.5000001)):
        found: Any = bivariate_cdf(*map(np.float64, (a, b, correlation)))
        assert abs(found - joint(a, b, correlation)) <= 1e-12


def later(is_call: bool, strike: float, start: float, volatility: float, rate: float, dividend: float) -> float:
    """A lookback that begins at `start` is a whole one from then on: its mean over the spot of that time."""
    s, carry, total = volatility * start**0.5, rate - dividend, 0.0
    kink = (np.log(strike / 100.0) - (carry - 0.5 * volatility**2) * start) / s
    for low, high in ((-9.0, kink), (kink, 9.0)):
        for piece in range(12):
            nodes = np.array([low + (high - low) * (piece + 0.5 * (1.0 + x)) / 12 for x, _ in legendre(20)])
            weights = np.array([0.5 * (high - low) / 12 * w for _, w in legendre(20)])
            spot = 100.0 * np.exp((carry - 0.5 * volatility**2) * start + s * nodes)
            worth = fixed_lookback(
                is_call, spot, strike, spot, volatility, 1.0 - start, rate, dividend, request=PRICE
            )["price"]  # fmt: skip
            total += float((weights * np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi) * worth).sum())
    return total * float(np.exp(-rate * start))


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("market", [(0.06, 0.0), (0.05, 0.05), (0.05, 0.0502), (0.02, 0.09), (0.05, 0.046)])
def test_a_lookback_that_begins_later_is_the_mean_of_whole_ones(is_call: bool, market: tuple[float, float]) -> None:
    for strike, start, volatility in ((90.0, 0.25, 0.3), (110.0, 0.8, 0.2)):
        found = partial_fixed_lookback(is_call, 100.0, strike, start, volatility, 1.0, *market, request=PRICE)
        assert abs(float(found["price"]) - later(is_call, strike, start, volatility, *market)) <= 1e-9


@pytest.mark.parametrize("is_call", [True, False])
def test_windows_of_the_whole_life_make_whole_lookbacks(is_call: bool) -> None:
    for dividend in (0.0, 0.06):
        extreme = 95.0 if is_call else 104.0
        part = partial_floating_lookback(is_call, 100.0, extreme, 1.0 - 1e-9, 0.3, 1.0, 0.06, dividend, request=PRICE)
        whole = floating_lookback(is_call, 100.0, extreme, 0.3, 1.0, 0.06, dividend, request=PRICE)
        assert abs(part["price"] - whole["price"]) <= 2e-3
        part = partial_fixed_lookback(is_call, 100.0, 99.0, 1e-10, 0.3, 1.0, 0.06, dividend, request=PRICE)
        whole = fixed_lookback(is_call, 100.0, 99.0, 100.0, 0.3, 1.0, 0.06, dividend, request=PRICE)
        assert abs(part["price"] - whole["price"]) <= 2e-3


@pytest.mark.parametrize("is_call", [True, False])
def test_more_window_is_worth_more_and_a_worse_factor_less(is_call: bool) -> None:
    windows = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    for carry in (0.06, 0.0):

        def worth(factor: float, carry: float = carry) -> Any:
            return partial_floating_lookback(
                is_call, 100.0, 100.0, windows, 0.25, 1.0, 0.06, 0.06 - carry, factor=factor, request=PRICE
            )["price"]  # fmt: skip

        assert np.all(np.diff(worth(1.0)) > 0.0)
        assert np.all(worth(1.05 if is_call else 0.95) < worth(1.0))


@pytest.mark.parametrize("dividend", [0.01, 0.05])
def test_derivatives_are_those_of_the_price_also_where_there_is_no_carry(dividend: float) -> None:
    def price(**moved: float) -> float:
        terms: dict[str, Any] = {"spot": 100.0, "volatility": 0.3, "years": 1.0, "rate": 0.05, **moved}
        terms |= {"extreme": 97.0, "window": 0.4, "dividend": dividend, "factor": 1.02}
        return float(partial_floating_lookback(True, **terms, request=PRICE)["price"])

    found = partial_floating_lookback(
        True, 100.0, 97.0, 0.4, 0.3, 1.0, 0.05, dividend, factor=1.02,
        request=Request(outputs=("delta", "vega", "theta"), units="raw"),
    )  # fmt: skip
    for output, name, at, sign in (
        ("delta", "spot", 100.0, 1),
        ("vega", "volatility", 0.3, 1),
        ("theta", "years", 1.0, -1),
    ):
        step = 1e-5 * at
        slope = (price(**{name: at + step}) - price(**{name: at - step})) / (2 * step)
        assert abs(sign * found[output] - slope) <= 1e-4 * (1.0 + abs(slope)), output


def test_the_greater_and_the_smaller_are_both_together() -> None:
    rng = np.random.default_rng(2)
    spots, vols = rng.uniform(80.0, 120.0, (2, 50)), rng.uniform(0.1, 0.6, (2, 50))
    rho, years = rng.uniform(-0.95, 0.95, 50), rng.uniform(0.1, 2.0, 50)
    arguments = (*spots, 1e-6, *vols, rho, years, 0.05, 0.02, 0.01)
    sides = [rainbow(True, side, *arguments, request=PRICE)["price"] for side in (False, True)]
    plain = spots[0] * np.exp(-0.02 * years) + spots[1] * np.exp(-0.01 * years) - 2e-6 * np.exp(-0.05 * years)
    assert np.allclose(sides[0] + sides[1], plain, rtol=1e-12)
    assert np.all(sides[0] < sides[1])


def test_two_boundaries_are_a_closer_bound_from_below_than_one() -> None:
    rng = np.random.default_rng(1)
    n = 60
    market: dict[str, Any] = {
        "is_call": rng.random(n) > 0.5, "spot": rng.uniform(80, 120, n), "strike": np.full(n, 100.0),
        "volatility": rng.uniform(0.15, 0.5, n), "years": rng.uniform(0.1, 2.0, n), "rate": rng.uniform(0.02, 0.1, n),
        "dividend": rng.uniform(0.02, 0.1, n),
    }  # fmt: skip
    exact = american(**market, outputs=("price",))["price"]
    misses = [
        american_approximation(**market, method=method, request=PRICE)["price"] - exact
        for method in ("bjerksund-stensland", "bjerksund-stensland-2002")
    ]
    assert all(np.all(miss <= 1e-6) for miss in misses)
    assert np.sqrt(np.mean(misses[1] ** 2)) < np.sqrt(np.mean(misses[0] ** 2))


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: partial_floating_lookback(True, 100.0, 100.0, 1.0, 0.3, 1.0), "window is 1.0"),
        (lambda: partial_floating_lookback(True, 100.0, 101.0, 0.5, 0.3, 1.0), "extreme is 101.0"),
        (lambda: partial_floating_lookback(False, 100.0, 101.0, 0.5, 0.3, 1.0, factor=1.1), "factor is 1.1"),
        (lambda: partial_fixed_lookback(True, 100.0, [90.0, 95.0], [0.5, 2.0], 0.3, 1.0), r"start\[1\] is 2.0"),
        (lambda: rainbow(True, True, 100.0, 100.0, 90.0, 0.3, 0.3, 1.5, 1.0), "correlation is 1.5"),
    ],
)
def test_bad_terms_are_refused_by_name(make: Any, names: str) -> None:
    with pytest.raises(UserFault, match=names) as refused:
        make()
    assert refused.value.reason is Reason.MALFORMED
