"""An arithmetic Asian call by Monte Carlo: 100,000 paths of 250 steps."""

from typing import Any

import numpy as np

from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing.models import BlackScholes
from thalweg.pricing.paths import Sampling, price_asian

PATHS, STEPS = 100_000, 250
FEW = 5_000  # paths a round for QuantLib, scaled up
TIMES = np.arange(1, STEPS + 1) / STEPS


def with_numpy() -> tuple[float, float]:
    """Price as one writes it with numpy."""
    rng = np.random.default_rng(1)
    step = 1.0 / STEPS
    moves = -0.5 * 0.09 * step + 0.3 * step**0.5 * rng.standard_normal((PATHS, STEPS))
    average = 100.0 * np.exp(np.cumsum(moves, axis=1) + 0.02 * TIMES).mean(axis=1)
    payoff = np.exp(-0.02) * np.maximum(average - 100.0, 0.0)
    return float(payoff.mean()), float(payoff.std() / PATHS**0.5)


def quantlib(ql: Any) -> Any:
    """Return a call of QuantLib's Monte Carlo engine without control variate, for FEW paths."""
    today, day = ql.Date(1, 1, 2026), ql.Actual365Fixed()
    ql.Settings.instance().evaluationDate = today
    curves = [ql.YieldTermStructureHandle(ql.FlatForward(today, rate, day)) for rate in (0.0, 0.02)]
    surface = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), 0.3, day))
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(100.0)), curves[0], curves[1], surface)
    fixings = [today + int(i) for i in range(1, STEPS + 1)]
    option = ql.DiscreteAveragingAsianOption(
        ql.Average.Arithmetic, 0.0, 0, fixings, ql.PlainVanillaPayoff(ql.Option.Call, 100.0),
        ql.EuropeanExercise(fixings[-1]),
    )  # fmt: skip

    def run() -> float:
        option.setPricingEngine(
            ql.MCDiscreteArithmeticAPEngine(process, "pseudorandom", requiredSamples=FEW, seed=1, controlVariate=False)
        )
        return float(option.NPV())

    return run


def measure() -> Figure:
    """Return milliseconds a price."""
    model = BlackScholes(0.3)

    def ours(**options: Any) -> Any:
        sampling = Sampling(paths=PATHS, **options)
        return price_asian(model, True, 100.0, 100.0, TIMES, 0.02, sampling=sampling, greeks=False)

    cases: dict[str, Any] = {
        OURS: ours, "thalweg, not antithetic": lambda: ours(antithetic=False), "numpy": with_numpy,
    }  # fmt: skip
    ql = peer("QuantLib")
    if ql:
        cases["QuantLib"] = quantlib(ql)
    timings = alternate(cases, 1e3, rounds=7)
    if ql:
        scale = PATHS / FEW
        timings["QuantLib"] = type(timings[OURS])(*(value * scale for value in timings["QuantLib"]))
    facts = {"standard error, with its controls": ours().price.error, "numpy's": with_numpy()[1]}
    bounds = (Bound(0.15, "numpy"), Bound(0.015, "QuantLib"))
    return Figure("asian", f"Asian, {PATHS:,} paths of {STEPS} steps", "ms", timings, bounds, facts)
