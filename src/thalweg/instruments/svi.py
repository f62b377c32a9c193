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
