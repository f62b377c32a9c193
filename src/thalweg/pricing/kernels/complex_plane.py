"""Sine, cosine, arctangent and complex arithmetic on pairs of doubles that vectorises like `kernels.arithmetic`.

- `sine_cosine`: x = n pi/2 + r, pi/2 in three doubles (Cody and Waite 1980); Taylor polynomials in |r| <= pi/4.
- `arctangent`: the quotient of the smaller by the larger, folded about pi/8, and a polynomial of degree 12 in its
  square that interpolates at Chebyshev points, within 1e-17.
- Roots and logarithms take the principal branch.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, bits_of, exp, fma, log_ratio, polynomial

_MAGIC: Final = 6755399441055744.0
_TWO_OVER_PI: Final = 0.6366197723675814
_HALF_PI: Final = (1.5707963267948966, 6.123233995736766e-17, -1.4973849050658730e-33)
_SINE: Final = (
    -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800, -1 / 1307674368000, 1 / 355687428096000,
)  # fmt: skip
_COSINE: Final = (
    1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600, -1 / 87178291200, 1 / 20922789888000,
    -1 / 6402373705728000,
)  # fmt: skip
_ATAN: Final = (
    -0.3333333333333333, 0.19999999999999804, -0.14285714285659828, 0.11111111105155437, -0.09090908753500393,
    0.07692296375018166, -0.06666424885487231, 0.05878928994948492, -0.052304542493924897, 0.04551593123658399,
    -0.03457055948759698, 0.01628575409147857,
)  # fmt: skip
_TAN_EIGHTH: Final = 0.41421356237309503
_sine: Final = polynomial(_SINE)
_cosine: Final = polynomial(_COSINE)
_atan: Final = polynomial(_ATAN)
_atanh: Final = polynomial(tuple(1.0 / n for n in range(3, 23, 2)))


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def sine_cosine(x: float) -> Any:
    """Return sin x and cos x, within 2e-16 for |x| <= 1e6."""
    shifted = fma(x, _TWO_OVER_PI, _MAGIC)
    n = shifted - _MAGIC
    r = fma(-n, _HALF_PI[2], fma(-n, _HALF_PI[1], fma(-n, _HALF_PI[0], x)))
    square = r * r
    sine = fma(r * square, _sine(square), r)
    cosine = fma(square * square, _cosine(square), fma(-0.5, square, 1.0))
    quadrant = bits_of(shifted)
    swap = (quadrant & 1) != 0
    first, second = (cosine if swap else sine), (sine if swap else cosine)
    return (-first if (quadrant & 2) != 0 else first), (-second if ((quadrant + 1) & 2) != 0 else second)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def arctangent(y: float, x: float) -> float:
    """Return the angle of the point (x, y), in (-pi, pi]; 0 at the origin."""
    across, up = abs(x), abs(y)
    low = across if across < up else up
    high = up if across < up else across
    folded = low > _TAN_EIGHTH * high
    bottom = low + high if folded else high
    t = (low - high if folded else low) / (bottom if bottom > 0.0 else 1.0)
    square = t * t
    angle = fma(t * square, _atan(square), t) + (0.5 * _HALF_PI[0] if folded else 0.0)
    angle = _HALF_PI[0] - angle if across < up else angle
    angle = 2.0 * _HALF_PI[0] - angle if x < 0.0 else angle
    return -angle if y < 0.0 else angle


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def log_one_plus(x: float) -> float:
    """Return ln(1 + x), precise near 0; x > -1."""
    z = x / (2.0 + x)
    square = z * z
    near = fma(2.0 * z * square, _atanh(square), 2.0 * z)
    return near if abs(x) < 0.25 else log_ratio(1.0 + x, 1.0)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def times(a: float, b: float, c: float, d: float) -> Any:
    """Return (a + bi)(c + di)."""
    return a * c - b * d, a * d + b * c


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def over(a: float, b: float, c: float, d: float) -> Any:
    """Return (a + bi)/(c + di)."""
    inverse = 1.0 / (c * c + d * d)
    return (a * c + b * d) * inverse, (b * c - a * d) * inverse


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def root(a: float, b: float) -> Any:
    """Return the square root of a + bi whose real part is not negative."""
    size = np.sqrt(a * a + b * b)
    larger = np.sqrt(0.5 * (size + abs(a)))
    smaller = abs(b) / (2.0 * larger) if larger > 0.0 else 0.0
    real, imaginary = (larger if a >= 0.0 else smaller), (smaller if a >= 0.0 else larger)
    return real, (-imaginary if b < 0.0 else imaginary)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def exponential(a: float, b: float) -> Any:
    """Return e^(a + bi)."""
    size = exp(a)
    sine, cosine = sine_cosine(b)
    return size * cosine, size * sine


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def logarithm_one_plus(a: float, b: float) -> Any:
    """Return ln(1 + a + bi), precise near 0; a > -1."""
    return 0.5 * log_one_plus(2.0 * a + (a * a + b * b)), arctangent(b, 1.0 + a)
