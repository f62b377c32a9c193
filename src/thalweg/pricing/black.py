"""Black-76: European options on a forward, and the volatility a price implies. Undiscounted, floats, pure Python.

    call = F N(d1) - K N(d2),  put = K N(-d2) - F N(-d1),  d1 = ln(F/K)/s + s/2,  d2 = d1 - s,  s = volatility sqrt(T)

(F. Black, "The pricing of commodity contracts", J. Financial Economics 3, 1976.) Premium and payoff are in the quote
currency, time in years of 365.25 days. No discounting: premium and payoff are collateral in one channel, which bears
no interest. With no time or volatility left the price is the intrinsic value.
"""

from math import isfinite, log, sqrt
from typing import Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.implied import Verdict, implied_one
from thalweg.pricing.scalar import normal_cdf, normal_pdf

YEAR_S: Final = 31_557_600


class Greeks(msgspec.Struct, frozen=True):
    """Sensitivities of an option's price.

    `delta` and `gamma` are to the forward; `vega` is per 1.00 of volatility; `theta` per year of time passing.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def black_price(is_call: bool, forward: float, strike: float, deviation: float) -> float:
    """Return the price; `deviation` is volatility times the root of time, the forward and strike are positive."""
    sign = 1.0 if is_call else -1.0
    if deviation <= 0.0:
        return max(sign * (forward - strike), 0.0)
    d1 = log(forward / strike) / deviation + 0.5 * deviation
    value = sign * (forward * normal_cdf(sign * d1) - strike * normal_cdf(sign * (d1 - deviation)))
    return max(value, 0.0)


def black_greeks(is_call: bool, forward: float, strike: float, volatility: float, years: float) -> Greeks:
    """Return price and Greeks. At expiry, or without volatility, only price and delta are not zero."""
    deviation = volatility * sqrt(max(years, 0.0))
    price = black_price(is_call, forward, strike, deviation)
    sign = 1.0 if is_call else -1.0
    if deviation <= 0.0:
        return Greeks(price, sign if sign * (forward - strike) > 0.0 else 0.0, 0.0, 0.0, 0.0)
    d1 = log(forward / strike) / deviation + 0.5 * deviation
    density = forward * normal_pdf(d1)
    return Greeks(
        price=price,
        delta=sign * normal_cdf(sign * d1),
        gamma=normal_pdf(d1) / (forward * deviation),
        vega=density * sqrt(years),
        theta=-0.5 * density * volatility / sqrt(years),
    )


def implied_volatility(is_call: bool, price: float, forward: float, strike: float, years: float) -> float:
    """Return the volatility at which Black-76 gives `price`.

    Raises:
        UserFault: INSUFFICIENT, where the price is not between intrinsic value and its upper bound: no volatility
            gives it; MALFORMED, where an input is not positive and finite.
    """
    if not all(isfinite(x) and x > 0.0 for x in (price, forward, strike, years)):
        raise UserFault(Reason.MALFORMED, "price, forward, strike and time must be positive and finite")
    found = implied_one(is_call, price, forward, strike, years)
    if found.verdict != Verdict.OK:
        raise UserFault(Reason.INSUFFICIENT, f"no volatility gives {price}: it is outside the no-arbitrage bounds")
    return found.volatility
