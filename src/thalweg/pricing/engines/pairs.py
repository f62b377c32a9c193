"""Closed forms under Black-Scholes of options on two assets, and of lookbacks on part of their life."""

from typing import Any, Final

from thalweg.pricing.engines.closed import request_of, value_of
from thalweg.pricing.formula import Request
from thalweg.pricing.interface import Value, Wish, register
from thalweg.pricing.models.parameters import BlackScholes
from thalweg.pricing.products import partial, rainbow, spreads
from thalweg.pricing.terms import Exchange, Market, PartialLookback, Rainbow, Spread, TwoAssets

_ERROR: Final = 1e-9  # of the prices: that of an integral


def _on_two(solve: Any, method: str) -> Any:
    """Return the engine of a product on two assets."""

    def engine(terms: TwoAssets, model: BlackScholes, market: Market, wish: Wish) -> Value:
        request = Request(outputs=tuple(spreads.TWO) if wish.greeks else ("price",))
        second = {
            "spot2": terms.spot2, "volatility1": model.volatility, "volatility2": terms.volatility2,
            "correlation": terms.correlation, "years": terms.years, "rate": market.rate,
            "dividend1": market.dividend, "dividend2": terms.dividend2,
        }  # fmt: skip
        results = solve(terms, spot1=market.spot, **second, request=request)
        return value_of(results, _ERROR * max(market.spot, terms.spot2), method)

    return engine


def _exchange(terms: Exchange, **given: Any) -> dict[str, Any]:
    return spreads.exchange(quantity1=terms.quantity, quantity2=terms.quantity2, **given)


def _spread(terms: Spread, **given: Any) -> dict[str, Any]:
    return spreads.spread(is_call=terms.is_call, strike=terms.strike, **given)


def _rainbow(terms: Rainbow, **given: Any) -> dict[str, Any]:
    return rainbow.rainbow(is_call=terms.is_call, is_max=terms.is_max, strike=terms.strike, **given)


def _partial(terms: PartialLookback, model: BlackScholes, market: Market, wish: Wish) -> Value:
    tail = (terms.boundary, model.volatility, terms.years, market.rate, market.dividend)
    request = request_of(wish)
    if terms.strike is not None:
        results = partial.partial_fixed_lookback(terms.is_call, market.spot, terms.strike, *tail, request=request)
    else:
        extreme = market.spot if terms.extreme is None else terms.extreme
        results = partial.partial_floating_lookback(
            terms.is_call, market.spot, extreme, *tail, factor=terms.factor, request=request
        )
    return value_of(results, _ERROR * max(market.spot, terms.strike or 0.0))


register(Exchange, BlackScholes, _on_two(_exchange, "Margrabe's formula"))
register(Spread, BlackScholes, _on_two(_spread, "Black's formula given the second asset, integrated"))
register(Rainbow, BlackScholes, _on_two(_rainbow, "Stulz's formula"))
register(PartialLookback, BlackScholes, _partial)
