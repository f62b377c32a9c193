"""European options under lognormal dynamics: price and eleven sensitivities, block by block.

With A = S e^(-qT), B = K e^(-rT), s = v sqrt(T), d1 = (ln(S/K) + (r-q)T)/s + s/2, d2 = d1 - s, sign = +1 for a call:

    price = sign (A N(sign d1) - B N(sign d2))

(Black and Scholes, JPE 81, 1973; Merton, Bell Journal 4, 1973; sensitivities: Haug, "The Complete Guide to Option
Pricing Formulas", 2nd ed. 2007, chapter 2.) The out-of-the-money price is computed and the forward's intrinsic value
added, so that small prices keep their digits: with g = A n(d1) = B n(d2) and Mills ratios M1, M2 of |d1|, |d2| it is
g |M1 - M2| where d1 and d2 have one sign, and min(A, B) - g (M1 + M2) where not. g comes from the smaller of |d1|,
|d2|, where the exponential is more precise.
"""

from typing import Any, Final

import numpy as np
from numba import njit, prange, types

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, exp, log_ratio, mills, stack_block
from thalweg.pricing.kernels.planes import BLOCK, CALLS, OUTS, READ, load, load_signs, store

_D_MAX: Final = 1e8
_INVERSE_ROOT_TWO_PI: Final = 0.3989422804014327
_block: Final = stack_block(BLOCK)


@njit(forceinline=True)
def _eight() -> Any:
    return _block(), _block(), _block(), _block(), _block(), _block(), _block(), _block()


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def clamp(d: float) -> float:
    """Keep d finite: where it is that large, N(d) is 0 or 1 and n(d) is 0."""
    low = d if d > -_D_MAX else -_D_MAX
    return low if low < _D_MAX else _D_MAX


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def forwards(inverse: bool, spot: float, strike: float, vol: float, years: float, rate: float, dividend: float) -> Any:
    """Return A, B and e^-qT; NaN where an input is bad."""
    fine = ((spot > 0.0) | ((spot == 0.0) & (not inverse))) & (strike >= 0.0) & (vol >= 0.0) & (years >= 0.0)
    fine = fine & (spot + strike + vol + years + abs(rate) + abs(dividend) < np.inf)
    discount = exp(-dividend * years) if fine else np.nan
    return spot * discount, (strike * exp(-rate * years) if fine else np.nan), discount


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def deviations(spot: float, strike: float, s: float, drift: float) -> Any:
    """Return d1 and d2, finite. Without deviation they are beyond all bounds, or 0 at the money."""
    k = log_ratio(spot, strike) + drift
    dead = 0.0 if k == 0.0 else np.copysign(_D_MAX, k)
    centre = k / s if s > 0.0 else dead
    return clamp(centre + 0.5 * s), clamp(centre - 0.5 * s)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def common_density(a: float, b: float, d1: float, d2: float) -> float:
    """Return g = A n(d1) = B n(d2)."""
    x1, x2 = abs(d1), abs(d2)
    near = x1 if x1 < x2 else x2
    return (a if x1 < x2 else b) * (_INVERSE_ROOT_TWO_PI * exp(-0.5 * near * near))


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def values(sign: float, a: float, b: float, g: float, d1: float, d2: float, m1: float, m2: float) -> Any:
    """Return the price, N(sign d1) and N(sign d2)."""
    least = a if a < b else b
    outside = least - g * (m1 + m2) if d1 * d2 <= 0.0 else g * abs(m1 - m2)
    inside = sign * (a - b)
    price = (outside if outside > 0.0 else 0.0) + (inside if inside > 0.0 else 0.0)
    tail1 = g * m1 / a if a > 0.0 else 0.0
    tail2 = g * m2 / b if b > 0.0 else 0.0
    n1 = tail1 if sign * d1 < 0.0 else 1.0 - tail1
    n2 = tail2 if sign * d2 < 0.0 else 1.0 - tail2
    return (price if a == a else a), n1, n2


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def first_five(
    inverse: bool, futures: bool, sign: float, spot: float, years: float, rate: float, dividend: float, price: float,
    a: float, b: float, discount: float, g: float, n1: float, n2: float, s: float, root: float,
) -> Any:  # fmt: skip
    """Return delta, gamma, vega, theta (per year that passes) and rho: plain derivatives.

    Inverse: derivatives of U = price / spot, by Leibniz's rule on U spot = price.
    """
    live_spot = spot if spot > 0.0 else 1.0
    live_years = years if years > 0.0 else 1.0
    delta = sign * discount * n1
    gamma = g / (live_spot * live_spot * s)
    vega = g * root
    theta = sign * (dividend * a * n1 - rate * b * n2) - 0.5 * g * s / live_years
    rho = -years * price if futures else sign * years * b * n2
    if inverse:
        delta = (delta - price / spot) / spot
        gamma = (gamma - 2.0 * delta) / spot
        vega, theta, rho = vega / spot, theta / spot, rho / spot
    return delta, gamma, vega, theta, rho


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def last_six(
    inverse: bool, sign: float, spot: float, vol: float, years: float, rate: float, dividend: float, discount: float,
    g: float, n1: float, d1: float, d2: float, s: float, root: float, gamma: float, vega: float, theta: float,
) -> Any:  # fmt: skip
    """Return vanna, volga, charm, speed, zomma and color; gamma, vega and theta are what `first_five` returned."""
    live_spot = spot if spot > 0.0 else 1.0
    live_years = years if years > 0.0 else 1.0
    live_vol = vol if vol > 0.0 else 1.0
    drift, wing = rate - dividend, 1.0 - d1 * d2
    density = g / (live_spot * s)
    bend = density / live_spot
    vanna = -density * root * d2
    volga = g * root * d1 * d2 / live_vol
    charm = dividend * sign * discount * n1 - density * (drift - 0.5 * d2 * s / live_years)
    speed = -(bend / live_spot) * (d1 / s + 1.0)
    zomma = -bend * wing / live_vol
    color = bend * (dividend + drift / s * d1 + 0.5 * wing / live_years)
    if inverse:
        speed = (speed - 3.0 * gamma) / spot
        vanna = (vanna - vega) / spot
        zomma = (zomma - 2.0 * vanna) / spot
        charm = (charm - theta) / spot
        color = (color - 2.0 * charm) / spot
        volga = volga / spot
    return vanna, volga, charm, speed, zomma, color


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def prepare(count, inverse, spot, strike, vol, years, rate, dividend, drift, a, b, discount, g, d1, d2, s, root):
    """Fill the blocks A, B, e^-qT, g, d1, d2, s and root of T from those of the inputs."""
    for i in range(count):
        root[i] = np.sqrt(years[i])
        s[i] = vol[i] * root[i]
        drift[i] = (rate[i] - dividend[i]) * years[i]
    for i in range(count):
        a[i], b[i], discount[i] = forwards(inverse, spot[i], strike[i], vol[i], years[i], rate[i], dividend[i])
    for i in range(count):
        d1[i], d2[i] = deviations(spot[i], strike[i], s[i], drift[i])
    for i in range(count):
        g[i] = common_density(a[i], b[i], d1[i], d2[i])


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def evaluate(count, sign, a, b, g, d1, d2, s, m1, m2, price, n1, n2):
    """Fill the blocks price, N(sign d1) and N(sign d2); make g zero and s one where there is no deviation."""
    for i in range(count):
        m1[i] = mills(abs(d1[i]))
    for i in range(count):
        m2[i] = mills(abs(d2[i]))
    for i in range(count):
        price[i], n1[i], n2[i] = values(sign[i], a[i], b[i], g[i], d1[i], d2[i], m1[i], m2[i])
    for i in range(count):
        g[i] = g[i] if s[i] > 0.0 else 0.0 * a[i]
        s[i] = s[i] if s[i] > 0.0 else 1.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, forceinline=True)
