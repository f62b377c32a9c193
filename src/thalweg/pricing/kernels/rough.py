"""Variances of rough models along a block of paths: sums over the whole past, weighted by lag.

- Rough Bergomi: the hybrid scheme with one exact cell (M. Bennedsen, A. Lunde and M. Pakkanen, "Hybrid scheme for
  Brownian semistationary processes", Finance and Stochastics 21, 2017): the newest cell of the kernel is integrated
  together with its Brownian increment, older ones take the kernel at the optimal point. The variance is divided by
  its own mean on the grid, so that it is xi at every step.
- Rough Heston: the hybrid quadratic-exponential scheme (J. Gatheral, "Efficient simulation of affine forward variance
  models", Risk 2022): the variance's mean given the past is a sum over past pushes int sqrt(v) dW; what the newest cell
  adds is split into a part that moves with the push and one apart from it, each drawn with its mean and variance.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, exp, log, normal_cdf
from thalweg.pricing.kernels.draws import LANES

ROUGH_BERGOMI: Final = 3
ROUGH_HESTON: Final = 4
_PSI: Final = 1.5


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_bergomi(p: Any, step: float, sign: float, lags: Any, z: Any, pushes: Any, out: Any) -> None:
    """Fill integrated variances and pushes of each step. Rows of z: increments, then what the newest cell adds.

    lags: row 0 weights by lag, from one cell back; row 1: [share of the increment, deviation apart from it].
    """
    xi, eta, hurst = p[0], p[1], p[3]
    steps = out.shape[0]
    level = eta * np.sqrt(2.0 * hurst)
    root = np.sqrt(step)
    for i in range(LANES):
        out[0, i] = 0.0
    for j in range(1, steps):
        row, newest, apart = out[j], z[j - 1], z[steps + j - 1]
        for i in range(LANES):
            row[i] = lags[1, 0] * newest[i] + lags[1, 1] * apart[i]
        for k in range(1, j):
            weight, past = lags[0, k] * root, z[j - 1 - k]
            for i in range(LANES):
                row[i] += weight * past[i]
    spread, first = 0.0, lags[1, 0] * lags[1, 0] + lags[1, 1] * lags[1, 1]
    for j in range(steps):
        weight = lags[0, max(j - 1, 0)] * root
        spread += 0.0 if j == 0 else (first if j == 1 else weight * weight)
        row, push, noise = out[j], pushes[j], z[j]
        for i in range(LANES):
            row[i] = step * xi * exp(level * sign * row[i] - 0.5 * level * level * spread)
            push[i] = sign * np.sqrt(row[i]) * noise[i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def quadratic_exponential(mean, spread, z):
    """Return a variate >= 0 of this mean and variance from a normal (Andersen 2008); 0 without a positive mean."""
    psi = spread / (mean * mean) if mean > 0.0 else 1.0
    ratio = 2.0 / (psi if 1e-14 < psi <= _PSI else 1.0)
    b2 = ratio - 1.0 + np.sqrt(ratio) * np.sqrt(max(ratio - 1.0, 0.0))
    shifted = np.sqrt(b2) + z
    size = psi if psi > _PSI else 2.0
    p = (size - 1.0) / (size + 1.0)
    drawn = log((1.0 - p) / max(normal_cdf(-z), 1e-300)) * mean / (1.0 - p)
    value = mean / (1.0 + b2) * shifted * shifted if psi > 1e-14 else mean
    value = value if psi <= _PSI else (drawn if drawn > 0.0 else 0.0)
    return value if mean > 0.0 else 0.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_heston(p: Any, step: float, sign: float, lags: Any, z: Any, pushes: Any, out: Any) -> None:
    """Fill integrated variances and pushes of each step. Rows of z: normals that push the price too, then those apart.

    lags: row 0 the forward variance seen from time zero, by step; row 1 the kernel by lag; row 2: [variance of the
    newest cell per unit of variance, its regression on the push]. `out` holds variances until the last loop.
    """
    steps = out.shape[0]
    whole, slope = lags[2, 0], lags[2, 1]
    shared = slope * slope * step  # what of `whole` the push explains
    hurst = p[5]
    now, expected = np.empty(LANES), np.empty(LANES)
    for i in range(LANES):
        now[i] = p[0]
    for j in range(steps):
        for i in range(LANES):
            expected[i] = lags[0, j]
        for k in range(1, j + 1):
            weight, past = lags[1, k], pushes[j - k]
            for i in range(LANES):
                expected[i] += weight * past[i]
        first, second, push, row = z[j], z[steps + j], pushes[j], out[j]
        for i in range(LANES):
            mean = expected[i] if expected[i] > 1e-12 else 1e-12
            level = (mean + 2.0 * hurst * now[i]) / (1.0 + 2.0 * hurst)
            moved = quadratic_exponential(0.5 * mean, level * shared, sign * first[i])
            apart = quadratic_exponential(0.5 * mean, level * (whole - shared), sign * second[i])
            push[i] = (moved - 0.5 * mean) / slope
            row[i] = 0.5 * step * (now[i] + moved + apart)
            now[i] = moved + apart


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def rough_step(rho: float, sign: float, variances: Any, pushes: Any, own: Any, x, var, deviation, normal):
    """Move log prices over a step of given integrated variances and pushes, int sqrt(v) dW."""
    rest = np.sqrt(1.0 - rho * rho)
    for i in range(LANES):
        normal[i] = sign * own[i]
        var[i] = variances[i]
        deviation[i] = rest * np.sqrt(var[i])
        x[i] += rho * pushes[i] - 0.5 * var[i] + deviation[i] * normal[i]
