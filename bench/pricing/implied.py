"""A million implied volatilities of out-of-the-money quotes."""

from typing import Any

import numpy as np

from bench.pricing.options import random_options
from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing.european import black76
from thalweg.pricing.implied import implied_volatility

COUNT = 1_000_000


def measure() -> Figure:
    """Return nanoseconds a quote."""
    o = random_options(COUNT, 2)
    strike = o["strike"] * o["spot"] / 100.0
    call = strike > o["spot"]
    price = black76(call, o["spot"], strike, o["volatility"], o["years"], outputs=["price"])["price"]
    cases: dict[str, Any] = {OURS: lambda: implied_volatility(call, price, o["spot"], strike, o["years"])}
    found = implied_volatility(call, price, o["spot"], strike, o["years"]).volatility
    facts = {"largest relative error": float(np.nanmax(np.abs(found / o["volatility"] - 1.0)[price > 1e-10]))}
    jaeckel = peer("vanilla_option_pricers.black_scholes")
    if jaeckel:
        import numba

        solve = jaeckel.infer_bsm_implied_vol

        def loop(forwards: Any, strikes: Any, years: Any, prices: Any, calls: Any, out: Any) -> None:
            for i in range(out.size):
                out[i] = solve(forwards[i], years[i], strikes[i], prices[i], 1.0, "C" if calls[i] else "P")

        compiled: Any = numba.njit(loop)
        out = np.empty(COUNT)
        cases["Jaeckel in numba"] = lambda: compiled(o["spot"], strike, o["years"], price, call, out)
    timings = alternate(cases, 1e9 / COUNT)
    bounds = (Bound(0.3, "Jaeckel in numba"),)
    return Figure("implied", f"{COUNT:,} implied volatilities", "ns/quote", timings, bounds, facts)
