"""Normals of a block of paths, dimension by dimension: pseudo-random or a Sobol sequence.

Sobol points are x_i = XOR of the direction numbers of i's bits (P. Bratley and B. Fox, ACM TOMS 14, 1988), moved by one
random digital shift a dimension, so that an average over independent shifts has no bias and a standard error. Normals
come by the inverse distribution function. For Brownian motion the first dimensions are spent on its coarsest features:
`bridge` (B. Moskowitz and R. Caflisch, Mathematical and Computer Modelling 23, 1996).
"""

from typing import Any, Final

import numpy as np
from numba import njit

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, exp, log
from thalweg.pricing.kernels.philox import normal_of, normals, philox, uniform

LANES: Final = 64
NORMALS: Final = 0  # streams of counters: what draws are for
JUMPS: Final = 1
TIMES: Final = 2
EXTREMES: Final = 3
SHIFTS: Final = 4
_WORD: Final = 0xFFFFFFFF


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_pseudo(seed: int, first: int, dimensions: int, z: Any) -> None:
    """Fill z (dimensions x lanes) with normals of the paths from `first` on: four dimensions a counter."""
    k0, k1 = seed & _WORD, (seed >> 32) & _WORD
    for group in range(0, dimensions, 4):
        r0, r1, r2, r3 = z[group], z[group + 1], z[group + 2], z[group + 3]
        for i in range(LANES):
            path = first + i
            w0, w1, w2, w3 = philox(path & _WORD, group >> 2, NORMALS, (path >> 32) & _WORD, k0, k1)
            r0[i], r1[i] = normals(w0, w1)
            r2[i], r3[i] = normals(w2, w3)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_sobol(seed: int, first: int, size: int, dimensions: int, directions: Any, z: Any) -> None:
    """Fill z with normals of the points from `first` on: replicates of `size` points, each with its own shift."""
    k0, k1 = seed & _WORD, (seed >> 32) & _WORD
    replicate, start = first // size, first % size
    bits = directions.shape[1]
    for d in range(dimensions):
        shift, _, _, _ = philox(replicate, d, SHIFTS, 0, k0, k1)
        row = z[d]
        for i in range(LANES):
            index, word = start + i, shift
            for b in range(bits):
                word ^= -((index >> b) & 1) & directions[d, b]
            row[i] = normal_of(uniform(word))


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def bridge(order: Any, left: Any, right: Any, lean: Any, spread: Any, roots: Any, z: Any, w: Any) -> None:
    """Turn normals z into a Brownian motion's normalised increments, in place; w is of the same shape.

    Step k fixes time order[k] from those at left[k] and right[k] (-1: time zero) with weights 1 - lean, lean, and
    deviation spread[k]; roots are the square roots of the time steps.
    """
    steps = order.size
    for k in range(steps):
        at, a, b = order[k], left[k], right[k]
        share, width = lean[k], spread[k]
        for i in range(LANES):
            low = w[a, i] if a >= 0 else 0.0
            high = w[b, i] if b >= 0 else 0.0
            w[at, i] = (1.0 - share) * low + share * high + width * z[k, i]
    for j in range(steps):
        for i in range(LANES):
            before = w[j - 1, i] if j else 0.0
            z[j, i] = (w[j, i] - before) / roots[j]


@njit(error_model="numpy")
def gamma(shape: float, path: int, step: int, k0: int, k1: int) -> float:
    """Return a gamma variate of unit scale (G. Marsaglia and W. Tsang, ACM TOMS 26, 2000), by its own counters."""
    boosted = shape + 1.0 if shape < 1.0 else shape
    d = boosted - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    attempt = 0
    while True:
        w0, w1, w2, w3 = philox(path & _WORD, step, TIMES + 16 * attempt, (path >> 32) & _WORD, k0, k1)
        x, _ = normals(w0, w1)
        t = 1.0 + c * x
        cube = t * t * t
        if t > 0.0 and log(uniform(w2)) < 0.5 * x * x + d - d * cube + d * log(cube):
            small = exp(log(uniform(w3)) / shape) if shape < 1.0 else 1.0
            return d * cube * small
        attempt += 1
