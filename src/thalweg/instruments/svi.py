"""Total variance of a smile: raw SVI, the exact twin of contracts/svi.vy, integers only.

At log-moneyness k = ln(K / F), with parameters scaled by 1e8, k and w by 2^96:

    w(k) = a + b * (rho * (k - m) + sqrt((k - m)^2 + sigma^2))

https://arxiv.org/abs/1204.0646
"""

from typing import Final

import msgspec

from thalweg.instruments.fixed import SHIFT, square_root
from thalweg.units import SCALE, Price, mul_div_down

WEIGHT_SHIFT: Final = 64
WEIGHT_ONE: Final = 1 << WEIGHT_SHIFT
REACH: Final = 64 * SCALE  # of m and sigma: far beyond ln(PRICE_MAX)
LEVEL_MAX: Final = 1024 * SCALE  # of a: Black-76 takes no greater variance
SIGMA_MIN: Final = 10**4
WING_MAX: Final = 2 * SCALE * SCALE
POINTS: Final = (*(-(2 << SHIFT) >> n for n in range(5)), 0, *(2 << SHIFT >> n for n in range(4, -1, -1)))
_WEIGHT_MAX: Final = 1 << 80
_DISTANCE_SHIFT: Final = 26  # distances are scaled by 2^70 * 1e8


class Parameters(msgspec.Struct, frozen=True):
    """Raw SVI parameters of one expiry, scaled by 1e8 each."""

    a: int
    b: int
    rho: int
    m: int
    sigma: int


class Smile(msgspec.Struct, frozen=True):
    """What a mark says about one expiry: its forward, and the total variance as a sum of two slices'.

    Weights are scaled by 2^64. At a slice's own expiry the second weight is zero.
    """

    forward: Price
    left_weight: int
    right_weight: int
    left: Parameters
    right: Parameters


def variance(smile: Smile, k: int) -> int:
    """Return the total variance at log-moneyness k, |k| < 2^6."""
    total = slice_variance(smile.left, k) * smile.left_weight
    if smile.right_weight:
        total += slice_variance(smile.right, k) * smile.right_weight
    return total >> WEIGHT_SHIFT


def slice_variance(parameters: Parameters, k: int) -> int:
    """Return a slice's total variance; zero where it would be negative."""
    distance = (k * SCALE - (parameters.m << SHIFT)) >> _DISTANCE_SHIFT
    width = parameters.sigma << SHIFT - _DISTANCE_SHIFT
    root = square_root(distance * distance + width * width)
    level = parameters.a * SCALE * SCALE << SHIFT - _DISTANCE_SHIFT
    scaled = level + parameters.b * (parameters.rho * distance + SCALE * root)
    return mul_div_down(max(scaled, 0), 1 << _DISTANCE_SHIFT, SCALE**3)


def is_sound(parameters: Parameters) -> bool:
    """Say whether these are a smile's that the contracts can price with.

    b >= 0, |rho| < 1, sigma not too small, total variance nowhere negative, wings less steep than 2 (R. Lee's moment
    formula), everything within the bounds that the arithmetic needs.
    """
    a, b, rho, m, sigma = parameters.a, parameters.b, parameters.rho, parameters.m, parameters.sigma
    if abs(rho) >= SCALE or abs(a) > LEVEL_MAX or abs(m) > REACH or not 0 <= b <= 2 * SCALE:
        return False
    if not SIGMA_MIN <= sigma <= REACH or b * (SCALE + abs(rho)) >= WING_MAX:
        return False
    # a + b * sigma * sqrt(1 - rho^2) >= 0, both sides squared where a is negative
    return a >= 0 or (a * SCALE * SCALE) ** 2 <= (b * sigma) ** 2 * (SCALE * SCALE - rho * rho)


def is_usable(smile: Smile) -> bool:
    """Say whether a smile that some oracle gave can be priced with."""
    weights = smile.left_weight, smile.right_weight
    if not all(0 <= weight <= _WEIGHT_MAX for weight in weights) or not is_sound(smile.left):
        return False
    return not smile.right_weight or is_sound(smile.right)


def is_later(near: Parameters, far: Parameters) -> bool:
    """Say whether total variance does not fall from one expiry to the next: at every point of `POINTS`, in both wings.

    Compared to the unit, so who rounds a surface for the chain must leave room for it.
    """
    if any(slice_variance(far, k) < slice_variance(near, k) for k in POINTS):
        return False
    return all(far.b * (SCALE + sign * far.rho) >= near.b * (SCALE + sign * near.rho) for sign in (1, -1))
