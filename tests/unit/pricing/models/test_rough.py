"""Rough volatility: the limit that is not rough, published smiles, simulation against characteristic function."""

import json
import math
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from thalweg.errors import Reason, UserFault
from thalweg.pricing.implied import implied_volatility
from thalweg.pricing.models import Heston, RoughBergomi, RoughHeston, fourier, rough
from thalweg.pricing.models.rough import RoughModel
from thalweg.pricing.paths import Sampling, Scene, price_asian, price_barrier, simulate
from thalweg.pricing.paths.estimate import estimate
from thalweg.pricing.paths.memory import lags, mittag_leffler

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "rough_bergomi.json").read_text())
STRIKES = np.array([80.0, 100.0, 120.0])
SIGMAS = 4.5
HESTON = RoughHeston(0.04, 1.0, 0.04, 0.3, -0.5, 0.2)


def scene(years: float, steps: int) -> Scene:
    times = years * np.arange(1, steps + 1) / steps
    return Scene(100.0, times, np.full(steps, 100.0), np.zeros(steps), np.ones(steps, np.bool_))


def test_a_hurst_exponent_of_one_half_is_heston() -> None:
    parameters = (0.04, 1.5, 0.04, 0.5, -0.7)
    found = rough.price_slice(RoughHeston(*parameters, 0.5), True, 100.0, STRIKES, 1.0, 0.02)
    exact = fourier.price_slice(Heston(*parameters), True, 100.0, STRIKES, 1.0, 0.02)
    assert np.all(np.abs(found.price - exact.price) <= found.error)
    assert found.error.max() <= 5e-5


@pytest.mark.parametrize("hurst", [0.1, 0.3])
def test_halving_the_steps_moves_the_price_by_less_than_the_error_said(hurst: float) -> None:
    model = RoughHeston(0.02, 0.3, 0.02, 0.3, -0.7, hurst)
    coarse = rough.price_slice(model, True, 100.0, STRIKES, 1.0, steps=50)
    fine = rough.price_slice(model, True, 100.0, STRIKES, 1.0, steps=100)
    assert np.all(np.abs(coarse.price - fine.price) <= coarse.error)


def test_prices_obey_parity_and_bounds() -> None:
    model = RoughHeston(0.04, 0.5, 0.06, 0.4, -0.6, 0.15)
    call, put = (rough.price_slice(model, side, 100.0, STRIKES, 0.5, 0.03, steps=50).price for side in (True, False))
    discount = math.exp(-0.015)
    assert np.allclose(call - put, discount * (100.0 - STRIKES), atol=1e-9)
    assert np.all(np.diff(call) < 0.0)
    assert np.all(call >= discount * np.maximum(100.0 - STRIKES, 0.0))


@pytest.mark.parametrize(
    "model",
    [RoughHeston(0.02, 0.3, 0.02, 0.3, -0.7, 0.1), RoughHeston(0.05, 1.5, 0.03, 0.4, -0.5, 0.3)],
    ids=["very rough", "rough"],
)
def test_simulated_rough_heston_meets_its_fourier_price(model: RoughHeston) -> None:
    paths = simulate(model, scene(1.0, 160), Sampling(paths=1 << 15), ("terminal",))
    spot = estimate(paths, paths.terminal)
    assert abs(spot.value - 100.0) <= SIGMAS * spot.error
    exact = rough.price_slice(model, True, 100.0, STRIKES[:2], 1.0, steps=100)
    for strike, price in zip(STRIKES, exact.price, strict=False):
        found = estimate(paths, np.maximum(paths.terminal - strike, 0.0), [(paths.terminal, 100.0)])
        assert abs(found.value - price) <= SIGMAS * found.error + 0.03


def test_the_published_smile_of_rough_bergomi_is_met() -> None:
    model = RoughBergomi(VECTORS["xi"], VECTORS["eta"], VECTORS["rho"], VECTORS["hurst"])
    paths = simulate(model, scene(VECTORS["years"], 300), Sampling(paths=1 << 16), ("terminal",))
    for k, volatility in zip(VECTORS["log_moneyness"], VECTORS["volatilities"], strict=True):
        strike, call = 100.0 * math.exp(k), k > 0.0
        found = estimate(
            paths, np.maximum((paths.terminal - strike) * (1 if call else -1), 0.0), [(paths.terminal, 100.0)]
        )
        ends = np.array([found.value - found.error, found.value, found.value + found.error])
        implied = implied_volatility(call, ends, 100.0, strike, VECTORS["years"]).volatility
        assert abs(implied[1] - volatility) <= VECTORS["tolerance"] + SIGMAS * (implied[2] - implied[1])


