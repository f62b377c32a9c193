"""Closed forms: everything under Black-Scholes, European options under Bachelier and SABR, and what needs no model."""

from collections.abc import Callable
from typing import Any, Final

from thalweg.pricing import european
from thalweg.pricing.american import american
from thalweg.pricing.bulk import Verdict
from thalweg.pricing.european import OUTPUTS
from thalweg.pricing.formula import Request
from thalweg.pricing.interface import Bachelier, Value, Wish, register
from thalweg.pricing.models.parameters import BlackScholes
from thalweg.pricing.products import averages, barriers, binaries, lookbacks, perpetuals, twap
from thalweg.pricing.sabr import Sabr, sabr_volatility
from thalweg.pricing.terms import (
    American,
    Asian,
    Barrier,
    Curve,
    Digital,
    DoubleBarrier,
    European,
    Forward,
    Future,
    Lookback,
    Market,
    Perpetual,
    Touch,
    Twap,
)

_ROUNDING: Final = 4e-14  # of the spot and what is paid: a hundred units in the last place
_AMERICAN_ERROR: Final = 1e-8  # of the strike
_TREE_ERROR: Final = 1e-4
_EXACT: Final = "closed form"
_Tail = tuple[float, float, float, float]


def value_of(results: dict[str, Any], error: float, method: str = _EXACT, warnings: tuple[str, ...] = ()) -> Value:
    """Return a value from a bulk function's results of one element."""
    numbers = {name: float(one) for name, one in results.items() if name != "verdict"}
    return Value(numbers.pop("price"), numbers, error, method, warnings)


def request_of(wish: Wish) -> Request:
    """Return the outputs a wish asks for."""
    return Request(outputs=OUTPUTS if wish.greeks else ("price",))


def _rounding(market: Market, *others: float) -> float:
    return _ROUNDING * max(market.spot, *map(abs, others), 1.0)


def _product(solve: Callable[[Any, _Tail, Market, Request], dict[str, Any]]) -> Any:
    """Return the engine of a product under Black-Scholes; its volatility, time and rates end the argument list."""

    def engine(terms: Any, model: BlackScholes, market: Market, wish: Wish) -> Value:
        tail = (model.volatility, terms.years, market.rate, market.dividend)
        strike = getattr(terms, "strike", None) or 0.0
        return value_of(solve(terms, tail, market, request_of(wish)), _rounding(market, strike))

    return engine


def _european(terms: European, model: BlackScholes, market: Market, wish: Wish) -> Value:
    results = european.black_scholes(
        terms.is_call, market.spot, terms.strike, model.volatility, terms.years, market.rate, market.dividend,
        outputs=request_of(wish).outputs, inverse=terms.inverse,
    )  # fmt: skip
    scale = _rounding(market, terms.strike) / (market.spot if terms.inverse else 1.0)
    return value_of(results, scale)


def _american(terms: American, model: BlackScholes, market: Market, wish: Wish) -> Value:
    results = american(
        terms.is_call, market.spot, terms.strike, model.volatility, terms.years, market.rate, market.dividend,
        outputs=request_of(wish).outputs, invalid="nan",
    )  # fmt: skip
    if int(results["verdict"]) == Verdict.APPROXIMATE:
        warning = "two exercise boundaries, or none that settles: a binomial tree, good to about four digits"
        return value_of(results, _TREE_ERROR * max(terms.strike, market.spot), "binomial tree", (warning,))
    return value_of(results, _AMERICAN_ERROR * max(terms.strike, market.spot), "exercise boundary")


def _digital(terms: Digital, tail: _Tail, market: Market, request: Request) -> dict[str, Any]:
    if terms.pays_asset:
        return binaries.asset_or_nothing(terms.is_call, market.spot, terms.strike, *tail, request=request)
    return binaries.cash_or_nothing(terms.is_call, market.spot, terms.strike, *tail, cash=terms.cash, request=request)


def _barrier(terms: Barrier, tail: _Tail, market: Market, request: Request) -> dict[str, Any]:
    return barriers.barrier(
        terms.is_call, terms.is_up, terms.is_in, market.spot, terms.strike, terms.level, *tail, terms.rebate,
        terms.interval, rebate_at_hit=terms.rebate_at_hit, request=request,
    )  # fmt: skip


def _double(terms: DoubleBarrier, tail: _Tail, market: Market, request: Request) -> dict[str, Any]:
    return barriers.double_barrier(
        terms.is_call, terms.is_in, market.spot, terms.strike, terms.low, terms.high, *tail, request=request
    )


def _touch(terms: Touch, tail: _Tail, market: Market, request: Request) -> dict[str, Any]:
    return barriers.touch(
        terms.is_up, market.spot, terms.level, *tail, terms.interval, is_no_touch=terms.is_no_touch,
        at_hit=terms.at_hit, request=request,
    )  # fmt: skip


