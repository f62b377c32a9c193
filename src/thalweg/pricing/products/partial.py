"""Partial-time lookbacks: the extreme counts over the first or the last part of the life only.

- `partial_floating_lookback`: S - f min (call) or f max - S (put), not below zero, the extreme being that until
  `window` years from now, and the factor f above (below) one making it cheaper.
- `partial_fixed_lookback`: max - K or K - min, not below zero, the extreme being that from `start` on.

Continuous watch. (R. Heynen and H. Kat, "Selective memory", Risk 7, November 1994; Haug 2007, sections 4.15.3 and
4.15.4.) Their formulas divide by b = rate - dividend; where b is small they are interpolated across it.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing.bulk import Bulk, Field, Rule
from thalweg.pricing.formula import MARKET, Request, evaluate
from thalweg.pricing.jets import Number, exp, log, normal_cdf, power, sqrt, value_of, where
from thalweg.pricing.products.bivariate import bivariate_cdf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_DEFAULT: Final = Request()
_NEAR: Final = 0.02  # of 2b/v^2: closer to zero than this the formula loses digits
_AROUND: Final = (-0.06, -0.04, -0.02, 0.02, 0.04, 0.06)


def partial_floating_lookback(
    is_call: "ArrayLike", spot: "ArrayLike", extreme: "ArrayLike", window: "ArrayLike", volatility: "ArrayLike",
    years: "ArrayLike", rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, factor: "ArrayLike" = 1.0,
    request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of the right to buy at `factor` times the least price until `window` (a put: sell, greatest).

    `extreme` is the least or greatest price so far.

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED where the window is not within the life, `extreme` is on the wrong
            side of the spot, or the factor below (a put: above) one.
    """
    fields = _fields(spot, volatility, years, rate, dividend)
    fields |= {
        "extreme": Field(extreme, Rule.POSITIVE), "window": Field(window, Rule.POSITIVE),
        "factor": Field(factor, Rule.POSITIVE),
    }  # fmt: skip

    def guard(bulk: Bulk) -> None:
        import numpy as np

        values, is_call = bulk.values, bulk.flags["is_call"]
        bulk.refuse(values["window"] >= values["years"], "window", "shorter than the life; else it is a whole lookback")
        wrong = np.where(is_call, values["extreme"] > values["spot"], values["extreme"] < values["spot"])
        bulk.refuse(wrong, "extreme", "at most the spot for a call, at least for a put")
        wrong = np.where(is_call, values["factor"] < 1.0, values["factor"] > 1.0)
        bulk.refuse(wrong, "factor", "at least one for a call, at most one for a put")

    return evaluate(_floating, fields, {"is_call": is_call}, request, guard=guard)


