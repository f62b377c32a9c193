"""European options under models: published figures, fifty digits, laws that hold whatever the parameters."""

import json
import math
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from thalweg.errors import Reason, UserFault
from thalweg.pricing import models, warm
from thalweg.pricing.european import black76
from thalweg.pricing.models import Bates, BlackScholes, Heston, Kou, Merton, Model, VarianceGamma, fourier, lewis
from thalweg.pricing.models.fourier import chain, price_slice

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "models_european.json").read_text())
SAMPLES: list[Model] = [
    BlackScholes(0.3), Heston(0.04, 1.5, 0.04, 0.5, -0.7), Heston(0.6, 0.0, 0.0, 1.2, 0.4),
    Bates(0.04, 2.0, 0.05, 0.6, -0.5, 0.4, -0.1, 0.15), Merton(0.2, 0.5, -0.1, 0.2), Kou(0.2, 1.0, 0.4, 10.0, 5.0),
    VarianceGamma(0.2, 0.2, -0.1),
]  # fmt: skip
STRIKES = np.linspace(50.0, 200.0, 16)


def named(model: Model) -> str:
    return f"{type(model).__name__}{model.values()}"


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["source"][:40])
def test_published_figures_are_met(case: dict[str, Any]) -> None:
    model = getattr(models, case["model"]).of(case["parameters"])
    forward = case["spot"] * math.exp((case["rate"] - case["dividend"]) * case["years"])
    found = price_slice(
        model, case["is_call"], forward, case["strikes"], case["years"], case["rate"], nodes_max=1 << 17
    )
    assert np.abs(found.price - case["prices"]).max() <= case["tolerance"]


def log_characteristic(model: Model, u: Any, years: Any) -> Any:
    """Heston's own form with the trap, where the logarithm is followed by continuity through its derivative's sign."""
    p = [mpf(value) for value in model.values()]
    v0, kappa, theta, sigma, rho = p[:5]
    i = mpmath.mpc(0, 1)
    xi = kappa - i * rho * sigma * u
    d = mpmath.sqrt(xi**2 + sigma**2 * (u * u + i * u))
    g = (xi - d) / (xi + d)
    e = mpmath.exp(-d * years)
    total = v0 * (xi - d) / sigma**2 * (1 - e) / (1 - g * e)
    total += kappa * theta / sigma**2 * ((xi - d) * years - 2 * mpmath.log((1 - g * e) / (1 - g)))
    if len(p) == 8:
        jump = mpmath.exp(i * u * p[6] - p[7] ** 2 * u * u / 2) - 1 - i * u * (mpmath.exp(p[6] + p[7] ** 2 / 2) - 1)
        total += p[5] * years * jump
    return total


def exact_put(model: Model, forward: float, strike: float, years: float) -> float:
    """Lewis's integral to thirty digits."""
    with mp.workdps(30):
        k = mpmath.log(mpf(forward) / mpf(strike))

        def integrand(u: Any) -> Any:
            wave = mpmath.exp(mpmath.mpc(0, 1) * u * k + log_characteristic(model, u - mpmath.mpc(0, 0.5), mpf(years)))
            return mpmath.re(wave) / (u * u + mpf(1) / 4)

        total = mpmath.quad(integrand, [0, 5, 20, 60, 150, 400, 1000, 4000])
        return float(strike - mpmath.sqrt(mpf(forward) * strike) / mpmath.pi * total)


@pytest.mark.parametrize(
    ("model", "years"),
    [
        (Heston(0.04, 1.5, 0.04, 0.5, -0.7), 0.5), (Heston(0.0175, 1.5768, 0.0398, 0.5751, -0.5711), 1.0),
        (Heston(0.5, 3.0, 0.4, 2.0, 0.3), 0.02), (Bates(0.3, 2.0, 0.35, 0.9, -0.3, 1.5, -0.08, 0.2), 0.25),
    ],
)  # fmt: skip
@pytest.mark.parametrize("strike", [70.0, 103.0])
def test_heston_and_bates_are_within_1e_9_of_thirty_digits(model: Model, years: float, strike: float) -> None:
    found = price_slice(model, False, 100.0, strike, years)
    miss = abs(float(found.price) - exact_put(model, 100.0, strike, years))
    assert miss <= 1e-9
    assert miss <= float(found.error)


def test_merton_is_a_mixture_of_black_scholes_prices() -> None:
    model, years, n = Merton(0.2, 0.8, -0.15, 0.25), 0.75, np.arange(40)
    weight = np.exp(-model.intensity * years) * (model.intensity * years) ** n / [math.factorial(i) for i in n]
    drift = -model.intensity * years * (math.exp(model.mean + 0.5 * model.deviation**2) - 1.0)
    forward = 100.0 * np.exp(drift + n * (model.mean + 0.5 * model.deviation**2))
    vol = np.sqrt(model.volatility**2 + n * model.deviation**2 / years)
    for strike in (60.0, 100.0, 150.0):
        exact = float(weight @ black76(True, forward, strike, vol, years, outputs=["price"])["price"])
        assert abs(float(price_slice(model, True, 100.0, strike, years).price) - exact) <= 1e-9


