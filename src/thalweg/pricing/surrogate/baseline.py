"""What a surrogate starts from: closed forms in which variance stays at its mean and jumps are counted.

Given n jumps ln S_T is normal (R. Merton, J. Financial Economics 3, 1976), so a call is a sum of Black's prices; what
is left to learn is what a random variance adds. A barrier is met by reflection as if jumps came little by little.
"""

from math import erfc, exp, log, sqrt
from typing import Final

from thalweg.pricing.models.parameters import Bates, mean_jump

JUMPS_MAX: Final = 8
_ROOT_HALF: Final = sqrt(0.5)
_POWER_MAX: Final = 50.0


def diffused(model: Bates, years: float) -> float:
    """Return the expected variance of ln S_T without jumps."""
    decay = model.kappa * years
    share = (1.0 - exp(-decay)) / decay if decay > 1e-9 else 1.0
    return years * (model.theta + (model.v0 - model.theta) * share)


def deviation(model: Bates, years: float) -> float:
    """Return s, the root of the expected variance of ln S_T, jumps included, to first order."""
    return sqrt(diffused(model, years) + model.intensity * years * (model.mean**2 + model.deviation**2))


def call(model: Bates, years: float, strike: float) -> float:
    """Return the undiscounted call on a forward of one."""
    return sum(weight * _above(exp(drift), strike, strike, s) for weight, drift, s in _terms(model, years))


def down_out(model: Bates, years: float, strike: float, level: float) -> float:
    """Return the undiscounted call on a forward of one that ends at `level`, below it."""
    total, foot = 0.0, max(strike, level)
    for weight, drift, s in _terms(model, years):
        plain = _above(exp(drift), strike, foot, s)
        power = min(-log(level) * (1.0 - 2.0 * drift / (s * s)), _POWER_MAX)
        mirrored = exp(power) * _above(level * level * exp(drift), strike, foot, s)
        total += weight * min(max(plain - mirrored, 0.0), plain)
    return total


def _terms(model: Bates, years: float) -> list[tuple[float, float, float]]:
    """Return probability, mean log return plus half its variance, and deviation, by number of jumps."""
    expected, variance = model.intensity * years, diffused(model, years)
    weight, found = exp(-expected), []
    for count in range(JUMPS_MAX):
        drift = count * (model.mean + 0.5 * model.deviation**2) - expected * mean_jump(model)
        found.append((weight, drift, sqrt(variance + count * model.deviation**2)))
        weight *= expected / (count + 1)
    return found


def _above(forward: float, strike: float, foot: float, s: float) -> float:
    """Return E max(S - strike, 0) where S ends above `foot` >= strike, S being lognormal."""
    d = log(forward / foot) / s
    return forward * _normal(d + 0.5 * s) - strike * _normal(d - 0.5 * s)


def _normal(x: float) -> float:
    return 0.5 * erfc(-x * _ROOT_HALF)
