"""The spline on top of SVI: what five parameters cannot draw, as far as it makes no arbitrage.

Cubic B-splines over the quoted range, weights by penalised least squares (P. Eilers and B. Marx, "Flexible smoothing
with B-splines and penalties", Statistical Science 11, 1996) under the conditions that g stays above a margin and total
variance below the later expiry's: linearised, and solved again where they then lie. The correction found is shrunk
until the smile holds on the whole grid; without any it does, so this ends.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing.inequalities import nearest
from thalweg.pricing.slice_fit import G_MARGIN, W_MARGIN, Ceiling, Target, holds, sound
from thalweg.pricing.smile import Correction, Smile, durrleman, spline_basis, svi_terms
from thalweg.pricing.surface import grid
from thalweg.pricing.svi import Svi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SPLINES_MAX: Final = 24
_QUOTES_A_SPLINE: Final = 1.25
_ROUGHNESS: Final = 0.002
_ROUNDS: Final = 6
_SHARES: Final = (1.0, 0.995, 0.98, 0.95, 0.9, 0.8, 0.7, 0.55, 0.4, 0.25, 0.1, 0.02)
_SETTLED: Final = 1e-3  # of the errors
_LOW: Final = 0.2  # of SVI's total variance: a correction leaves that much
_AWARE: Final = 0.5  # where g is below this its condition joins


def fit_correction(svi: Svi, target: Target, ceiling: Ceiling | None) -> Smile:
    """Return the smile with its correction; without one where there are too few quotes or nothing can be gained."""

    plain = Smile(svi)
    count = min(SPLINES_MAX, int(target.k.size / _QUOTES_A_SPLINE))
    if count < 4:
        return plain
    knots = _knots(target.k, count)
    smile = _shrunk(svi, knots, _solved(knots, svi, target, ceiling), ceiling)
    return smile if _cost(smile, target) < _cost(plain, target) else plain


def _cost(smile: Smile, target: Target) -> float:
    return float((((smile.total_variance(target.k) - target.w) / target.error) ** 2).sum())


def _shrunk(svi: Svi, knots: "Floats", weights: "Floats", ceiling: Ceiling | None) -> Smile:
    """Return the smile with as much of a correction as holds."""
    import numpy as np

    if not np.all(np.isfinite(weights)):
        return Smile(svi)
    k = grid()
    base = svi_terms(svi, k)
    added = [basis @ weights for basis in spline_basis(knots, k)]
    for share in _SHARES:
        w, w1, w2 = (one + share * more for one, more in zip(base, added, strict=True))
        if sound(k, (w, w1, w2), None if ceiling is None else ceiling.total):
            smile = Smile(svi, Correction(tuple(knots.tolist()), tuple((share * weights).tolist())))
            if holds(smile, ceiling):
                return smile
    return Smile(svi)


def _knots(k: "Floats", count: int) -> "Floats":
    """Return count + 4 knots: between quantiles and even spacing, two of them beyond each end of the quotes."""
    import numpy as np

    ordered = np.unique(k)
    inner = count  # knots from the first quote to the last
    share = np.linspace(0.0, 1.0, inner)
    quantiles = np.interp(share, np.linspace(0.0, 1.0, ordered.size), ordered)
    even = ordered[0] + share * (ordered[-1] - ordered[0])
    middle = 0.6 * quantiles + 0.4 * even
    left, right = middle[1] - middle[0], middle[-1] - middle[-2]
    return np.concatenate([middle[0] - left * np.array([2.0, 1.0]), middle, middle[-1] + right * np.array([1.0, 2.0])])


def _solved(knots: "Floats", svi: Svi, target: Target, ceiling: Ceiling | None) -> "Floats":
    """Return the splines' weights."""
    import numpy as np

    scale = 1.0 / target.error
    basis = spline_basis(knots, target.k)[0] * scale[:, None]
    missing = (target.w - svi_terms(svi, target.k)[0]) * scale
    count = basis.shape[1]
    bend = np.diff(np.eye(count), 2, axis=0)
    size = np.sqrt((basis * basis).sum() / count)
    design = np.concatenate([basis, size * np.sqrt(_ROUGHNESS) * bend, 1e-6 * size * np.eye(count)])
    wanted = np.concatenate([missing, np.zeros(bend.shape[0] + count)])
    points = grid()
    points = points[(points > knots[0]) & (points < knots[-1])]
    points = np.unique(np.concatenate([points, target.k, np.linspace(knots[0], knots[-1], 60)[1:-1]]))
    b, b1, b2 = spline_basis(knots, points)
    w, w1, w2 = svi_terms(svi, points)
    sides, bounds = [b], [(_LOW - 1.0) * w]
    if ceiling is not None:
        sides.append(-b)
        bounds.append(w - ceiling.smile.total_variance(points) * (1.0 - W_MARGIN))
    weights: Any = np.zeros(count)
    for _ in range(_ROUNDS):
        here, here1, here2 = w + b @ weights, w1 + b1 @ weights, w2 + b2 @ weights
        safe = np.maximum(here, _LOW * w)
        g = durrleman(points, safe, here1, here2)
        half = 1.0 - 0.5 * points * here1 / safe
        by_w = half * points * here1 / safe**2 + 0.25 * here1**2 / safe**2
        by_w1 = -half * points / safe - 0.5 * here1 * (1.0 / safe + 0.25)
        slope = by_w[:, None] * b + by_w1[:, None] * b1 + 0.5 * b2
        near = g < _AWARE
        low = (2.0 * G_MARGIN - g + slope @ weights)[near]
        found = nearest(design, wanted, np.concatenate([*sides, slope[near]]), np.concatenate([*bounds, low]))
        if found is None:
            break
        moved = float(np.abs(basis @ (found - weights)).max())
        weights = found
        if moved < _SETTLED:
            break
    return np.asarray(weights)
