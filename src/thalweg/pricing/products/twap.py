"""Options that settle on the average of the last ticks before expiry, as ours do: thirty, a minute apart.

The settlement price is the mean of the index at expiry - 30, .., expiry - 1 minutes (`instruments.report`). Before the
window the option is nearly a European one; inside, part of the average is known, the rest has less and less variance,
and sensitivities fade tick by tick: with 15 of 30 ticks seen, delta is at most a half.

Priced by Curran's bound (`averages`), whose error is below 1e-9 of the forward in windows of minutes. The index is
taken to move around the forward: over half an hour the drift between them is nothing.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.instruments.report import WINDOW_TICKS
from thalweg.pricing.black import YEAR_S
from thalweg.pricing.bulk import Bulk, Field, Rule
from thalweg.pricing.formula import FIRST, SINGLE, Request, evaluate
from thalweg.pricing.jets import Number, exp, value_of, where
from thalweg.pricing.products.averages import conditioned

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

TICK_S: Final = 60.0
FORWARD: Final = {
    name: output._replace(variables=tuple("forward" if one == "spot" else one for one in output.variables))
    for name, output in SINGLE.items()
}
"""The outputs of `formula.SINGLE`, in the forward."""
_DEFAULT: Final = Request(outputs=FIRST)


def twap(
    is_call: "ArrayLike", forward: "ArrayLike", strike: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, *, seen: "ArrayLike | None" = None, seen_average: "ArrayLike" = 0.0,
    ticks: int = WINDOW_TICKS, tick_s: float = TICK_S, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of options on the average of the last `ticks` prices, `tick_s` seconds apart, before expiry.

    The ticks at and after the time of pricing are still to come; of those before, `seen` had a value (all, where not
    given: a VOID tick is skipped) and `seen_average` is their mean. Delta is in the forward, rho keeps it fixed.

    Raises:
        UserFault: as `formula.evaluate`; also where ticks were seen and their average is missing.
    """
    import numpy as np

    back = np.arange(ticks, 0, -1.0)[:, None] * (tick_s / YEAR_S)

    def formula(
        is_call: Any, forward: Number, strike: Any, seen: Any, seen_average: Any, volatility: Number, years: Number,
        rate: Number,
    ) -> Number:  # fmt: skip
        ahead = years - back
        coming = value_of(ahead) >= 0.0
        left = coming.sum(axis=0)
        seen = np.where(np.isnan(seen), ticks - left, seen)
        weights = np.where(left > 0, coming / np.maximum(left, 1), 1.0 / ticks)
        struck = np.where(left > 0, ((seen + left) * strike - seen * seen_average) / np.maximum(left, 1), strike)
        times = where(coming, ahead, 0.0 * ahead)
        option = conditioned(is_call, forward + 0.0 * times, struck, times, volatility, weights)
        known = np.maximum(np.where(is_call, 1.0, -1.0) * (seen_average - strike), 0.0)
        share = left / np.maximum(seen + left, 1)
        return exp(-1.0 * rate * years) * where(left > 0, share * option, known + 0.0 * option)

    fields = {
        "forward": Field(forward, Rule.POSITIVE), "strike": Field(strike, Rule.NOT_NEGATIVE),
        "volatility": Field(volatility, Rule.POSITIVE), "years": Field(years, Rule.NOT_NEGATIVE),
        "rate": Field(rate, Rule.FINITE), "seen_average": Field(seen_average, Rule.NOT_NEGATIVE),
    }  # fmt: skip
    fields["seen"] = Field(float("nan") if seen is None else seen, Rule.NATURAL if seen is not None else Rule.UNKNOWN)

    def guard(bulk: Bulk) -> None:
        gone = (bulk.values["years"] < ticks * tick_s / YEAR_S) & ~(bulk.values["seen"] == 0.0)
        missing = gone & (bulk.values["seen_average"] <= 0.0)
        bulk.refuse(missing, "seen_average", "above zero once ticks have been seen")

    return evaluate(formula, fields, {"is_call": is_call}, request, table=FORWARD, guard=guard)
