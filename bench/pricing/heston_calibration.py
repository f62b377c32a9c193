"""Heston calibrated to 88 quotes, from the same start."""

from typing import Any

import numpy as np

from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing.implied import implied_volatility
from thalweg.pricing.models import Heston
from thalweg.pricing.models.calibration import calibrate
from thalweg.pricing.models.fourier import price_slice
from thalweg.pricing.models.targets import targets_of

TRUE = Heston(0.09, 1.8, 0.12, 0.7, -0.55)
START = Heston(0.15, 3.0, 0.08, 1.0, -0.2)
DAYS = (30, 60, 91, 182, 273, 365, 547, 730)


def quotes() -> list[tuple[int, float, float]]:
    """Return (days, strike, volatility)."""
    found = []
    for days in DAYS:
        years = days / 365
        strikes = 100.0 * np.exp(np.linspace(-1.5, 1.5, 11) * 0.3 * years**0.5)
        price = price_slice(TRUE, strikes > 100.0, 100.0, strikes, years, tolerance=1e-14).price
        volatility = implied_volatility(strikes > 100.0, price, 100.0, strikes, years).volatility
        found += [(days, float(k), float(v)) for k, v in zip(strikes, volatility, strict=True)]
    return found


def quantlib(ql: Any, chain: list[tuple[int, float, float]]) -> Any:
    """Return a calibration by QuantLib's Levenberg-Marquardt, which gives the parameters."""
    today = ql.Date(1, 1, 2026)
    ql.Settings.instance().evaluationDate = today
    flat = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, ql.Actual365Fixed()))
    spot = ql.QuoteHandle(ql.SimpleQuote(100.0))

    def run() -> list[float]:
        model = ql.HestonModel(ql.HestonProcess(flat, flat, spot, *START.values()))
        engine = ql.AnalyticHestonEngine(model, 64)
        helpers = []
        for days, strike, volatility in chain:
            helper = ql.HestonModelHelper(
                ql.Period(days, ql.Days), ql.NullCalendar(), 100.0, strike,
                ql.QuoteHandle(ql.SimpleQuote(volatility)), flat, flat,
            )  # fmt: skip
            helper.setPricingEngine(engine)
            helpers.append(helper)
        model.calibrate(helpers, ql.LevenbergMarquardt(1e-8, 1e-8, 1e-8), ql.EndCriteria(500, 50, 1e-8, 1e-8, 1e-8))
        theta, kappa, sigma, rho, v0 = model.params()
        return [v0, kappa, theta, sigma, rho]

    return run


def measure() -> Figure:
    """Return milliseconds a calibration."""
    chain = quotes()
    days, strikes, volatility = (np.array(column) for column in zip(*chain, strict=True))
    targets = targets_of(days / 365, 100.0, strikes, volatility)
    cases: dict[str, Any] = {OURS: lambda: calibrate(Heston, targets, start=START)}
    facts = {
        "largest relative error of a parameter": float(
            np.abs(calibrate(Heston, targets, start=START).model.values() / np.array(TRUE.values()) - 1).max()
        )
    }
    ql = peer("QuantLib")
    if ql:
        cases["QuantLib LM"] = quantlib(ql, chain)
        facts["QuantLib's"] = float(np.abs(np.array(cases["QuantLib LM"]()) / np.array(TRUE.values()) - 1).max())
    timings = alternate(cases, 1e3, rounds=11)
    return Figure("heston_calibration", "Heston to 88 quotes", "ms", timings, (Bound(0.3, "QuantLib LM"),), facts)