def partial_fixed_lookback(
    is_call: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", start: "ArrayLike", volatility: "ArrayLike",
    years: "ArrayLike", rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of max - strike (a put: strike - min), the extreme being that from `start` (years) to expiry.

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED where `start` is not within the life.
    """
    fields = _fields(spot, volatility, years, rate, dividend)
    fields |= {"strike": Field(strike, Rule.POSITIVE), "start": Field(start, Rule.POSITIVE)}

    def guard(bulk: Bulk) -> None:
        bulk.refuse(bulk.values["start"] >= bulk.values["years"], "start", "before expiry")

    return evaluate(_fixed, fields, {"is_call": is_call}, request, guard=guard)


def _fields(spot: Any, volatility: Any, years: Any, rate: Any, dividend: Any) -> dict[str, Field]:
    market = {"spot": spot, "volatility": volatility, "years": years, "rate": rate, "dividend": dividend}
    return {name: Field(value, MARKET[name]) for name, value in market.items()}


def _floating(is_call: Any, rate: Number, dividend: Any, **terms: Any) -> Number:
    return _across(_floating_at, rate, dividend, is_call, terms)


def _fixed(is_call: Any, rate: Number, dividend: Any, **terms: Any) -> Number:
    return _across(_fixed_at, rate, dividend, is_call, terms)


def _across(formula: Any, rate: Number, dividend: Any, is_call: Any, terms: dict[str, Any]) -> Number:
    """Return a formula in b; near zero the polynomial through it on both sides."""
    import numpy as np

    sign, half = np.where(is_call, 1.0, -1.0), 0.5 * terms["volatility"] * terms["volatility"]
    carry = rate - dividend
    place = carry / half
    small = np.abs(value_of(place)) < _NEAR
    result: Number = formula(sign, rate, where(small, _NEAR * half, carry), **terms)
    if not np.any(small):
        return result
    smooth: Number = 0.0
    for own in _AROUND:
        weight: Number = 1.0
        for other in _AROUND:
            weight = weight if other == own else weight * (place - other) / (own - other)
        smooth = smooth + weight * formula(sign, rate, own * half, **terms)
    return where(small, smooth, result)


def _deviations(ratio: Number, carry: Number, volatility: Number, years: Number) -> tuple[Number, Number]:
    s = volatility * sqrt(years)
    first = (log(ratio) + (carry + 0.5 * volatility * volatility) * years) / s
    return first, first - s


def _floating_at(
    sign: Any, rate: Number, carry: Number, *, spot: Number, extreme: Any, window: Any, factor: Any, volatility: Number,
    years: Number,
) -> Number:  # fmt: skip
    """Haug's formula with sign +1 for the call and -1 for the put."""
    rest, early = years - window, window / years
    beta, discount, growth = 2.0 * carry / (volatility * volatility), exp(-1.0 * rate * years), exp(carry * years)
    d1, d2 = _deviations(spot / extreme, carry, volatility, years)
    e1, e2 = _deviations(1.0 + 0.0 * spot, carry, volatility, rest)
    f1, f2 = _deviations(spot / extreme, carry, volatility, window + 0.0 * years)
    g1, g2 = (log(factor + 0.0 * spot) / (volatility * sqrt(time)) for time in (years, rest))
    tilt = beta * volatility
    soon, late = sqrt(early), sqrt(1.0 - early)

    def joint(a: Number, b: Number, correlation: Number) -> Number:
        return bivariate_cdf(sign * a, sign * b, correlation)

    plain = growth * normal_cdf(sign * (d1 - g1)) * spot - factor * extreme * normal_cdf(sign * (d2 - g1))
    mirrored = power(spot / extreme, -1.0 * beta) * joint(
        tilt * sqrt(window) - f1, tilt * sqrt(years) - d1 - g1, soon
    ) - growth * power(factor + 0.0 * spot, beta) * joint(-1.0 * d1 - g1, e1 + g2, -1.0 * late)
    own = growth * spot * joint(g1 - d1, e1 - g2, -1.0 * late)
    least = factor * extreme * joint(-1.0 * f2, d2 - g1, -1.0 * soon)
    last = (1.0 + 1.0 / beta) * factor * exp(carry * window) * spot
    last = last * normal_cdf(sign * (e2 - g2)) * normal_cdf(-1.0 * sign * f1)
    return discount * (sign * (plain + own + least - last) + sign * factor * spot / beta * mirrored)


def _fixed_at(
    sign: Any, rate: Number, carry: Number, *, spot: Number, strike: Any, start: Any, volatility: Number, years: Number
) -> Number:
    """Haug's formula with sign +1 for the call and -1 for the put."""
    rest, early = years - start, start / years
    beta, discount, growth = 2.0 * carry / (volatility * volatility), exp(-1.0 * rate * years), exp(carry * years)
    d1, d2 = _deviations(spot / strike, carry, volatility, years)
    e1, e2 = _deviations(1.0 + 0.0 * spot, carry, volatility, rest)
    f1, f2 = _deviations(spot / strike, carry, volatility, start + 0.0 * years)
    tilt = beta * volatility
    soon, late = sqrt(early), sqrt(1.0 - early)

    def joint(a: Number, b: Number, correlation: Number) -> Number:
        return bivariate_cdf(sign * a, sign * b, correlation)

    plain = growth * spot * normal_cdf(sign * d1) - strike * normal_cdf(sign * d2)
    mirrored = growth * joint(e1, d1, late) - power(spot / strike, -1.0 * beta) * joint(
        d1 - tilt * sqrt(years), tilt * sqrt(start) - f1, -1.0 * soon
    )
    own = growth * spot * joint(-1.0 * e1, d1, -1.0 * late)
    least = strike * joint(f2, -1.0 * d2, -1.0 * soon)
    last = (1.0 - 1.0 / beta) * exp(carry * start) * spot * normal_cdf(sign * f1) * normal_cdf(-1.0 * sign * e2)
    return discount * (sign * (plain - own - least + last) + sign * spot / beta * mirrored)