@pytest.mark.parametrize("model", SAMPLES, ids=named)
def test_every_row_agrees_with_lewis_integral(model: Model) -> None:
    rows = 4 + len(model.values())
    series, errors = chain(model, [0.7], [100.0], [0.03], [0, STRIKES.size], STRIKES, rows)
    integral = lewis.puts(model, 0.7, 100.0, 0.03, STRIKES, rows)
    assert np.all(np.abs(series[:3] - integral[:3]) <= 2e-9)
    assert np.all(np.abs(series[3:] - integral[3:]) <= 1e-6)  # differences
    assert np.all(errors <= 3e-9)


@pytest.mark.parametrize("model", SAMPLES, ids=named)
def test_without_numba_the_price_is_the_same(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = price_slice(model, True, 100.0, STRIKES, 0.5, 0.02, detail="greeks")
    monkeypatch.setattr(warm, "optional", lambda name: None)
    plain = price_slice(model, True, 100.0, STRIKES, 0.5, 0.02, detail="greeks")
    assert np.all(np.abs(compiled.price - plain.price) <= compiled.error + plain.error)
    assert compiled.theta is not None
    assert plain.theta is not None
    assert np.all(np.abs(compiled.theta - plain.theta) <= 1e-8)


@st.composite
def any_model(draw: st.DrawFn) -> Model:
    def number(low: float, high: float) -> float:
        return draw(st.floats(low, high))

    heston = (number(0, 2), number(0, 10), number(0, 2), number(0, 3), number(-0.95, 0.95))
    jumps = (number(0, 5), number(-0.5, 0.5), number(0, 0.6))
    kinds: list[Model] = [
        BlackScholes(number(0.01, 3)), Heston(*heston), Bates(*heston, *jumps), Merton(number(0.05, 2), *jumps),
        Kou(number(0.05, 2), number(0, 5), number(0, 1), number(1.5, 50), number(0.5, 50)),
        VarianceGamma(number(0.05, 1), number(0.01, 0.5), number(-0.5, 0.5)),
    ]  # fmt: skip
    return draw(st.sampled_from(kinds))


@given(any_model(), st.floats(0.002, 5.0), st.floats(-0.05, 0.2))
@settings(max_examples=150, deadline=None)
def test_prices_obey_the_laws_of_no_arbitrage(model: Model, years: float, rate: float) -> None:
    discount, strikes = math.exp(-rate * years), np.linspace(20.0, 400.0, 39)
    call, put = (price_slice(model, side, 100.0, strikes, years, rate, detail="greeks") for side in (True, False))
    slack = 4.0 * call.error + 1e-12
    if not np.isfinite(call.error).all() or call.error.max() > 1e-3:
        return  # said so: too few nodes
    parity = discount * (100.0 - strikes)
    assert np.all(np.abs(call.price - put.price - parity) <= slack)
    assert np.all(call.price >= np.maximum(parity, 0.0) - slack)
    assert np.all(call.price <= discount * 100.0 + slack)
    slope = np.diff(call.price) / np.diff(strikes)
    assert np.all((slope <= slack[1:]) & (slope >= -discount - slack[1:]))
    assert np.all(np.diff(call.price, 2) >= -2.0 * slack[2:])
    assert call.delta is not None
    assert put.delta is not None
    assert np.allclose(call.delta - put.delta, discount, atol=1e-9)


@given(any_model(), st.floats(0.01, 5.0), st.floats(0.01, 100.0))
@settings(max_examples=60, deadline=None)
def test_prices_are_homogeneous_in_forward_and_strike(model: Model, years: float, scale: float) -> None:
    strikes = np.array([60.0, 100.0, 170.0])
    one = price_slice(model, True, 100.0, strikes, years)
    other = price_slice(model, True, 100.0 * scale, strikes * scale, years)
    assert np.all(np.abs(other.price / scale - one.price) <= 2.0 * one.error + 1e-9)


@given(any_model(), st.floats(0.0, 3.0))
@settings(max_examples=200, deadline=None)
def test_the_forward_is_a_martingale_and_total_probability_is_one(model: Model, years: float) -> None:
    """ln E (S_T/F)^z is convex in z and zero at 0 and 1: near 1 it is just below zero.

    Its slope at 1 is half the variance under the share's measure, without reversion e^(rho sigma T) of today's:
    over more years a millionth from 1 is not near.
    """
    u = np.array([-1e-6j, -1j * (1.0 - 1e-6)])
    values = lewis.log_characteristic(model, u, years)
    assert np.all(np.abs(values.imag) <= 1e-12)
    assert np.all((values.real <= 1e-9) & (values.real >= -1e-2))


def test_parameters_have_the_derivatives_that_differences_give() -> None:
    for model in SAMPLES:
        found = price_slice(model, True, 100.0, STRIKES, 0.5, 0.02, detail="parameters").parameters
        assert found is not None
        for i, name in enumerate(model.names()):
            value = model.values()[i]
            if value == 0.0:
                continue
            ends = []
            for step in (1e-4, -1e-4):
                moved = [*model.values()]
                moved[i] = value * (1.0 + step)
                ends.append(price_slice(type(model).of(moved), True, 100.0, STRIKES, 0.5, 0.02, tolerance=1e-14).price)
            slope = (ends[0] - ends[1]) / (2e-4 * value)
            assert np.allclose(found[name], slope, atol=2e-5, rtol=2e-5), name


def test_an_inverse_option_is_the_linear_one_in_coin() -> None:
    model = SAMPLES[1]
    linear = price_slice(model, True, 100.0, STRIKES, 0.5, detail="greeks")
    coin = price_slice(model, True, 100.0, STRIKES, 0.5, detail="greeks", inverse=True)
    step = 1e-3
    ends = [price_slice(model, True, 100.0 + s, STRIKES, 0.5, inverse=True).price for s in (step, -step)]
    assert np.allclose(coin.price, linear.price / 100.0, atol=1e-14)
    assert coin.delta is not None
    assert np.allclose(coin.delta, (ends[0] - ends[1]) / (2 * step), atol=1e-8)


def test_limits_of_time_strike_and_volatility_of_volatility() -> None:
    model = Heston(0.09, 2.0, 0.09, 0.0, 0.0)
    flat = black76(True, 100.0, STRIKES, 0.3, 0.5, outputs=["price"])["price"]
    assert np.allclose(price_slice(model, True, 100.0, STRIKES, 0.5).price, flat, atol=1e-9)
    expired = price_slice(SAMPLES[1], True, 100.0, [0.0, 90.0, 100.0, 110.0], 0.0, detail="parameters")
    assert expired.price.tolist() == [100.0, 10.0, 0.0, 0.0]
    assert expired.delta is not None
    assert expired.delta.tolist() == [1.0, 1.0, 0.5, 0.0]
    ends = price_slice(SAMPLES[1], [True, False, True], 100.0, [0.0, 0.0, 1e9], 0.5)
    assert np.allclose(ends.price, [100.0, 0.0, 0.0], atol=1e-9)


def test_an_error_that_cannot_be_met_is_reported() -> None:
    spike = price_slice(VarianceGamma(0.2, 0.5, -0.1), True, 100.0, 100.0, 0.01, nodes_max=1024)
    finer = price_slice(VarianceGamma(0.2, 0.5, -0.1), True, 100.0, 100.0, 0.01, nodes_max=1 << 19)
    assert float(spike.error) > 1e-6
    assert abs(float(spike.price - finer.price)) <= float(spike.error)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: Heston(-0.1, 1, 0.04, 0.5, 0), "v0 is -0.1"), (lambda: Heston(0.1, 1, 0.04, 0.5, 1.5), "rho is 1.5"),
        (lambda: Kou(0.2, 1, 0.5, 1.0, 5), "up_rate is 1"),
        (lambda: Merton(float("nan"), 1, 0, 0.1), "volatility is nan"),
        (lambda: VarianceGamma(0.2, 2.0, 0.6), "E S is infinite"),
        (lambda: price_slice(SAMPLES[0], True, 0.0, 100.0, 1.0), "forward is 0.0"),
        (lambda: price_slice(SAMPLES[0], True, 1.0, [1.0, float("inf")], 1.0), r"strike\[1\] is inf"),
        (lambda: price_slice(SAMPLES[0], True, 1.0, 1.0, -1.0), "years is -1.0"),
        (lambda: price_slice(SAMPLES[0], True, 1.0, 1.0, 1.0, float("nan")), "rate is nan"),
        (lambda: price_slice(SAMPLES[0], True, 1.0, 1.0, 1.0, tolerance=0.0), "tolerance"),
        (lambda: price_slice(SAMPLES[0], [True] * 3, 1.0, [1.0, 2.0], 1.0), "do not broadcast"),
        (lambda: price_slice(SAMPLES[0], 1.0, 1.0, 1.0, 1.0), "booleans"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(make: Any, names: str) -> None:
    with pytest.raises(UserFault, match=names) as refused:
        make()
    assert refused.value.reason is Reason.MALFORMED


def test_too_many_strikes_are_refused() -> None:
    with pytest.raises(UserFault, match="strikes") as refused:
        price_slice(SAMPLES[0], True, 1.0, np.ones(fourier.STRIKES_MAX + 1), 1.0)
    assert refused.value.reason is Reason.OVERSIZED
