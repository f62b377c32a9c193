"""SABR: smiles of four parameters, by Hagan's expansion with Obloj's correction, and their fit.

    dF = a F^beta dW,  da = nu a dZ,  dW dZ = rho dt,  a(0) = alpha

(P. Hagan, D. Kumar, A. Lesniewski and D. Woodward, "Managing smile risk", Wilmott 2002, equation 2.17.) `corrected`
takes the leading term from J. Obloj, "Fine-tune your smile", 2008, which agrees with Hagan's at beta = 1 and keeps the
density positive further out; both are expansions in time: the error grows with nu^2 T. `shift` is added to forward and
strike.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.least_squares import minimise
from thalweg.pricing.planes import as_floats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_NEAR: Final = 1e-4  # of zeta: below, its function is a series
_RHO_MAX: Final = 0.999


class Sabr(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters. alpha > 0, 0 <= beta <= 1, |rho| < 1, nu >= 0."""

    alpha: float
    beta: float
    rho: float
    nu: float
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (self.alpha > 0.0 and 0.0 <= self.beta <= 1.0 and abs(self.rho) < 1.0 and self.nu >= 0.0):
            raise UserFault(Reason.MALFORMED, f"not SABR's parameters: {self!r}")


class SabrFit(msgspec.Struct, frozen=True):
    """A fit: parameters, root mean square error in volatility (0.01 is one point), and whether the search settled."""

    sabr: Sabr
    rmse: float
    settled: bool


def sabr_volatility(
    sabr: Sabr, forward: "ArrayLike", strike: "ArrayLike", years: "ArrayLike", *, corrected: bool = True
) -> "NDArray[np.float64]":
    """Return Black volatilities; arguments broadcast.

    Raises:
        UserFault: MALFORMED where a (shifted) forward or strike is not positive, or the time negative.
    """
    import numpy as np

    f, k = (as_floats(name, x) + sabr.shift for name, x in (("forward", forward), ("strike", strike)))
    t = as_floats("years", years)
    for name, values, bad in (("forward", f, ~(f > 0.0)), ("strike", k, ~(k > 0.0)), ("years", t, ~(t >= 0.0))):
        if np.any(bad):
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            raise UserFault(Reason.MALFORMED, f"{name}{list(at) if at else ''} is {values[at]}: it must be positive")
    result: NDArray[np.float64] = _volatility(sabr, f, k, t, corrected)
    return result


def _volatility(sabr: Sabr, f: Any, k: Any, t: Any, corrected: bool) -> Any:
    import numpy as np

    alpha, beta, rho, nu = sabr.alpha, sabr.beta, sabr.rho, sabr.nu
    x, flat = np.log(f / k), 1.0 - beta
    middle = (f * k) ** (0.5 * flat)
    later = (
        (flat * alpha / middle) ** 2 / 24.0
        + 0.25 * rho * beta * nu * alpha / middle
        + (2.0 - 3.0 * rho**2) * nu**2 / 24.0
    )
    if corrected:
        # (f^(1-beta) - k^(1-beta))/(1-beta) = middle * 2 sinh(flat x/2)/flat: no cancellation, and x at beta = 1
        half = 0.5 * flat * x
        distance = middle * x * np.where(np.abs(half) < 1e-9, 1.0, np.sinh(half) / np.where(half == 0.0, 1.0, half))
        ratio = np.where(x == 0.0, 1.0 / middle, x / np.where(x == 0.0, 1.0, distance))
        lead = alpha * ratio * _skew(nu / alpha * distance, rho)
    else:
        square = (flat * x) ** 2
        lead = alpha / (middle * (1.0 + square / 24.0 + square**2 / 1920.0)) * _skew(nu / alpha * middle * x, rho)
    return lead * (1.0 + later * t)


def _skew(z: Any, rho: float) -> Any:
    """Return z / ln((sqrt(1 - 2 rho z + z^2) + z - rho)/(1 - rho))."""
    import numpy as np

    near = np.abs(z) < _NEAR
    wide = np.where(near, 1.0, z)
    root = np.sqrt(1.0 - 2.0 * rho * wide + wide * wide)
    # for z < 0 the sum cancels; its product with root - z + rho is 1 - rho^2
    up = np.where(wide > 0.0, (root + wide - rho) / (1.0 - rho), (1.0 + rho) / (root - wide + rho))
    series = 1.0 - 0.5 * rho * z + (2.0 - 3.0 * rho * rho) / 12.0 * z * z
    return np.where(near, series, wide / np.log(up))


def fit_sabr(
    forward: float, strikes: Sequence[float], volatilities: Sequence[float], years: float, *, beta: float = 1.0,
    shift: float = 0.0, weights: Sequence[float] | None = None,
) -> SabrFit:  # fmt: skip
    """Return the alpha, rho and nu closest to a smile, beta given.

    Raises:
        UserFault: MALFORMED with fewer than three quotes, lists of unlike length, or inputs that are not positive.
    """
    import numpy as np

    k, vols = np.asarray(strikes, np.float64), np.asarray(volatilities, np.float64)
    scale = np.ones_like(vols) if weights is None else np.asarray(weights, np.float64)
    fine = k.ndim == 1 and k.shape == vols.shape == scale.shape and k.size >= 3
    if not fine or not (forward + shift > 0.0 and years > 0.0 and np.all(k + shift > 0.0) and np.all(vols > 0.0)):
        raise UserFault(Reason.MALFORMED, "a SABR fit needs three or more positive strikes and volatilities")

    def sabr_at(p: Any) -> Sabr:
        return Sabr(float(np.exp(p[0])), beta, float(_RHO_MAX * np.tanh(p[1])), float(np.exp(p[2])), shift)

    def errors(p: Any) -> Any:
        return scale * (_volatility(sabr_at(p), forward + shift, k + shift, years, True) - vols)

    def residuals(p: Any) -> Any:
        if np.any(np.abs(p) > 20.0):
            return None
        here = errors(p)
        jacobian = np.stack([(errors(p + e) - errors(p - e)) / 2e-6 for e in 1e-6 * np.eye(3)], axis=1)
        return None if not np.all(np.isfinite(here)) else (here, jacobian)

    level = float(np.interp(np.log(forward + shift), np.log(k + shift)[np.argsort(k)], vols[np.argsort(k)]))
    start = np.array([np.log(level * (forward + shift) ** (1.0 - beta)), -0.2, np.log(min(2.0, 1.0 / np.sqrt(years)))])
    found = minimise(residuals, start, precision=1e-12)
    best = sabr_at(found.x)
    missed = _volatility(best, forward + shift, k + shift, years, True) - vols
    return SabrFit(best, float(np.sqrt((missed**2).mean())), found.settled)
