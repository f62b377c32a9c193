"""Paths of the models, block by block, and what payoffs need to know about each.

A path is x_j = ln(S_j/F_j) at increasing times. Per step:

- Brownian motion, lognormal and double exponential jumps: exact at any step; jumps fall at their own random times and
  show at the end of the step they fall into.
- Variance gamma: exact, from gamma variates.
- Heston and Bates: the quadratic-exponential scheme with the martingale correction (L. Andersen, "Simple and efficient
  simulation of the Heston stochastic volatility model", J. Computational Finance 11, 2008), central weights.
- Rough models: on equal steps; see `kernels.rough`.

Between two observed points of a diffusion its extremes follow the Brownian bridge with the step's mean variance, its
probability to have touched a barrier is exp(-2 (b - x0)(b - x1)/variance). The score is the derivative of the log
density in ln S_0, from the first step's normal (M. Broadie and P. Glasserman, Management Science 42, 1996).

A path's draws depend on its number and the seed only: results are the same on any number of threads.
"""

from typing import Final

import numpy as np
from numba import njit, types

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, exp, log, normal_cdf, stack_block
from thalweg.pricing.kernels.characteristic import BLACK_SCHOLES, HESTON, NO_JUMPS, VARIANCE_GAMMA
from thalweg.pricing.kernels.draws import EXTREMES, LANES, bridge, fill_pseudo, fill_sobol
from thalweg.pricing.kernels.jumps import compensation, fill_gammas, fill_jumps
from thalweg.pricing.kernels.philox import philox, uniform
from thalweg.pricing.kernels.rough import ROUGH_BERGOMI, ROUGH_HESTON, fill_bergomi, rough_step
from thalweg.pricing.kernels.rough import fill_heston as fill_rough_heston
from thalweg.pricing.kernels.rows import (
    AVERAGE,
    AVERAGE_VEGA,
    BARRIER_SCORE,
    LOG_AVERAGE,
    MAXIMUM,
    MINIMUM,
    SCORE,
    SURVIVAL,
    TERMINAL,
    VEGA_SCORE,
)

