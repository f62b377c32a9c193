"""Jumps and gamma time of a block of paths, path by path from their own counters."""

from typing import Any, Final

from numba import njit

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, exp, log
from thalweg.pricing.kernels.characteristic import BLACK_SCHOLES, HESTON, LOGNORMAL, NO_JUMPS
from thalweg.pricing.kernels.draws import JUMPS, LANES, gamma
from thalweg.pricing.kernels.philox import normals, philox, uniform

_WORD: Final = 0xFFFFFFFF
_JUMPS_MAX: Final = 1000


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def compensation(diffusion, jumps, p):
    """Return how much x drifts a year against its jumps, and where their parameters begin."""
    first = 5 if diffusion == HESTON else (1 if diffusion == BLACK_SCHOLES else 3)
    if jumps == NO_JUMPS:
        return 0.0, first
    if jumps == LOGNORMAL:
        return -p[first] * (exp(p[first + 1] + 0.5 * p[first + 2] * p[first + 2]) - 1.0), first
    share, up, down = p[first + 1], p[first + 2], p[first + 3]
    return -p[first] * (share * up / (up - 1.0) + (1.0 - share) * down / (down + 1.0) - 1.0), first


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def drop_jumps(jumps: int, p: Any, first: int, times: Any, path: int, k0: int, k1: int, lane: int, out: Any) -> None:
    """Add a path's jumps to the steps (rows of `out`) they fall into."""
    horizon = times[times.size - 1]
    rate = p[first] * horizon
    high, index = (path >> 32) & _WORD, path & _WORD
    left, count, floor = 1.0, -1, exp(-rate)
    while left > floor and count < _JUMPS_MAX:  # as many as products of uniforms stay above e^-rate
        count += 1
        w0, w1, w2, w3 = philox(index, count, JUMPS, high, k0, k1)
        left *= uniform(w0)
        if left <= floor:
            break
        at, step = uniform(w1) * horizon, 0
        while times[step] < at:
            step += 1
        if jumps == LOGNORMAL:
            normal, _ = normals(w2, w3)
            out[step, lane] += p[first + 1] + p[first + 2] * normal
        else:
            size = -log(uniform(w2))
            out[step, lane] += size / p[first + 2] if uniform(w3) < p[first + 1] else -size / p[first + 3]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_jumps(seed, path, jumps, p, first, times, out):
    """Fill the sums of jumps of each step."""
    k0, k1 = seed & _WORD, (seed >> 32) & _WORD
    for j in range(times.size):
        for i in range(LANES):
            out[j, i] = 0.0
    for i in range(LANES):
        drop_jumps(jumps, p, first, times, path + i, k0, k1, i, out)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_gammas(seed, path, nu, times, out):
    """Fill the gamma variates of each step, of unit scale."""
    k0, k1 = seed & _WORD, (seed >> 32) & _WORD
    before = 0.0
    for j in range(times.size):
        for i in range(LANES):
            out[j, i] = gamma((times[j] - before) / nu, path + i, j, k0, k1)
        before = times[j]
