"""European options one at a time, with `math` alone: what is used without numba, or until its kernels are warm.

The formulas, limits and order of results are those of the compiled twins in `thalweg.pricing.kernels`; both agree to
a few units in the last place of the spot price. All inputs are floats; results are plain derivatives (per 1.00 of
volatility or rate, per year of passing time), NaN throughout where an input is not finite or is negative.
"""

from math import copysign, erfc, exp, inf, log, log1p, nan, pi, sqrt
from typing import Final, NamedTuple

_ROOT_HALF: Final = sqrt(0.5)
_ROOT_TWO_PI: Final = sqrt(2.0 * pi)
_D_MAX: Final = 1e8
_EXPONENT_MAX: Final = 709.0
_LOG_RATIO_MAX: Final = 667.7496769682473


class Sensitivities(NamedTuple):
    """A price and its derivatives. `x` is the spot or forward that the option was priced on.

    delta d/dx, gamma d2/dx2, vega d/dvol, theta d/dt (time passing), rho d/drate, vanna d2/dx dvol, volga d2/dvol2,
    charm d2/dx dt, speed d3/dx3, zomma d3/dx2 dvol, color d3/dx2 dt.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float
    vanna: float
    volga: float
    charm: float
    speed: float
    zomma: float
    color: float


_BAD: Final = Sensitivities(*(nan,) * 12)


def normal_cdf(x: float) -> float:
    """Return N(x), accurate in both tails."""
    return 0.5 * erfc(-x * _ROOT_HALF)


def normal_pdf(x: float) -> float:
    """Return the standard normal density."""
    return exp(-0.5 * x * x) / _ROOT_TWO_PI


def log_ratio(a: float, b: float) -> float:
    """Return ln(a/b) for a, b >= 0 with full relative precision near 1; where one is zero, plus or minus 667.7."""
    if a == 0.0 or b == 0.0:
        return _LOG_RATIO_MAX if a > b else -_LOG_RATIO_MAX
    if 0.5 * b <= a <= 2.0 * b:
        # the difference is exact (Sterbenz), the quotient would not be; log1p keeps what is left
        return log1p((a - b) / b)
    return log(a / b)


def bounded_exp(x: float) -> float:
    """Return e^x, and e^709 for larger x."""
    return exp(min(x, _EXPONENT_MAX))


def black_scholes(
    is_call: bool, spot: float, strike: float, volatility: float, years: float, rate: float = 0.0,
    dividend: float = 0.0, *, futures: bool = False, inverse: bool = False,
) -> Sensitivities:  # fmt: skip
    """Return price and sensitivities of a European option under Black, Scholes and Merton.

    `futures` makes rho that of an option on a forward fixed at `spot` (then `dividend` equals `rate`); `inverse`
    divides the price by `spot`: a coin-settled option, in coin. Source: `thalweg.pricing.kernels.european`.
    """
    if not (spot >= 0.0 and strike >= 0.0 and volatility >= 0.0 and years >= 0.0):
        return _BAD
    if not spot + strike + volatility + years + abs(rate) + abs(dividend) < inf:
        return _BAD
    sign = 1.0 if is_call else -1.0
    discount = bounded_exp(-dividend * years)
    a, b, root = spot * discount, strike * bounded_exp(-rate * years), sqrt(years)
    s = volatility * root
    k = log_ratio(spot, strike) + (rate - dividend) * years
    centre = k / s if s > 0.0 else (0.0 if k == 0.0 else copysign(_D_MAX, k))
    d1 = min(max(centre + 0.5 * s, -_D_MAX), _D_MAX)
    d2 = min(max(centre - 0.5 * s, -_D_MAX), _D_MAX)
    tail1, tail2 = normal_cdf(-abs(d1)), normal_cdf(-abs(d2))
    outside = min(a, b) - a * tail1 - b * tail2 if d1 * d2 <= 0.0 else abs(a * tail1 - b * tail2)
    price = max(outside, 0.0) + max(sign * (a - b), 0.0)
    n1 = tail1 if sign * d1 < 0.0 else 1.0 - tail1
    n2 = tail2 if sign * d2 < 0.0 else 1.0 - tail2
    g = 0.0 if s <= 0.0 else a * normal_pdf(d1) if abs(d1) < abs(d2) else b * normal_pdf(d2)
    s, live_vol, live_years, live_spot = s or 1.0, volatility or 1.0, years or 1.0, spot or 1.0
    density, wing = g / (live_spot * s), 1.0 - d1 * d2
    delta, gamma, vega = sign * discount * n1, density / live_spot, g * root
    linear = Sensitivities(
        price=price,
        delta=delta,
        gamma=gamma,
        vega=vega,
        theta=sign * (dividend * a * n1 - rate * b * n2) - 0.5 * g * s / live_years,
        rho=-years * price if futures else sign * years * b * n2,
        vanna=-density * root * d2,
        volga=vega * d1 * d2 / live_vol,
        charm=dividend * delta - density * (rate - dividend - 0.5 * d2 * s / live_years),
        speed=-(gamma / live_spot) * (d1 / s + 1.0),
        zomma=-gamma * wing / live_vol,
        color=gamma * (dividend + (rate - dividend) / s * d1 + 0.5 * wing / live_years),
    )
    return inverted(linear, spot) if inverse else linear


def inverted(linear: Sensitivities, spot: float) -> Sensitivities:
    """Return the sensitivities of price / spot: by Leibniz's rule on (price / spot) spot = price."""
    if spot <= 0.0:
        return _BAD
    price, vega, theta = linear.price / spot, linear.vega / spot, linear.theta / spot
    delta = (linear.delta - price) / spot
    gamma = (linear.gamma - 2.0 * delta) / spot
    vanna, charm = (linear.vanna - vega) / spot, (linear.charm - theta) / spot
    return Sensitivities(
        price=price,
        delta=delta,
        gamma=gamma,
        vega=vega,
        theta=theta,
        rho=linear.rho / spot,
        vanna=vanna,
        volga=linear.volga / spot,
        charm=charm,
        speed=(linear.speed - 3.0 * gamma) / spot,
        zomma=(linear.zomma - 2.0 * vanna) / spot,
        color=(linear.color - 2.0 * charm) / spot,
    )


