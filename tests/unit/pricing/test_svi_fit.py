"""Smiles that are drawn are found again; parameters that arbitrage are refused."""

from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import Reason, UserFault
from thalweg.pricing.fit import VolQuote, fit_svi
from thalweg.pricing.svi import WING_MAX, Svi

STRIKES = [-0.6 + 0.05 * i for i in range(21)]


def draw(svi: Svi, years: float, noise: float = 0.0) -> list[VolQuote]:
    return [VolQuote(k, sqrt(svi.total_variance(k) / years) + noise * (-1) ** i, 0.005) for i, k in enumerate(STRIKES)]


@settings(max_examples=15, deadline=None)
@given(st.floats(0.001, 0.05), st.floats(0.02, 0.4), st.floats(-0.8, 0.8), st.floats(-0.2, 0.2), st.floats(0.05, 0.5))
def test_a_drawn_smile_is_found_again(a: float, b: float, rho: float, m: float, sigma: float) -> None:
    svi = Svi(a, b, rho, m, sigma)
    fit = fit_svi(draw(svi, 0.25), 0.25)
    assert fit.rmse < 2e-3


def test_noise_in_quotes_comes_out_as_the_fits_error() -> None:
    svi = Svi(0.01, 0.1, -0.3, 0.02, 0.2)
    assert fit_svi(draw(svi, 0.25, noise=0.01), 0.25).rmse == pytest.approx(0.01, rel=0.2)


def test_quotes_that_arbitrage_yield_a_smile_that_does_not() -> None:
    steep = [VolQuote(k, sqrt(max(4.0 * abs(k) - 0.3, 0.001) / 0.25), 0.005) for k in STRIKES]
    svi = fit_svi(steep, 0.25).svi
    assert svi.least() >= 0.0
    assert svi.b * (1 + abs(svi.rho)) < WING_MAX


@pytest.mark.parametrize("count", [0, 4, 2_001])
def test_too_few_or_too_many_quotes_are_refused(count: int) -> None:
    with pytest.raises(UserFault) as refusal:
        fit_svi([VolQuote(0.001 * i, 0.5, 0.01) for i in range(count)], 0.25)
    assert refusal.value.reason == Reason.LIMIT


def test_one_volatility_for_all_strikes_is_a_smile_too() -> None:
    fit = fit_svi([VolQuote(k, 0.5, 0.01) for k in STRIKES], 0.25)
    assert fit.rmse < 1e-3


@pytest.mark.parametrize(
    "parameters",
    [
        (0.1, -0.1, 0.0, 0.0, 0.1),
        (0.1, 0.1, 1.0, 0.0, 0.1),
        (0.1, 0.1, 0.0, 0.0, 0.0),
        (-0.1, 0.1, 0.0, 0.0, 0.1),
        (0.1, 1.2, 0.9, 0.0, 0.1),
        (float("nan"), 0.1, 0.0, 0.0, 0.1),
    ],
)
def test_parameters_that_arbitrage_are_refused(parameters: tuple[float, float, float, float, float]) -> None:
    with pytest.raises(UserFault):
        Svi(*parameters)
