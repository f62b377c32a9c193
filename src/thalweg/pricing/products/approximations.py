"""The classical approximations of American options, for comparison with books and other systems.

`american.american` is both faster and right to 1e-6; these err in the third digit. G. Barone-Adesi and R. Whaley,
"Efficient analytic approximation of American option values", J. Finance 42, 1987; P. Bjerksund and G. Stensland,
"Closed-form approximation of American options", Scandinavian J. of Management 9, 1993 (Haug 2007, sections 3.1, 3.2).
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.bulk import Field, Rule
from thalweg.pricing.formula import MARKET, Request, evaluate
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

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_DEFAULT: Final = Request()
_STEPS_MAX: Final = 60
_RATE_MIN: Final = 1e-9


def american_approximation(
    is_call: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, *, method: str = "barone-adesi-whaley",
    request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs by `method`: "barone-adesi-whaley" or "bjerksund-stensland" (1993). Rates must not be negative.

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED for another method.
    """
    methods = {"barone-adesi-whaley": _barone_adesi_whaley, "bjerksund-stensland": _bjerksund_stensland}
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


def _bjerksund_stensland(
    is_call: Any, spot: Number, strike: Any, volatility: Number, years: Number, rate: Number, dividend: Any
) -> Number:
    """A put is a call with spot and strike, rate and dividend exchanged."""
    r, q = where(is_call, rate, dividend), where(is_call, dividend, rate)
    x, k = where(is_call, spot, strike), where(is_call, strike, spot)
    s, variance, carry = volatility * sqrt(years), volatility * volatility, r - q
    gone = value_of(q) <= 0.0
    european = _european(1.0, x, k, s, exp(-1.0 * q * years), exp(-1.0 * r * years))
    live = where(gone, 1.0 + 0.0 * q, q)
    drift = r - live
    beta = 0.5 - drift / variance + sqrt((drift / variance - 0.5) * (drift / variance - 0.5) + 2.0 * r / variance)
    far = beta / (beta - 1.0) * k
    near = maximum(k + 0.0 * r, r / live * k)
    fall = exp(-1.0 * (drift * years + 2.0 * s) * near / (far - near))
    edge = near + (far - near) * (1.0 - fall)
    scale = (edge - k) * power(edge, -1.0 * beta)

    def part(gamma: Number, level: Number) -> Number:
        rise = (gamma * drift - r + 0.5 * gamma * (gamma - 1.0) * variance) * years
        d = -1.0 * (log(x / level) + (drift + (gamma - 0.5) * variance) * years) / s
        kappa = 2.0 * drift / variance + 2.0 * gamma - 1.0
        gap = log(edge / x)
        own = rise + gamma * log(x)
        return scaled_cdf(own, d) - scaled_cdf(own + kappa * gap, d - 2.0 * gap / s)

    one = 1.0 + 0.0 * beta
    held = (
        scale * power(x, beta) - scale * part(beta, edge) + part(one, edge) - part(one, k) - k * part(0.0 * beta, edge)
        + k * part(0.0 * beta, k)
    )  # fmt: skip
    price = where(value_of(x) >= value_of(edge), x - k, held)
    return where(gone | (value_of(carry) >= value_of(r)), european, price)
