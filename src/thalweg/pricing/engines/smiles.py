"""Products whose price follows from the surface alone: each strike at its own volatility, digitals by its slope.

Sensitivities are to the forward and keep each strike's volatility (sticky strike).
"""

from itertools import pairwise
from math import exp
from typing import Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.engines.closed import request_of, twap_value, value_of
from thalweg.pricing.european import black76
from thalweg.pricing.interface import SurfaceModel, Value, Wish, register
from thalweg.pricing.products.variance import fair_variance, variance_swap_value
from thalweg.pricing.surface import Surface
from thalweg.pricing.terms import Curve, Digital, European, Forward, Future, Market, Twap, VarianceSwap

_ROUNDING: Final = 1e-13
_METHOD: Final = "each strike at the surface's volatility"
_STICKY: Final = ("sensitivities are to the forward and keep each strike's volatility",)


def _surface(market: Market) -> Surface:
    if market.surface is None:
        raise UserFault(Reason.MALFORMED, "Market: surface is missing: SurfaceModel prices from it")
    return market.surface


def _european(terms: European, _: SurfaceModel, market: Market, wish: Wish) -> Value:
    surface = _surface(market)
    forward, volatility = surface.forward(terms.years), surface.volatility(terms.strike, terms.years)
    results = black76(
        terms.is_call, forward, terms.strike, volatility, terms.years, market.rate, outputs=request_of(wish).outputs,
        inverse=terms.inverse,
    )  # fmt: skip
    scale = _ROUNDING * (1.0 if terms.inverse else forward)
    return value_of(results, scale, _METHOD, _STICKY if wish.greeks else ())


def _digital(terms: Digital, _: SurfaceModel, market: Market, wish: Wish) -> Value:
    """A digital is a tight spread of calls: it sees the smile's slope."""
    surface, step = _surface(market), 1e-5 * terms.strike
    forward = surface.forward(terms.years)
    strikes = [terms.strike - step, terms.strike + step]
    volatility = surface.volatility(strikes, terms.years)
    results = black76(
        terms.is_call, forward, strikes, volatility, terms.years, market.rate, outputs=request_of(wish).outputs
    )
    sign = 1.0 if terms.is_call else -1.0
    numbers = {name: sign * float(one[0] - one[1]) / (2.0 * step) * terms.cash for name, one in results.items()}
    if terms.pays_asset:
        plain = _european(European(terms.is_call, terms.strike, terms.years), _, market, wish)
        units = {"price": plain.price, **plain.greeks}
        numbers = {name: sign * units[name] + terms.strike * one / terms.cash for name, one in numbers.items()}
    price = numbers.pop("price")
    return Value(price, numbers, 1e-8 * max(1.0, abs(price)), "a tight spread on the surface", _STICKY)


def _curve(terms: Curve, _: SurfaceModel, market: Market, wish: Wish) -> Value:
    """A curve is a bond, a forward and a call at each inner knot."""
    surface = _surface(market)
    forward, discount = surface.forward(terms.years), exp(-market.rate * terms.years)
    knots = terms.knots
    slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(knots)]
    level = knots[0][1] + slopes[0] * (forward - knots[0][0])
    numbers = dict.fromkeys(request_of(wish).outputs, 0.0)
    numbers["price"] = discount * level
    if wish.greeks:
        numbers["delta"] = discount * slopes[0]
        numbers["theta"] = market.rate * discount * level / 365.25
        numbers["rho"] = -0.01 * terms.years * discount * level
    for (strike, _value), before, after in zip(knots[1:-1], slopes, slopes[1:], strict=False):
        one = _european(European(True, strike, terms.years), SurfaceModel(), market, wish)
        for name, amount in {"price": one.price, **one.greeks}.items():
            numbers[name] += (after - before) * amount
    price = numbers.pop("price")
    return Value(price, numbers, _ROUNDING * forward * max(map(abs, slopes)), _METHOD, _STICKY if wish.greeks else ())


def _twap(terms: Twap, _: SurfaceModel, market: Market, wish: Wish) -> Value:
    volatility = float(_surface(market).volatility(terms.strike, max(terms.years, 1e-9)))
    return twap_value(terms, volatility, market, wish)


def _variance(terms: VarianceSwap, _: SurfaceModel, market: Market, wish: Wish) -> Value:
    worth = variance_swap_value(terms, _surface(market), market.rate)
    fair = fair_variance(_surface(market), terms.years)
    greeks = {"fair_volatility": fair**0.5, "fair_variance": fair} if wish.greeks else {}
    return Value(worth, greeks, 1e-7 * abs(terms.notional), "replication by a strip of options")


def _forward(terms: Forward, _: SurfaceModel, market: Market, wish: Wish) -> Value:
    discount, forward = exp(-market.rate * terms.years), _surface(market).forward(terms.years)
    return Value(discount * (forward - terms.strike), {"delta": discount} if wish.greeks else {}, 0.0, _METHOD)


def _future(terms: Future, _: SurfaceModel, market: Market, wish: Wish) -> Value:
    return Value(_surface(market).forward(terms.years), {"delta": 1.0} if wish.greeks else {}, 0.0, _METHOD)


_ENGINES: Final[dict[type, Any]] = {
    European: _european, Digital: _digital, Curve: _curve, Twap: _twap, VarianceSwap: _variance, Forward: _forward,
    Future: _future,
}  # fmt: skip
for _terms, _engine in _ENGINES.items():
    register(_terms, SurfaceModel, _engine)