def bachelier(
    is_call: bool, forward: float, strike: float, volatility: float, years: float, rate: float = 0.0
) -> Sensitivities:
    """Return price and sensitivities under a normal forward; forward and strike may be negative.

    price = e^-rT (sign (F - K) N(sign d) + s n(d)), s = volatility sqrt(T) in price units, d = (F - K)/s
    (Bachelier, "Theorie de la speculation", 1900; Haug 2007, section 1.3.1).
    """
    if not (volatility >= 0.0 and years >= 0.0 and abs(forward) + abs(strike) + volatility + years + abs(rate) < inf):
        return _BAD
    sign, discount, root, moneyness = (
        1.0 if is_call else -1.0,
        bounded_exp(-rate * years),
        sqrt(years),
        forward - strike,
    )
    s = volatility * root
    centre = moneyness / s if s > 0.0 else (0.0 if moneyness == 0.0 else copysign(_D_MAX, moneyness))
    d = min(max(centre, -_D_MAX), _D_MAX)
    n = discount * normal_pdf(d) if s > 0.0 else 0.0
    tail = normal_cdf(-abs(d))
    outside = s * n - discount * abs(moneyness) * tail
    price = max(outside, 0.0) + discount * max(sign * moneyness, 0.0)
    delta = sign * discount * (tail if sign * d < 0.0 else 1.0 - tail)
    live_s, live_vol, live_years = s or 1.0, volatility or 1.0, years or 1.0
    gamma, bend = n / live_s, d * d - 1.0
    return Sensitivities(
        price=price,
        delta=delta,
        gamma=gamma,
        vega=n * root,
        theta=rate * price - 0.5 * n * s / live_years,
        rho=-years * price,
        vanna=-n * d / live_vol,
        volga=n * root * d * d / live_vol,
        charm=rate * delta + 0.5 * n * d / live_years,
        speed=-gamma * d / live_s,
        zomma=gamma * bend / live_vol,
        color=rate * gamma - 0.5 * gamma * bend / live_years,
    )