def price_block(inverse, futures, row, start, count, inputs, call, mask, scales, outs):
    """Price `count` <= BLOCK elements of one row, pass by pass; return how many of them had bad inputs."""
    spot, strike, vol, years, rate, dividend, sign, drift = _eight()
    price, a, b, discount, g, n1, n2, d1 = _eight()
    d2, m1, m2, s, root, delta, gamma, vega = _eight()
    theta, rho, vanna, volga, charm, speed, zomma, color = _eight()
    load(inputs[0], row, start, count, spot)
    load(inputs[1], row, start, count, strike)
    load(inputs[2], row, start, count, vol)
    load(inputs[3], row, start, count, years)
    load(inputs[4], row, start, count, rate)
    load(inputs[5], row, start, count, dividend)
    load_signs(call, row, start, count, sign)
    prepare(count, inverse, spot, strike, vol, years, rate, dividend, drift, a, b, discount, g, d1, d2, s, root)
    evaluate(count, sign, a, b, g, d1, d2, s, m1, m2, price, n1, n2)
    if mask != 1:
        for i in range(count):
            delta[i], gamma[i], vega[i], theta[i], rho[i] = first_five(
                inverse, futures, sign[i], spot[i], years[i], rate[i], dividend[i], price[i], a[i], b[i], discount[i],
                g[i], n1[i], n2[i], s[i], root[i],
            )  # fmt: skip
    if mask >> 6:
        for i in range(count):
            vanna[i], volga[i], charm[i], speed[i], zomma[i], color[i] = last_six(
                inverse, sign[i], spot[i], vol[i], years[i], rate[i], dividend[i], discount[i], g[i], n1[i], d1[i],
                d2[i], s[i], root[i], gamma[i], vega[i], theta[i],
            )  # fmt: skip
    if inverse:
        for i in range(count):
            price[i] = price[i] / spot[i]
    results = price, delta, gamma, vega, theta, rho, vanna, volga, charm, speed, zomma, color
    return store(results, mask, scales, outs, row, start, count)


_SIGNATURE: Final = types.int64(
    types.boolean, types.boolean, types.UniTuple(READ, 6), CALLS, types.int64, types.float64[::1],
    OUTS, types.int64, types.int64,
)  # fmt: skip


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, cache=True)
def price_serial(inverse, futures, inputs, call, mask, scales, outs, rows, columns):
    """Price planes on this thread; return how many elements had bad inputs."""
    bad = 0
    for row in range(rows):
        for start in range(0, columns, BLOCK):
            count = min(BLOCK, columns - start)
            bad += price_block(inverse, futures, row, start, count, inputs, call, mask, scales, outs)
    return bad


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, parallel=True, cache=True)
def price_parallel(inverse, futures, inputs, call, mask, scales, outs, rows, columns):
    """Do what `price_serial` does on all threads, with the same bits."""
    blocks = (columns + BLOCK - 1) // BLOCK
    bad = 0
    for index in prange(rows * blocks):
        row, start = index // blocks, index % blocks * BLOCK
        count = min(BLOCK, columns - start)
        bad += price_block(inverse, futures, row, start, count, inputs, call, mask, scales, outs)
    return bad
