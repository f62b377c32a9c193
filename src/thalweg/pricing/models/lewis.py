"""European options by Lewis's integral in numpy: the same prices as `kernels.cosine`, by other means, without numba.

(A. Lewis, "A simple option formula for general jump-diffusion and other exponential Levy processes", 2001.) With
k = ln(F/K), g(u) = exp(iuk) E (S_T/F)^(iu + 1/2), the undiscounted call is
F - sqrt(FK)/pi int_0^inf Re g/(u^2 + 1/4) du.
The integrand is analytic for |Im u| < 1/2, so the trapezoidal rule with step h errs by about exp(-pi/h) (L. Trefethen
and J. Weideman, SIAM Review 56, 2014).
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing.models.parameters import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Complex = NDArray[np.complex128]

_STEP: Final = 0.09
_SIZE: Final = 1 << 16
_NEGLIGIBLE: Final = -34.0  # ln of what |E S^iu| may be at the end
_BUMP: Final = 1e-5


def log_characteristic(model: Model, u: "Complex", years: float, values: "Any" = None) -> "Complex":
    """Return ln E exp(iu ln(S_T/F)) for complex u; `values` replace the model's parameters."""
    p = model.values() if values is None else tuple(values)
    if model.diffusion == 1:
        total, p = _heston(u, years, *p[:5]), p[5:]
    elif model.diffusion == 0:
        total, p = -0.5 * p[0] ** 2 * years * (u * u + 1j * u), p[1:]
    else:
        total, p = _variance_gamma(u, years, *p), ()
    if model.jumps == 1:
        total = total + p[0] * years * _compensated(u, lambda x: _lognormal(x, p[1], p[2]))
    elif model.jumps == 2:
        total = total + p[0] * years * _compensated(u, lambda x: _double_exponential(x, *p[1:]))
    return total


def _heston(u: "Complex", years: float, v0: float, kappa: float, theta: float, sigma: float, rho: float) -> "Complex":
    import numpy as np

    sigma = max(sigma, 1e-4)
    m, xi = u * u + 1j * u, kappa - 1j * rho * sigma * u
    d = np.sqrt(xi * xi + sigma**2 * m)
    ratio = -(sigma**2) * m / (xi + d) ** 2  # (xi - d)/(xi + d)
    decay = np.exp(-d * years)
    lead = -m / (xi + d)
    log = np.log1p(ratio * (1.0 - decay) / (1.0 - ratio))
    result: Complex = v0 * lead * (1.0 - decay) / (1.0 - ratio * decay)
    return result + kappa * theta * (lead * years - 2.0 * log / sigma**2)


def _variance_gamma(u: "Complex", years: float, sigma: float, nu: float, theta: float) -> "Complex":
    import numpy as np

    drift = np.log1p(-theta * nu - 0.5 * sigma**2 * nu)
    result: Complex = years / nu * (1j * u * drift - np.log1p(u * nu * (0.5 * sigma**2 * u - 1j * theta)))
    return result


def _compensated(u: "Complex", jump: "Any") -> "Any":
    import numpy as np

    return jump(u) - 1.0 - 1j * u * (jump(np.complex128(-1j)) - 1.0)


def _lognormal(u: "Complex", mean: float, deviation: float) -> "Any":
    import numpy as np

    return np.exp(1j * u * mean - 0.5 * deviation**2 * u * u)


def _double_exponential(u: "Complex", share: float, up: float, down: float) -> "Any":
    return share * up / (up - 1j * u) + (1.0 - share) * down / (down + 1j * u)


def puts(model: Model, years: float, forward: float, rate: float, strikes: "Floats", rows: int) -> "Floats":
    """Return puts and derivatives, row by row as `kernels.cosine.price` does: in forward, twice; time; parameters."""
    import numpy as np

    out = _undiscounted(model, model.values(), years, forward, strikes)[:rows]
    if rows > len(out):
        slopes = [_slope(model, i, years, forward, strikes) for i in range(-1, len(model.values()))]
        out = np.vstack([out, *slopes])
    out *= np.exp(-rate * years)
    if rows > 3:
        out[3] -= rate * out[0]
    return out


def _undiscounted(model: Model, values: "Any", years: float, forward: float, strikes: "Floats") -> "Floats":
    import numpy as np

    u = _STEP * np.arange(_SIZE)
    log = log_characteristic(model, np.asarray(u - 0.5j, np.complex128), years, values)
    last = int(np.max(np.flatnonzero(log.real > _NEGLIGIBLE), initial=0)) + 2
    u, weight = u[:last], np.where(u[:last] == 0.0, 0.5, 1.0) * _STEP / np.pi
    out = np.empty((3, strikes.size))
    for i, strike in enumerate(strikes):
        wave = np.exp(log[:last] + 1j * u * np.log(forward / strike)) * weight
        level, slope = np.sum(wave.real / (u * u + 0.25)), np.sum(-u * wave.imag / (u * u + 0.25))
        out[0, i] = strike - np.sqrt(forward * strike) * level
        out[1, i] = -np.sqrt(strike / forward) * (0.5 * level + slope)
        out[2, i] = np.sqrt(strike / forward) / forward * np.sum(wave.real)
    return out


def _slope(model: Model, index: int, years: float, forward: float, strikes: "Floats") -> "Floats":
    """Return the derivative of undiscounted puts in a parameter, or in time (-1), by a central difference."""
    import numpy as np

    values = np.array(model.values())
    step = _BUMP * max(abs(years if index < 0 else values[index]), 0.1 if index >= 0 else 0.0)
    ends = []
    for sign in (1.0, -1.0):
        moved = values.copy()
        if index >= 0:
            moved[index] += sign * step
        ends.append(_undiscounted(model, moved, years + (sign * step if index < 0 else 0.0), forward, strikes)[0])
    result: Floats = (ends[0] - ends[1]) / (2.0 * step)
    return result
