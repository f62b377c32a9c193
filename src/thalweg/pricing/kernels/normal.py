"""European options under a normal forward (Bachelier), block by block; the outputs are those of `european`.

With s = vol sqrt(T) in price units, d = (F - K)/s, D = e^-rT: price = D (sign (F - K) N(sign d) + s n(d)); computed as
s n(d) (1 - |d| M(|d|)) plus the forward's intrinsic value, M being the Mills ratio. (Haug 2007, section 1.3.1.)
"""

from typing import Any, Final

import numpy as np
from numba import njit, prange, types

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, density, exp, mills, stack_block
from thalweg.pricing.kernels.european import clamp
from thalweg.pricing.kernels.planes import BLOCK, CALLS, OUTS, READ, load, load_signs, store

_D_MAX: Final = 1e8
_block: Final = stack_block(BLOCK)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def values(sign: float, forward: float, strike: float, vol: float, years: float, rate: float) -> Any:
    """Return all twelve outputs; NaN where an input is bad."""
    fine = (vol >= 0.0) & (years >= 0.0) & (abs(forward) + abs(strike) + vol + years + abs(rate) < np.inf)
    discount = exp(-rate * years) if fine else np.nan
    root = np.sqrt(years)
    s = vol * root
    moneyness = forward - strike
    d = clamp(moneyness / s if s > 0.0 else (0.0 if moneyness == 0.0 else np.copysign(_D_MAX, moneyness)))
    x, shape = abs(d), density(d)
    ratio = mills(x)
    outside = s * shape * (1.0 - x * ratio)
    inside = sign * moneyness
    price = discount * ((outside if outside > 0.0 else 0.0) + (inside if inside > 0.0 else 0.0))
    tail = shape * ratio
    delta = sign * discount * (tail if sign * d < 0.0 else 1.0 - tail)
    n = discount * shape if s > 0.0 else 0.0 * discount
    live_s, live_vol = (s if s > 0.0 else 1.0), (vol if vol > 0.0 else 1.0)
    live_years = years if years > 0.0 else 1.0
    gamma, bend = n / live_s, d * d - 1.0
    return (
        price, delta, gamma, n * root, rate * price - 0.5 * n * s / live_years, -years * price, -n * d / live_vol,
        n * root * d * d / live_vol, rate * delta + 0.5 * n * d / live_years, -gamma * d / live_s,
        gamma * bend / live_vol, rate * gamma - 0.5 * gamma * bend / live_years,
    )  # fmt: skip


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, forceinline=True)
def price_block(row, start, count, inputs, call, mask, scales, outs):
    """Price `count` <= BLOCK elements of one row; return how many of them had bad inputs."""
    forward, strike, vol, years, rate, sign = _block(), _block(), _block(), _block(), _block(), _block()
    price, delta, gamma, vega, theta, rho = _block(), _block(), _block(), _block(), _block(), _block()
    vanna, volga, charm, speed, zomma, color = _block(), _block(), _block(), _block(), _block(), _block()
    load(inputs[0], row, start, count, forward)
    load(inputs[1], row, start, count, strike)
    load(inputs[2], row, start, count, vol)
    load(inputs[3], row, start, count, years)
    load(inputs[4], row, start, count, rate)
    load_signs(call, row, start, count, sign)
    for i in range(count):
        (
            price[i], delta[i], gamma[i], vega[i], theta[i], rho[i], vanna[i], volga[i], charm[i], speed[i], zomma[i],
            color[i],
        ) = values(sign[i], forward[i], strike[i], vol[i], years[i], rate[i])  # fmt: skip
    results = price, delta, gamma, vega, theta, rho, vanna, volga, charm, speed, zomma, color
    return store(results, mask, scales, outs, row, start, count)


_SIGNATURE: Final = types.int64(
    types.UniTuple(READ, 5), CALLS, types.int64, types.float64[::1], OUTS, types.int64, types.int64
)


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, parallel=True, cache=True)
def price_parallel(inputs, call, mask, scales, outs, rows, columns):
    """Price planes on all threads; return how many elements had bad inputs."""
    blocks = (columns + BLOCK - 1) // BLOCK
    bad = 0
    for index in prange(rows * blocks):
        row, start = index // blocks, index % blocks * BLOCK
        bad += price_block(row, start, min(BLOCK, columns - start), inputs, call, mask, scales, outs)
    return bad
