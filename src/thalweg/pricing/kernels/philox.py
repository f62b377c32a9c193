"""Random numbers that are a function of a counter and a key: any draw of any path, in any order, on any thread.

Philox4x32-10 (J. Salmon, M. Moraes, R. Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11, 2011):
ten rounds of multiplications turn four words of counter and two of key into four words that pass every test known.
Words live in 64-bit integers, so lanes of them become SIMD code. A uniform is (word + 1/2)/2^32; two of them give two
normals (G. Box and M. Muller, Annals of Mathematical Statistics 29, 1958), at most 6.8 deviations out.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, fma, log_ratio, polynomial

_M0: Final = 0xD2511F53
_M1: Final = 0xCD9E8D57
_W0: Final = 0x9E3779B9
_W1: Final = 0xBB67AE85
_WORD: Final = 0xFFFFFFFF
_UNIT: Final = 2.0**-32
_SMALL: Final = 2.0**-30
_HALF_PI: Final = 1.5707963267948966
_sine: Final = polynomial((-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800, -1 / 1307674368000))
_cosine: Final = polynomial(
    (1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600, -1 / 87178291200, 1 / 20922789888000)
)
# Wichura's rational functions: numerators and denominators near the middle and in the tails
_MIDDLE_TOP: Final = polynomial(
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3)
)  # fmt: skip
_MIDDLE_BOTTOM: Final = polynomial(
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3)
)  # fmt: skip
_TAIL_TOP: Final = polynomial(
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4)
)  # fmt: skip
_TAIL_BOTTOM: Final = polynomial(
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9)
)  # fmt: skip


@njit(forceinline=True)
def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> Any:
    """Return four words of 32 bits from four of counter and two of key."""
    for _ in range(10):
        first, second = _M0 * c0, _M1 * c2
        c0, c2 = ((second >> 32) & _WORD) ^ c1 ^ k0, ((first >> 32) & _WORD) ^ c3 ^ k1
        c1, c3 = second & _WORD, first & _WORD
        k0, k1 = (k0 + _W0) & _WORD, (k1 + _W1) & _WORD
    return c0, c1, c2, c3


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def uniform(word: int) -> float:
    """Return the uniform of a word, within (0, 1)."""
    return (float(word) + 0.5) * _UNIT


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def normals(first: int, second: int) -> Any:
    """Return two independent normals from two words: radius and angle."""
    radius = np.sqrt(-2.0 * log_ratio(uniform(first), 1.0))
    turn = ((float(second & 0x3FFFFFFF) + 0.5) * _SMALL - 0.5) * _HALF_PI  # within a quarter turn about its middle
    square = turn * turn
    sine = fma(turn * square, _sine(square), turn)
    cosine = fma(square * square, _cosine(square), fma(-0.5, square, 1.0))
    swap = (second & 0x40000000) != 0
    x, y = (-sine if swap else cosine), (cosine if swap else sine)
    flipped = radius if (second & 0x80000000) == 0 else -radius
    return flipped * x, flipped * y


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def normal_of(probability: float) -> float:
    """Return the normal whose distribution function is `probability`, within 1e-15 relative, from 2^-33 to 1 - 2^-33.

    (M. Wichura, Algorithm AS 241, Applied Statistics 37, 1988.)
    """
    q = probability - 0.5
    r = fma(-q, q, 0.180625)
    middle = q * _MIDDLE_TOP(r) / _MIDDLE_BOTTOM(r)
    tail = probability if q < 0.0 else 1.0 - probability
    r = np.sqrt(-log_ratio(tail, 1.0)) - 1.6
    far = _TAIL_TOP(r) / _TAIL_BOTTOM(r)
    far = -far if q < 0.0 else far
    return middle if abs(q) <= 0.425 else far
