"""Lookback options: on the greatest or least price until expiry, watched continuously or at intervals.

With D(M) = e^-rT E[(max - M)+], M >= S, and beta = 2b/v^2, b = rate - dividend:

    D(M) = S e^(b-r)T N(d1) - M e^-rT N(d2) + S e^-rT (e^bT N(d1) - (S/M)^-beta N(d1 - beta s))/beta

fixed strike K: call D(max(K, M)) + e^-rT (M - K)+, M being the greatest price so far; floating: the put (max - S) is
D(M) + M e^-rT - S e^(b-r)T. Minima likewise. The last term is the integral of its derivative in beta, which neither
cancels nor divides by zero where b is small. (B. Goldman, H. Sosin and M. Gatto, J. Finance 34, 1979; A. Conze and
Viswanathan, J. Finance 46, 1991; Haug 2007, section 4.15.)

`interval`: years between the observations that count, 0 for continuous watch: the greatest of discrete prices is about
e^(-0.5826 v sqrt(interval)) times the continuous one (M. Broadie, P. Glasserman and S. Kou, "Connecting discrete and
continuous path-dependent options", Finance and Stochastics 3, 1999).
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing.bulk import Bulk, Field, Rule
from thalweg.pricing.formula import MARKET, Request, evaluate
from thalweg.pricing.jets import Number, density, exp, log, maximum, minimum, scaled_cdf, sqrt, value_of, where
from thalweg.pricing.products.barriers import CONTINUITY
from thalweg.pricing.quadrature import legendre

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_DEFAULT: Final = Request()
_NODES: Final = tuple((0.5 * (1.0 + x), 0.5 * w) for x, w in legendre(10))


def fixed_lookback(
    is_call: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", extreme: "ArrayLike", volatility: "ArrayLike",
    years: "ArrayLike", rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, interval: "ArrayLike" = 0.0,
    *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of max - K (call) or K - min (put), not below zero; `extreme` is the greatest or least so far.

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED where `extreme` is on the wrong side of the spot.
    """
    fields = _fields(spot, extreme, volatility, years, rate, dividend, interval)
    fields["strike"] = Field(strike, Rule.NOT_NEGATIVE)
    return evaluate(_fixed, fields, {"is_call": is_call}, request, guard=_guard(lambda is_call: is_call))


def floating_lookback(
    is_call: "ArrayLike", spot: "ArrayLike", extreme: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, interval: "ArrayLike" = 0.0,
    *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of S - min (call) or max - S (put); `extreme` is the least or greatest price so far.

    Raises:
        UserFault: as `fixed_lookback`.
    """
    fields = _fields(spot, extreme, volatility, years, rate, dividend, interval)
    return evaluate(_floating, fields, {"is_call": is_call}, request, guard=_guard(lambda is_call: ~is_call))


def _fixed(is_call: Any, spot: Number, strike: Any, extreme: Any, **market: Any) -> Number:
    import numpy as np

    discount = exp(-1.0 * market["rate"] * market["years"])
    up = np.where(is_call, np.maximum(strike, extreme), np.minimum(strike, extreme))
    sure = np.maximum(np.where(is_call, extreme - strike, strike - extreme), 0.0)
    return _excess(is_call, spot, up, **market) + sure * discount


def _floating(is_call: Any, spot: Number, extreme: Any, **market: Any) -> Number:
    import numpy as np

    sign = np.where(is_call, 1.0, -1.0)
    discount, growth = (exp(-1.0 * market[name] * market["years"]) for name in ("rate", "dividend"))
    return _excess(~is_call, spot, extreme, **market) + sign * (spot * growth - extreme * discount)


def _excess(
    above: Any, spot: Number, level: Any, interval: Any, volatility: Number, years: Number, rate: Number, dividend: Any
) -> Number:
    """Return the value of what the maximum is above a level (or the minimum below), level beyond the spot."""
    import numpy as np

    shift = np.where(above, CONTINUITY, -CONTINUITY) * np.sqrt(interval) * volatility
    x = log(spot) - log(level) - shift
    x = where(above, minimum(x, 0.0 * x), maximum(x, 0.0 * x))
    s, carry, sign = volatility * sqrt(years), rate - dividend, np.where(above, 1.0, -1.0)
    variance = volatility * volatility
    beta, square = 2.0 * carry / variance, s * s
    d1 = (x + (carry + 0.5 * variance) * years) / s
    plain = spot * exp(-1.0 * dividend * years + 0.0 * x) * _n(sign * d1) - spot * exp(-1.0 * x - rate * years) * _n(
        sign * (d1 - s)
    )
    small = np.abs(value_of(beta)) * (np.abs(value_of(x)) + value_of(square)) < 0.5
    live = where(small, 1.0 + 0.0 * beta, beta)
    direct = (scaled_cdf(carry * years, sign * d1) - scaled_cdf(-1.0 * beta * x, sign * (d1 - beta * s))) / live
    tail: Number = 0.0
    for node, weight in _NODES:
        b = node * beta
        d = (x + 0.5 * (b + 1.0) * square) / s
        half = 0.5 * b * square
        piece = (
            x * scaled_cdf(-1.0 * b * x, sign * (d - b * s))
            + 0.5 * square * scaled_cdf(half, sign * d)
            + sign * s * exp(half) * density(d)
        )
        tail = tail + weight * piece
    rest = where(small, tail, direct)
    return sign * exp(-1.0 * shift) * (plain + spot * exp(-1.0 * rate * years) * rest)


def _n(x: Number) -> Number:
    return scaled_cdf(0.0 * x, x)


def _fields(
    spot: Any, extreme: Any, volatility: Any, years: Any, rate: Any, dividend: Any, interval: Any
) -> dict[str, Field]:
    market = {"spot": spot, "volatility": volatility, "years": years, "rate": rate, "dividend": dividend}
    fields = {name: Field(value, MARKET[name]) for name, value in market.items()}
    return {
        **fields, "extreme": Field(extreme, Rule.POSITIVE), "interval": Field(interval, Rule.NOT_NEGATIVE),
    }  # fmt: skip


def _guard(above: Any) -> Any:
    def guard(bulk: Bulk) -> None:
        import numpy as np

        spot, extreme, is_call = bulk.values["spot"], bulk.values["extreme"], bulk.flags["is_call"]
        wrong = np.where(above(is_call), extreme < spot, extreme > spot)
        bulk.refuse(wrong, "extreme", "at least the spot where it is a greatest price, at most where a least one")

    return guard
