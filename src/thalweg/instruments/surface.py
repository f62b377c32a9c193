"""A tick's surface: what makes one valid, and what lies between two expiries. The exact twin of contracts/surface.vy.

Between two expiries the logarithm of the forward and the total variance at equal log-moneyness are linear in time;
before the first and beyond the last, volatility is that expiry's.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from thalweg.instruments.fixed import SHIFT, exp_minus, log_ratio
from thalweg.instruments.report import Mark, Slice
from thalweg.instruments.svi import WEIGHT_ONE, WEIGHT_SHIFT, Parameters, Smile, is_later, is_sound
from thalweg.units import PRICE_MAX, Price, UnixSeconds, mul_div_down

WEIGHT_MAX: Final = WEIGHT_ONE << 12  # volatility beyond the last expiry: up to 4096 times as long


def is_valid(slices: Sequence[Slice], time: UnixSeconds) -> bool:
    """Say whether a surface holds together; one that does not counts as VOID, whoever signed it.

    Expiries after `time` that increase, forwards that are prices, sound smiles, and total variance that does not fall.
    """
    times = (time, *(one.expiry for one in slices))
    if any(left >= right for left, right in pairwise(times)):
        return False
    smiles = [parameters(one) for one in slices]
    if not all(0 < one.forward <= PRICE_MAX and is_sound(smile) for one, smile in zip(slices, smiles, strict=True)):
        return False
    return all(is_later(near, far) for near, far in pairwise(smiles))


def parameters(one: Slice) -> Parameters:
    """Return a slice's SVI parameters."""
    return Parameters(one.a, one.b, one.rho, one.m, one.sigma)


def smile_at(mark: Mark, expiry: UnixSeconds) -> Smile | None:
    """Return what a mark says about a later expiry; None where it says nothing: a VOID, or no surface.

    A surface that is not valid is a VOID.
    """
    slices, time = mark.slices, mark.time
    if mark.is_void or not slices or expiry <= time or not is_valid(slices, time):
        return None
    until = expiry - time
    right = next((index for index, one in enumerate(slices) if one.expiry >= expiry), len(slices) - 1)
    far = slices[right]
    far_until = far.expiry - time
    if right == 0 or far_until <= until:
        weight = min(mul_div_down(until, WEIGHT_ONE, far_until), WEIGHT_MAX)
        return Smile(far.forward, weight, 0, parameters(far), parameters(far))
    near = slices[right - 1]
    near_until = near.expiry - time
    share = mul_div_down(until - near_until, WEIGHT_ONE, far_until - near_until)
    forward = _between(near.forward, far.forward, share)
    return Smile(forward, WEIGHT_ONE - share, share, parameters(near), parameters(far))


def _between(near: Price, far: Price, share: int) -> Price:
    """Return the forward at a share of the way from one to the other, geometrically, rounded down."""
    greater = max(near, far)
    way = share if greater == near else WEIGHT_ONE - share
    decline = log_ratio(greater, min(near, far)) * way >> WEIGHT_SHIFT
    return Price(greater * exp_minus(decline) >> SHIFT)
