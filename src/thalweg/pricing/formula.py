"""From a formula to a bulk function: broadcasting, checks, outputs in traders' units, derivatives by jets.

A formula takes arguments by name, arrays or jets, and returns a price made with the functions of `jets`. Which
derivative an output is, `Output` says; variables that none of the outputs needs stay plain arrays. Elements go through
in blocks that stay in cache.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import factorial, prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.pricing.bulk import DAY, POINT, Bulk, Field, Invalid, Rule, Units, Verdict, checked_units
from thalweg.pricing.jets import Jet, algebra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK: Final = 1024
Formula = Callable[..., Any]
Guard = Callable[[Bulk], None]


class Output(NamedTuple):
    """The derivative of the price in `variables` (each as often as it stands there), times `sign`; its unit."""

    variables: tuple[str, ...] = ()
    sign: float = 1.0
    unit: float = 1.0


SINGLE: Final = {
    "price": Output(),
    "delta": Output(("spot",)),
    "gamma": Output(("spot", "spot")),
    "vega": Output(("volatility",), 1.0, POINT),
    "theta": Output(("years",), -1.0, DAY),
    "rho": Output(("rate",), 1.0, POINT),
    "vanna": Output(("spot", "volatility"), 1.0, POINT),
    "volga": Output(("volatility", "volatility"), 1.0, POINT**2),
    "charm": Output(("spot", "years"), -1.0, DAY),
    "speed": Output(("spot", "spot", "spot")),
    "zomma": Output(("spot", "spot", "volatility"), 1.0, POINT),
    "color": Output(("spot", "spot", "years"), -1.0, DAY),
}
"""The outputs of products on one underlying: those of `thalweg.pricing.european`, in its units."""
FIRST: Final = tuple(SINGLE)[:6]
MARKET: Final = {
    "spot": Rule.POSITIVE, "volatility": Rule.POSITIVE, "years": Rule.POSITIVE, "rate": Rule.FINITE,
    "dividend": Rule.FINITE,
}  # fmt: skip
"""The rules of what nearly every product is priced from."""


class Request(NamedTuple):
    """What a caller asks of a product beside its terms; see `european.black_scholes` for the meaning.

    `inverse`: what the terms pay is paid in coin, at the price of that moment; then all outputs are those of the coin
    price, which is the other one over the spot.
    """

    outputs: Sequence[str] = FIRST
    units: Units = "trader"
    invalid: Invalid = "raise"
    out: "Mapping[str, NDArray[np.float64]] | None" = None
    inverse: bool = False


def evaluate(
    formula: Formula,
    fields: Mapping[str, Field],
    flags: Mapping[str, Any],
    request: Request,
    *,
    table: Mapping[str, Output] = SINGLE,
    guard: Guard | None = None,
) -> "dict[str, NDArray[Any]]":
    """Return the outputs of a formula by name, each of the arguments' common shape.

    `guard` refuses what the rules of single arguments cannot: it is given the checked call.

    Raises:
        UserFault: MALFORMED, naming argument and index, or what is wrong with shapes, outputs or `out`.
    """
    import numpy as np

    trader = checked_units(request.units)
    if request.inverse and "spot" not in fields:
        raise UserFault(Reason.UNKNOWN_FEATURE, "inverse: only what is priced from a spot can be paid in coin")
    bulk = Bulk(fields, flags, request.outputs, tuple(table), request.invalid, request.out)
    if guard is not None:
        guard(bulk)
    chosen = [(table[name], bulk.results[name]) for name in bulk.results]
    rows = {name: bulk.flat(name) for name in (*fields, *flags)}
    good = np.flatnonzero((bulk.verdict != Verdict.MALFORMED) & (bulk.verdict != Verdict.OUTSIDE))
    flat = [(output, np.empty(bulk.verdict.size)) for output, _ in chosen]
    for start in range(0, good.size, BLOCK):
        index = good[start : start + BLOCK]
        _block(formula, {name: row[index] for name, row in rows.items()}, flat, index, trader, request.inverse)
    for (_, place), (_, values) in zip(chosen, flat, strict=True):
        place[...] = values.reshape(bulk.shape)
    return bulk.finish()


def _block(formula: Formula, arguments: dict[str, Any], flat: Any, index: Any, trader: bool, inverse: bool) -> None:
    import numpy as np

    variables = sorted({name for output, _ in flat for name in output.variables})
    powers = [tuple(output.variables.count(name) for name in variables) for output, _ in flat]
    if variables:
        kept = algebra(tuple(powers), len(variables))
        for i, name in enumerate(variables):
            arguments[name] = kept.variable(i, np.asarray(arguments[name], np.float64))
    with np.errstate(all="ignore"):
        price = formula(**arguments) / arguments["spot"] if inverse else formula(**arguments)
    for (output, values), power in zip(flat, powers, strict=True):
        factor = output.sign * (output.unit if trader else 1.0)
        factor *= prod(factorial(count) for count in Counter(output.variables).values())
        if isinstance(price, Jet):
            values[index] = factor * price.parts[price.algebra.place[power]]
        else:
            values[index] = 0.0 if output.variables else factor * price
