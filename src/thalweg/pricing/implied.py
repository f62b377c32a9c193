"""Implied volatility in bulk: NaN with a reason where no volatility gives a price, never an exception for one element.

Where the price determines the volatility, its relative error is below 2e-12. Method: `thalweg.pricing.deviations`.
"""

from enum import IntEnum
from math import inf, nan, sqrt
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from thalweg.pricing import warm
from thalweg.pricing.deviations import deviation
from thalweg.pricing.planes import as_flags, as_floats, common_shape, planes
from thalweg.pricing.scalar import bounded_exp, log_ratio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


class Verdict(IntEnum):
    """What a price says about volatility."""

    OK = 0
    MALFORMED = 1  # an input is not finite, or not positive (a price may be zero)
    BELOW_INTRINSIC = 2  # worth less than exercising on the forward
    ABOVE_BOUND = 3  # worth as much as the underlying (a put: as the strike), or more
    NO_TIME_VALUE = 4  # exactly the intrinsic value: the volatility is zero, or too small to be seen


class ImpliedVolatility(NamedTuple):
    """Volatilities (0.5 is 50 %; per root of a year) and what stands against each: arrays of one shape.

    The volatility is NaN where the verdict is MALFORMED, BELOW_INTRINSIC or ABOVE_BOUND, and 0.0 at NO_TIME_VALUE.
    """

    volatility: "NDArray[np.float64]"
    verdict: "NDArray[np.uint8]"


class ImpliedOne(msgspec.Struct, frozen=True):
    """One volatility and what stands against it, as in `ImpliedVolatility`."""

    volatility: float
    verdict: Verdict


def implied_volatility(
    is_call: "ArrayLike",
    price: "ArrayLike",
    forward: "ArrayLike",
    strike: "ArrayLike",
    years: "ArrayLike",
    rate: "ArrayLike" = 0.0,
    *,
    inverse: bool = False,
) -> ImpliedVolatility:
    """Return the Black-76 volatilities of prices; arguments broadcast.

    `price` is in the quote currency, or in coin where `inverse` (its value in the quote currency over the forward);
    `rate` is what discounts it, continuously compounded per year. Spot options: forward = spot e^((rate-dividend) T).

    Raises:
        UserFault: MALFORMED for shapes that do not broadcast or arguments that are no numbers.
    """
    import numpy as np

    fields = {"price": price, "forward": forward, "strike": strike, "years": years, "rate": rate}
    named = [(name, as_floats(name, value)) for name, value in fields.items()]
    call = as_flags("is_call", is_call)
    shape = common_shape([("is_call", call), *named])
    result = ImpliedVolatility(np.empty(shape), np.empty(shape, np.uint8))
    inputs = [call, *(values for _, values in named)]
    size = result.volatility.size
    kernels = warm.kernels(size) if size else None
    if kernels is None:
        for index, (flag, *values) in zip(np.ndindex(shape), np.broadcast(*inputs), strict=True):
            one = implied_one(bool(flag), *map(float, values), inverse=inverse)
            result.volatility[index], result.verdict[index] = one.volatility, one.verdict
        return result
    for flags, *views, volatility, verdict in planes(shape, [*inputs, *result]):
        kernels.implied.solve_parallel(inverse, tuple(views), flags, volatility, verdict, *flags.shape)
    return result


def implied_one(
    is_call: bool,
    price: float,
    forward: float,
    strike: float,
    years: float,
    rate: float = 0.0,
    *,
    inverse: bool = False,
) -> ImpliedOne:
    """Return what one price implies, in pure Python: the scalar twin of `implied_volatility`."""
    if not (forward > 0.0 and strike > 0.0 and years > 0.0 and price >= 0.0):
        return ImpliedOne(nan, Verdict.MALFORMED)
    if not price + forward + strike + years + abs(rate) < inf:
        return ImpliedOne(nan, Verdict.MALFORMED)
    undiscounted = price * bounded_exp(rate * years) * (forward if inverse else 1.0)
    value = undiscounted - max(forward - strike if is_call else strike - forward, 0.0)
    bound = min(forward, strike)
    if value >= bound:
        return ImpliedOne(nan, Verdict.ABOVE_BOUND)
    if value <= 0.0:
        return ImpliedOne(0.0, Verdict.NO_TIME_VALUE) if value == 0.0 else ImpliedOne(nan, Verdict.BELOW_INTRINSIC)
    root = sqrt(forward) * sqrt(strike)
    s: float = deviation(-abs(log_ratio(forward, strike)), value / root, (bound - value) / root)
    return ImpliedOne(s / sqrt(years), Verdict.OK)
