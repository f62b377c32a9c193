"""Averages along paths of geometric Brownian motion and their mirrors, in one pass.

ln S_j/F_j is B_j - s^2 t_j/2, the mirror's -B_j - s^2 t_j/2: one exponential's even and odd parts give both prices, and
the sum of w_j B_j both logarithmic averages. Draws, steps and statistics are those of `kernels.paths`, to rounding.
"""

from typing import Final

import numpy as np
from numba import njit, types

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, exp, exp_pair, stack_block
from thalweg.pricing.kernels.draws import LANES, NORMALS
from thalweg.pricing.kernels.philox import normals, philox
from thalweg.pricing.kernels.rows import AVERAGE, AVERAGE_VEGA, LOG_AVERAGE, SCORE, TERMINAL

_WORD: Final = 0xFFFFFFFF
_block: Final = stack_block(LANES)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def draw(k0, k1, path, group, z0, z1, z2, z3):
    """Fill normals of four steps, as `draws.fill_pseudo` does."""
    for i in range(LANES):
        lane = path + i
        w0, w1, w2, w3 = philox(lane & _WORD, group, NORMALS, (lane >> 32) & _WORD, k0, k1)
        z0[i], z1[i] = normals(w0, w1)
        z2[i], z3[i] = normals(w2, w3)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def step(width, weight, level, z, b, logs, up, down):
    """Move B by a step, and add the observed prices to the sums."""
    share = weight * level
    for i in range(LANES):
        moved = b[i] + width * z[i]
        b[i] = moved
        rise, fall = exp_pair(moved)
        logs[i] += weight * moved
        up[i] += share * rise
        down[i] += share * fall


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def step_with_vega(volatility, time, width, weight, level, z, b, logs, up, down, vega_up, vega_down):
    """Do the same, and add the derivatives of the prices in volatility: S (W - s t)."""
    share, drift = weight * level, volatility * time
    for i in range(LANES):
        moved = b[i] + width * z[i]
        b[i] = moved
        rise, fall = exp_pair(moved)
        logs[i] += weight * moved
        rise, fall, walked = share * rise, share * fall, moved / volatility
        up[i] += rise
        down[i] += fall
        vega_up[i] += rise * (walked - drift)
        vega_down[i] -= fall * (walked + drift)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def walk(volatility, times, widths, levels, weights, with_vega, shift, k0, k1, path, mirror, out):
    """Walk a block of paths; write its statistics from the columns `path` and, where not negative, `mirror` on."""
    z0, z1, z2, z3, first = _block(), _block(), _block(), _block(), _block()
    b, logs, up, down, vega_up, vega_down = _block(), _block(), _block(), _block(), _block(), _block()
    for i in range(LANES):
        b[i], logs[i], up[i], down[i], vega_up[i], vega_down[i] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(times.size):
        turn = j & 3
        if turn == 0:
            draw(k0, k1, path, j >> 2, z0, z1, z2, z3)
        if j == 0:
            for i in range(LANES):
                first[i] = z0[i] / widths[0]
        z = z0 if turn == 0 else (z1 if turn == 1 else (z2 if turn == 2 else z3))
        if with_vega:
            step_with_vega(
                volatility, times[j], widths[j], weights[j], levels[j], z, b, logs, up, down, vega_up, vega_down
            )
        else:
            step(widths[j], weights[j], levels[j], z, b, logs, up, down)
    level = levels[times.size - 1]
    for i in range(LANES):
        rise, fall = exp_pair(b[i])
        out[TERMINAL, path + i], out[AVERAGE, path + i] = level * rise, up[i]
        out[LOG_AVERAGE, path + i], out[AVERAGE_VEGA, path + i] = shift + logs[i], vega_up[i]
        out[SCORE, path + i] = first[i]
        if mirror >= 0:
            out[TERMINAL, mirror + i], out[AVERAGE, mirror + i] = level * fall, down[i]
            out[LOG_AVERAGE, mirror + i], out[AVERAGE_VEGA, mirror + i] = shift - logs[i], vega_down[i]
            out[SCORE, mirror + i] = -first[i]


_FLOATS: Final = types.float64[::1]
_SIGNATURE: Final = types.void(
    types.float64, _FLOATS, _FLOATS, _FLOATS, types.boolean, types.int64, types.boolean, types.int64, types.int64,
    types.int64, types.float64[:, ::1],
)  # fmt: skip


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, cache=True)
def simulate(
    volatility, times, log_forwards, weights, with_vega, seed, antithetic, first_block, last_block, mirror, out
):
    """Fill terminal, average, log_average, score (and average_vega) of blocks; arguments as in `paths.simulate`."""
    steps = times.size
    widths, levels = np.empty(steps), np.empty(steps)
    shift, before = 0.0, 0.0
    for j in range(steps):
        logarithm = log_forwards[j] - 0.5 * volatility * volatility * times[j]
        widths[j], levels[j] = volatility * np.sqrt(times[j] - before), exp(logarithm)
        shift += weights[j] * logarithm
        before = times[j]
    k0, k1 = seed & _WORD, (seed >> 32) & _WORD
    for index in range(first_block, last_block):
        path = index * LANES
        walk(
            volatility, times, widths, levels, weights, with_vega, shift, k0, k1, path,
            path + mirror if antithetic else -1, out,
        )  # fmt: skip
