"""Five thousand positions under fifty scenarios of spot and volatility: the whole matrix of values."""

from typing import Any

import numpy as np

from bench.pricing.european import vectorised
from bench.pricing.options import random_options
from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing.european import black_scholes

POSITIONS, SCENARIOS = 5_000, 50


def measure() -> Figure:
    """Return milliseconds a matrix."""
    o = random_options(POSITIONS, 3)
    moves = np.linspace(0.7, 1.3, SCENARIOS)[:, None]
    shocks = np.tile([0.75, 1.0, 1.25, 1.0, 1.5], 10)[:, None]
    out = {"price": np.empty((SCENARIOS, POSITIONS))}
    matrix = o | {"spot": o["spot"] * moves, "volatility": o["volatility"] * shocks}
    cases: dict[str, Any] = {OURS: lambda: black_scholes(**matrix, outputs=["price"], out=out)}
    special = peer("scipy.special")
    if special:

        def prices() -> Any:
            sign = np.where(o["is_call"], 1.0, -1.0)
            s = matrix["volatility"] * np.sqrt(o["years"])
            d1 = (np.log(matrix["spot"] / o["strike"]) + (o["rate"] - o["dividend"]) * o["years"]) / s + 0.5 * s
            a = matrix["spot"] * np.exp(-o["dividend"] * o["years"])
            b = o["strike"] * np.exp(-o["rate"] * o["years"])
            return sign * (a * special.ndtr(sign * d1) - b * special.ndtr(sign * (d1 - s)))

        cases["numpy"] = prices
        assert np.allclose(prices(), vectorised(special, matrix)[0])
    timings = alternate(cases, 1e3, rounds=21)
    label = f"{POSITIONS:,} positions x {SCENARIOS} scenarios"
    return Figure("scenarios", label, "ms", timings, (Bound(0.35, "numpy"), Bound(5.0)), {})
