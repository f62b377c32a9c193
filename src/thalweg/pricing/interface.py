"""One way to price: terms x model x market -> price, sensitivities, error, and who computed it.

    value = price(Barrier(...), BlackScholes(0.6), Market(spot=60_000.0))

Models are those of `models.parameters`, `Bachelier`, `Sabr`, and `SurfaceModel`: each strike at the surface's own
volatility. An engine is a function of (terms, model, market, wish) registered for a pair; `register` adds one, and the
built-in ones are loaded when first needed. A pair without one raises an error that lists what is supported.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.terms import Market, Terms

_BUILT_IN: Final = ("closed", "pairs", "smiles", "fourier", "simulated")


class Value(msgspec.Struct, frozen=True):
    """What something is worth.

    `price` is in the quote currency (inverse: in coin); `greeks` are in traders' units by name (`european`); `error`
    bounds or estimates the absolute error of the price, as `method` says; `warnings` are what the user should know.
    """

    price: float
    greeks: dict[str, float]
    error: float
    method: str
    warnings: tuple[str, ...] = ()


class Wish(msgspec.Struct, frozen=True):
    """How much is asked for: sensitivities or the price alone; Monte Carlo's number of paths and seed."""

    greeks: bool = True
    paths: int = 1 << 16
    seed: int = 1


class SurfaceModel(msgspec.Struct, frozen=True):
    """Each strike at the volatility that the market's surface gives it (sticky strike)."""


class Bachelier(msgspec.Struct, frozen=True):
    """A normal forward; `volatility` in price units per root of a year."""

    volatility: float


Engine = Callable[[Any, Any, Market, Wish], Value]
_engines: Final[dict[tuple[type, type], Engine]] = {}


def register(terms: type[Terms], model: type, engine: Engine) -> None:
    """Make an engine the one for a pair; the last one registered counts."""
    _engines[terms, model] = engine


def price(terms: Terms, model: Any, market: Market, wish: Wish | None = None) -> Value:
    """Return what the terms are worth under the model.

    Raises:
        UserFault: UNKNOWN_FEATURE for a pair without an engine, listing what is supported; MALFORMED as engines say.
    """
    _load()
    engine = _engines.get((type(terms), type(model)))
    if engine is None:
        raise UserFault(Reason.UNKNOWN_FEATURE, _unsupported(type(terms), type(model)))
    return engine(terms, model, market, wish or Wish())


def supported() -> dict[str, tuple[str, ...]]:
    """Return, by kind of terms, the models that can price it."""
    _load()
    found: dict[str, list[str]] = {}
    for terms, model in _engines:
        found.setdefault(terms.__name__, []).append(model.__name__)
    return {terms: tuple(sorted(models)) for terms, models in sorted(found.items())}


def _unsupported(terms: type, model: type) -> str:
    pairs = supported()
    own = pairs.get(terms.__name__, ())
    others = [name for name, models in pairs.items() if model.__name__ in models]
    return (
        f"{terms.__name__} cannot be priced under {model.__name__}. {terms.__name__} is supported under "
        f"{', '.join(own) or 'no model'}; {model.__name__} prices {', '.join(others) or 'nothing'}"
    )


@cache
def _load() -> None:
    for name in _BUILT_IN:
        import_module(f"thalweg.pricing.engines.{name}")
