"""Monte Carlo: exact laws, published figures and closed forms within standard errors, the same bits on any threads."""

import hashlib
import json
import math
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thalweg.errors import Reason, UserFault
from thalweg.pricing import warm
from thalweg.pricing.european import black_scholes
from thalweg.pricing.models import Bates, BlackScholes, Heston, Kou, Merton, Model, VarianceGamma
from thalweg.pricing.models.fourier import price_slice
from thalweg.pricing.paths import (
    Sampling,
    Scene,
    price_asian,
    price_barrier,
    price_lookback,
    price_twap,
    simulate,
)
from thalweg.pricing.paths.estimate import estimate
from thalweg.pricing.scalar import normal_cdf

ASIAN = json.loads((Path(__file__).parents[3] / "vectors" / "asian.json").read_text())
MODELS: list[Model] = [
    BlackScholes(0.3), Heston(0.04, 1.5, 0.04, 0.5, -0.7), Bates(0.04, 2.0, 0.05, 0.6, -0.5, 0.4, -0.1, 0.15),
    Merton(0.2, 0.5, -0.1, 0.2), Kou(0.2, 1.0, 0.4, 10.0, 5.0), VarianceGamma(0.2, 0.2, -0.1),
]  # fmt: skip
FINE = Sampling(paths=1 << 17)
SIGMAS = 4.5


def plain_scene(model: Model, years: float = 1.0, forward: float = 100.0) -> Scene:
    steps = 50 if model.diffusion == 1 else 2
    times = years * np.arange(1, steps + 1) / steps
    return Scene(100.0, times, np.full(steps, forward), np.full(steps, 1 / steps), np.ones(steps, np.bool_))


