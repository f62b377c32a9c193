"""The classical approximations of American options, for comparison with books and other systems.

`american.american` is both faster and right to 1e-6; these err in the third digit. G. Barone-Adesi and R. Whaley,
"Efficient analytic approximation of American option values", J. Finance 42, 1987; P. Bjerksund and G. Stensland,
"Closed-form approximation of American options", Scandinavian J. of Management 9, 1993: one flat boundary; "Closed form
valuation of American options", NHH Bergen, 2002: two of them (Haug 2007, sections 3.1 and 3.2).
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.pricing.bulk import Field, Rule
from thalweg.pricing.formula import MARKET, Formula, Request, evaluate
from thalweg.pricing.jets import (
    Number,
    density,
    exp,
    log,
    maximum,
    minimum,
    normal_cdf,
    power,
    scaled_cdf,
    sqrt,
    value_of,
    where,
)
from thalweg.pricing.products.bivariate import bivariate_cdf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_DEFAULT: Final = Request()
_STEPS_MAX: Final = 60
_RATE_MIN: Final = 1e-9
_GOLDEN: Final = 0.5 * (5.0**0.5 - 1.0)


def american_approximation(
    is_call: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, method: str = "barone-adesi-whaley",
    request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs by `method`: "barone-adesi-whaley", "bjerksund-stensland" (1993) or "bjerksund-stensland-2002".

    Rates must not be negative.

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED for another method.
    """
    methods: dict[str, Formula] = {
        "barone-adesi-whaley": _barone_adesi_whaley, "bjerksund-stensland": _one_boundary,
        "bjerksund-stensland-2002": _two_boundaries,
    }  # fmt: skip
    if method not in methods:
        raise UserFault(Reason.MALFORMED, f"method is one of {', '.join(methods)}, not {method!r}")
    market = {"spot": spot, "volatility": volatility, "years": years, "dividend": dividend}
    fields = {name: Field(value, MARKET[name]) for name, value in market.items()}
    fields |= {"strike": Field(strike, Rule.POSITIVE), "rate": Field(rate, Rule.NOT_NEGATIVE)}
    return evaluate(methods[method], fields, {"is_call": is_call}, request)


def _european(sign: Any, spot: Number, strike: Number, s: Number, growth: Number, discount: Number) -> Number:
    d1 = log(spot * growth / (strike * discount)) / s + 0.5 * s
    return sign * (spot * growth * normal_cdf(sign * d1) - strike * discount * normal_cdf(sign * (d1 - s)))


def _barone_adesi_whaley(
    is_call: Any, spot: Number, strike: Any, volatility: Number, years: Number, rate: Number, dividend: Any
) -> Number:
    import numpy as np

    sign = np.where(is_call, 1.0, -1.0)
    r = maximum(rate, _RATE_MIN + 0.0 * rate)
    s, carry, variance = volatility * sqrt(years), r - dividend, volatility * volatility
    growth, discount = exp(-1.0 * dividend * years), exp(-1.0 * r * years)
    n, m = 2.0 * carry / variance, 2.0 * r / variance
    q = 0.5 * (1.0 - n + sign * sqrt((n - 1.0) * (n - 1.0) + 4.0 * m / (1.0 - discount)))
    end = 0.5 * (1.0 - n + sign * sqrt((n - 1.0) * (n - 1.0) + 4.0 * m))
    far = strike / (1.0 - 1.0 / end)
    fall = exp(minimum((-1.0 * sign * carry * years - 2.0 * s) * strike / (sign * (far - strike)), 0.0 * s))
    edge = _edge(sign, strike, value_of(far + (strike - far) * fall), q, s, growth, discount)
    d1 = log(edge * growth / (strike * discount)) / s + 0.5 * s
    premium = sign * edge / q * (1.0 - growth * normal_cdf(sign * d1)) * power(spot / edge, q)
    european = _european(sign, spot, strike, s, growth, discount)
    held = sign * (value_of(edge) - value_of(spot)) > 0.0
    price = where(held, european + premium, sign * (spot - strike))
    return where(is_call & (dividend <= 0.0), european, price)


def _edge(sign: Any, strike: Any, start: Any, q: Number, s: Number, growth: Number, discount: Number) -> Number:
    """Return where exercise and quadratic approximation meet, by Newton's method; twice more for its derivatives."""
    import numpy as np

    def step(x: Number, q: Number, s: Number, growth: Number, discount: Number) -> Number:
        d1 = log(x * growth / (strike * discount)) / s + 0.5 * s
        inside = 1.0 - growth * normal_cdf(sign * d1)
        gap = sign * (x - strike) - _european(sign, x, strike, s, growth, discount) - sign * inside * x / q
        slope = sign * inside * (1.0 - 1.0 / q) + growth * density(d1) / (s * q)
        return gap / slope

    x = start
    plain = [value_of(one) for one in (q, s, growth, discount)]
    for _ in range(_STEPS_MAX):
        move: Any = step(x, *plain)
        x = np.clip(x - move, 0.5 * x, 2.0 * x)
        if np.all(np.abs(move) <= 1e-13 * x):
            break
    result: Number = x + 0.0 * s
    for _ in range(2):
        result = result - step(result, q, s, growth, discount)
    return result


