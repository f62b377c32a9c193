"""Asian options, on geometric and arithmetic averages, continuous or of fixings; in-progress averages included.

- Fixings: `count` of them are left, at equal steps from `first` (years; 0: now) to `years`; `seen` are in, and their
  average is `seen_average`. The payoff is on the average of all seen + count.
- Continuous: the average is over the last `window` years before expiry, or over [0, years] where the window is longer
  than that: then `seen_average` is that of the part gone by. Theta lets the known part grow at the spot.

Geometric averages are lognormal: exact (A. Kemna and A. Vorst, J. Banking and Finance 14, 1990). Arithmetic ones:

- `moments`: lognormal with the exact first two moments (S. Turnbull and L. Wakeman, JFQA 26, 1991; E. Levy, J. Int.
  Money and Finance 11, 1992; discrete: E. Haug, W. Margrabe and E. Haug 2003; Haug 2007, section 4.20). Good to a few
  tenths of a per cent of the price at low deviation, less so at high.
- `curran`: E[(E[A|G] - K)+], the best bound from below that the geometric average G gives, in closed form but for one
  root (M. Curran, Management Science 40, 1994; L. Rogers and Z. Shi, J. Applied Probability 32, 1995). Some 1e-5 of
  the price at the deviations of a month, exact for the price in windows of minutes. The default for fixings.
  Of continuous averages too: 1e-6 to 4e-4 below the price at deviations of 0.1 to 0.7.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing import elementary
from thalweg.pricing.bulk import Field, Rule
from thalweg.pricing.formula import MARKET, Request, evaluate
from thalweg.pricing.jets import Number, exp, log, normal_cdf, sqrt, total, value_of, where
from thalweg.pricing.quadrature import legendre

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

FIXINGS_MAX: Final = 4096
_DEFAULT: Final = Request()
_NODES: Final = tuple((0.5 * (1.0 + x), 0.5 * w) for x, w in legendre(12))
_FINE: Final = tuple((0.5 * (1.0 + x), 0.5 * w) for x, w in legendre(20))
_STEPS_MAX: Final = 60


def asian(
    is_call: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, count: int, first: "ArrayLike" = 0.0, seen: int = 0,
    seen_average: "ArrayLike" = 0.0, average: str = "arithmetic", method: str = "curran", request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of options on the average of fixings.

    `average` is "arithmetic" or "geometric"; `method` (arithmetic only) "curran" or "moments".

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED for counts, words, or a first fixing after expiry.
    """
    if not (1 <= count <= FIXINGS_MAX and 0 <= seen <= FIXINGS_MAX):
        raise UserFault(Reason.MALFORMED, f"count is 1..{FIXINGS_MAX} and seen 0..{FIXINGS_MAX}, not {count}, {seen}")
    known = {"arithmetic": {"curran": _curran, "moments": _matched}, "geometric": {"curran": _geometric}}
    if average not in known or method not in ("curran", "moments"):
        raise UserFault(Reason.MALFORMED, f"no {method!r} method for an {average!r} average")
    solve = _geometric if average == "geometric" else known[average][method]
    import numpy as np

    share = np.linspace(0.0, 1.0, count)[:, None] if count > 1 else np.ones((1, 1))

    def formula(
        is_call: Any, spot: Number, strike: Any, first: Any, seen_average: Any, volatility: Number, years: Number,
        rate: Number, dividend: Any,
    ) -> Number:  # fmt: skip
        times = first + (years - first) * share
        discount, carry = exp(-1.0 * rate * years), rate - dividend
        return discount * solve(is_call, spot, strike, times, volatility, carry, seen, seen_average)

    fields = _fields(spot, strike, volatility, years, rate, dividend)
    fields |= {"first": Field(first, Rule.NOT_NEGATIVE), "seen_average": Field(seen_average, Rule.NOT_NEGATIVE)}

    def guard(bulk: Any) -> None:
        bulk.refuse(bulk.values["first"] > bulk.values["years"], "first", "at most the years to expiry")
        if seen and average == "geometric":
            bulk.refuse(bulk.values["seen_average"] <= 0.0, "seen_average", "above zero for a geometric average")

    return evaluate(formula, fields, {"is_call": is_call}, request, guard=guard)


