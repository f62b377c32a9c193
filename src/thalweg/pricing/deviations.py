"""The deviation s = volatility sqrt(T) that a price implies, to the last digits the price determines.

In P. Jaeckel's normalisation ("Let's be rational", Wilmott 2015): x = -|ln(F/K)|, and b is the time value over
sqrt(F K), between 0 and e^(x/2). With h = x/s, t = s/2, n the normal density, Y(z) = N(z)/n(z), G = n(h) e^(-t^2/2):

    b = G (Y(h+t) - Y(h-t)),   e^(x/2) - b = G (Y(-h-t) + Y(h-t)),   db/ds = G

The difference loses digits where t is small; there it is integrated: Y' = 1 + z Y is positive, so nothing cancels.
The equation is solved in ln b for small b and in ln(e^(x/2) - b) for large, which keeps far wings well conditioned:
the exponent -(h^2 + t^2)/2 is never exponentiated. Steps are Householder's of third order (error to the fourth power,
A. Householder, "The numerical treatment of a single nonlinear equation", 1970), kept in a bracket.

`build` makes the solver from a compiler (the identity: pure Python) and elementary functions, so that one source
serves both. All functions are of floats.
"""

from collections.abc import Callable
from math import inf, log, sqrt
from typing import Final

from thalweg.pricing.coefficients import BACHELIER, LEGENDRE, MILLS, SLOPE
from thalweg.pricing.scalar import bounded_exp

STEPS_MAX: Final = 80
_ROOT_TWO_PI: Final = 2.5066282746310002
_LOG_ROOT_TWO_PI: Final = 0.9189385332046727
_SETTLED: Final = 1e-4  # of s: a step this small leaves an error of its fourth power
_UPPER: Final = 0.8  # of e^(x/2): above, the equation is solved in what is missing to it
_S_MAX: Final = 2000.0

Function = Callable[..., float]


def build(
    compiled: Callable[[Function], Function], exp: Function, log: Function, mills: Function, slope: Function
) -> Function:
    """Return `deviation(x, b, rest)`.

    x <= 0 is minus the absolute log-moneyness, b the normalised time value, rest = e^(x/2) - b, both positive.
    """
    ratio_difference = _difference(compiled, exp, mills, slope)
    first_guess = _guess(compiled, exp, log)

    @compiled
    def middle(low: float, high: float, s: float) -> float:
        return sqrt(max(low, 0.01 * s) * min(high, 100.0 * s))

    @compiled
    def deviation(x: float, b: float, rest: float) -> float:
        upper = b > _UPPER * (b + rest)
        target = log(rest if upper else b)
        s = first_guess(x, b, rest)
        low, high = 0.0, _S_MAX
        for _ in range(STEPS_MAX):
            h, t = x / s, 0.5 * s
            if upper:
                value = (
                    mills(h + t) + mills(t - h)
                    if h + t > 0.0
                    else _ROOT_TWO_PI * exp(0.5 * (h + t) ** 2) - (mills(-h - t) - mills(t - h))
                )
            else:
                value = ratio_difference(h, t)
            error = log(value) - 0.5 * (h * h + t * t) - _LOG_ROOT_TWO_PI - target
            side = -1.0 if upper else 1.0
            if side * error > 0.0:
                high = s
            else:
                low = s
            slope_of_log = 1.0 / value
            second = h * h / s - 0.5 * t
            third = second * second - 3.0 * (h / s) ** 2 - 0.25
            newton = -side * error * value
            curve = second - side * slope_of_log
            bend = third - 3.0 * side * slope_of_log * second + 2.0 * slope_of_log * slope_of_log
            step = newton * (1.0 + 0.5 * curve * newton) / (1.0 + newton * (curve + bend * newton / 6.0))
            if abs(step) <= _SETTLED * s:
                return s + step
            s = s + step if low < s + step < high else middle(low, high, s)
        return s

    return deviation


def _difference(compiled: Callable[[Function], Function], exp: Function, mills: Function, slope: Function) -> Function:
    """Return the function Y(h+t) - Y(h-t), h <= 0 < t, which loses no digits."""

    @compiled
    def ratio(z: float) -> float:
        return mills(-z) if z <= 0.0 else _ROOT_TWO_PI * exp(0.5 * z * z) - mills(z)

    @compiled
    def derivative(z: float) -> float:
        return slope(-z) if z <= 0.0 else 1.0 + z * (_ROOT_TWO_PI * exp(0.5 * z * z) - mills(z))

    @compiled
    def difference(h: float, t: float) -> float:
        if t > 0.25 * (1.0 - h):
            return ratio(h + t) - ratio(h - t)
        total = 0.0
        for node, weight in LEGENDRE:
            total += weight * (derivative(h + t * node) + derivative(h - t * node))
        return total * t

    return difference


def _guess(compiled: Callable[[Function], Function], exp: Function, log: Function) -> Function:
    """Return the function of (x, b, rest) that starts the iteration.

    Near the money the lognormal price is a normal one times about exp(-w s^2/8), the mean of exp(-u^2/8) over its vega;
    for large b the missing part is about 2 exp(x^2/(2 s^2)) N(-s/2), with N inverted as by Abramowitz and Stegun
    26.2.23; far from the money (-ln b)^(-1/2) is nearly proportional to s.
    """

    @compiled
    def near(x: float, b: float) -> float:
        r = -x / b
        if r < 1e-8:
            return _ROOT_TWO_PI * b
        y = log(1.0 + r)
        u, value = 2.0 * y / (y + 10.0) - 1.0, 0.0
        for coefficient in BACHELIER[::-1]:
            value = value * u + coefficient
        square = value / (1.0 / (y * y) + 1.0 / (3.0 * y))
        s = -x / sqrt(square)
        q = (square + 1.0) / (square + 3.0) * s * s / (8.0 * (square + 0.9 * sqrt(square) + 1.0))
        return s * (1.0 + q + 3.0 * q * q)

    @compiled
    def guess(x: float, b: float, rest: float) -> float:
        whole = b + rest
        if b > _UPPER * whole:
            s = max(near(x, 0.5 * whole) if x > -2.0 else sqrt(-2.0 * x), 2.0)
            tail = min(0.5 * rest / whole * exp(min(0.5 * x * x / (s * s), 2.0)), 0.4999)
            z = sqrt(-2.0 * log(tail))
            return 2.0 * (z - (2.30753 + 0.27061 * z) / (1.0 + 0.99229 * z + 0.04481 * z * z))
        if x > -2.0:
            return near(x, b)
        return sqrt(-2.0 * x) if b > 0.3 * whole else -x / sqrt(-2.0 * log(b))

    return guess


def _polynomial(coefficients: tuple[float, ...], t: float) -> float:
    value = 0.0
    for coefficient in reversed(coefficients):
        value = value * t + coefficient
    return value


def mills(x: float) -> float:
    """Return the Mills ratio N(-x)/n(x), x >= 0, in pure Python."""
    return _polynomial(MILLS, (x - 5.0) / (x + 5.0)) / (x + 5.0)


def mills_slope(x: float) -> float:
    """Return 1 - x M(x), x >= 0, M being the Mills ratio, in pure Python."""
    return _polynomial(SLOPE, (x - 5.0) / (x + 5.0)) / ((x + 5.0) * (x + 5.0))


def _log(x: float) -> float:
    return log(x) if x > 0.0 else -inf


deviation: Final = build(lambda function: function, bounded_exp, _log, mills, mills_slope)
"""The solver in pure Python: some twenty microseconds."""