class _Exercise(NamedTuple):
    """A call to be exercised at flat boundaries between `near` (at expiry) and `far` (for ever)."""

    x: Number
    k: Number
    volatility: Number
    years: Number
    rate: Number
    carry: Number
    beta: Number
    near: Number
    far: Number

    def edge(self, years: Number, scale: Number) -> Number:
        """Return the boundary for a time to expiry; the two papers differ in its scale."""
        reach = self.far - self.near
        fall = exp(-1.0 * (self.carry * years + 2.0 * self.volatility * sqrt(years)) * scale / reach)
        return self.near + reach * (1.0 - fall)

    def drift(self, gamma: Number) -> Number:
        return self.carry + (gamma - 0.5) * self.volatility * self.volatility

    def growth(self, gamma: Number, years: Number) -> Number:
        """Return the exponent of what S^gamma is worth."""
        square = self.volatility * self.volatility
        return (gamma * self.carry - self.rate + 0.5 * gamma * (gamma - 1.0) * square) * years + gamma * log(self.x)

    def kappa(self, gamma: Number) -> Number:
        return 2.0 * self.carry / (self.volatility * self.volatility) + 2.0 * gamma - 1.0


def _exercise(
    is_call: Any, spot: Number, strike: Any, volatility: Number, years: Number, rate: Number, dividend: Any
) -> tuple[_Exercise, Number, Any]:
    """Return the call, the European price, and where that is all. A put is a call with its two sides exchanged."""
    r, q = where(is_call, rate, dividend), where(is_call, dividend, rate)
    x, k = where(is_call, spot, strike), where(is_call, strike, spot)
    variance = volatility * volatility
    gone = value_of(q) <= 0.0
    european = _european(1.0, x, k, volatility * sqrt(years), exp(-1.0 * q * years), exp(-1.0 * r * years))
    live = where(gone, 1.0 + 0.0 * q, q)
    drift = r - live
    beta = 0.5 - drift / variance + sqrt((drift / variance - 0.5) * (drift / variance - 0.5) + 2.0 * r / variance)
    near = maximum(k + 0.0 * r, r / live * k)
    return _Exercise(x, k, volatility, years, r, drift, beta, near, beta / (beta - 1.0) * k), european, gone


def _one_boundary(is_call: Any, **market: Any) -> Number:
    call, european, gone = _exercise(is_call, **market)
    x, k, beta, edge, years = call.x, call.k, call.beta, call.edge(call.years, call.near), call.years
    one, none = 1.0 + 0.0 * beta, 0.0 * beta
    held = (
        (edge - k) * power(edge, -1.0 * beta) * (power(x, beta) - _until(call, years, beta, edge, edge))
        + _until(call, years, one, edge, edge) - _until(call, years, one, k, edge)
        - k * (_until(call, years, none, edge, edge) - _until(call, years, none, k, edge))
    )  # fmt: skip
    return where(gone, european, where(value_of(x) >= value_of(edge), x - k, held))


def _two_boundaries(is_call: Any, **market: Any) -> Number:
    """The boundary is that of the whole life until a golden section of it, then that of the rest."""
    call, european, gone = _exercise(is_call, **market)
    soon, scale = _GOLDEN * call.years, call.k * call.k / call.near
    x, k, beta, low, high = call.x, call.k, call.beta, call.edge(soon, scale), call.edge(call.years, scale)
    one, none = 1.0 + 0.0 * beta, 0.0 * beta
    share, rest = ((edge - k) * power(edge, -1.0 * beta) for edge in (high, low))

    def until(gamma: Number, level: Number) -> Number:
        return _until(call, soon, gamma, level, high)

    def after(gamma: Number, level: Number) -> Number:
        return _after(call, soon, gamma, level, low, high)

    held = (
        share * (power(x, beta) - until(beta, high)) + until(one, high) - until(one, low)
        - k * (until(none, high) - until(none, low)) + rest * (until(beta, low) - after(beta, low))
        + after(one, low) - after(one, k) - k * (after(none, low) - after(none, k))
    )  # fmt: skip
    return where(gone, european, where(value_of(x) >= value_of(high), x - k, held))


def _until(call: _Exercise, years: Number, gamma: Number, level: Number, edge: Number) -> Number:
    """Return the value of S^gamma paid at `years` below `level`, if the edge has not been reached."""
    s = call.volatility * sqrt(years)
    d = -1.0 * (log(call.x / level) + call.drift(gamma) * years) / s
    own, gap = call.growth(gamma, years), log(edge / call.x)
    return scaled_cdf(own, d) - scaled_cdf(own + call.kappa(gamma) * gap, d - 2.0 * gap / s)


def _after(call: _Exercise, soon: Number, gamma: Number, level: Number, low: Number, high: Number) -> Number:
    """Return the value of S^gamma paid at expiry below `level`, if first the high edge, then the low one held."""
    drift, s, whole = call.drift(gamma), call.volatility * sqrt(soon), call.volatility * sqrt(call.years)
    x, kappa, own = call.x, call.kappa(gamma), call.growth(gamma, call.years)
    rows = (
        (x / low, x / level, 1.0, 1.0, 0.0 * x),
        (high * high / (x * low), high * high / (x * level), 1.0, 1.0, log(high / x)),
        (x / low, low * low / (x * level), -1.0, -1.0, log(low / x)),
        (high * high / (x * low), x * low * low / (level * high * high), -1.0, -1.0, log(low / high)),
    )
    total: Number = 0.0
    for row, (first, last, turn, correlated, gap) in enumerate(rows):
        a = -1.0 * (log(first) + turn * drift * soon) / s
        b = -1.0 * (log(last) + drift * call.years) / whole
        sign = 1.0 if row in (0, 3) else -1.0
        joint = bivariate_cdf(a, b, correlated * _GOLDEN**0.5 + 0.0 * a)
        total = total + sign * exp(own + kappa * gap) * joint
    return total
