# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Model price of an option
@license Apache-2.0
@notice Black-76 without discounting, the exact twin of thalweg/instruments/black.py. With x = |ln(K / F)|, total
        variance w, s = sqrt(w), and h = s / 2 - x / s, the option that is out of the money, call or put, is worth

            min(F, K) * N(h) - max(F, K) * N(h - s)  =  min(F, K) * (N(h) - n(h) * M(s - h)),  M(y) = N(-y) / n(y)

        and the other one as much more as it is in the money. One exponential, and no difference of great numbers.
@dev Every input has a price. Where s is zero, or h beyond -12, the option that is out of the money is worth nothing;
     beyond 12 it is worth the lesser of forward and strike: the limits of the formula.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import fixed
import svi


# -- constants ---------------------------------------------------------------------------------------------------------

VALUE_SHIFT: constant(uint256) = 64  # of values: prices scaled by 1e8 and by 2^64
_DENSITY: constant(uint256) = 31607463825455920808620519744  # 1 / sqrt(2 pi)
_TAIL: constant(int256) = 12 << 96
_VARIANCE_MAX: constant(uint256) = 1024 << 96


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _call(smile: svi.Smile, strike: uint256) -> uint256:
    """
    @notice Return the value of a call; forward and strike are below 2^63. A put is worth strike - forward more.
    """
    if smile.forward == 0 or strike == 0:
        return smile.forward << VALUE_SHIFT
    if strike >= smile.forward:
        x: uint256 = fixed._log_ratio(strike, smile.forward)
        return self._out_of_the_money(smile.forward, x, svi._variance(smile, convert(x, int256)))
    x: uint256 = fixed._log_ratio(smile.forward, strike)
    value: uint256 = self._out_of_the_money(
        strike, x, svi._variance(smile, unsafe_sub(0, convert(x, int256)))
    )
    return unsafe_add(value, unsafe_sub(smile.forward, strike) << VALUE_SHIFT)


@internal
@pure
def _out_of_the_money(lesser: uint256, x: uint256, variance: uint256) -> uint256:
    """
    @notice Return the value of the option that is out of the money, in 0..lesser.
    """
    s: uint256 = isqrt(min(variance, _VARIANCE_MAX) << 96)
    if s == 0:
        return 0
    quotient: uint256 = unsafe_div(x << 96, s)
    h: int256 = unsafe_sub(convert(s >> 1, int256), convert(quotient, int256))
    if h <= -_TAIL:
        return 0
    if h >= _TAIL:
        return lesser << VALUE_SHIFT
    density: int256 = convert(
        unsafe_mul(fixed._exp_minus(convert(unsafe_mul(h, h) >> 97, uint256)), _DENSITY) >> 96, int256
    )
    far: int256 = fixed._mills(unsafe_add(quotient, s >> 1))
    share: int256 = 0
    if h <= 0:
        share = unsafe_mul(density, unsafe_sub(fixed._mills(convert(unsafe_sub(0, h), uint256)), far)) >> 96
    else:
        share = unsafe_sub(
            convert(fixed.ONE, int256),
            unsafe_mul(density, unsafe_add(fixed._mills(convert(h, uint256)), far)) >> 96,
        )
    return unsafe_mul(lesser, convert(min(max(share, 0), convert(fixed.ONE, int256)), uint256)) >> 32
