"""European binaries: cash-or-nothing, asset-or-nothing, gap and supershare, and payoffs of straight lines.

(M. Rubinstein and E. Reiner 1991; Haug 2007, section 4.19.) A digital of `thalweg.instruments` is a cash-or-nothing
option of one unit; a curve is a sum of gap options, one a segment.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.bulk import Bulk, Field, Rule
from thalweg.pricing.formula import MARKET, Request, evaluate
from thalweg.pricing.jets import Number, log
from thalweg.pricing.products.lognormal import EVERYTHING, NOTHING, Payoff, asset_of, binary

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

KNOTS_MAX: Final = 64
_DEFAULT: Final = Request()
_LEAST: Final = 1e-299


def cash_or_nothing(
    is_call: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, cash: "ArrayLike" = 1.0, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of `cash` paid at expiry above the strike (call) or below it.

    Raises:
        UserFault: as `formula.evaluate`.
    """

    def formula(is_call: Any, strike: Any, cash: Any, **market: Any) -> Number:
        return cash * binary(is_call, strike, False).value(asset_of(**market), NOTHING, EVERYTHING)

    fields = {"cash": Field(cash, Rule.FINITE), **_fields(spot, strike, volatility, years, rate, dividend)}
    return evaluate(formula, fields, {"is_call": is_call}, request)


def asset_or_nothing(
    is_call: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of the asset itself, received at expiry above the strike (call) or below it.

    Raises:
        UserFault: as `formula.evaluate`.
    """

    def formula(is_call: Any, strike: Any, **market: Any) -> Number:
        return binary(is_call, strike, True).value(asset_of(**market), NOTHING, EVERYTHING)

    return evaluate(formula, _fields(spot, strike, volatility, years, rate, dividend), {"is_call": is_call}, request)


def gap(
    is_call: "ArrayLike", spot: "ArrayLike", trigger: "ArrayLike", strike: "ArrayLike", volatility: "ArrayLike",
    years: "ArrayLike", rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of S - strike paid where S is above `trigger` (put: strike - S below it); may be negative.

    Raises:
        UserFault: as `formula.evaluate`.
    """
    import numpy as np

    def formula(is_call: Any, trigger: Any, strike: Any, **market: Any) -> Number:
        sign, asset = np.where(is_call, 1.0, -1.0), asset_of(**market)
        own = binary(is_call, trigger, True).value(asset, NOTHING, EVERYTHING)
        return sign * own - sign * strike * binary(is_call, trigger, False).value(asset, NOTHING, EVERYTHING)

    fields = {
        "trigger": Field(trigger, Rule.NOT_NEGATIVE), **_fields(spot, strike, volatility, years, rate, dividend),
    }  # fmt: skip
    return evaluate(formula, fields, {"is_call": is_call}, request)


def supershare(
    spot: "ArrayLike", low: "ArrayLike", high: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of S/low paid where S ends between low and high (N. Hakansson, Financial Analysts J. 32, 1976).

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED where low is not below high.
    """

    def formula(low: Any, high: Any, **market: Any) -> Number:
        return Payoff(1.0 / low, 0.0, log(low), log(high)).value(asset_of(**market), NOTHING, EVERYTHING)

    def guard(bulk: Bulk) -> None:
        bulk.refuse(bulk.values["low"] >= bulk.values["high"], "low", "below high")

    fields = {"low": Field(low, Rule.POSITIVE), "high": Field(high, Rule.POSITIVE)}
    fields |= {name: Field(value, MARKET[name]) for name, value in _market(spot, volatility, years, rate, dividend)}
    return evaluate(formula, fields, {}, request, guard=guard)


def piecewise(
    knots: Sequence[tuple[float, float]], spot: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of a payoff of straight lines through `knots`, (price, value) by increasing price.

    Beyond its ends the first and the last segment go on, as in `instruments.payoff`. All strikes share one volatility:
    a smile is priced by `interface.price`, which takes each knot's own.

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED for knots that are too few, too many, or out of order.
    """
    segments = lines(knots)

    def formula(**market: Any) -> Number:
        asset = asset_of(**market)
        price: Number = 0.0
        for low, high, slope, level in segments:
            price = price + Payoff(slope, level, low, high).value(asset, NOTHING, EVERYTHING)
        return price

    fields = {name: Field(value, MARKET[name]) for name, value in _market(spot, volatility, years, rate, dividend)}
    return evaluate(formula, fields, {}, request)


def lines(knots: Sequence[tuple[float, float]]) -> list[tuple[Any, Any, float, float]]:
    """Return (low, high, slope, level) of each segment: logarithms of prices, and level + slope S between them.

    Raises:
        UserFault: MALFORMED for knots that are too few, too many, or out of order.
    """
    import numpy as np

    prices = [price for price, _ in knots]
    ordered = all(a < b for a, b in pairwise(prices)) and bool(np.isfinite(knots).all())
    if not 2 <= len(knots) <= KNOTS_MAX or not ordered or prices[0] < 0.0:
        raise UserFault(Reason.MALFORMED, f"knots are 2..{KNOTS_MAX} finite points by increasing price from 0 on")
    found = []
    for i, ((x0, y0), (x1, y1)) in enumerate(pairwise(knots)):
        slope = (y1 - y0) / (x1 - x0)
        low = NOTHING if i == 0 else log(np.float64(max(x0, _LEAST)))
        high = EVERYTHING if i == len(knots) - 2 else log(np.float64(x1))
        found.append((low, high, slope, y0 - slope * x0))
    return found


def _market(spot: Any, volatility: Any, years: Any, rate: Any, dividend: Any) -> list[tuple[str, Any]]:
    return [("spot", spot), ("volatility", volatility), ("years", years), ("rate", rate), ("dividend", dividend)]


def _fields(spot: Any, strike: Any, volatility: Any, years: Any, rate: Any, dividend: Any) -> dict[str, Field]:
    market = {name: Field(value, MARKET[name]) for name, value in _market(spot, volatility, years, rate, dividend)}
    return {"strike": Field(strike, Rule.NOT_NEGATIVE), **market}
