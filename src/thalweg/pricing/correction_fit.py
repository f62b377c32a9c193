"""The spline on top of SVI: what five parameters cannot draw, as far as it makes no arbitrage.

Cubic B-splines over the quoted range, weights by penalised least squares (P. Eilers and B. Marx, "Flexible smoothing
with B-splines and penalties", Statistical Science 11, 1996). Where g falls below a margin, or total variance rises
above the later expiry's, linearised conditions join as residuals, over a few rounds. The correction found is then
shrunk until the smile holds on the whole grid; without any it does, so this ends.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing.slice_fit import G_MARGIN, W_MARGIN, Ceiling, Target, holds, sound
from thalweg.pricing.smile import Correction, Smile, durrleman, spline_basis, svi_terms
from thalweg.pricing.surface import grid
from thalweg.pricing.svi import Svi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SPLINES_MAX: Final = 14
_QUOTES_A_SPLINE: Final = 2.0
_ROUGHNESS: Final = 0.02
_ROUNDS: Final = 6
_FIRM: Final = ((300.0, 1.0), (100.0, 4.0))  # weight of what must hold, and by how much it grows each round
_HALVINGS: Final = 12


def fit_correction(svi: Svi, target: Target, ceiling: Ceiling | None) -> Smile:
    """Return the smile with its correction; without one where there are too few quotes or nothing can be gained."""

    plain = Smile(svi)
    count = min(SPLINES_MAX, int(target.k.size / _QUOTES_A_SPLINE))
    if count < 4:
        return plain
    knots = _knots(target.k, count)
    best, least = plain, _cost(plain, target)
    for weight, growth in _FIRM:
        weights = _solved(knots, svi, target, ceiling, weight, growth)
        smile, whole = _shrunk(svi, knots, weights, ceiling)
        cost = _cost(smile, target)
        if cost < least:
            best, least = smile, cost
        if whole:
            break
    return best


def _cost(smile: Smile, target: Target) -> float:
    return float((((smile.total_variance(target.k) - target.w) / target.error) ** 2).sum())


def _shrunk(svi: Svi, knots: "Floats", weights: "Floats", ceiling: Ceiling | None) -> tuple[Smile, bool]:
    """Return the smile with as much of a correction as holds, and whether that is all of it."""
    import numpy as np

    if not np.all(np.isfinite(weights)):
        return Smile(svi), False
    k = grid()
    base = svi_terms(svi, k)
    added = [basis @ weights for basis in spline_basis(knots, k)]
    share = 1.0
    for step in range(_HALVINGS):
        w, w1, w2 = (one + share * more for one, more in zip(base, added, strict=True))
        if sound(k, (w, w1, w2), None if ceiling is None else ceiling.total):
            smile = Smile(svi, Correction(tuple(knots.tolist()), tuple((share * weights).tolist())))
            if holds(smile, ceiling):
                return smile, step == 0
        share *= 0.7
    return Smile(svi), False


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


def _solved(
    knots: "Floats", svi: Svi, target: Target, ceiling: Ceiling | None, weight: float, growth: float
) -> "Floats":
    """Return the splines' weights."""
    import numpy as np

    scale = 1.0 / target.error
    basis = spline_basis(knots, target.k)[0] * scale[:, None]
    missing = (target.w - svi_terms(svi, target.k)[0]) * scale
    count = basis.shape[1]
    bend = np.diff(np.eye(count), 2, axis=0)
    unit = np.sqrt((basis * basis).sum() / count) * np.sqrt(_ROUGHNESS)
    points = grid()
    points = points[(points > knots[0]) & (points < knots[-1])]
    points = np.unique(np.concatenate([points, target.k, np.linspace(knots[0], knots[-1], 60)[1:-1]]))
    b, b1, b2 = spline_basis(knots, points)
    w, w1, w2 = svi_terms(svi, points)
    top = None
    if ceiling is not None:
        top = ceiling.smile.total_variance(points) * (1.0 - W_MARGIN)
    fixed = np.concatenate([basis, unit * bend]), np.concatenate([missing, np.zeros(bend.shape[0])])
    size = float(np.abs(missing).mean()) + 1e-12
    kept_g, kept_w = np.zeros(points.size, bool), np.zeros(points.size, bool)
    weights: Any = np.zeros(count)
    for turn in range(_ROUNDS):
        firm = weight * growth**turn * size
        here, here1, here2 = w + b @ weights, w1 + b1 @ weights, w2 + b2 @ weights
        safe = np.maximum(here, 0.2 * w)
        g = durrleman(points, safe, here1, here2)
        half = 1.0 - 0.5 * points * here1 / safe
        by_w = half * points * here1 / safe**2 + 0.25 * here1**2 / safe**2
        by_w1 = -half * points / safe - 0.5 * here1 * (1.0 / safe + 0.25)
        slope = by_w[:, None] * b + by_w1[:, None] * b1 + 0.5 * b2
        kept_g |= g < G_MARGIN
        rows, sides = [fixed[0]], [fixed[1]]
        if kept_g.any():
            low = np.maximum(2.0 * G_MARGIN - g, -1.0)[kept_g]
            active = low > -0.02
            rows.append(firm * slope[kept_g][active])
            sides.append(firm * (low[active] + slope[kept_g][active] @ weights))
        if top is not None:
            kept_w |= here > top
            near = kept_w & (here > top * 0.998)
            if near.any():
                strong = (3.0 * firm / top[near])[:, None]
                rows.append(strong * b[near])
                sides.append(strong[:, 0] * (top[near] * (1.0 - W_MARGIN) - w[near]))
        weights = np.linalg.lstsq(np.concatenate(rows), np.concatenate(sides), rcond=1e-12)[0]
        if not kept_g.any() and not kept_w.any():
            new = w + b @ weights
            g = durrleman(points, np.maximum(new, 1e-12), w1 + b1 @ weights, w2 + b2 @ weights)
            if g.min() >= 0.0 and (top is None or np.all(new <= top)):
                break
    return np.asarray(weights)
