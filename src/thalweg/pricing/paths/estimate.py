"""Means with standard errors, improved by controls of known mean."""

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thalweg.pricing.paths.simulation import Statistics

    Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean and its standard error."""

    value: float
    error: float


class PathPrice(NamedTuple):
    """A price and derivatives by Monte Carlo, each with its standard error; None where not asked for or not to be had.

    `delta` and `gamma` are to the spot, `vega` per percentage point of the Black-Scholes volatility. `paths` counts the
    mirrored ones. `bias` says what a standard error cannot: what in the simulation is not exact.
    """

    price: Estimate
    delta: Estimate | None
    gamma: Estimate | None
    vega: Estimate | None
    paths: int
    bias: str


def estimate(statistics: "Statistics", samples: "Floats", controls: Sequence[tuple["Floats", float]] = ()) -> Estimate:
    """Return the mean of samples (one a path) less what regression on the controls (samples, known mean) explains.

    Mirrored pairs count as one sample, a Sobol replicate too. The coefficients come from the same samples, which biases
    the mean by less than its error over the root of their number. Source: P. Glasserman, "Monte Carlo Methods in
    Financial Engineering", 2003, section 4.1.
    """
    import numpy as np

    y = _folded(statistics, samples)
    x = [_folded(statistics, values) - mean for values, mean in controls]
    centred = [values - _mean(values) for values in x]
    gram = [[_mean(a * b) for b in centred] for a in centred]
    right = [_mean(values * y) for values in centred]
    for coefficient, values in zip(_solve(gram, right), x, strict=True):
        y = y - coefficient * values
    if statistics.size:
        y = np.array([_mean(part) for part in y.reshape(-1, statistics.size)])
    mean = _mean(y)
    return Estimate(mean, sqrt(_mean((y - mean) ** 2) / (y.size - 1)))


def _folded(statistics: "Statistics", samples: "Floats") -> "Floats":
    return 0.5 * (samples[: statistics.base] + samples[statistics.base :]) if statistics.mirrored else samples


def _mean(values: "Floats") -> float:
    """Return the mean; numpy adds in one order, whatever the processor and the number of threads."""
    return float(values.sum()) / values.size


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve by elimination; what depends on earlier controls (a pivot below 1e-10 of its diagonal) gets zero."""
    rows, size = [[*row, value] for row, value in zip(matrix, right, strict=True)], len(right)
    for i in range(size):
        if not rows[i][i] > 1e-10 * matrix[i][i]:
            rows[i] = [float(i == j) for j in range(size)] + [0.0]
            for row in rows:
                if row is not rows[i]:
                    row[i] = 0.0
            continue
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(size):
            if j != i:
                factor = rows[j][i]
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[-1] for row in rows]