def test_without_volatility_of_volatility_rough_bergomi_is_black_scholes() -> None:
    paths = simulate(
        RoughBergomi(0.09, 0.0, -0.5, 0.1), scene(0.5, 10), Sampling(paths=1 << 16, sobol=True), ("terminal",)
    )
    moves = np.log(paths.terminal / 100.0)
    assert abs(moves.mean() + 0.5 * 0.09 * 0.5) <= 1e-3
    assert abs(moves.var() - 0.09 * 0.5) <= 1e-3


@pytest.mark.parametrize("model", [RoughBergomi(0.09, 1.5, -0.8, 0.1), RoughHeston(0.09, 1.0, 0.09, 0.3, -0.6, 0.2)])
def test_threads_change_no_bit_and_path_payoffs_work(model: RoughModel) -> None:
    runs = [simulate(model, scene(0.5, 20), Sampling(paths=512, threads=n), ("maximum",)) for n in (1, 2)]
    assert np.array_equal(runs[0].terminal, runs[1].terminal)
    assert np.array_equal(runs[0].maximum, runs[1].maximum)
    asian = price_asian(model, True, 100.0, 100.0, [0.1, 0.2, 0.3], sampling=Sampling(paths=4096))
    assert 1.0 < asian.price.value < 10.0
    parts = [
        price_barrier(model, True, 100.0, 100.0, 0.3, 80.0, kind, sampling=Sampling(paths=4096)).price.value
        for kind in ("down-out", "down-in")
    ]
    whole = simulate(model, scene(0.3, 200), Sampling(paths=4096), ("terminal",)).terminal
    payoff = np.maximum(whole - 100.0, 0.0)
    assert abs(sum(parts) - payoff.mean()) < 0.05 * payoff.mean()


def test_the_newest_cell_has_the_moments_of_the_kernel() -> None:
    model, times = RoughBergomi(0.04, 1.0, 0.0, 0.1), np.arange(1, 5) / 100.0
    weights = lags(model, times)
    whole = 0.01**0.2 / 0.2  # int_0^h s^(2H - 1) ds
    assert math.isclose(weights[1, 0] ** 2 + weights[1, 1] ** 2, whole)
    assert math.isclose(weights[1, 0] * 0.01**0.5, 0.01**0.6 / 0.6)


@pytest.mark.parametrize("z", [-4.0, -1.3, 0.0, 0.4])
def test_mittag_leffler_sums_its_series(z: float) -> None:
    with mpmath.mp.workdps(40):
        exact = mpmath.nsum(lambda k: mpmath.mpf(z) ** k / mpmath.gamma(0.6 * k + 1.6), [0, 200], method="direct")
    assert abs(mittag_leffler(0.6, 1.6, z) - float(exact)) <= 1e-9
    assert math.isclose(mittag_leffler(1.0, 1.0, 0.7), math.exp(0.7))


@pytest.mark.parametrize(
    ("make", "reason", "names"),
    [
        (lambda: RoughBergomi(0.04, 1.0, 0.0, 0.6), Reason.MALFORMED, "hurst is 0.6"),
        (lambda: RoughHeston(0.04, 1.0, 0.04, 0.0, 0.0, 0.1), Reason.MALFORMED, "sigma is 0"),
        (
            lambda: rough.price_slice(RoughBergomi(0.04, 1.0, 0.0, 0.1), True, 1.0, 1.0, 1.0),  # type: ignore[arg-type]
            Reason.UNKNOWN_FEATURE, "simulate the others",
        ),
        (lambda: rough.price_slice(HESTON, True, 1.0, [1.0, -2.0], 1.0), Reason.MALFORMED, r"strike\[1\]"),
        (lambda: rough.price_slice(HESTON, True, 1.0, 1.0, 0.0), Reason.MALFORMED, "years"),
        (lambda: rough.price_slice(HESTON, True, 1.0, 1.0, 1.0, steps=3), Reason.MALFORMED, "steps is 3"),
        (
            lambda: simulate(HESTON, scene(1.0, 2)._replace(times=np.array([0.1, 1.0])), Sampling(), ("score",)),
            Reason.UNKNOWN_FEATURE, "equal steps",
        ),
        (
            lambda: simulate(RoughHeston(0.04, 50.0, 0.04, 0.3, 0.0, 0.2), scene(1.0, 4), Sampling(), ("score",)),
            Reason.UNKNOWN_FEATURE, "shorter time",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(make: Any, reason: Reason, names: str) -> None:
    with pytest.raises(UserFault, match=names) as refused:
        make()
    assert refused.value.reason is reason
