"""American puts in bulk to 1e-6."""

from typing import Any

import numpy as np

from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing.american import american

COUNT = 4_000
PEER_COUNT = 100
STRIKE = 100.0


def book(count: int) -> dict[str, Any]:
    """Return random terms; times are whole days, which QuantLib needs."""
    rng = np.random.default_rng(3)
    return {
        "spot": rng.uniform(80.0, 125.0, count), "volatility": rng.uniform(0.15, 0.8, count),
        "years": rng.integers(8, 1000, count) / 365.0, "rate": rng.uniform(0.005, 0.1, count),
        "dividend": rng.uniform(0.0, 0.1, count),
    }  # fmt: skip


def quantlib(ql: Any, terms: dict[str, Any], scheme: str) -> Any:
    """Return what prices the first of them with one of QuantLib's schemes of the same method."""
    today, day = ql.Date(1, 1, 2026), ql.Actual365Fixed()
    ql.Settings.instance().evaluationDate = today
    options = []
    for i in range(PEER_COUNT):
        process = ql.BlackScholesMertonProcess(
            ql.QuoteHandle(ql.SimpleQuote(float(terms["spot"][i]))),
            *(
                ql.YieldTermStructureHandle(ql.FlatForward(today, float(terms[name][i]), day))
                for name in ("dividend", "rate")
            ),
            ql.BlackVolTermStructureHandle(
                ql.BlackConstantVol(today, ql.NullCalendar(), float(terms["volatility"][i]), day)
            ),
        )
        exercise = ql.AmericanExercise(today, today + round(365 * terms["years"][i]))
        option = ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Put, STRIKE), exercise)
        engine = ql.QdFpAmericanEngine(process, getattr(ql.QdFpAmericanEngine, scheme)())
        options.append((option, engine))

    def run() -> list[float]:
        for option, engine in options:
            option.setPricingEngine(engine)
        return [option.NPV() for option, _ in options]

    return run


def measure() -> Figure:
    """Return microseconds an option."""
    terms = book(COUNT)
    cases: dict[str, Any] = {
        OURS: lambda: american(False, strike=STRIKE, **terms, outputs=("price",)),
        "thalweg, all sensitivities": lambda: american(False, strike=STRIKE, **terms, outputs=("price", "vega")),
    }
    timings = alternate(cases, 1e6 / COUNT, rounds=7)
    facts: dict[str, float] = {}
    ql = peer("QuantLib")
    if ql:
        schemes = {"QuantLib fast": "fastScheme", "QuantLib accurate": "accurateScheme"}
        peers = {name: quantlib(ql, terms, scheme) for name, scheme in schemes.items()}
        timings |= alternate(peers, 1e6 / PEER_COUNT, rounds=5)
        exact = np.array(quantlib(ql, terms, "highPrecisionScheme")())
        facts["greatest error of ours"] = float(np.abs(cases[OURS]()["price"][:PEER_COUNT] - exact).max())
        for name, run in peers.items():
            facts[f"greatest error of {name}"] = float(np.abs(np.array(run()) - exact).max())
    return Figure("american", "American put to 1e-6, in bulk", "us", timings, (Bound(20.0),), facts)
