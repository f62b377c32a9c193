"""Futures and perpetual contracts: what they are worth beside the spot, and the funding they pay.

A perpetual never expires; its price f is tied to the index x by funding, which a long pays at the rate
kappa (f - x) + iota x a year (a coin-settled one: kappa (1/x - 1/f) + iota/x, in coin). Without arbitrage, with
constant interest r of the quote currency and q of the coin:

    linear:  f = x (kappa - iota)/(kappa - (r - q))        inverse:  f = x (kappa + (r - q))/(kappa + iota)

(D. Ackerer, J. Hugonnier and U. Jermann, "Perpetual futures pricing", 2023, sections 3 and 4: the price is what makes
gains after funding a martingale; the inverse contract's is the linear one's for 1/x under the coin's measure.) Both
need kappa above |r - q|. Funding on large venues: the premium beyond a dead band, over eight hours.
"""

from math import exp, isfinite
from typing import Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.terms import Perpetual

FUNDING_HOURS: Final = 8.0
DEAD_BAND: Final = 0.0005


def future(spot: float, years: float, rate: float = 0.0, dividend: float = 0.0) -> float:
    """Return the fair price of a future: spot e^((rate - dividend) years).

    Raises:
        UserFault: MALFORMED where the spot is not positive, the time negative, or a number not finite.
    """
    _check(spot=spot, years=years, rate=rate, dividend=dividend)
    if years < 0.0:
        raise UserFault(Reason.MALFORMED, f"years is {years}: it must be finite and not negative")
    return spot * exp((rate - dividend) * years)


def perpetual_price(terms: Perpetual, spot: float, rate: float = 0.0, dividend: float = 0.0) -> float:
    """Return the price at which a perpetual leaves no arbitrage.

    Raises:
        UserFault: MALFORMED where kappa does not exceed what interest and the fixed part pull.
    """
    _check(spot=spot, kappa=terms.kappa, iota=terms.iota, rate=rate, dividend=dividend)
    carry = rate - dividend
    pull = terms.kappa + carry if terms.inverse else terms.kappa - carry
    other = terms.kappa + terms.iota if terms.inverse else terms.kappa - terms.iota
    if pull <= 0.0 or other <= 0.0:
        raise UserFault(Reason.MALFORMED, f"kappa is {terms.kappa}: it must exceed what interest and iota pull")
    return spot * (pull / other if terms.inverse else other / pull)


def perpetual_delta(terms: Perpetual, rate: float = 0.0, dividend: float = 0.0) -> float:
    """Return the derivative of a perpetual's price in the spot: its price is proportional to it."""
    return perpetual_price(terms, 1.0, rate, dividend)


def funding(mark: float, index: float, hours: float, dead_band: float = DEAD_BAND) -> float:
    """Return what a long pays (negative: receives) per unit of index value over `hours`.

    The premium mark/index - 1 beyond the dead band, in proportion to eight hours.

    Raises:
        UserFault: MALFORMED where a price is not positive or the hours are negative.
    """
    _check(spot=index, mark=mark, hours=hours)
    if mark <= 0.0 or hours < 0.0 or dead_band < 0.0:
        raise UserFault(Reason.MALFORMED, "mark must be positive, hours and dead band not negative")
    premium = mark / index - 1.0
    beyond = max(premium - dead_band, 0.0) + min(premium + dead_band, 0.0)
    return beyond * hours / FUNDING_HOURS


def _check(**values: float) -> None:
    for name, value in values.items():
        if not isfinite(value) or (name == "spot" and value <= 0.0):
            raise UserFault(Reason.MALFORMED, f"{name} is {value}: it must be finite, and a spot above zero")
