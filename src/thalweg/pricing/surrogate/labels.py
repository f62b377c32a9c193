"""The exact prices that surrogates learn and are checked against: simulated calls per unit of forward and deviation.

A label is (price - baseline)/(F s), undiscounted, at a flat forward: what a random variance adds (see `baseline`).
"""

from collections.abc import Callable
from math import exp
from typing import TYPE_CHECKING, Final, NamedTuple

from thalweg.pricing.models.fourier import price_slice
from thalweg.pricing.models.parameters import Bates
from thalweg.pricing.paths.estimate import Estimate, estimate
from thalweg.pricing.paths.payoffs import FIXINGS, WINDOW_YEARS
from thalweg.pricing.paths.simulation import Sampling, Scene, simulate
from thalweg.pricing.surrogate import baseline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEP_MAX: Final = 0.01
BARRIER_STEPS: Final = 48
_AVERAGED: Final = (FIXINGS - 1) * (4 * FIXINGS + 1) / (6.0 * FIXINGS * FIXINGS)
"""By how much of its window an average's variance is that of an earlier price: the mean of the later of two fixings."""


class Label(NamedTuple):
    """A label, its standard error, and its slope in m from the same paths."""

    value: float
    error: float
    slope: float


def twap(point: "Floats", sampling: Sampling) -> Label:
    """Return the label of a call on the mean of the last thirty minutes' fixings."""
    import numpy as np

    model, years = Bates.of(point[:8]), float(point[8])
    fixings = years - WINDOW_YEARS * np.arange(FIXINGS - 1, -1, -1) / FIXINGS
    before = max(1, int(np.ceil(fixings[0] / STEP_MAX)))
    times = np.concatenate([fixings[0] * np.arange(1, before) / before, fixings])
    weights = np.concatenate([np.zeros(before - 1), np.full(FIXINGS, 1.0 / FIXINGS)])
    scene = Scene(1.0, times, np.ones(times.size), weights, np.zeros(times.size, np.bool_))
    paths = simulate(model, scene, sampling, ("average",))

    def price(strike: float) -> Estimate:
        exact = float(price_slice(model, True, 1.0, strike, years, tolerance=1e-8).price)
        controls = [(paths.average, 1.0), (np.maximum(paths.terminal - strike, 0.0), exact)]
        return estimate(paths, np.maximum(paths.average - strike, 0.0), controls)

    return _label("twap", point, price)


def down_out(point: "Floats", sampling: Sampling) -> Label:
    """Return the label of a call that a touch of the barrier below, watched all the time, ends."""
    import numpy as np

    model, years, h = Bates.of(point[:8]), float(point[8]), float(point[10])
    times = years * np.arange(1, BARRIER_STEPS + 1) / BARRIER_STEPS
    scene = Scene(
        1.0, times, np.ones(BARRIER_STEPS), np.zeros(BARRIER_STEPS), np.zeros(BARRIER_STEPS, np.bool_), True,
        exp(h * baseline.deviation(model, years)),
    )  # fmt: skip
    paths = simulate(model, scene, sampling, ("survival",))

    def price(strike: float) -> Estimate:
        exact = float(price_slice(model, True, 1.0, strike, years, tolerance=1e-8).price)
        vanilla = np.maximum(paths.terminal - strike, 0.0)
        return estimate(paths, vanilla * paths.survival, [(paths.terminal, 1.0), (vanilla, exact)])

    return _label("down_out", point, price)


def anchor(name: str, point: "Floats", m: float) -> float:
    """Return the baseline's call on a forward of one, struck at moneyness m, of a surrogate's point."""
    model, years = Bates.of(point[:8]), float(point[8])
    s = baseline.deviation(model, years)
    if name == "twap":
        return baseline.call(model, years - _AVERAGED * WINDOW_YEARS, exp(m * s))
    return baseline.down_out(model, years, exp(m * s), exp(float(point[10]) * s))


def _label(name: str, point: "Floats", price: Callable[[float], Estimate]) -> Label:
    s, m, step = baseline.deviation(Bates.of(point[:8]), float(point[8])), float(point[9]), 0.02
    ends = []
    for moneyness in (m - step, m, m + step):
        found = price(exp(moneyness * s))
        ends.append(((found.value - anchor(name, point, moneyness)) / s, found.error / s))
    return Label(ends[1][0], ends[1][1], (ends[2][0] - ends[0][0]) / (2.0 * step))
