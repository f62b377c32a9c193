"""Implied volatility for books: two steps in SIMD for all, the full solver for the few that have not settled.

Normalisation, equation and step are those of `thalweg.pricing.deviations`. The error after a Householder step of
third order is about the fourth power of the step: where the second step is below 1e-4 of s the result is exact, and
this is the residual check. The others, and deviations below 1e-3, whose price is a difference of nearly equal terms,
go to the solver.
"""

from typing import Any, Final

import numpy as np
from numba import njit, prange, types

from thalweg.pricing import deviations
from thalweg.pricing.coefficients import BACHELIER
from thalweg.pricing.kernels.arithmetic import (
    FLOAT_FLAGS,
    exp,
    log,
    log_ratio,
    mills,
    mills_slope,
    polynomial,
    stack_block,
)
from thalweg.pricing.kernels.planes import BLOCK, CALLS, READ, load, load_signs

OK: Final = 0.0
MALFORMED: Final = 1.0
BELOW_INTRINSIC: Final = 2.0
ABOVE_BOUND: Final = 3.0
NO_TIME_VALUE: Final = 4.0
_ROOT_TWO_PI: Final = 2.5066282746310002
_LOG_ROOT_TWO_PI: Final = 0.9189385332046727
_UPPER: Final = 0.8
_SETTLED: Final = 1e-4
_S_MIN: Final = 1e-3
_B_MIN: Final = 1e-280
_block: Final = stack_block(BLOCK)
_bachelier: Final = polynomial(BACHELIER)
_compiled: Final = njit(fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True)
deviation: Final = deviations.build(_compiled, exp, log, mills, mills_slope)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def normalise(
    inverse: bool, sign: float, price: float, forward: float, strike: float, years: float, rate: float
) -> Any:
    """Return (reason, b, rest, root of FK); where the reason is not OK, b and rest are one half."""
    undiscounted = price * exp(rate * years) * (forward if inverse else 1.0)
    inside = sign * (forward - strike)
    value = undiscounted - (inside if inside > 0.0 else 0.0)
    bound = forward if forward < strike else strike
    fine = (forward > 0.0) & (strike > 0.0) & (years > 0.0) & (price >= 0.0)
    fine = fine & (price + forward + strike + years + abs(rate) < np.inf)
    reason = OK if value > 0.0 else (NO_TIME_VALUE if value == 0.0 else BELOW_INTRINSIC)
    reason = ABOVE_BOUND if value >= bound else reason
    reason = reason if fine else MALFORMED
    good = reason == OK
    root = np.sqrt(forward) * np.sqrt(strike)
    return reason, (value / root if good else 0.5), ((bound - value) / root if good else 0.5), root


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def near_guess(x: float, b: float) -> float:
    """Return the first guess from the normal price; see `deviations._guess`."""
    r = -x / b
    y = log_ratio(1.0 + r, 1.0)
    square = _bachelier(2.0 * y / (y + 10.0) - 1.0) / (1.0 / (y * y) + 1.0 / (3.0 * y))
    s = -x / np.sqrt(square)
    q = (square + 1.0) / (square + 3.0) * s * s / (8.0 * (square + 0.9 * np.sqrt(square) + 1.0))
    return (s * (1.0 + q + 3.0 * q * q)) if r >= 1e-8 else _ROOT_TWO_PI * b


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def upper_guess(x: float, rest: float, whole: float, near: float) -> float:
    """Return the first guess from what is missing to the bound."""
    s = near if near > 2.0 else 2.0
    room = 0.5 * x * x / (s * s)
    tail = 0.5 * rest / whole * exp(room if room < 2.0 else 2.0)
    z = np.sqrt(-2.0 * log_ratio(tail if tail < 0.4999 else 0.4999, 1.0))
    return 2.0 * (z - (2.30753 + 0.27061 * z) / (1.0 + 0.99229 * z + 0.04481 * z * z))


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def step_of(x: float, b: float, rest: float, s: float, m1: float, m2: float, grown: float) -> float:
    """Return the Householder step; m1, m2 are Mills ratios of |h+t| and |h-t|, grown is exp((h+t)^2/2)/n(0)."""
    upper = b > _UPPER * (b + rest)
    h, t = x / s, 0.5 * s
    other = grown - m1
    left = h + t < 0.0
    value = ((other if left else m1) + m2) if upper else ((m1 if left else other) - m2)
    side = -1.0 if upper else 1.0
    error = log_ratio(value, rest if upper else b) - 0.5 * (h * h + t * t) - _LOG_ROOT_TWO_PI
    inverse = 1.0 / value
    second = h * h / s - 0.5 * t
    third = second * second - 3.0 * h * h / (s * s) - 0.25
    newton = -side * error * value
    curve = second - side * inverse
    bend = third - 3.0 * side * inverse * second + 2.0 * inverse * inverse
    return newton * (1.0 + 0.5 * curve * newton) / (1.0 + newton * (curve + bend * newton / 6.0))


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def improve(count, x, b, rest, s, step, m1, m2, grown):
    """Move every s by one step, and keep the step."""
    for i in range(count):
        m1[i] = mills(abs(x[i] / s[i] + 0.5 * s[i]))
    for i in range(count):
        m2[i] = mills(0.5 * s[i] - x[i] / s[i])
    for i in range(count):
        d1 = x[i] / s[i] + 0.5 * s[i]
        grown[i] = _ROOT_TWO_PI * exp(0.5 * d1 * d1)
    for i in range(count):
        step[i] = step_of(x[i], b[i], rest[i], s[i], m1[i], m2[i], grown[i])
    for i in range(count):
        s[i] += step[i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def start(count, x, b, rest, s):
    """Fill the first guesses."""
    above = 0
    for i in range(count):
        s[i] = near_guess(x[i], b[i])
        above += b[i] > _UPPER * (b[i] + rest[i])
    if above:
        for i in range(count):
            whole = b[i] + rest[i]
            guess = upper_guess(x[i], rest[i], whole, s[i])
            s[i] = guess if b[i] > _UPPER * whole else s[i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, forceinline=True)
def solve_block(inverse, row, start_at, count, inputs, call, volatility, reasons):
    """Solve `count` <= BLOCK elements of one row; return how many have a reason against them."""
    price, forward, strike, years, rate, sign = _block(), _block(), _block(), _block(), _block(), _block()
    reason, b, rest, root, x, s = _block(), _block(), _block(), _block(), _block(), _block()
    step, m1, m2, grown = _block(), _block(), _block(), _block()
    load(inputs[0], row, start_at, count, price)
    load(inputs[1], row, start_at, count, forward)
    load(inputs[2], row, start_at, count, strike)
    load(inputs[3], row, start_at, count, years)
    load(inputs[4], row, start_at, count, rate)
    load_signs(call, row, start_at, count, sign)
    for i in range(count):
        reason[i], b[i], rest[i], root[i] = normalise(
            inverse, sign[i], price[i], forward[i], strike[i], years[i], rate[i]
        )
    for i in range(count):
        x[i] = -abs(log_ratio(forward[i], strike[i])) if reason[i] == OK else 0.0
    start(count, x, b, rest, s)
    improve(count, x, b, rest, s, step, m1, m2, grown)
    improve(count, x, b, rest, s, step, m1, m2, grown)
    faults = 0
    for i in range(count):
        settled = (abs(step[i]) <= _SETTLED * s[i]) & (s[i] > _S_MIN) & (b[i] > _B_MIN)
        if (not settled) & (reason[i] == OK):
            s[i] = deviation(x[i], b[i], rest[i])
    for i in range(count):
        good = reason[i] == OK
        value = s[i] / np.sqrt(years[i])
        volatility[row, start_at + i] = value if good else (0.0 if reason[i] == NO_TIME_VALUE else np.nan)
    for i in range(count):
        reasons[row, start_at + i] = np.uint8(reason[i])
        faults += reason[i] != OK
    return faults


_SIGNATURE: Final = types.int64(
    types.boolean, types.UniTuple(READ, 5), CALLS, types.Array(types.float64, 2, "A"),
    types.Array(types.uint8, 2, "A"), types.int64, types.int64,
)  # fmt: skip


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, parallel=True, cache=True)
def solve_parallel(inverse, inputs, call, volatility, reasons, rows, columns):
    """Solve planes on all threads; return how many elements have a reason against them."""
    blocks = (columns + BLOCK - 1) // BLOCK
    faults = 0
    for index in prange(rows * blocks):
        row, start_at = index // blocks, index % blocks * BLOCK
        faults += solve_block(inverse, row, start_at, min(BLOCK, columns - start_at), inputs, call, volatility, reasons)
    return faults
