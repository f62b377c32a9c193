"""Rough volatility: models whose variance has a memory, driven by a kernel (t - s)^(H - 1/2), H below one half.

- Rough Bergomi (C. Bayer, P. Friz and J. Gatheral, "Pricing under rough volatility", Quantitative Finance 16, 2016):
  v_t = xi exp(eta Y_t - eta^2 t^(2H)/2), Y_t = sqrt(2H) int_0^t (t - s)^(H - 1/2) dW_s. Paths only.
- Rough Heston (O. El Euch and M. Rosenbaum, "The characteristic function of rough Heston models", Mathematical Finance
  29, 2019): v_t = v0 + int_0^t (t - s)^(a - 1)/Gamma(a) (kappa (theta - v_s) ds + sigma sqrt(v_s) dW_s), a = H + 1/2.
  E exp(iu ln(S_T/F)) = exp(kappa theta int_0^T h + v0 I^(1-a) h(T)), where the fractional derivative of order a is
  D^a h = -(u^2 + iu)/2 + (iu rho sigma - kappa) h + sigma^2 h^2/2, h(0) = 0.

The equation is solved by the fractional Adams-Moulton method (K. Diethelm, N. Ford and A. Freed, Numerical Algorithms
36, 2004) for all u at once, its implicit step exactly: it is a quadratic equation. Two grids, the finer of twice the
steps, tell the error and are extrapolated.
"""

from math import gamma
from typing import TYPE_CHECKING, Any, ClassVar, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.models.fourier import ModelPrices
from thalweg.pricing.models.parameters import PARAMETER_MAX, Dynamics
from thalweg.pricing.planes import as_flags, as_floats, common_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Complex = NDArray[np.complex128]

STEPS: Final = 200
STEPS_MAX: Final = 2000
NODES_MAX: Final = 4000
_STEP: Final = 0.15  # of u; the trapezoidal rule errs by about e^(-pi/step)
_NEGLIGIBLE: Final = 1e-10
_HURST: Final = (0.01, 0.5)
_VARIANCE: Final = (0.0, PARAMETER_MAX)


class RoughBergomi(Dynamics, frozen=True):
    """`xi`: forward variance, flat; `eta`: volatility of volatility; `hurst` H, at most one half."""

    diffusion: ClassVar[int] = 3
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "xi": (1e-8, PARAMETER_MAX), "eta": (0.0, 20.0), "rho": (-1.0, 1.0), "hurst": _HURST,
    }  # fmt: skip
    xi: float
    eta: float
    rho: float
    hurst: float


class RoughHeston(Dynamics, frozen=True):
    """Heston's letters and `hurst` H; one half is Heston's own model."""

    diffusion: ClassVar[int] = 4
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "v0": _VARIANCE, "kappa": _VARIANCE, "theta": _VARIANCE, "sigma": (1e-4, 100.0), "rho": (-1.0, 1.0),
        "hurst": _HURST,
    }  # fmt: skip
    v0: float
    kappa: float
    theta: float
    sigma: float
    rho: float
    hurst: float


RoughModel = RoughBergomi | RoughHeston


def log_characteristic(model: RoughHeston, u: "Complex", years: float, steps: int) -> "Complex":
    """Return ln E exp(iu ln(S_T/F)) for complex u by `steps` steps."""
    import numpy as np

    a = model.hurst + 0.5
    step = years / steps
    linear = 1j * u * model.rho * model.sigma - model.kappa
    constant = -0.5 * (u * u + 1j * u)
    square = 0.5 * model.sigma**2

    n = np.arange(steps + 1, dtype=float)
    scale = step**a / gamma(a + 2.0)
    inner = ((n[1:] + 1.0) ** (a + 1.0) + (n[1:] - 1.0) ** (a + 1.0) - 2.0 * n[1:] ** (a + 1.0)) * scale  # lag from 1
    first = (n ** (a + 1.0) - (n - a) * (n + 1.0) ** a) * scale  # of the very first slope, by steps done
    slopes = np.empty((steps + 1, u.size), np.complex128)
    values = np.zeros((steps + 1, u.size), np.complex128)
    slopes[0] = constant
    b = 1.0 - scale * linear
    for k in range(steps):
        known = first[k] * constant + (inner[k - 1 :: -1] @ slopes[1 : k + 1] if k else 0.0)
        c = known + scale * constant  # h = c + (1 - b) h + scale square h^2
        h = 2.0 * c / (b + np.sqrt(b * b - 4.0 * scale * square * c))
        values[k + 1] = h
        slopes[k + 1] = constant + (linear + square * h) * h
    total = step * (values.sum(axis=0) - 0.5 * values[-1])
    # I^(1-a) h(T), from I^1 of D^a h = I^(1-a) h: exact in the slopes
    memory = step * (slopes.sum(axis=0) - 0.5 * (slopes[0] + slopes[-1]))
    result: Complex = model.kappa * model.theta * total + model.v0 * memory
    return result


