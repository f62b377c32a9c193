"""SSVI and eSSVI fitted to a chain: few numbers, no arbitrage by theorem (see `ssvi`), where quotes are thin.

- `extended` (eSSVI): three numbers an expiry, from the first on. In the slopes of the wings L = psi (1 - rho) and
  R = psi (1 + rho) the conditions between expiries are that theta, L and R do not fall and psi/theta does not rise, so
  the search adds to the earlier expiry's what they allow (as Corbetta, Cohort, Laachir and Martini 2019 do, one expiry
  at a time).
- else SSVI: one rho and the power law's eta and gamma for all, with eta (1 + |rho|) <= 2 and gamma <= 1/2 (Gatheral and
  Jacquier 2014, remark 4.4); theta, each expiry's total variance at the money, never falls.

Quotes are chosen, weighted and reported as by `surface_fit.calibrate`, which fits them much closer.
"""

from collections.abc import Callable
from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.least_squares import minimise
from thalweg.pricing.quotes import Quotes
from thalweg.pricing.smile import Smile
from thalweg.pricing.ssvi import Ssvi, power_law
from thalweg.pricing.surface import Slice, Surface
from thalweg.pricing.surface_fit import Calibration, Expiry, prepared, report_of, targets_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_STEP: Final = 1e-6  # of a search variable, for slopes
_SHARE: Final = 0.999  # of what the conditions allow
_LEAST: Final = 1e-9
_GROWTH: Final = 1e-6  # of theta: a later expiry has that much more at least
_STARTS: Final = ((-1.0, 0.0), (-1.0, 1.0), (1.0, 0.0), (-3.0, 0.0))


def calibrate_ssvi(quotes: Quotes, *, extended: bool = True) -> Calibration:
    """Return the eSSVI (or SSVI) surface of a chain, how well each expiry fits, and which quotes took no part.

    Raises:
        UserFault: as `surface_fit.calibrate`.
    """
    expiries, findings = prepared(quotes)
    slices = _one_by_one(expiries) if extended else _together(expiries)
    smiles = [Smile(one.raw()) for one in slices]
    surface = Surface(tuple(Slice(e.years, e.forward, smile) for e, smile in zip(expiries, smiles, strict=True)))
    reports = tuple(report_of(e, smile) for e, smile in zip(expiries, smiles, strict=True))
    return Calibration(surface, reports, tuple(findings), tuple(expiries))


def _one_by_one(expiries: list[Expiry]) -> list[Ssvi]:
    found: list[Ssvi] = []
    for one, target in zip(expiries, targets_of(expiries), strict=True):
        before = found[-1] if found else None

        def slice_of(p: "Floats", before: Ssvi | None = before) -> Ssvi | None:
            return _after(before, p)

        def misses(p: "Floats", target: Any = target, slice_of: Any = slice_of) -> "Floats | None":
            smile = slice_of(p)
            return None if smile is None else (_variances(smile, target.k) - target.w) / target.error

        level = max(_money(one) - (before.theta if before else 0.0), 0.02 * _money(one))
        best = min(
            (_searched(misses, [log(level), spread, side]) for spread, side in _STARTS), key=lambda solved: solved[0]
        )
        smile = slice_of(best[1])
        if smile is None:
            raise UserFault(Reason.MALFORMED, f"no eSSVI slice fits the expiry in {one.years} years")
        found.append(smile)
    return found


def _after(before: Ssvi | None, p: "Floats") -> Ssvi | None:
    """Return the slice of ln(theta's rise), the logit of psi's rise of what is allowed, and that of its left share."""
    if max(abs(p[1]), abs(p[2])) > 30.0 or p[0] > 5.0:
        return None
    rise = exp(p[0])
    theta = rise if before is None else before.theta * (1.0 + _GROWTH) + rise
    left, right = (0.0, 0.0) if before is None else (before.psi * (1.0 - before.rho), before.psi * (1.0 + before.rho))
    # psi (1 + |rho|) is the steeper wing: psi of it is at most 4 theta, so psi is at most twice the root
    most = 2.0 * sqrt(theta) if before is None else min(2.0 * sqrt(theta), before.psi / before.theta * theta)
    room = 2.0 * _SHARE * most - left - right
    if room <= 0.0:
        return None
    added = room / (1.0 + exp(-p[1]))
    share = 1.0 / (1.0 + exp(-p[2]))
    left, right = left + share * added, right + (1.0 - share) * added
    psi, rho = 0.5 * (left + right), (right - left) / (left + right)
    steep = max(left, right)
    if not (steep < 4.0 * _SHARE and psi * steep <= 4.0 * _SHARE * theta and abs(rho) < 1.0 and psi > _LEAST):
        return None
    return Ssvi(theta, rho, psi)


def _together(expiries: list[Expiry]) -> list[Ssvi]:
    import numpy as np

    targets, level, rises = targets_of(expiries), 0.0, []
    for one in expiries:
        rises.append(log(max(_money(one) - level, 0.02 * _money(one))))
        level = max(level, _money(one))

    def slices_of(p: "Floats") -> list[Ssvi] | None:
        if np.max(np.abs(p[:3])) > 15.0 or np.max(p[3:]) > 5.0:
            return None
        rho, gamma = float(np.tanh(p[0])), 0.5 / (1.0 + exp(-p[2]))
        if not abs(rho) < 1.0:
            return None
        eta = 2.0 * _SHARE / ((1.0 + abs(rho)) * (1.0 + exp(-p[1])))
        thetas = np.cumsum(np.exp(p[3:])).tolist()
        return [Ssvi(theta, rho, theta * power_law(theta, eta, gamma)) for theta in thetas]

    def misses(p: "Floats") -> "Floats | None":
        slices = slices_of(p)
        if slices is None:
            return None
        return np.concatenate([(_variances(s, t.k) - t.w) / t.error for s, t in zip(slices, targets, strict=True)])

    starts = [_searched(misses, [-0.3, spread, 1.0, *rises]) for spread in (-1.0, 1.0)]
    found = slices_of(min(starts, key=lambda solved: solved[0])[1])
    if found is None:
        raise UserFault(Reason.MALFORMED, "no SSVI surface fits these quotes")
    return found


def _searched(misses: "Callable[[Floats], Floats | None]", start: list[float]) -> "tuple[float, Floats]":
    """Return the cost and the variables of a local minimum; slopes by differences."""
    import numpy as np

    def residuals(p: "Floats") -> "tuple[Floats, Floats] | None":
        here = misses(p)
        if here is None:
            return None
        columns = []
        for i in range(p.size):
            moved = p.copy()
            moved[i] += _STEP
            there = misses(moved)
            if there is None:
                moved[i] -= 2.0 * _STEP
                there = misses(moved)
                columns.append(np.zeros_like(here) if there is None else (here - there) / _STEP)
            else:
                columns.append((there - here) / _STEP)
        return here, np.stack(columns, axis=1)

    found = minimise(residuals, np.array(start), steps_max=80, precision=1e-8)
    return found.cost if found.cost == found.cost else inf, found.x


def _money(one: Expiry) -> float:
    """Return the total variance of mids at the money."""
    import numpy as np

    return float(np.interp(0.0, one.k, one.mid)) ** 2 * one.years


def _variances(smile: Ssvi, k: "Floats") -> "Floats":
    import numpy as np

    phi = smile.psi / smile.theta
    z = phi * k + smile.rho
    result: Floats = 0.5 * smile.theta * (1.0 + smile.rho * phi * k + np.sqrt(z * z + 1.0 - smile.rho**2))
    return result
