"""A million European options: price and five Greeks."""

from typing import Any

import numpy as np

from bench.pricing.options import random_options
from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing.european import FIRST_ORDER, black_scholes

COUNT = 1_000_000
FEW = 2_000  # options a round for peers that loop in Python


def vectorised(special: Any, o: dict[str, Any]) -> tuple[Any, ...]:
    """Price and five Greeks as one writes them with numpy and scipy."""
    sign = np.where(o["is_call"], 1.0, -1.0)
    root = np.sqrt(o["years"])
    s = o["volatility"] * root
    d1 = (np.log(o["spot"] / o["strike"]) + (o["rate"] - o["dividend"]) * o["years"]) / s + 0.5 * s
    d2 = d1 - s
    a, b = o["spot"] * np.exp(-o["dividend"] * o["years"]), o["strike"] * np.exp(-o["rate"] * o["years"])
    n1, n2 = special.ndtr(sign * d1), special.ndtr(sign * d2)
    density = np.exp(-0.5 * d1 * d1) * 0.3989422804014327
    price = sign * (a * n1 - b * n2)
    delta = sign * a / o["spot"] * n1
    gamma = a * density / (o["spot"] ** 2 * s)
    vega = a * density * root * 0.01
    theta = (
        -0.5 * a * density * o["volatility"] / root + sign * (o["dividend"] * a * n1 - o["rate"] * b * n2)
    ) / 365.25
    rho = sign * o["years"] * b * n2 * 0.01
    return price, delta, gamma, vega, theta, rho


def quantlib_loop(ql: Any, o: dict[str, Any]) -> None:
    """Price and Greeks of FEW options, one QuantLib option each."""
    today, day = ql.Date(1, 1, 2026), ql.Actual365Fixed()
    ql.Settings.instance().evaluationDate = today
    for i in range(FEW):
        curves = [ql.YieldTermStructureHandle(ql.FlatForward(today, float(o[x][i]), day)) for x in ("dividend", "rate")]
        surface = ql.BlackVolTermStructureHandle(
            ql.BlackConstantVol(today, ql.NullCalendar(), float(o["volatility"][i]), day)
        )
        process = ql.BlackScholesMertonProcess(
            ql.QuoteHandle(ql.SimpleQuote(float(o["spot"][i]))), curves[0], curves[1], surface
        )
        kind = ql.Option.Call if o["is_call"][i] else ql.Option.Put
        expiry = today + max(1, round(o["years"][i] * 365))
        option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, float(o["strike"][i])), ql.EuropeanExercise(expiry))
        option.setPricingEngine(ql.AnalyticEuropeanEngine(process))
        _ = option.NPV(), option.delta(), option.gamma(), option.vega(), option.theta(), option.rho()


def measure() -> Figure:
    """Return nanoseconds an option."""
    options = random_options(COUNT)
    out = {name: np.empty(COUNT) for name in FIRST_ORDER}
    cases: dict[str, Any] = {OURS: lambda: black_scholes(**options, out=out)}
    facts: dict[str, float] = {}
    special, ql = peer("scipy.special"), peer("QuantLib")
    if special:
        cases["numpy+scipy"] = lambda: vectorised(special, options)
        price = vectorised(special, options)[0]
        facts["largest difference of spot"] = float(np.abs(black_scholes(**options)["price"] - price).max() / 50.0)
    if ql:
        cases["QuantLib objects"] = lambda: quantlib_loop(ql, options)
    timings = alternate(cases, 1e9 / COUNT)
    if ql:
        scale = COUNT / FEW
        timings["QuantLib objects"] = type(timings[OURS])(*(value * scale for value in timings["QuantLib objects"]))
    bounds = (Bound(0.15, "numpy+scipy"), Bound(0.001, "QuantLib objects"))
    return Figure("european", f"{COUNT:,} European options, price + 5 Greeks", "ns/option", timings, bounds, facts)
