"""Path-dependent products under the other models: Monte Carlo with standard errors."""

from typing import Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.black import YEAR_S
from thalweg.pricing.interface import Value, Wish, register
from thalweg.pricing.models.parameters import Bates, Heston, Kou, Merton, VarianceGamma
from thalweg.pricing.models.rough import RoughBergomi, RoughHeston
from thalweg.pricing.paths import PathPrice, Sampling, price_asian, price_barrier, price_lookback
from thalweg.pricing.terms import Asian, Barrier, European, Lookback, Market, Twap

_DEVIATIONS: Final = 3.0  # standard errors that the error stands for


def _value(found: PathPrice, wish: Wish) -> Value:
    names = ("delta", "gamma", "vega") if wish.greeks else ()
    greeks = {name: one.value for name in names if (one := getattr(found, name)) is not None}
    method = f"Monte Carlo, {found.paths} paths; the error is three standard errors"
    return Value(found.price.value, greeks, _DEVIATIONS * found.price.error, method, (found.bias,))


def _sampling(wish: Wish) -> Sampling:
    return Sampling(paths=wish.paths, seed=wish.seed)


def _asian(terms: Asian, model: Any, market: Market, wish: Wish) -> Value:
    import numpy as np

    if terms.geometric:
        raise UserFault(Reason.UNKNOWN_FEATURE, "Asian: geometric averages are priced under BlackScholes alone")
    times = np.linspace(terms.first, terms.years, terms.count) if terms.count > 1 else np.array([terms.years])
    whole = terms.count + terms.seen
    known, now = terms.seen * terms.seen_average / whole, times <= 0.0
    found = price_asian(
        model, terms.is_call, terms.strike, market.spot, times[~now], market.rate, market.dividend,
        known=known + float(now.sum()) * market.spot / whole, weights=np.full(int((~now).sum()), 1.0 / whole),
        pay_years=terms.years, sampling=_sampling(wish), greeks=wish.greeks,
    )  # fmt: skip
    return _value(found, wish)


def _european(terms: European, model: Any, market: Market, wish: Wish) -> Value:
    """An average of one fixing."""
    if terms.inverse:
        raise UserFault(Reason.UNKNOWN_FEATURE, "European: coin-settled ones are not priced by Monte Carlo")
    found = price_asian(
        model, terms.is_call, terms.strike, market.spot, [terms.years], market.rate, market.dividend,
        sampling=_sampling(wish), greeks=wish.greeks,
    )  # fmt: skip
    return _value(found, wish)


def _twap(terms: Twap, model: Any, market: Market, wish: Wish) -> Value:
    import numpy as np

    ahead = terms.years - np.arange(terms.ticks, 0, -1) * (terms.tick_s / YEAR_S)
    coming = ahead[ahead > 0.0]
    if not coming.size:
        raise UserFault(Reason.MALFORMED, "Twap: years leave no tick to come: the price is known")
    known = (terms.ticks - coming.size) * terms.seen_average / terms.ticks
    if coming.size < terms.ticks and terms.seen_average <= 0.0:
        raise UserFault(Reason.MALFORMED, "Twap: seen_average must be above zero once ticks have been seen")
    found = price_asian(
        model, terms.is_call, terms.strike, market.spot, coming, market.rate, market.dividend, known=known,
        weights=np.full(coming.size, 1.0 / terms.ticks), pay_years=terms.years, sampling=_sampling(wish),
        greeks=wish.greeks,
    )  # fmt: skip
    return _value(found, wish)


def _watched(terms: Any) -> Any:
    """Return the dates of a discrete watch, or None."""
    import numpy as np

    if terms.interval == 0.0:
        return None
    count = max(round(terms.years / terms.interval), 1)
    return np.linspace(terms.years / count, terms.years, count)


def _barrier(terms: Barrier, model: Any, market: Market, wish: Wish) -> Value:
    if terms.rebate != 0.0:
        raise UserFault(Reason.UNKNOWN_FEATURE, "Barrier: rebates are priced under BlackScholes alone")
    kind: Any = f"{'up' if terms.is_up else 'down'}-{'in' if terms.is_in else 'out'}"
    found = price_barrier(
        model, terms.is_call, terms.strike, market.spot, terms.years, terms.level, kind, market.rate,
        market.dividend, watched=_watched(terms), sampling=_sampling(wish), greeks=wish.greeks,
    )  # fmt: skip
    return _value(found, wish)


def _lookback(terms: Lookback, model: Any, market: Market, wish: Wish) -> Value:
    found = price_lookback(
        model, terms.is_call, terms.strike, market.spot, terms.years, market.rate, market.dividend,
        watched=_watched(terms), extreme=terms.extreme, sampling=_sampling(wish),
    )  # fmt: skip
    return _value(found, wish)


_ENGINES: Final[dict[type, Any]] = {Asian: _asian, Twap: _twap, Barrier: _barrier, Lookback: _lookback}
for _model in (Heston, Bates, Merton, Kou, VarianceGamma, RoughBergomi, RoughHeston):
    for _terms, _engine in _ENGINES.items():
        if _terms is not Twap or _model not in (RoughBergomi, RoughHeston):  # ticks are not on equal steps from now
            register(_terms, _model, _engine)
register(European, RoughBergomi, _european)
