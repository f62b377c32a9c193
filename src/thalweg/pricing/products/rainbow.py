"""Options on the greater or the smaller of two assets.

With M the bivariate normal distribution function, on forwards F1, F2 (R. Stulz, "Options on the minimum or the maximum
of two risky assets", J. Financial Economics 10, 1982; Haug 2007, section 5.1.2), the undiscounted call on the smaller:

    F1 M(y1, -d; -r1) + F2 M(y2, d - s; -r2) - K M(y1 - s1, y2 - s2; r)

the others follow: max + min = both, and a put is the call less what it is on, plus the strike.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing.bulk import Field, Rule
from thalweg.pricing.formula import Request, evaluate
from thalweg.pricing.jets import Number, exp, log, normal_cdf, sqrt, value_of, where
from thalweg.pricing.products.averages import option_on_lognormal
from thalweg.pricing.products.bivariate import bivariate_cdf
from thalweg.pricing.products.spreads import TWO, exchange_variance, forwards_of, two_fields

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_DEFAULT: Final = Request(outputs=("price", "delta1", "delta2", "vega1", "vega2"))


def rainbow(
    is_call: "ArrayLike", is_max: "ArrayLike", spot1: "ArrayLike", spot2: "ArrayLike", strike: "ArrayLike",
    volatility1: "ArrayLike", volatility2: "ArrayLike", correlation: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend1: "ArrayLike" = 0.0, dividend2: "ArrayLike" = 0.0,
    *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs (see `spreads`) of a call or put on the greater (`is_max`) or the smaller of two assets.

    Raises:
        UserFault: as `formula.evaluate`.
    """
    fields = two_fields(spot1, spot2, volatility1, volatility2, correlation, years, rate, dividend1, dividend2)
    fields["strike"] = Field(strike, Rule.POSITIVE)
    return evaluate(_rainbow, fields, {"is_call": is_call, "is_max": is_max}, request, table=TWO)


def _rainbow(is_call: Any, is_max: Any, strike: Any, **market: Any) -> Number:
    first, second = forwards_of(market)
    root, rho = sqrt(market["years"]), market["correlation"]
    s1, s2 = market["volatility1"] * root, market["volatility2"] * root
    variance = exchange_variance(s1, s2, rho)
    s = sqrt(where(value_of(variance) > 1e-20, variance, 1e-20 + 0.0 * variance))
    d = log(first / second) / s + 0.5 * s
    y1, y2 = (log(one / strike) / own + 0.5 * own for one, own in ((first, s1), (second, s2)))
    least = (
        first * bivariate_cdf(y1, -1.0 * d, (rho * s2 - s1) / s)
        + second * bivariate_cdf(y2, d - s, (rho * s1 - s2) / s)
        - strike * bivariate_cdf(y1 - s1, y2 - s2, rho + 0.0 * s)
    )  # fmt: skip
    both = option_on_lognormal(True, first, strike, s1 * s1) + option_on_lognormal(True, second, strike, s2 * s2)
    call = where(is_max, both - least, least)
    smaller = first * normal_cdf(-1.0 * d) + second * normal_cdf(d - s)
    mean = where(is_max, first + second - smaller, smaller)
    return exp(-1.0 * market["rate"] * market["years"]) * where(is_call, call, call - mean + strike)
