"""How rough models weigh their past: numbers by lag for `kernels.rough`."""

from math import exp, gamma, lgamma, log, sqrt
from typing import TYPE_CHECKING, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.models.parameters import Model
from thalweg.pricing.models.rough import RoughBergomi, RoughHeston, RoughModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MEMORY_MAX: Final = 4.0


def lags(model: "Model | RoughModel", times: "Floats") -> "Floats":
    """Return the weights of the past that `kernels.rough` takes; a single zero for models without memory."""
    import numpy as np

    if not isinstance(model, RoughBergomi | RoughHeston):
        return np.zeros((1, 1))
    n, step, power = np.arange(times.size + 1.0), float(times[0]), model.hurst + 0.5
    mean = np.diff(n**power) / power  # of k^(H - 1/2) over cells
    square = np.diff(n ** (2.0 * model.hurst)) / (2.0 * model.hurst)
    if isinstance(model, RoughHeston):
        return _heston_lags(model, times, mean, square)
    share = step**model.hurst / power  # of the newest cell, per unit normal
    apart = sqrt(max(step ** (2.0 * model.hurst) / (2.0 * model.hurst) - share**2, 0.0))
    newest = np.zeros(times.size)
    newest[: min(2, times.size)] = (share, apart)[: times.size]
    return np.array([mean * step ** (power - 1.0), newest])


def _heston_lags(model: RoughHeston, times: "Floats", mean: "Floats", square: "Floats") -> "Floats":
    """Return forward variances, the resolvent kernel by lag (root mean square), and the moments of the newest cell.

    The kernel sigma s^(a - 1) E_(a,a)(-kappa s^a), E being Mittag-Leffler's function, integrates to
    sigma t^a E_(a,a+1)(-kappa t^a); its squares are those of the power kernel times the squared ratio of means.
    """
    import numpy as np

    step, power = float(times[0]), model.hurst + 0.5
    if model.kappa * float(times[-1]) ** power > MEMORY_MAX:
        raise UserFault(Reason.UNKNOWN_FEATURE, f"kappa T^(H + 1/2) is above {MEMORY_MAX:g}: simulate a shorter time")
    ends = np.concatenate(([0.0], times)) ** power
    whole = ends * np.array([mittag_leffler(power, power + 1.0, -model.kappa * end) for end in ends])
    ratio = np.diff(whole) * gamma(power) / (step**power * mean)
    kernel = model.sigma * ratio * np.sqrt(square) * step ** (power - 1.0) / gamma(power)
    newest = np.zeros(times.size)
    newest[0], slope = kernel[0] ** 2 * step, model.sigma * whole[1] / step
    newest[min(1, times.size - 1)] = slope if times.size > 1 else newest[0]
    forward = model.v0 + (model.theta - model.v0) * model.kappa * whole[1:]
    return np.array([forward, kernel, newest])


def mittag_leffler(a: float, b: float, z: float) -> float:
    """Return sum of z^k/Gamma(a k + b), for |z| <= 4."""
    total, k = 0.0, 0
    while k < 400:
        term = exp(k * log(abs(z)) - lgamma(a * k + b)) if z != 0.0 else (1.0 / gamma(b) if k == 0 else 0.0)
        total += term if z > 0.0 or k % 2 == 0 else -term
        if k > 2 and abs(term) < 1e-17 * (1.0 + abs(total)):
            break
        k += 1
    return total