def _lookback(terms: Lookback, tail: _Tail, market: Market, request: Request) -> dict[str, Any]:
    extreme = market.spot if terms.extreme is None else terms.extreme
    if terms.strike is None:
        return lookbacks.floating_lookback(terms.is_call, market.spot, extreme, *tail, terms.interval, request=request)
    return lookbacks.fixed_lookback(
        terms.is_call, market.spot, terms.strike, extreme, *tail, terms.interval, request=request
    )


def _asian(terms: Asian, model: BlackScholes, market: Market, wish: Wish) -> Value:
    def of(method: str, request: Request) -> dict[str, Any]:
        return averages.asian(
            terms.is_call, market.spot, terms.strike, model.volatility, terms.years, market.rate, market.dividend,
            count=terms.count, first=terms.first, seen=terms.seen, seen_average=terms.seen_average,
            average="geometric" if terms.geometric else "arithmetic", method=method, request=request,
        )  # fmt: skip

    results = of("curran", request_of(wish))
    if terms.geometric:
        return value_of(results, _rounding(market, terms.strike))
    other = float(of("moments", Request(outputs=("price",)))["price"])
    gap = abs(float(results["price"]) - other)
    return value_of(results, gap + _rounding(market), "Curran's bound; the error is its distance to two moments")


def _twap(terms: Twap, model: BlackScholes, market: Market, wish: Wish) -> Value:
    return twap_value(terms, model.volatility, market, wish)


def twap_value(terms: Twap, volatility: float, market: Market, wish: Wish) -> Value:
    """Return a TWAP option's value at one volatility; sensitivities are to the forward."""
    results = twap.twap(
        terms.is_call, market.forward(max(terms.years, 1e-9)), terms.strike, volatility, terms.years, market.rate,
        seen_average=terms.seen_average, ticks=terms.ticks, tick_s=terms.tick_s, request=request_of(wish),
    )  # fmt: skip
    return value_of(results, 1e-9 * market.spot, "Curran's bound on the window's average, in the forward")


def _forward(terms: Forward, _: Any, market: Market, wish: Wish) -> Value:
    from math import exp

    discount, forward = exp(-market.rate * terms.years), market.forward(terms.years)
    greeks = {"delta": discount * forward / market.spot} if wish.greeks else {}
    return Value(discount * (forward - terms.strike), greeks, _rounding(market, terms.strike), _EXACT)


def _future(terms: Future, _: Any, market: Market, wish: Wish) -> Value:
    forward = market.forward(terms.years)
    greeks = {"delta": forward / market.spot} if wish.greeks else {}
    return Value(forward, greeks, _rounding(market), _EXACT)


def _perpetual(terms: Perpetual, _: Any, market: Market, wish: Wish) -> Value:
    fair = perpetuals.perpetual_price(terms, market.spot, market.rate, market.dividend)
    greeks = {"delta": fair / market.spot} if wish.greeks else {}
    return Value(fair, greeks, _rounding(market), _EXACT)


def _bachelier(terms: European, model: Bachelier, market: Market, wish: Wish) -> Value:
    forward = market.forward(terms.years)
    results = european.bachelier(
        terms.is_call, forward, terms.strike, model.volatility, terms.years, market.rate,
        outputs=request_of(wish).outputs,
    )  # fmt: skip
    warning = ("sensitivities are to the forward",) if wish.greeks else ()
    return value_of(results, _rounding(market, terms.strike), _EXACT, warning)


def _sabr(terms: European, model: Sabr, market: Market, wish: Wish) -> Value:
    forward = market.forward(terms.years)
    volatility = float(sabr_volatility(model, forward, terms.strike, terms.years))
    results = european.black76(
        terms.is_call, forward, terms.strike, volatility, terms.years, market.rate, outputs=request_of(wish).outputs,
        inverse=terms.inverse,
    )  # fmt: skip
    size = 0.1 * volatility * (model.nu**2 * terms.years) ** 2  # the expansion's next order, roughly
    vega = float(european.black76(True, forward, terms.strike, volatility, terms.years, outputs=["vega"])["vega"])
    warnings = ("sensitivities are to the forward, at this volatility",) if wish.greeks else ()
    return value_of(results, 100.0 * vega * size, "Hagan's expansion with Obloj's correction", warnings)


register(European, BlackScholes, _european)
register(American, BlackScholes, _american)
register(Digital, BlackScholes, _product(_digital))
register(Barrier, BlackScholes, _product(_barrier))
register(DoubleBarrier, BlackScholes, _product(_double))
register(Touch, BlackScholes, _product(_touch))
register(Lookback, BlackScholes, _product(_lookback))
register(Asian, BlackScholes, _asian)
register(Twap, BlackScholes, _twap)
register(Curve, BlackScholes, _product(lambda t, tail, m, q: binaries.piecewise(t.knots, m.spot, *tail, request=q)))
register(European, Bachelier, _bachelier)
register(European, Sabr, _sabr)
register(Forward, BlackScholes, _forward)
register(Future, BlackScholes, _future)
register(Perpetual, BlackScholes, _perpetual)
