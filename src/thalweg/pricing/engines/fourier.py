"""European options under the models with a characteristic function: COS with its proven bound; rough Heston's own."""

from typing import Any

from thalweg.pricing.interface import Value, Wish, register
from thalweg.pricing.models import rough
from thalweg.pricing.models.fourier import price_slice
from thalweg.pricing.models.parameters import Bates, Heston, Kou, Merton, VarianceGamma
from thalweg.pricing.terms import European, Market


def _european(terms: European, model: Any, market: Market, wish: Wish) -> Value:
    found = price_slice(
        model, terms.is_call, market.forward(terms.years), terms.strike, terms.years, market.rate,
        detail="parameters" if wish.greeks else "price", inverse=terms.inverse,
    )  # fmt: skip
    greeks: dict[str, float] = {}
    if wish.greeks:
        greeks = {name: float(getattr(found, name)) for name in ("delta", "gamma", "theta", "rho")}
        greeks |= {f"d_{name}": float(one) for name, one in (found.parameters or {}).items()}
    warnings = ("delta and gamma are to the forward; d_x is per 1.00 of the parameter x",) if wish.greeks else ()
    return Value(float(found.price), greeks, float(found.error), "COS, error bounded", warnings)


def _rough(terms: European, model: rough.RoughHeston, market: Market, wish: Wish) -> Value:
    forward = market.forward(terms.years)
    found = rough.price_slice(model, terms.is_call, forward, terms.strike, terms.years, market.rate)
    unit = forward if terms.inverse else 1.0
    method = "Fourier, fractional Adams; the error is estimated"
    return Value(float(found.price) / unit, {}, float(found.error) / unit, method)


register(European, rough.RoughHeston, _rough)
for _model in (Heston, Bates, Merton, Kou, VarianceGamma):
    register(European, _model, _european)
