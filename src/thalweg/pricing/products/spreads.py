"""Options on two assets: to exchange one for the other (Margrabe), and on their difference (Kirk, and to the digit).

- `exchange`: max(q1 S1 - q2 S2, 0), exact (W. Margrabe, J. Finance 33, 1978).
- `spread`: max(S1 - S2 - K, 0), or the put. `method="kirk"`: E. Kirk's approximation ("Correlation in the energy
  markets", 1995; Haug 2007, section 5.3), good to about 1e-3 of the price for small strikes. `method="integral"`:
  Black's formula for S1 given S2, integrated over S2 by Gauss and Legendre: 1e-10 of the assets at moderate
  correlations (N. Pearson, "An efficient approach for pricing spread options", J. Derivatives 3, 1995).

Outputs: price; delta1, delta2, gamma1, gamma2, cross_gamma; vega1, vega2 (a percentage point); theta (a calendar day);
rho (a percentage point); correlation (0.01).
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.bulk import DAY, POINT, Field, Rule
from thalweg.pricing.formula import Output, Request, evaluate
from thalweg.pricing.jets import Number, density, exp, sqrt
from thalweg.pricing.products.averages import option_on_lognormal
from thalweg.pricing.quadrature import legendre

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

TWO: Final = {
    "price": Output(),
    "delta1": Output(("spot1",)),
    "delta2": Output(("spot2",)),
    "gamma1": Output(("spot1", "spot1")),
    "gamma2": Output(("spot2", "spot2")),
    "cross_gamma": Output(("spot1", "spot2")),
    "vega1": Output(("volatility1",), 1.0, POINT),
    "vega2": Output(("volatility2",), 1.0, POINT),
    "theta": Output(("years",), -1.0, DAY),
    "rho": Output(("rate",), 1.0, POINT),
    "correlation": Output(("correlation",), 1.0, POINT),
}
_DEFAULT: Final = Request(outputs=("price", "delta1", "delta2", "vega1", "vega2"))
_REACH: Final = 9.0
_PANELS: Final = 6
_NODES: Final = tuple(
    (_REACH * ((2 * panel + 1 + x) / _PANELS - 1.0), _REACH * w / _PANELS)
    for panel in range(_PANELS)
    for x, w in legendre(20)
)


def exchange(
    spot1: "ArrayLike", spot2: "ArrayLike", volatility1: "ArrayLike", volatility2: "ArrayLike",
    correlation: "ArrayLike", years: "ArrayLike", rate: "ArrayLike" = 0.0, dividend1: "ArrayLike" = 0.0,
    dividend2: "ArrayLike" = 0.0, *, quantity1: "ArrayLike" = 1.0, quantity2: "ArrayLike" = 1.0,
    request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of the right to receive `quantity1` of the first asset for `quantity2` of the second.

    Raises:
        UserFault: as `formula.evaluate`.
    """

    def formula(quantity1: Any, quantity2: Any, **market: Any) -> Number:
        first, second = forwards_of(market)
        variance = exchange_variance(market["volatility1"], market["volatility2"], market["correlation"])
        option = option_on_lognormal(True, quantity1 * first, quantity2 * second, variance * market["years"])
        return exp(-1.0 * market["rate"] * market["years"]) * option

    fields = two_fields(spot1, spot2, volatility1, volatility2, correlation, years, rate, dividend1, dividend2)
    fields |= {"quantity1": Field(quantity1, Rule.POSITIVE), "quantity2": Field(quantity2, Rule.POSITIVE)}
    return evaluate(formula, fields, {}, request, table=TWO)


def spread(
    is_call: "ArrayLike", spot1: "ArrayLike", spot2: "ArrayLike", strike: "ArrayLike", volatility1: "ArrayLike",
    volatility2: "ArrayLike", correlation: "ArrayLike", years: "ArrayLike", rate: "ArrayLike" = 0.0,
    dividend1: "ArrayLike" = 0.0, dividend2: "ArrayLike" = 0.0, *, method: str = "integral",
    request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of max(S1 - S2 - K, 0), or of the put. For futures, both dividends are the rate.

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED for an unknown method, or with Kirk's a strike below zero.
    """
    if method not in ("integral", "kirk"):
        raise UserFault(Reason.MALFORMED, f"method is 'integral' or 'kirk', not {method!r}")
    solve = _integral if method == "integral" else _kirk

    def formula(is_call: Any, strike: Any, **market: Any) -> Number:
        return exp(-1.0 * market["rate"] * market["years"]) * solve(is_call, strike, market)

    fields = two_fields(spot1, spot2, volatility1, volatility2, correlation, years, rate, dividend1, dividend2)
    fields["strike"] = Field(strike, Rule.FINITE if method == "integral" else Rule.NOT_NEGATIVE)
    return evaluate(formula, fields, {"is_call": is_call}, request, table=TWO)


def _kirk(is_call: Any, strike: Any, market: dict[str, Any]) -> Number:
    first, second = forwards_of(market)
    whole = second + strike
    weight = market["volatility2"] * second / whole
    variance = exchange_variance(market["volatility1"], weight, market["correlation"])
    return option_on_lognormal(is_call, first, whole, variance * market["years"])


def _integral(is_call: Any, strike: Any, market: dict[str, Any]) -> Number:
    first, second = forwards_of(market)
    root, rho = sqrt(market["years"]), market["correlation"]
    s1, s2 = market["volatility1"] * root, market["volatility2"] * root
    rest = s1 * s1 * (1.0 - rho * rho)
    result: Number = 0.0
    for z, weight in _NODES:
        mass = weight * density(z + 0.0 * s2)
        other = second * exp(s2 * z - 0.5 * s2 * s2)
        mean = first * exp(rho * s1 * z - 0.5 * rho * rho * s1 * s1)
        result = result + mass * option_on_lognormal(is_call, mean, other + strike, rest)
    return result


def exchange_variance(volatility1: Number, volatility2: Number, correlation: Number) -> Number:
    """Return the yearly variance of ln(S1/S2)."""
    return volatility1 * volatility1 + volatility2 * volatility2 - 2.0 * correlation * volatility1 * volatility2


def forwards_of(market: dict[str, Any]) -> tuple[Number, Number]:
    """Return both forwards for the expiry."""
    growth = [exp((market["rate"] - market[name]) * market["years"]) for name in ("dividend1", "dividend2")]
    return market["spot1"] * growth[0], market["spot2"] * growth[1]


def two_fields(
    spot1: Any, spot2: Any, volatility1: Any, volatility2: Any, correlation: Any, years: Any, rate: Any,
    dividend1: Any, dividend2: Any,
) -> dict[str, Field]:  # fmt: skip
    """Return what two assets are described by, with its rules."""
    return {
        "spot1": Field(spot1, Rule.POSITIVE), "spot2": Field(spot2, Rule.POSITIVE),
        "volatility1": Field(volatility1, Rule.POSITIVE), "volatility2": Field(volatility2, Rule.POSITIVE),
        "correlation": Field(correlation, Rule.CORRELATION), "years": Field(years, Rule.POSITIVE),
        "rate": Field(rate, Rule.FINITE), "dividend1": Field(dividend1, Rule.FINITE),
        "dividend2": Field(dividend2, Rule.FINITE),
    }  # fmt: skip