_WORD: Final = 0xFFFFFFFF
_PSI: Final = 1.5
_block: Final = stack_block(LANES)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def heston_step(x, v, zv, zx, kappa, theta, sigma, rho, step, decay, held):
    """Return x, v and the diffusion's deviation after a step; decay = e^(-kappa step), held = (1 - decay)/kappa."""
    mean = theta + (v - theta) * decay
    spread = sigma * sigma * held * (v * decay + 0.5 * theta * (1.0 - decay))
    psi = spread / (mean * mean) if mean > 0.0 else 1.0
    tilt = rho / sigma
    half = 0.5 * step * (kappa * tilt - 0.5)
    k1, k2 = half - tilt, half + tilt
    k3 = 0.5 * step * (1.0 - rho * rho)
    lean = k2 + 0.5 * k3
    # quadratic: a (b + z)^2
    quadratic = psi <= _PSI
    ratio = 2.0 / (psi if quadratic and psi > 1e-14 else (1e-14 if quadratic else 1.0))
    b2 = ratio - 1.0 + np.sqrt(ratio) * np.sqrt(max(ratio - 1.0, 0.0))
    a = mean / (1.0 + b2)
    shifted = np.sqrt(b2) + zv
    room = 1.0 - 2.0 * lean * a
    safe = room if room > 1e-3 else 1.0
    correction = -lean * b2 * a / safe + 0.5 * log(safe)
    # exponential: zero with probability p
    size = psi if not quadratic else 2.0
    p = (size - 1.0) / (size + 1.0)
    beta = (1.0 - p) / (mean if mean > 0.0 else 1.0)
    tail = normal_cdf(-zv)
    drawn = log((1.0 - p) / max(tail, 1e-300)) / beta
    free = beta - lean
    safe_free = free if free > 1e-3 * beta else beta
    correction_far = -log(p + beta * (1.0 - p) / safe_free)
    next_v = a * shifted * shifted if quadratic else (drawn if drawn > 0.0 else 0.0)
    next_v = next_v if mean > 0.0 else 0.0
    exact = (room > 1e-3) if quadratic else (free > 1e-3 * beta)
    plain = -rho * kappa * theta * step / sigma
    k0 = (correction if quadratic else correction_far) - (k1 + 0.5 * k3) * v
    k0 = k0 if exact and mean > 0.0 else plain
    deviation = np.sqrt(k3 * (v + next_v))
    return x + k0 + k1 * v + k2 * next_v + deviation * zx, next_v, deviation


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def advance(diffusion, p, j, step, sign, z, lanes_gamma, variances, pushes, x, v, var, deviation, normal):
    """Move a block of paths over step j: x and v; fill the diffusion's variance, its deviation and its normal."""
    if diffusion == HESTON:
        kappa, theta, sigma, rho = p[1], p[2], max(p[3], 1e-4), p[4]
        decay = exp(-kappa * step)
        held = (1.0 - decay) / kappa if kappa * step > 1e-9 else step
        zv, zx = z[2 * j], z[2 * j + 1]
        for i in range(LANES):
            before = v[i]
            x[i], v[i], deviation[i] = heston_step(
                x[i], v[i], sign * zv[i], sign * zx[i], kappa, theta, sigma, rho, step, decay, held
            )
            var[i] = 0.5 * (before + v[i]) * step
            normal[i] = sign * zx[i]
        return
    if diffusion in (ROUGH_BERGOMI, ROUGH_HESTON):
        steps = variances.shape[0]
        rho = p[2] if diffusion == ROUGH_BERGOMI else p[4]
        rough_step(rho, sign, variances[j], pushes[j], z[2 * steps + j], x, var, deviation, normal)
        return
    row = z[j]
    if diffusion == BLACK_SCHOLES:
        width = p[0] * np.sqrt(step)
        drift = -0.5 * width * width
        for i in range(LANES):
            normal[i] = sign * row[i]
            x[i] += drift + width * normal[i]
            deviation[i] = width
            var[i] = width * width
        return
    sigma, nu, theta = p[0], p[1], p[2]
    drift = step / nu * log(1.0 - theta * nu - 0.5 * sigma * sigma * nu)
    for i in range(LANES):
        time = nu * lanes_gamma[j, i]
        deviation[i] = sigma * np.sqrt(time)
        normal[i] = sign * row[i]
        x[i] += drift + theta * time + deviation[i] * normal[i]
        var[i] = 0.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def survive(before, after, var, level, sign):
    """Return the probability that a bridge has not touched the level; sign +1: it lies above."""
    a, b = sign * (level - before), sign * (level - after)
    alive = (a > 0.0) and (b > 0.0)
    kept = 1.0 - exp(-2.0 * a * b / var) if var > 0.0 else 1.0
    return kept if alive else 0.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def watch_barriers(continuous, watched, log_forward, low, high, x, start, end, var, alive):
    """Update survival over a step: from `start` by diffusion to `end`, then by a jump to x."""
    if continuous:
        for i in range(LANES):
            alive[i] *= survive(start[i], end[i], var[i], high, 1.0) * survive(start[i], end[i], var[i], low, -1.0)
    if watched or continuous:
        for i in range(LANES):
            level = x[i] + log_forward
            alive[i] = alive[i] if low < level < high else 0.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def watch_extremes(j, continuous, watched, log_forward, x, start, end, var, uniforms, top, bottom):
    """Update the extremes over step j: from `start` by diffusion to `end`, then by a jump to x."""
    if continuous:
        for i in range(LANES):
            middle, gap = 0.5 * (start[i] + end[i]), 0.25 * (end[i] - start[i]) * (end[i] - start[i])
            reach = np.sqrt(gap - 0.5 * var[i] * log(uniforms[2 * j, i]))
            top[i] = max(top[i], middle + reach)
            reach = np.sqrt(gap - 0.5 * var[i] * log(uniforms[2 * j + 1, i]))
            bottom[i] = min(bottom[i], middle - reach)
    if watched or continuous:
        for i in range(LANES):
            level = x[i] + log_forward
            top[i] = max(top[i], level)
            bottom[i] = min(bottom[i], level)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def begin_score(continuous, low, high, start, end, var, deviation, normal, score, bridged):
    """Set the score of the first step, and the derivative in ln S_0 of the log probability not to touch a barrier."""
    for i in range(LANES):
        score[i] = normal[i] / deviation[i] if deviation[i] > 0.0 else 0.0
        above, below = high - end[i], end[i] - low
        up = exp(-2.0 * (high - start[i]) * above / var[i]) if continuous and high < np.inf else 0.0
        down = exp(-2.0 * (start[i] - low) * below / var[i]) if continuous and low > -np.inf else 0.0
        bridged[i] = 0.0
        if 0.0 < up < 1.0:
            bridged[i] -= 2.0 * above / var[i] * up / (1.0 - up)
        if 0.0 < down < 1.0:
            bridged[i] += 2.0 * below / var[i] * down / (1.0 - down)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def add_vegas(volatility, step, normal, walked, vega_score):
    """Add a step of Black-Scholes to d ln S/d sigma and to the score in sigma."""
    root = np.sqrt(step)
    for i in range(LANES):
        walked[i] += root * normal[i] - volatility * step
        vega_score[i] += (normal[i] * normal[i] - 1.0) / volatility - root * normal[i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def add_averages(wanted, weight, log_forward, x, walked, average, logs, vega):
    """Add an observed price to the averages."""
    if wanted & ((1 << AVERAGE) | (1 << AVERAGE_VEGA)):
        for i in range(LANES):
            level = weight * exp(x[i] + log_forward)
            average[i] += level
            vega[i] += level * walked[i]
    if wanted & (1 << LOG_AVERAGE):
        for i in range(LANES):
            logs[i] += weight * (x[i] + log_forward)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def write(row, block, place, out):
    """Write a block to its columns of a row."""
    for i in range(LANES):
        out[row, place + i] = block[i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def move(
    diffusion, jumps, p, j, step, rate, sign, shift, after, z, gammas, dropped, variances, pushes, x, v, var, deviation,
    normal, start, end,
):  # fmt: skip
    """Move a block over step j: diffusion from `start` to `end` (log prices), then the step's jumps."""
    for i in range(LANES):
        start[i] = x[i] + shift
    advance(diffusion, p, j, step, sign, z, gammas, variances, pushes, x, v, var, deviation, normal)
    for i in range(LANES):
        x[i] += rate * step
        end[i] = x[i] + after
    if jumps != NO_JUMPS:
        for i in range(LANES):
            x[i] += dropped[j, i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def run_block(
    diffusion, jumps, p, rate, sign, times, log_forwards, weights, watched, continuous, low, high, log_spot,
    wanted, z, dropped, gammas, uniforms, variances, pushes, out, place,
):  # fmt: skip
    """Walk a block of paths through all steps; write its statistics to the columns from `place` on."""
    x, v, var, deviation, normal = _block(), _block(), _block(), _block(), _block()
    start, end, average, logs, top, bottom = _block(), _block(), _block(), _block(), _block(), _block()
    alive, score, bridged, vega, vega_score, walked = _block(), _block(), _block(), _block(), _block(), _block()
    for i in range(LANES):
        x[i], v[i], average[i], logs[i], alive[i], bridged[i] = 0.0, p[0], 0.0, 0.0, 1.0, 0.0
        top[i], bottom[i], score[i], vega[i], vega_score[i], walked[i] = log_spot, log_spot, 0.0, 0.0, 0.0, 0.0
    before, shift = 0.0, log_spot
    for j in range(times.size):
        step, after = times[j] - before, log_forwards[j]
        move(
            diffusion, jumps, p, j, step, rate, sign, shift, after, z, gammas, dropped, variances, pushes, x, v, var,
            deviation, normal, start, end,
        )  # fmt: skip
        if wanted & (1 << SURVIVAL):
            watch_barriers(continuous, watched[j], after, low, high, x, start, end, var, alive)
        if wanted & ((1 << MAXIMUM) | (1 << MINIMUM)):
            watch_extremes(j, continuous, watched[j], after, x, start, end, var, uniforms, top, bottom)
        if j == 0 and wanted & (1 << SCORE):
            begin_score(continuous, low, high, start, end, var, deviation, normal, score, bridged)
        if wanted & ((1 << AVERAGE_VEGA) | (1 << VEGA_SCORE)):
            add_vegas(p[0], step, normal, walked, vega_score)
        if weights[j] != 0.0:
            add_averages(wanted, weights[j], after, x, walked, average, logs, vega)
        before, shift = times[j], after
    for i in range(LANES):
        x[i], top[i], bottom[i] = exp(x[i] + shift), exp(top[i]), exp(bottom[i])
    write(TERMINAL, x, place, out)
    write(AVERAGE, average, place, out)
    write(LOG_AVERAGE, logs, place, out)
    write(MAXIMUM, top, place, out)
    write(MINIMUM, bottom, place, out)
    write(SURVIVAL, alive, place, out)
    write(SCORE, score, place, out)
    write(BARRIER_SCORE, bridged, place, out)
    write(AVERAGE_VEGA, vega, place, out)
    write(VEGA_SCORE, vega_score, place, out)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_extremes(seed, path, steps, out):
    """Fill uniforms for the bridges' extremes: rows 2j and 2j + 1 for step j."""
    k0, k1 = seed & _WORD, (seed >> 32) & _WORD
    for j in range(steps):
        above, below = out[2 * j], out[2 * j + 1]
        for i in range(LANES):
            lane = path + i
            w0, w1, _, _ = philox(lane & _WORD, j, EXTREMES, (lane >> 32) & _WORD, k0, k1)
            above[i], below[i] = uniform(w0), uniform(w1)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def fill_variances(diffusion, p, step, sign, lags, z, pushes, out):
    """Fill the integrated variances and the pushes of a rough model, by steps of one length."""
    if diffusion == ROUGH_BERGOMI:
        fill_bergomi(p, step, sign, lags, z, pushes, out)
    else:
        fill_rough_heston(p, step, sign, lags, z, pushes, out)


@njit
def width(diffusion: int) -> int:
    """Return how many normals a step takes."""
    if diffusion in (ROUGH_BERGOMI, ROUGH_HESTON):
        return 3
    return 2 if diffusion == HESTON else 1


_FLOATS: Final = types.float64[::1]
_INTS: Final = types.int64[::1]
_SIGNATURE: Final = types.void(
    types.int64, types.int64, _FLOATS, _FLOATS, _FLOATS, _FLOATS, types.boolean[::1], types.boolean, types.float64,
    types.float64, types.float64, types.int64, types.int64, types.boolean, types.int64, types.int64[:, ::1],
    types.Tuple((_INTS, _INTS, _INTS, _FLOATS, _FLOATS, _FLOATS)), types.float64[:, ::1], types.int64, types.int64,
    types.int64,
    types.float64[:, ::1],
)  # fmt: skip


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, cache=True)
def simulate(
    diffusion, jumps, p, times, log_forwards, weights, watched, continuous, log_low, log_high, log_spot, wanted, seed,
    antithetic, size, directions, plan, lags, first_block, last_block, mirror, out,
):  # fmt: skip
    """Fill the columns of blocks first_block..last_block of the statistics; mirrored paths `mirror` columns further.

    `size` is 0 for pseudo-random paths, or the number of points of a Sobol replicate, a multiple of the block; `plan`
    says how to build Brownian motion from Sobol normals (empty: step by step).
    """
    steps = times.size
    dimensions = width(diffusion) * steps
    rough = diffusion in (ROUGH_BERGOMI, ROUGH_HESTON)
    rate, first = compensation(diffusion, jumps, p)
    pure = diffusion == VARIANCE_GAMMA
    bounds = continuous and (wanted & ((1 << MAXIMUM) | (1 << MINIMUM))) != 0
    z = np.empty(((dimensions + 3) // 4 * 4, LANES))
    w = np.empty((max(plan[0].size, 1), LANES))
    dropped = np.zeros((steps if jumps != NO_JUMPS else 1, LANES))
    gammas = np.empty((steps if pure else 1, LANES))
    uniforms = np.empty((2 * steps if bounds else 1, LANES))
    variances = np.empty((steps if rough else 1, LANES))
    pushes = np.empty((steps if rough else 1, LANES))
    for index in range(first_block, last_block):
        path = index * LANES
        if size:
            fill_sobol(seed, path, size, dimensions, directions, z)
            if plan[0].size:
                bridge(plan[0], plan[1], plan[2], plan[3], plan[4], plan[5], z, w)
        else:
            fill_pseudo(seed, path, dimensions, z)
        if jumps != NO_JUMPS:
            fill_jumps(seed, path, jumps, p, first, times, dropped)
        if pure:
            fill_gammas(seed, path, p[1], times, gammas)
        if bounds:
            fill_extremes(seed, path, steps, uniforms)
        for mirrored in range(2 if antithetic else 1):
            if rough:
                fill_variances(diffusion, p, times[0], 1.0 - 2.0 * mirrored, lags, z, pushes, variances)
            run_block(
                diffusion, jumps, p, rate, 1.0 - 2.0 * mirrored, times, log_forwards, weights, watched,
                continuous, log_low, log_high, log_spot, wanted, z, dropped, gammas, uniforms, variances, pushes,
                out, path + mirrored * mirror,
            )  # fmt: skip
