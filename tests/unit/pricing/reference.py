"""Prices to 50 digits and their derivatives by differences to 50 digits: independent of the code under test."""

from typing import Any

import mpmath
from mpmath import mp, mpf

mp.dps = 50
# order of the derivative in (spot, volatility, years, rate); passing time is minus years
ORDERS = {
    "price": (0, 0, 0, 0), "delta": (1, 0, 0, 0), "gamma": (2, 0, 0, 0), "vega": (0, 1, 0, 0), "theta": (0, 0, 1, 0),
    "rho": (0, 0, 0, 1), "vanna": (1, 1, 0, 0), "volga": (0, 2, 0, 0), "charm": (1, 0, 1, 0), "speed": (3, 0, 0, 0),
    "zomma": (2, 1, 0, 0), "color": (2, 0, 1, 0),
}  # fmt: skip


def lognormal(call: bool, spot: Any, strike: Any, volatility: Any, years: Any, rate: Any, dividend: Any) -> Any:
    """Black, Scholes and Merton."""
    sign, s = (1 if call else -1), volatility * mpmath.sqrt(years)
    a, b = spot * mpmath.exp(-dividend * years), strike * mpmath.exp(-rate * years)
    d1 = mpmath.log(a / b) / s + s / 2
    return sign * (a * mpmath.ncdf(sign * d1) - b * mpmath.ncdf(sign * (d1 - s)))


def normal(call: bool, forward: Any, strike: Any, volatility: Any, years: Any, rate: Any) -> Any:
    """Bachelier."""
    sign, s = (1 if call else -1), volatility * mpmath.sqrt(years)
    d = (forward - strike) / s
    value = sign * (forward - strike) * mpmath.ncdf(sign * d) + s * mpmath.npdf(d)
    return mpmath.exp(-rate * years) * value


def derivative(price: Any, output: str, point: tuple[float, float, float, float]) -> Any:
    """Return an output at (spot, volatility, years, rate); `price` takes these four."""
    orders = ORDERS[output]
    exact = tuple(map(mpf, point))
    value = mpmath.diff(price, exact, orders, h=mpf(10) ** -14) if any(orders) else price(*exact)
    return -value if orders[2] else value
