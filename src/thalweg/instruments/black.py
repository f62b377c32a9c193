"""Model price of an option: Black-76 without discounting, the exact twin of contracts/black.vy, integers only.

With x = |ln(K / F)|, total variance w, s = sqrt(w), and h = s / 2 - x / s, the option that is out of the money, call or
put, is worth

    min(F, K) * N(h) - max(F, K) * N(h - s)  =  min(F, K) * (N(h) - n(h) * M(s - h)),  M(y) = N(-y) / n(y)

and the other one as much more as it is in the money. One exponential, and no difference of great numbers.

Every input has a price. Where s is zero, or h beyond -12, the option that is out of the money is worth nothing; beyond
12 it is worth the lesser of forward and strike: the limits of the formula.
"""

from typing import Final

from thalweg.instruments.fixed import ONE, SHIFT, exp_minus, log_ratio, mills, square_root
from thalweg.instruments.svi import Smile, variance
from thalweg.units import Price, mul_div_down

VALUE_SHIFT: Final = 64  # of values: prices scaled by 1e8 and by 2^64
DENSITY: Final = 31607463825455920808620519744  # 1 / sqrt(2 pi)
TAIL: Final = 12 * ONE
VARIANCE_MAX: Final = 1024 * ONE


def call_value(smile: Smile, strike: Price) -> int:
    """Return the value of a call; forward and strike are in 0..PRICE_MAX. A put is worth strike - forward more."""
    forward = smile.forward
    if not forward or not strike:
        return forward << VALUE_SHIFT
    x = log_ratio(max(forward, strike), min(forward, strike))
    if strike >= forward:
        return out_of_the_money(forward, x, variance(smile, x))
    return out_of_the_money(strike, x, variance(smile, -x)) + (forward - strike << VALUE_SHIFT)


def out_of_the_money(lesser: int, x: int, total_variance: int) -> int:
    """Return the value of the option that is out of the money, in 0..lesser."""
    s = square_root(min(total_variance, VARIANCE_MAX) << SHIFT)
    if s == 0:
        return 0
    quotient = mul_div_down(x, ONE, s)
    h = (s >> 1) - quotient
    if h <= -TAIL:
        return 0
    if h >= TAIL:
        return lesser << VALUE_SHIFT
    density = exp_minus(h * h >> SHIFT + 1) * DENSITY >> SHIFT
    far = mills(quotient + (s >> 1))
    share = density * (mills(-h) - far) >> SHIFT if h <= 0 else ONE - (density * (mills(h) + far) >> SHIFT)
    return lesser * min(max(share, 0), ONE) >> SHIFT - VALUE_SHIFT
