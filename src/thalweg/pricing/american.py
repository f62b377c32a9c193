"""American options: price and the eleven sensitivities, at any sign of rate and dividend, to about 1e-7 of the strike.

Conventions are those of `thalweg.pricing.european`: `rate` and `dividend` continuously compounded per year (an asset
with cost of carry b has dividend = rate - b; a future, dividend = rate), units as in its table. An option that should
be exercised at once is worth its intrinsic value; its delta is that of the payoff, its other sensitivities are zero.

Domain: all volatilities, times, rates and dividends. Where a put has rate > 0 (a call: dividend > 0), and where nothing
is gained by exercise, the method is precise (`american_boundary`). Where q < r < 0 (a call: r < q < 0) there are two
exercise boundaries, and at volatilities far below the rates the method may not settle: there a binomial tree gives
about four digits, and the verdict is APPROXIMATE (`invalid="nan"`).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing import american_boundary, american_value, warm
from thalweg.pricing.bulk import DAY, POINT, Bulk, Field, Invalid, Rule, Units, checked_units
from thalweg.pricing.european import OUTPUTS
from thalweg.pricing.planes import planes
from thalweg.pricing.scalar import bounded_exp, log_ratio, normal_cdf, normal_pdf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_TRADER: Final = {
    "vega": POINT, "theta": DAY, "rho": POINT, "vanna": POINT, "volga": POINT**2, "charm": DAY, "zomma": POINT,
    "color": DAY,
}  # fmt: skip


def _tail(x: float) -> tuple[float, float]:
    return normal_cdf(-abs(x)), normal_pdf(x)


_boundary, _held_put = american_boundary.build(
    lambda function: function, lambda function: function, bounded_exp, log_ratio, _tail,
    lambda: [0.0] * american_boundary.CELLS, lambda: [0.0] * american_boundary.PRICE_POINTS, american_boundary.TABLES,
)  # fmt: skip
american_one: Final = american_value.build(
    lambda function: function, bounded_exp, log_ratio, _tail, _boundary, _held_put,
    lambda: [0.0] * (american_boundary.NODES + 1), lambda: [0.0] * american_value.TREE_CELLS,
)  # fmt: skip
"""The solver in pure Python: some ten milliseconds."""


def american(
    is_call: "ArrayLike",
    spot: "ArrayLike",
    strike: "ArrayLike",
    volatility: "ArrayLike",
    years: "ArrayLike",
    rate: "ArrayLike" = 0.0,
    dividend: "ArrayLike" = 0.0,
    *,
    outputs: Sequence[str] = ("price", "delta", "gamma", "theta"),
    units: Units = "trader",
    invalid: Invalid = "raise",
    out: "Mapping[str, NDArray[np.float64]] | None" = None,
) -> "dict[str, NDArray[Any]]":
    """Return the outputs asked for, by name, each of the arguments' common shape.

    Price, delta, gamma and theta cost one solution; any other output six more. With `invalid="nan"` the verdicts are
    returned too, under "verdict".

    Raises:
        UserFault: MALFORMED, naming argument and index, or what is wrong with shapes or `out`.
    """
    import numpy as np

    fields = {
        "spot": Field(spot, Rule.NOT_NEGATIVE), "strike": Field(strike, Rule.NOT_NEGATIVE),
        "volatility": Field(volatility, Rule.NOT_NEGATIVE), "years": Field(years, Rule.NOT_NEGATIVE),
        "rate": Field(rate, Rule.FINITE), "dividend": Field(dividend, Rule.FINITE),
    }  # fmt: skip
    trader = checked_units(units)
    bulk = Bulk(fields, {"is_call": is_call}, outputs, OUTPUTS, invalid, out)
    inputs = [bulk.flags["is_call"], *bulk.values.values()]
    scales = np.array([_TRADER.get(name, 1.0) if trader else 1.0 for name in OUTPUTS])
    mask = sum(1 << OUTPUTS.index(name) for name in bulk.results)
    kernels = warm.american(bulk.verdict.size) if bulk.verdict.size else None
    if kernels is None:
        _one_by_one(bulk, inputs, scales, int(mask & ~american_value.CHEAP != 0))
        return bulk.finish()
    unused = np.empty((1, 1))
    places = [bulk.results.get(name) for name in OUTPUTS]
    held = [place for place in places if place is not None]
    for *views, verdicts in planes(bulk.shape, [*inputs, *held, bulk.verdict]):
        left = iter(views[len(inputs) :])
        outs = tuple(unused if place is None else next(left) for place in places)
        call, *numbers = views[: len(inputs)]
        kernels.price_parallel(tuple(numbers), call, mask, scales, outs, verdicts, *call.shape)
    return bulk.finish()


def _one_by_one(bulk: Bulk, inputs: list[Any], scales: Any, wanted: int) -> None:
    import numpy as np

    results = [0.0] * len(OUTPUTS)
    for index, (call, *values) in zip(np.ndindex(bulk.shape), np.broadcast(*inputs), strict=True):
        bulk.verdict[index] = american_one(bool(call), *map(float, values), wanted, results)
        for name, place in bulk.results.items():
            output = OUTPUTS.index(name)
            place[index] = scales[output] * results[output]
