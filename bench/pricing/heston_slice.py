"""A Heston expiry of fifty strikes to 1e-9."""

from typing import Any

import numpy as np

from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing.models import Bates, Heston
from thalweg.pricing.models.fourier import price_slice

STRIKES = np.linspace(60.0, 160.0, 50)
DAYS = 183
MODEL = Heston(0.04, 1.5, 0.04, 0.5, -0.7)
JUMPS = (0.4, -0.1, 0.15)


def quantlib(ql: Any, jumps: bool) -> dict[str, Any]:
    """Return QuantLib's accurate engines: the fastest is the peer."""
    today, day = ql.Date(1, 1, 2026), ql.Actual365Fixed()
    ql.Settings.instance().evaluationDate = today
    flat = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, day))
    spot = ql.QuoteHandle(ql.SimpleQuote(100.0))
    if jumps:
        process = ql.BatesProcess(flat, flat, spot, *MODEL.values(), *JUMPS)
        model = ql.BatesModel(process)
        engines = {f"QuantLib {n} Laguerre": ql.BatesEngine(model, n) for n in (64, 144)}
    else:
        model = ql.HestonModel(ql.HestonProcess(flat, flat, spot, *MODEL.values()))
        engines = {f"QuantLib {n} Laguerre": ql.AnalyticHestonEngine(model, n) for n in (64, 144)}
        engines["QuantLib exponential fitting"] = ql.ExponentialFittingHestonEngine(model)
    exercise = ql.EuropeanExercise(today + DAYS)
    options = [ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Put, strike), exercise) for strike in STRIKES]

    def run(engine: Any) -> list[float]:
        for option in options:
            option.setPricingEngine(engine)
        return [option.NPV() for option in options]

    return {name: (lambda engine=engine: run(engine)) for name, engine in engines.items()}


def measure() -> list[Figure]:
    """Return microseconds a slice, for Heston and for Bates."""
    ql = peer("QuantLib")
    figures = []
    for name, model in (("heston", MODEL), ("bates", Bates.of((*MODEL.values(), *JUMPS)))):
        cases: dict[str, Any] = {OURS: lambda model=model: price_slice(model, False, 100.0, STRIKES, DAYS / 365)}
        cases["thalweg, all derivatives"] = lambda model=model: price_slice(
            model, False, 100.0, STRIKES, DAYS / 365, detail="parameters"
        )
        engines = quantlib(ql, name == "bates") if ql else {}
        facts = {"error bound": float(cases[OURS]().error.max())}
        accurate = {}
        for engine, run in engines.items():
            miss = float(np.abs(np.array(run()) - cases[OURS]().price).max())
            facts[f"difference to {engine}"] = miss
            if miss <= 1e-9:
                accurate[engine] = run
        timings = alternate(cases | accurate, 1e6, rounds=41)
        best = min((t for t in timings if t.startswith("QuantLib")), key=lambda t: timings[t].best, default=None)
        bounds = (Bound(0.15, best),) if best else ()
        figures.append(Figure(f"{name}_slice", f"{name.title()}, 50 strikes at 1e-9", "us", timings, bounds, facts))
    return figures