def by_name(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize("sobol", [False, True])
@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_simulated_options_are_worth_their_fourier_price(model: Model, sobol: bool) -> None:
    paths = simulate(model, plain_scene(model), Sampling(paths=1 << 17, sobol=sobol), ("terminal",))
    spot = estimate(paths, paths.terminal)
    assert abs(spot.value - 100.0) <= SIGMAS * spot.error
    for strike in (80.0, 100.0, 125.0):
        found = estimate(paths, np.maximum(paths.terminal - strike, 0.0))
        exact = float(price_slice(model, True, 100.0, strike, 1.0).price)
        bias = 0.004 if model.diffusion == 1 else 0.0
        assert abs(found.value - exact) <= SIGMAS * found.error + bias


@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_the_number_of_threads_changes_no_bit(model: Model) -> None:
    hashes = set()
    scene = plain_scene(model)._replace(continuous=model.diffusion != 2, low=70.0, high=150.0)
    wanted = ("average", "log_average", "maximum", "minimum", "survival")
    for threads in (1, 2, 3):
        paths = simulate(model, scene, Sampling(paths=2000, threads=threads), wanted)
        hashes.add(hashlib.sha256(b"".join(column.tobytes() for column in paths[:6])).hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize("antithetic", [False, True])
def test_averages_in_one_pass_are_those_of_whole_paths(antithetic: bool) -> None:
    times = np.array([0.1, 0.15, 0.4, 0.7, 0.75, 1.0, 3.0])
    weights = np.array([0.0, 0.2, 0.1, 0.0, 0.3, 0.3, 0.1])
    scene = Scene(100.0, times, 100.0 * np.exp(0.05 * times), weights, np.ones(7, np.bool_))
    wanted = ("terminal", "average", "log_average", "score", "average_vega")
    sampling = Sampling(paths=640, antithetic=antithetic, seed=5)
    short = simulate(BlackScholes(0.45), scene, sampling, wanted)
    whole = simulate(BlackScholes(0.45), scene, sampling, (*wanted, "maximum"))
    for name in wanted:
        assert np.allclose(getattr(short, name), getattr(whole, name), rtol=1e-13, atol=1e-12), name


@pytest.mark.parametrize("case", ASIAN["cases"], ids=lambda case: str(case["fixings"]))
def test_published_asian_prices_are_met(case: dict[str, Any]) -> None:
    n = case["fixings"]
    times = np.arange(1, n + 1) / n
    for strike, exact in zip(case["strikes"], case["prices"], strict=True):
        found = price_asian(
            BlackScholes(ASIAN["volatility"]), True, strike, 100.0, times, ASIAN["rate"], known=100.0 / (n + 1),
            weights=np.full(n, 1.0 / (n + 1)), sampling=FINE, greeks=False,
        ).price  # fmt: skip
        assert found.error <= 5e-4
        assert abs(found.value - exact) <= SIGMAS * found.error + ASIAN["tolerance"]


def bumped(function: Any, at: float, step: float) -> float:
    return float((function(at + step).price.value - function(at - step).price.value) / (2.0 * step))


@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_derivatives_of_an_asian_are_those_of_its_price(model: Model) -> None:
    times = np.array([0.25, 0.5, 0.75, 1.0])

    def price(spot: float) -> Any:
        return price_asian(model, True, 100.0, spot, times, 0.03, 0.01, sampling=Sampling(paths=1 << 15))

    here = price(100.0)
    assert abs(here.delta.value - bumped(price, 100.0, 0.05)) <= 2e-3
    if here.gamma is not None:
        slope = (price(101.0).delta.value - price(99.0).delta.value) / 2.0
        assert abs(here.gamma.value - slope) <= SIGMAS * here.gamma.error + 2e-3


def test_vega_of_an_asian_is_that_of_its_price() -> None:
    times = np.arange(1, 13) / 12

    def price(volatility: float) -> Any:
        return price_asian(BlackScholes(volatility), False, 100.0, 100.0, times, 0.03, sampling=Sampling(paths=1 << 15))

    found = price(0.3).vega
    assert abs(found.value - 0.01 * bumped(price, 0.3, 1e-3)) <= 1e-3


def test_a_twap_before_its_window_is_almost_the_option_itself_and_ends_at_what_is_known() -> None:
    model = Bates(0.3, 2.0, 0.35, 0.9, -0.3, 1.5, -0.08, 0.2)
    far = price_twap(model, True, 100.0, 100.0, 0.1, sampling=FINE)
    exact = float(price_slice(model, True, 100.0, 100.0, 0.1).price)
    assert abs(far.price.value - exact) <= SIGMAS * far.price.error + 0.02
    minute = 1.0 / 525_960.0
    late = price_twap(model, True, 100.0, 100.0, 2.5 * minute, realised=[101.0] * 27)
    assert abs(late.price.value - (27 * 1.0 + 0.0) / 30.0) < 0.02
    assert late.delta is not None
    assert abs(late.delta.value - 0.1) < 1e-3


def down_out_call(
    spot: float, strike: float, barrier: float, vol: float, years: float, rate: float, carry: float
) -> float:
    """Reiner and Rubinstein 1991: barrier below strike."""
    s, mu = vol * sqrt(years), (carry - 0.5 * vol * vol) / (vol * vol)

    def piece(x: float, power: float, level: float) -> float:
        y = log(x) / s + (1.0 + mu) * s
        first = level * exp((carry - rate) * years) * power ** (2.0 * (mu + 1.0)) * normal_cdf(y)
        return float(first - strike * exp(-rate * years) * power ** (2.0 * mu) * normal_cdf(y - s))

    return piece(spot / strike, 1.0, spot) - piece(barrier**2 / (spot * strike), barrier / spot, spot)


def test_a_continuously_watched_barrier_has_its_closed_form() -> None:
    model = BlackScholes(0.3)
    for kind, exact in (("down-out", down_out_call(100, 100, 90, 0.3, 0.5, 0.05, 0.03)),):
        found = price_barrier(model, True, 100.0, 100.0, 0.5, 90.0, kind, 0.05, 0.02, sampling=FINE)  # type: ignore[arg-type]
        assert abs(found.price.value - exact) <= SIGMAS * found.price.error
        up, down = (down_out_call(100 + d, 100, 90, 0.3, 0.5, 0.05, 0.03) for d in (0.01, -0.01))
        assert found.delta is not None
        assert abs(found.delta.value - (up - down) / 0.02) <= SIGMAS * found.delta.error


def test_a_barrier_watched_at_dates_is_a_continuous_one_further_out() -> None:
    """Broadie, Glasserman and Kou, Mathematical Finance 7, 1997: by 0.5826 deviations of a step."""
    dates = 0.2 * np.arange(1, 51) / 50
    for barrier in (85.0, 90.0, 93.0):
        moved = barrier * exp(-0.5826 * 0.3 * sqrt(0.2 / 50))
        exact = down_out_call(100, 100, moved, 0.3, 0.2, 0.1, 0.1)
        found = price_barrier(
            BlackScholes(0.3), True, 100.0, 100.0, 0.2, barrier, "down-out", 0.1, watched=dates, sampling=FINE
        ).price
        assert abs(found.value - exact) <= SIGMAS * found.error + 2e-3 * exact


@pytest.mark.parametrize("model", MODELS, ids=by_name)
@pytest.mark.parametrize("kinds", [("up-out", "up-in", 120.0), ("down-out", "down-in", 85.0)])
def test_in_and_out_are_the_option_together(model: Model, kinds: Any) -> None:
    out, into, barrier = kinds
    dates = None if model.diffusion != 2 else np.arange(1, 11) / 20
    parts = [
        price_barrier(model, True, 100.0, 100.0, 0.5, barrier, kind, 0.02, watched=dates, sampling=Sampling(paths=8192))
        for kind in (out, into)
    ]
    exact = exp(-0.01) * float(price_slice(model, True, 100.0 * exp(0.01), 100.0, 0.5).price)
    total = parts[0].price.value + parts[1].price.value
    assert abs(total - exact) <= 1e-9 * exact
    assert all(part.price.value >= -1e-9 for part in parts)


def floating_call(spot: float, vol: float, years: float, rate: float) -> float:
    """Goldman, Sosin and Gatto 1979, with the spot as minimum so far."""
    s = vol * sqrt(years)
    a = (rate + 0.5 * vol * vol) * years / s
    ratio = vol * vol / (2.0 * rate)
    return spot * (
        normal_cdf(a)
        - exp(-rate * years) * normal_cdf(a - s)
        + exp(-rate * years)
        * ratio
        * (normal_cdf(-a + 2.0 * rate * sqrt(years) / vol) - exp(rate * years) * normal_cdf(-a))
    )


def test_a_continuously_watched_lookback_has_its_closed_form() -> None:
    found = price_lookback(BlackScholes(0.3), True, None, 100.0, 0.5, 0.1, sampling=FINE)
    exact = floating_call(100.0, 0.3, 0.5, 0.1)
    assert abs(found.price.value - exact) <= SIGMAS * found.price.error
    assert found.delta is not None
    assert abs(found.delta.value - exact / 100.0) <= SIGMAS * found.delta.error
    fixed = price_lookback(BlackScholes(0.3), False, 100.0, 100.0, 0.5, 0.1, sampling=FINE)
    assert abs(fixed.price.value - (exact - 100.0 + 100.0 * exp(-0.05))) <= SIGMAS * fixed.price.error


def test_controls_and_sobol_points_lower_the_error_and_keep_the_mean() -> None:
    scene = plain_scene(BlackScholes(0.3))
    paths = simulate(BlackScholes(0.3), scene, Sampling(paths=1 << 15), ("terminal",))
    payoff = np.maximum(paths.terminal - 100.0, 0.0)
    plain = estimate(paths, payoff)
    better = estimate(
        paths, payoff, [(paths.terminal, 100.0), (2.0 * paths.terminal + 1.0, 201.0), (paths.terminal * 0.0, 0.0)]
    )
    quasi = simulate(BlackScholes(0.3), scene, Sampling(paths=1 << 15, sobol=True), ("terminal",))
    best = estimate(quasi, np.maximum(quasi.terminal - 100.0, 0.0))
    exact = float(black_scholes(True, 100.0, 100.0, 0.3, 1.0, outputs=["price"])["price"])
    assert better.error < 0.7 * plain.error
    assert best.error < 0.2 * plain.error
    for found in (plain, better, best):
        assert abs(found.value - exact) <= SIGMAS * found.error


@pytest.mark.parametrize(
    ("make", "reason", "names"),
    [
        (lambda: price_asian(MODELS[0], True, 100.0, 100.0, [0.5, 0.4]), Reason.MALFORMED, "times must increase"),
        (lambda: price_asian(MODELS[0], True, float("nan"), 100.0, [0.5]), Reason.MALFORMED, "strike is nan"),
        (lambda: price_asian(MODELS[0], True, 100.0, -1.0, [0.5]), Reason.MALFORMED, "spot"),
        (lambda: price_asian(MODELS[0], True, 1.0, 1.0, [0.5], weights=[1, 2]), Reason.MALFORMED, "2 weights for 1"),
        (lambda: price_asian(MODELS[0], True, 1.0, 1.0, []), Reason.MALFORMED, "times"),
        (lambda: price_twap(MODELS[0], True, 1.0, 1.0, 0.1, realised=[1.0]), Reason.MALFORMED, "must be the 0 prices"),
        (lambda: price_barrier(MODELS[0], True, 1.0, 1.0, 1.0, 2.0, "over"), Reason.MALFORMED, "up-out"),  # type: ignore[arg-type]
        (lambda: price_barrier(MODELS[0], True, 1.0, 1.0, 1.0, 2.0, "up-in", watched=[2.0]), Reason.MALFORMED, "after"),
        (lambda: price_barrier(MODELS[5], True, 1.0, 1.0, 1.0, 2.0, "up-in"), Reason.UNKNOWN_FEATURE, "jumps alone"),
        (lambda: price_lookback(MODELS[0], True, 1.0, 1.0, 1.0, extreme=0.5), Reason.MALFORMED, "extreme"),
        (lambda: Sampling(paths=1), Reason.MALFORMED, "paths is 1"),
        (lambda: simulate(MODELS[0], plain_scene(MODELS[0]), FINE, ("mean",)), Reason.MALFORMED, "mean"),
        (lambda: simulate(MODELS[1], plain_scene(MODELS[1]), FINE, ("vega_score",)), Reason.UNKNOWN_FEATURE, "Black"),
        (lambda: simulate(MODELS[5], plain_scene(MODELS[5]), FINE, ("score",)), Reason.UNKNOWN_FEATURE, "pathwise"),
        (
            lambda: simulate(MODELS[0], plain_scene(MODELS[0])._replace(forwards=np.array([1.0])), FINE),
            Reason.MALFORMED, "forwards are 2",
        ),
        (lambda: simulate(MODELS[0], plain_scene(MODELS[0])._replace(spot=math.inf), FINE), Reason.MALFORMED, "spot"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(make: Any, reason: Reason, names: str) -> None:
    with pytest.raises(UserFault, match=names) as refused:
        make()
    assert refused.value.reason is reason


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_every_backend_draws_the_same_paths(model: Model, backend: str) -> None:
    if backend == "torch":
        pytest.importorskip("torch", reason="torch is an optional extra (thalweg[gpu])")
    scene = plain_scene(model)._replace(continuous=model.diffusion != 2, low=70.0, high=140.0)
    wanted = ["average", "log_average", "maximum", "minimum", "survival"]
    wanted += ["score"] if model.diffusion != 2 else []
    wanted += ["average_vega", "vega_score"] if isinstance(model, BlackScholes) else []
    one = simulate(model, scene, Sampling(paths=1024), tuple(wanted))
    other = simulate(model, scene, Sampling(paths=1024, backend=backend), tuple(wanted))
    for name in ("terminal", *wanted, *(["barrier_score"] if "score" in wanted else [])):
        assert np.allclose(getattr(one, name), getattr(other, name), rtol=1e-7, atol=1e-9), name


def test_without_numba_numpy_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    times, sampling = np.arange(1, 13) / 12, Sampling(paths=4096)
    compiled = price_asian(MODELS[1], True, 100.0, 100.0, times, sampling=sampling)
    monkeypatch.setattr(warm, "optional", lambda name: None)
    plain = price_asian(MODELS[1], True, 100.0, 100.0, times, sampling=sampling)
    assert abs(compiled.price.value - plain.price.value) <= 1e-6


@pytest.mark.parametrize(
    ("sampling", "names"),
    [
        (Sampling(backend="abacus"), "numba, numpy and torch"),
        (Sampling(backend="numpy", sobol=True), "numba backend only"),
    ],
)
def test_what_a_backend_cannot_do_is_said(sampling: Sampling, names: str) -> None:
    with pytest.raises(UserFault, match=names):
        simulate(MODELS[0], plain_scene(MODELS[0]), sampling, ("terminal",))
