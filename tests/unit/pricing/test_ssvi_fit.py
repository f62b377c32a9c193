"""SSVI and eSSVI of whole chains: they come back from their own quotes, and cannot be arbitraged whatever is quoted."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.pricing.test_surface_fit import CHAINS, chain, quotes

from thalweg.errors import UserFault
from thalweg.market.chains import load_chain
from thalweg.pricing.european import black76
from thalweg.pricing.quotes import Quotes, quotes_of
from thalweg.pricing.ssvi import Ssvi, power_law
from thalweg.pricing.ssvi_fit import calibrate_ssvi
from thalweg.pricing.surface_fit import calibrate

TIMES = (0.05, 0.2, 0.6)
EXTENDED = [Ssvi(0.02, -0.1, 0.09), Ssvi(0.075, -0.25, 0.21), Ssvi(0.2, -0.3, 0.35)]
PLAIN = [Ssvi(theta, -0.3, theta * power_law(theta, 0.9, 0.4)) for theta in (0.02, 0.075, 0.2)]


def exact(slices: list[Ssvi]) -> Quotes:
    """Quotes around slices whose mids are exact."""
    parts: list[Any] = []
    for years, smile in zip(TIMES, slices, strict=True):
        k = np.linspace(-2.0, 2.0, 21) * smile.theta**0.5
        w = np.array([smile.total_variance(float(x)) for x in k])
        price = black76(k > 0.0, 1.0, np.exp(k), np.sqrt(w / years), years, outputs=["price"])["price"]
        parts.append((k > 0.0, 100.0 * np.exp(k), np.full(21, years), price * 0.998, price * 1.002))
    calls, strike, time, bid, ask = map(np.concatenate, zip(*parts, strict=True))
    return quotes_of(calls, strike, time, bid, ask, forward=100.0, inverse=True)


@pytest.mark.parametrize(("slices", "extended"), [(EXTENDED, True), (PLAIN, True), (PLAIN, False)])
def test_a_surface_of_the_family_comes_back(slices: list[Ssvi], extended: bool) -> None:
    found = calibrate_ssvi(exact(slices), extended=extended)
    assert all(report.rmse < 2e-4 and report.inside > 0.9 for report in found.reports)
    for part, true in zip(found.surface.slices, slices, strict=True):
        assert float(part.smile.total_variance(0.0)) == pytest.approx(true.total_variance(0.0), rel=2e-3)
        assert part.smile.svi.rho == pytest.approx(true.rho, abs=0.02)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 8.0), st.floats(0.7, 1.4), st.booleans())
def test_noise_and_crossing_expiries_never_make_arbitrage(seed: int, noise: float, lift: float, extended: bool) -> None:
    parts = chain(seed, noise)
    early = parts["years"] == np.unique(parts["years"])[1]
    for side in ("bid", "ask"):
        parts[side] = np.where(early, parts[side] * lift, parts[side])
    found = calibrate_ssvi(quotes(**parts), extended=extended)
    assert not found.surface.arbitrages()
    for near, far in pairwise(found.surface.slices):
        assert np.all(
            far.smile.total_variance(np.linspace(-9, 9, 50)) >= near.smile.total_variance(np.linspace(-9, 9, 50))
        )


@pytest.mark.skipif(CHAINS is None, reason="no real chains here: set THALWEG_CHAINS to their folder")
@pytest.mark.parametrize("extended", [True, False])
def test_a_real_day_fits_to_a_few_points_and_worse_than_the_whole_surface(extended: bool) -> None:
    assert CHAINS is not None
    (path,) = CHAINS.glob("20260626*.csv.gz")
    chain = load_chain(path, "BTC")
    found, whole = calibrate_ssvi(chain, extended=extended), calibrate(chain)
    assert not found.surface.arbitrages()
    errors = [np.mean([report.rmse for report in one.reports]) for one in (found, whole)]
    assert errors[1] < errors[0] < 0.04


def test_chains_that_say_nothing_are_refused() -> None:
    empty = np.empty(0)
    with pytest.raises(UserFault, match="the chain is empty"):
        calibrate_ssvi(quotes_of(np.empty(0, bool), empty, empty, empty, empty))