def continuous_asian(
    is_call: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, window: "ArrayLike | None" = None,
    seen_average: "ArrayLike" = 0.0, average: str = "arithmetic", method: str = "moments", request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of options on a continuous average; `window` is all of the time to expiry where not given.

    `method` (arithmetic only): "moments", Levy's, or "curran", some thirty times closer to the price.

    Raises:
        UserFault: as `asian`.
    """
    if average not in ("arithmetic", "geometric") or method not in ("moments", "curran"):
        raise UserFault(Reason.MALFORMED, f"no {method!r} method for an {average!r} average")
    arithmetic = _continuous_curran if method == "curran" else _continuous_arithmetic
    solve = _continuous_geometric if average == "geometric" else arithmetic

    def formula(
        is_call: Any, spot: Number, strike: Any, window: Any, seen_average: Any, volatility: Number, years: Number,
        rate: Number, dividend: Any,
    ) -> Number:  # fmt: skip
        carry = rate - dividend
        return exp(-1.0 * rate * years) * solve(is_call, spot, strike, window, seen_average, volatility, years, carry)

    fields = _fields(spot, strike, volatility, years, rate, dividend)
    fields["window"] = Field(years if window is None else window, Rule.POSITIVE)
    fields["seen_average"] = Field(seen_average, Rule.NOT_NEGATIVE)
    return evaluate(formula, fields, {"is_call": is_call}, request)


def option_on_lognormal(is_call: Any, mean: Number, strike: Number, variance: Number) -> Number:
    """Return the undiscounted option on a lognormal variable; a strike not above zero is exercised for sure."""
    import numpy as np

    sign = np.where(is_call, 1.0, -1.0)
    sure = value_of(strike) <= 0.0
    struck = where(sure, 0.0 * mean + value_of(mean), strike + 0.0 * mean)
    root = sqrt(where(value_of(variance) > 1e-30, variance, 0.0 * variance + 1e-30))
    d1 = log(mean / struck) / root + 0.5 * root
    option = sign * (mean * normal_cdf(sign * d1) - struck * normal_cdf(sign * (d1 - root)))
    return where(sure, where(is_call, mean - strike, 0.0 * mean), option)


def _remaining(strike: Any, count: int, seen: int, seen_average: Any) -> Any:
    """Return the strike on the average of what is left."""
    return ((seen + count) * strike - seen * seen_average) / count


def _matched(
    is_call: Any, spot: Number, strike: Any, times: Number, volatility: Number, carry: Number, seen: int,
    seen_average: Any,
) -> Number:  # fmt: skip
    import numpy as np

    count = value_of(times).shape[0]
    forwards = spot * exp(carry * times)
    mean = total(forwards) / count
    grown = forwards * exp(volatility * volatility * times)
    later: Number = 0.0 * mean
    square: Number = 0.0 * mean
    for i in range(count - 1, -1, -1):
        own = _row(forwards, i)
        square = square + _row(grown, i) * (own + 2.0 * later)
        later = later + own
    variance = log(square / (count * count) / (mean * mean))
    option = option_on_lognormal(is_call, mean, _remaining(strike, count, seen, seen_average), variance)
    return np.float64(count / (seen + count)) * option


def _row(x: Number, index: int) -> Number:
    from thalweg.pricing.jets import Jet

    return Jet(x.algebra, x.parts[:, index]) if isinstance(x, Jet) else x[index]


def _curran(
    is_call: Any, spot: Number, strike: Any, times: Number, volatility: Number, carry: Number, seen: int,
    seen_average: Any,
) -> Number:  # fmt: skip
    import numpy as np

    count = value_of(times).shape[0]
    struck, weights = _remaining(strike, count, seen, seen_average), np.full((count, 1), 1.0 / count)
    return (count / (seen + count)) * conditioned(
        is_call, spot * exp(carry * times), struck, times, volatility, weights
    )


def conditioned(
    is_call: Any, forwards: Number, strike: Any, times: Number, volatility: Number, weights: "NDArray[np.float64]"
) -> Number:
    """Return the undiscounted option on the sum of weights times prices at `times`, by Curran's bound.

    `forwards` and `times` (rising) have fixings along their first axis; `weights`, too, add up to one.
    """

    return _bounded(is_call, forwards, strike, _with_geometric(times, volatility, weights), weights)


def _bounded(is_call: Any, forwards: Number, strike: Any, spread: Number, weights: "NDArray[np.float64]") -> Number:
    """Return E[(E[A|G] - K)+] given each price's covariance with ln G, over G's deviation."""
    import numpy as np

    mean = total(forwards * weights)
    sure = value_of(strike) <= 0.0
    target = where(sure, value_of(mean), strike)
    y = _root(forwards, spread, value_of(target), weights, target)
    sign = np.where(is_call, 1.0, -1.0)
    own = total(forwards * weights * normal_cdf(sign * (spread - y)))
    option = sign * (own - target * normal_cdf(-1.0 * sign * y))
    return where(sure, where(is_call, mean - strike, 0.0 * mean), option)


def _with_geometric(times: Number, volatility: Number, weights: Any) -> Number:
    """Return each fixing's covariance with ln G, G being the geometric average, over G's deviation."""
    # cov(W_i, sum of w_j W_j) = sum of w_j t_j for j <= i, and t_i times the weight of the others; times rise
    shared = _running(times * weights) + times * (1.0 - weights.cumsum(axis=0))
    variance = total(shared * weights)
    floor = where(value_of(variance) > 1e-30, variance, 0.0 * variance + 1e-30)
    return volatility * shared / sqrt(floor)


def _running(x: Number) -> Number:
    from thalweg.pricing.jets import Jet

    return Jet(x.algebra, x.parts.cumsum(axis=1)) if isinstance(x, Jet) else x.cumsum(axis=0)


def _root(forwards: Number, spread: Number, target: Any, weights: Any, exact: Number) -> Number:
    """Return y where E[A] given ln G at y deviations, the mean of F_i e^(a_i y - a_i^2/2), is the target."""
    import numpy as np

    plain, a = value_of(forwards) * weights, value_of(spread)
    y = np.zeros(np.broadcast_shapes(plain.shape[1:], a.shape[1:], np.shape(target)))
    for _ in range(_STEPS_MAX):
        parts = plain * elementary.exp(a * y - 0.5 * a * a)
        mean, slope = parts.sum(axis=0), (a * parts).sum(axis=0)
        # Newton's method on the logarithm, which is nearly linear in y
        step = np.clip(elementary.log(target / mean) * mean / np.maximum(slope, 1e-300), -5.0, 5.0)
        y = y + step
        if np.all(np.abs(step) < 1e-13 * (1.0 + np.abs(y))):
            break
    y = np.clip(y, -37.0, 37.0)
    firm = (a * plain * elementary.exp(a * y - 0.5 * a * a)).sum(axis=0) > 1e-250
    result: Number = y + 0.0 * total(forwards)
    for _ in range(2):  # each step makes more derivatives exact: the first, then all three
        parts = forwards * weights * exp(spread * result - 0.5 * spread * spread)
        full = total(spread * parts)
        result = result - (total(parts) - exact) / where(firm, full, 1.0 + 0.0 * full)
    return result


def _geometric(
    is_call: Any, spot: Number, strike: Any, times: Number, volatility: Number, carry: Number, seen: int,
    seen_average: Any,
) -> Number:  # fmt: skip
    import numpy as np

    count = value_of(times).shape[0]
    whole = seen + count
    middle = total(times) / count
    ranks = np.arange(count)[:, None]
    shared = total(times * (2.0 * (count - ranks) - 1.0)) / (count * count)
    share = count / whole
    variance = volatility * volatility * shared * share * share
    drift = (carry - 0.5 * volatility * volatility) * middle
    level = share * (log(spot) + drift)
    if seen:
        level = level + (seen / whole) * elementary.log(seen_average)
    return option_on_lognormal(is_call, exp(level + 0.5 * variance), strike, variance)


def _window(window: Any, years: Number) -> tuple[Any, Any, Number, Number]:
    """Return what is gone of a window that ends in `years`, whether it has begun, when it starts, and what is left."""
    import numpy as np

    gone = np.maximum(window - value_of(years), 0.0)
    begun = gone > 1e-12 * window
    start = where(begun, 0.0 * years, years - window)
    start = where(value_of(start) > 0.0, start, 0.0 * start)
    return gone, begun, start, years - start


def _continuous_geometric(
    is_call: Any, spot: Number, strike: Any, window: Any, seen_average: Any, volatility: Number, years: Number,
    carry: Number,
) -> Number:  # fmt: skip
    import numpy as np

    gone, begun, start, left = _window(window, years)
    share = where(begun, left / window, 1.0 + 0.0 * left)
    variance = volatility * volatility * (start + left / 3.0) * share * share
    level = share * (log(spot) + (carry - 0.5 * volatility * volatility) * (start + 0.5 * left))
    known = elementary.log(np.where(begun & (seen_average > 0.0), seen_average, 1.0))
    level = level + gone / window * known
    return option_on_lognormal(is_call, exp(level + 0.5 * variance), strike, variance)


def _continuous_arithmetic(
    is_call: Any, spot: Number, strike: Any, window: Any, seen_average: Any, volatility: Number, years: Number,
    carry: Number,
) -> Number:  # fmt: skip
    gone, begun, start, left = _window(window, years)
    mean: Number = 0.0
    square: Number = 0.0
    for node, weight in _NODES:
        at = start + left * node
        mean = mean + weight * exp(carry * at)
        inner: Number = 0.0
        for far, share in _NODES:
            inner = inner + share * exp(carry * (at + (years - at) * far))
        square = square + 2.0 * weight * (1.0 - node) * exp((carry + volatility * volatility) * at) * inner
    variance = log(square / (mean * mean))
    part = where(begun, left / window, 1.0 + 0.0 * left)
    struck = (strike - _known(spot, window, seen_average, gone, begun, years)) / part
    return part * option_on_lognormal(is_call, spot * mean, struck, variance)


def _continuous_curran(
    is_call: Any, spot: Number, strike: Any, window: Any, seen_average: Any, volatility: Number, years: Number,
    carry: Number,
) -> Number:  # fmt: skip
    import numpy as np

    gone, begun, start, left = _window(window, years)
    nodes, weights = (np.array(column)[:, None] for column in zip(*_FINE, strict=True))
    part = where(begun, left / window, 1.0 + 0.0 * left)
    struck = (strike - _known(spot, window, seen_average, gone, begun, years)) / part
    # of ln G and a price at start + u: start + u - u^2/(2 left); of ln G itself: start + left/3
    shared = start + left * (nodes - 0.5 * nodes * nodes)
    spread = volatility * shared / sqrt(start + left / 3.0)
    return part * _bounded(is_call, spot * exp(carry * (start + left * nodes)), struck, spread, weights)


def _known(spot: Number, window: Any, seen_average: Any, gone: Any, begun: Any, years: Number) -> Number:
    """Return the known part of the average; as time passes it grows at the spot: in the variable `years` it shrinks."""
    return seen_average * gone / window - (spot * 1.0) * (years - value_of(years)) / window * begun


def _fields(spot: Any, strike: Any, volatility: Any, years: Any, rate: Any, dividend: Any) -> dict[str, Field]:
    market = {"spot": spot, "volatility": volatility, "years": years, "rate": rate, "dividend": dividend}
    fields = {name: Field(value, MARKET[name]) for name, value in market.items()}
    return {**fields, "strike": Field(strike, Rule.NOT_NEGATIVE)}