def price_slice(
    model: RoughHeston,
    is_call: "ArrayLike",
    forward: float,
    strike: "ArrayLike",
    years: float,
    rate: float = 0.0,
    *,
    steps: int = STEPS,
) -> ModelPrices:
    """Return prices of one expiry under rough Heston by Lewis's integral; `error` is an estimate, not a bound.

    Raises:
        UserFault: MALFORMED, naming the argument and index; UNKNOWN_FEATURE for other models.
    """
    import numpy as np

    if not isinstance(model, RoughHeston):
        raise UserFault(Reason.UNKNOWN_FEATURE, "only rough Heston has a characteristic function; simulate the others")
    strikes, calls = as_floats("strike", strike), as_flags("is_call", is_call)
    shape = common_shape([("strike", strikes), ("is_call", calls)])
    if not (0.0 < forward < np.inf and 0.0 < years < np.inf and abs(rate) * max(years, 1.0) < 500.0):
        raise UserFault(
            Reason.MALFORMED, f"forward ({forward}), years ({years}) positive and finite, rate ({rate}) finite"
        )
    if not 8 <= steps <= STEPS_MAX:
        raise UserFault(Reason.MALFORMED, f"steps is {steps}: it must be within 8..{STEPS_MAX}")
    if not np.all((strikes > 0.0) & (strikes < np.inf)):
        at = int(np.argmax(~((strikes > 0.0) & (strikes < np.inf)).reshape(-1)))
        raise UserFault(Reason.MALFORMED, f"strike[{at}] is {strikes.reshape(-1)[at]}: it must be positive and finite")
    u = _nodes(model, years)
    coarse, fine = (np.exp(log_characteristic(model, u - 0.5j, years, n)) for n in (steps, 2 * steps))
    order = 2.0 ** (1.5 + model.hurst)
    best = fine + (fine - coarse) / (order - 1.0)
    puts, rough = (_puts(phi, u, forward, strikes.reshape(-1)) for phi in (best, fine))
    discount = float(np.exp(-rate * years))
    price = np.broadcast_to(puts.reshape(strikes.shape), shape) + np.where(calls, forward - strikes, 0.0)
    price = discount * np.maximum(price, np.maximum(np.where(calls, forward - strikes, strikes - forward), 0.0))
    error = discount * (np.abs(puts - rough).reshape(strikes.shape) + 1e-9 * (forward + strikes))
    return ModelPrices(price, np.broadcast_to(error, shape).copy())


def _nodes(model: RoughHeston, years: float) -> "Any":
    """Return u from 0 in equal steps to where the characteristic function is negligible."""
    import numpy as np

    ends = np.geomspace(1.0, _STEP * NODES_MAX, 40)
    size = np.abs(np.exp(log_characteristic(model, np.asarray(ends - 0.5j, np.complex128), years, 64)))
    small = np.flatnonzero(size <= _NEGLIGIBLE * ends)
    return _STEP * np.arange(int((ends[small[0]] if small.size else ends[-1]) / _STEP) + 2)


def _puts(phi: "Complex", u: "Floats", forward: float, strikes: "Floats") -> "Floats":
    import numpy as np

    weight = np.where(u == 0.0, 0.5, 1.0) * _STEP / np.pi / (u * u + 0.25)
    waves = np.exp(1j * np.outer(np.log(forward / strikes), u))
    level = (waves * (phi * weight)).real.sum(axis=1)
    result: Floats = strikes - np.sqrt(forward * strikes) * level
    return result
