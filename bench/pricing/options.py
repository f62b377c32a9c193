"""The options that are priced: random, over the ranges a crypto chain has."""

from typing import Any

import numpy as np


def random_options(count: int, seed: int = 1) -> dict[str, Any]:
    """Return options of one hour to two years, 5 to 200 % volatility, within four deviations of the money."""
    rng = np.random.default_rng(seed)
    years, volatility = rng.uniform(1 / 8766, 2.0, count), rng.uniform(0.05, 2.0, count)
    reach = np.clip(rng.normal(0.0, 1.2, count), -4.0, 4.0)
    return {
        "is_call": rng.random(count) < 0.5,
        "spot": rng.uniform(50.0, 150.0, count),
        "strike": 100.0 * np.exp(volatility * np.sqrt(years) * reach),
        "volatility": volatility,
        "years": years,
        "rate": rng.uniform(0.0, 0.08, count),
        "dividend": rng.uniform(0.0, 0.05, count),
    }
