"""Moment generating functions E (S_T/F)^z at real z, and how large a characteristic function can be at u.

They bound what a cosine series leaves out. Where a moment is infinite the logarithm is infinity; when Heston's
explode is in L. Andersen and V. Piterbarg, "Moment explosions in stochastic volatility models", Finance and
Stochastics 11, 2007.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, exp, log
from thalweg.pricing.kernels.characteristic import BLACK_SCHOLES, HESTON, LOGNORMAL, NO_JUMPS, SIGMA_MIN, heston_base
from thalweg.pricing.kernels.complex_plane import arctangent, log_one_plus, sine_cosine

_EXPONENT_MAX: Final = 600.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def heston_log_moment(z: float, years: float, p: Any) -> float:
    """Return ln E (S_T/F)^z; infinity where the moment has exploded."""
    v0, kappa, theta, sigma, rho = p[0], p[1], p[2], max(p[3], SIGMA_MIN), p[4]
    m, xi, s2 = z - z * z, kappa - sigma * rho * z, sigma * sigma
    square = xi * xi + s2 * m
    if square >= 0.0:
        d = np.sqrt(square)
        e = exp(-d * years)
        if xi <= 0.0:
            q = xi * (1.0 - e) + d * (1.0 + e)
            if not q > 0.0:
                return np.inf
            c = ((xi - d) * years - 2.0 * log(q / (2.0 * d))) / s2
            return -v0 * m * (1.0 - e) / q + kappa * theta * c
        if d == 0.0:
            c = (xi * years - 2.0 * log(1.0 + 0.5 * xi * years)) / s2
            return -v0 * m * years / (2.0 + xi * years) + kappa * theta * c
        q = xi * (1.0 - e) + d * (1.0 + e)
        w = -0.5 * s2 * m * (1.0 - e) / (d * (xi + d))
        c = -(m * years / (xi + d) + 2.0 * log_one_plus(w) / s2)
        return -v0 * m * (1.0 - e) / q + kappa * theta * c
    d = np.sqrt(-square)
    half = 0.5 * d * years
    if half >= arctangent(d, -xi):
        return np.inf
    sine, cosine = sine_cosine(half)
    level = cosine + xi / d * sine
    if not (level > 0.0 and sine > 0.0):
        return np.inf
    return -v0 * m * sine / (xi * sine + d * cosine) + kappa * theta * (xi * years - 2.0 * log(level)) / s2


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def log_moment(diffusion: int, jumps: int, z: float, years: float, p: Any) -> float:
    """Return ln E (S_T/F)^z of a model; infinity where there is no such moment."""
    first = 3
    if diffusion == HESTON:
        first = 5
        value = heston_log_moment(z, years, p)
    elif diffusion == BLACK_SCHOLES:
        first = 1
        value = 0.5 * p[0] * p[0] * years * (z * z - z)
    else:
        half, nu, theta = 0.5 * p[0] * p[0], p[1], p[2]
        inside = 1.0 - nu * z * (theta + half * z)
        if not inside > 0.0:
            return np.inf
        value = years / nu * (z * log(1.0 - nu * (theta + half)) - log(inside))
    if jumps == NO_JUMPS:
        return value
    rate = p[first] * years
    if jumps == LOGNORMAL:
        mean, half = p[first + 1], 0.5 * p[first + 2] * p[first + 2]
        if z * (mean + half * z) > _EXPONENT_MAX:
            return np.inf
        return value + rate * (exp(z * (mean + half * z)) - 1.0 - z * (exp(mean + half) - 1.0))
    share, up, down = p[first + 1], p[first + 2], p[first + 3]
    if not -down < z < up:
        return np.inf
    grown = share * up / (up - 1.0) + (1.0 - share) * down / (down + 1.0)
    return value + rate * (share * up / (up - z) + (1.0 - share) * down / (down + z) - 1.0 - z * (grown - 1.0))


@njit(fastmath=FLOAT_FLAGS, error_model="numpy")
def log_envelope(diffusion: int, jumps: int, u: float, years: float, p: Any) -> float:
    """Return a bound of ln |E exp(iu ln(S_T/F))| that does not grow with u."""
    first = 3
    if diffusion == HESTON:
        first = 5
        base = heston_base(u, years, p[1], max(p[3], SIGMA_MIN), p[4])
        value = p[0] * base[9] + p[1] * p[2] * base[11]
    elif diffusion == BLACK_SCHOLES:
        first = 1
        value = -0.5 * p[0] * p[0] * years * u * u
    else:
        a, b = 0.5 * p[0] * p[0] * p[1] * u * u, p[2] * p[1] * u
        value = -0.5 * years / p[1] * log((1.0 + a) * (1.0 + a) + b * b)
    if jumps == NO_JUMPS:
        return value
    if jumps == LOGNORMAL:
        return value + p[first] * years * (exp(-0.5 * p[first + 2] * p[first + 2] * u * u) - 1.0)
    share, up, down = p[first + 1], p[first + 2], p[first + 3]
    size = share * up / np.sqrt(up * up + u * u) + (1.0 - share) * down / np.sqrt(down * down + u * u)
    return value + p[first] * years * (size - 1.0)
