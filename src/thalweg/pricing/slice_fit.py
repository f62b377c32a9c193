"""One expiry's raw SVI, fitted so that it can be arbitraged neither by butterflies nor against the expiry after it.

Weighted least squares in volatility, by Levenberg and Marquardt from the best of a grid of starts (for given m and
sigma, total variance is linear in the rest: Zeliade Systems 2009, see `fit`). Expiries are fitted from the last to the
first: long ones have quotes far out, short ones are free there. The wings' slopes are searched below those of the later
expiry, so they cannot cross. Durrleman's g below a margin and total variance above the later expiry's, on a grid of
log-moneyness, are residuals too, and so are the quotes of earlier expiries, from below. What then is still in the way
is mended by mixing in the later smile times a constant below one: that never crosses it, and has no butterflies where
it has none, since g of c w is (1-c)(1 - k w'/(2w))^2 + c g + (c - c^2) w'^2/16.
"""

from math import exp, inf, log, sqrt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from thalweg.pricing.least_squares import minimise
from thalweg.pricing.smile import Smile, durrleman, svi_terms
from thalweg.pricing.surface import grid
from thalweg.pricing.svi import SIGMA_MIN, WING_MAX, Svi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

G_MARGIN: Final = 1e-3  # of g, inside the fit; what must hold is g >= 0
W_MARGIN: Final = 1e-4  # of the later total variance
_SPARSE: Final = 6  # every so many points of the surface's grid
_WEIGHTS: Final = (10.0, 300.0, 1e4)
_SHIFTS: Final = (-0.5, -0.25, 0.0, 0.25, 0.5)
_WIDTHS: Final = (0.1, 0.25, 0.6, 1.5)
_PRIOR: Final = 0.1  # weight of wings as steep as a quarter of what they may be: it decides where quotes say nothing
_STEEP: Final = 0.97 * WING_MAX  # no wing is steeper: slopes are below this, and b (1 + |rho|) is the greater one
_MIXES: Final = 24


class Target(NamedTuple):
    """What quotes of one expiry say: log-moneyness, total variance, and how far it may be off, as arrays.

    `early` are such triples of earlier expiries: this one is to lie above them.
    """

    k: "Floats"
    w: "Floats"
    error: "Floats"
    early: "tuple[Floats, Floats, Floats]"


class Ceiling(NamedTuple):
    """What the later expiry allows: its smile, the slopes of its wings, and total variances on the surface's grid.

    A corrected smile has room up to `total`; SVI alone, which an oracle signs, up to the lesser `w` of both there.
    """

    smile: Smile
    left: float
    right: float
    w: "Floats"
    total: "Floats"


def ceiling_of(after: Smile | None) -> Ceiling | None:
    """Return what an expiry that has been fitted leaves for those before it."""
    import numpy as np

    if after is None:
        return None
    svi, k = after.svi, grid()
    total = after.total_variance(k)
    least = np.minimum(total, svi_terms(svi, k)[0])
    return Ceiling(after, svi.b * (1.0 - svi.rho), svi.b * (1.0 + svi.rho), least, total)


def fit_slice(target: Target, ceiling: Ceiling | None, start: Svi | None = None) -> Svi:
    """Return the smile below the ceiling closest to the quotes; `start` is one close to it (a refit)."""
    search = _Search(target, ceiling)
    here = search.start() if start is None else search.searched(start)
    svi = None
    for weight in _WEIGHTS:
        search.weight = weight
        found = minimise(search.residuals, here, steps_max=30, precision=1e-5)
        if found.cost == inf:
            break
        here = found.x
        svi = search.svi(here)
        if svi is not None and holds(Smile(svi), ceiling):
            return svi
    return _mended(svi, target, ceiling)


def holds(smile: Smile, ceiling: Ceiling | None) -> bool:
    """Say whether a smile has no butterflies and nothing of it is above the ceiling, wings included."""
    import numpy as np

    k = grid()
    if not sound(k, smile.terms(k), None if ceiling is None else ceiling.total):
        return False
    if ceiling is None:
        return True
    svi = smile.svi
    slopes = svi.b * (1.0 - svi.rho) <= ceiling.left and svi.b * (1.0 + svi.rho) <= ceiling.right
    return bool(slopes and np.all(svi_terms(svi, k)[0] <= ceiling.w))


def sound(k: "Floats", terms: "tuple[Floats, Floats, Floats]", top: "Floats | None") -> bool:
    """Say whether terms on the surface's grid have no butterflies and lie below `top`."""
    import numpy as np

    w, w1, w2 = terms
    if not np.all(w > 0.0) or durrleman(k, w, w1, w2).min() < 0.0:
        return False
    return top is None or bool(np.all(w <= top))


class _Search:
    """Search variables: a, logits of the slopes' shares of what they may be, m, ln sigma."""

    def __init__(self, target: Target, ceiling: Ceiling | None) -> None:
        self.target, self.weight = target, 0.0
        self.scale = 1.0 / target.error
        self.points = grid()[::_SPARSE]
        self.left, self.right, self.top = _STEEP, _STEEP, None
        if ceiling is not None:
            self.left, self.right = min(_STEEP, ceiling.left), min(_STEEP, ceiling.right)
            self.top = ceiling.w[::_SPARSE] * (1.0 - W_MARGIN)

    def slopes(self, p: Any) -> tuple[float, float]:
        return self.left / (1.0 + exp(-p[1])), self.right / (1.0 + exp(-p[2]))

    def svi(self, p: Any) -> Svi | None:
        """Return the smile of search variables, or None where they stand for none."""
        left, right = self.slopes(p)
        b, a, sigma = 0.5 * (left + right), float(p[0]), exp(p[4])
        rho = (right - left) / (right + left)
        if sigma < SIGMA_MIN or not a + sigma * sqrt(left * right) > 0.0 or not abs(rho) < 1.0:
            return None
        return Svi(a, b, rho, float(p[3]), sigma)

    def searched(self, svi: Svi) -> "Floats":
        """Return the variables closest to a smile."""
        import numpy as np

        shares = [
            min(max(svi.b * (1.0 + side * svi.rho) / most, 1e-3), 0.99)
            for side, most in ((-1.0, self.left), (1.0, self.right))
        ]
        return np.array([svi.a, *(log(x / (1.0 - x)) for x in shares), svi.m, log(svi.sigma)])

    def start(self) -> "Floats":
        """Return the best of a grid of (m, sigma), the rest being linear."""
        import numpy as np

        k, w, scale = self.target.k, self.target.w, self.scale
        width, middle = max(float(np.ptp(k)), 0.02), 0.5 * float(k.max() + k.min())
        m = np.repeat(middle + 0.5 * width * np.array(_SHIFTS), len(_WIDTHS))[:, None]
        sigma = np.tile(np.maximum(0.5 * width * np.array(_WIDTHS), 2.0 * SIGMA_MIN), len(_SHIFTS))[:, None]
        x = k - m
        root = np.sqrt(x * x + sigma * sigma)
        design = np.stack([np.ones_like(x), 0.5 * (root - x), 0.5 * (root + x)], axis=2) * scale[:, None]
        normal = np.swapaxes(design, 1, 2) @ design
        normal += 1e-9 * np.eye(3) * np.trace(normal, axis1=1, axis2=2)[:, None, None]
        found = np.linalg.solve(normal, np.swapaxes(design, 1, 2) @ (w * scale)[:, None])[:, :, 0]
        left = np.clip(found[:, 1], 0.02 * self.left, 0.9 * self.left)
        right = np.clip(found[:, 2], 0.02 * self.right, 0.9 * self.right)
        shape = 0.5 * (left[:, None] * (root - x) + right[:, None] * (root + x))
        level = ((w - shape) * scale**2).sum(axis=1) / (scale**2).sum()
        level = np.maximum(level, 1e-7 - sigma[:, 0] * np.sqrt(left * right))
        cost = (((level[:, None] + shape - w) * scale) ** 2).sum(axis=1)
        early, floor, error = self.target.early
        if early.size:
            x = early - m
            root = np.sqrt(x * x + sigma * sigma)
            far = level[:, None] + 0.5 * (left[:, None] * (root - x) + right[:, None] * (root + x))
            cost += (np.maximum((floor - far) / error, 0.0) ** 2).sum(axis=1)
        i = int(np.argmin(cost))
        shares = left[i] / self.left, right[i] / self.right
        return np.array([level[i], *(log(s / (1.0 - s)) for s in shares), m[i, 0], log(sigma[i, 0])])

    def residuals(self, p: Any) -> Any:
        """Return residuals and Jacobian, or None where the variables stand for no smile."""
        import numpy as np

        if not np.all(np.isfinite(p)) or np.max(np.abs(p[1:3])) > 8.0 or p[4] > 2.0 or self.svi(p) is None:
            return None
        w, dw = self.model(p, self.target.k, deep=False)[:2]
        rows = [(w - self.target.w) * self.scale, _PRIOR * (p[1:3] + 1.0)]
        slopes = [dw * self.scale[:, None], _PRIOR * np.eye(5)[1:3]]
        early, level, error = self.target.early
        if early.size:
            w, dw = self.model(p, early, deep=False)
            under = w < level
            if under.any():
                rows.append(((level - w) / error)[under])
                slopes.append(-dw[under] / error[under, None])
        points, weight = self.points, self.weight
        w, dw, w1, dw1, w2, dw2 = self.model(p, points, deep=True)
        g = durrleman(points, w, w1, w2)
        short = g < G_MARGIN
        if short.any():
            half = 1.0 - 0.5 * points * w1 / w
            by_w = half * points * w1 / w**2 + 0.25 * w1**2 / w**2
            by_w1 = -half * points / w - 0.5 * w1 * (1.0 / w + 0.25)
            dg = by_w[:, None] * dw + by_w1[:, None] * dw1 + 0.5 * dw2
            rows.append(weight * (G_MARGIN - g[short]))
            slopes.append(-weight * dg[short])
        if self.top is not None:
            over = w > self.top
            if over.any():
                unit = 3.0 * weight / self.top[over]
                rows.append(unit * (w - self.top)[over])
                slopes.append(unit[:, None] * dw[over])
        return np.concatenate(rows), np.concatenate(slopes)

    def model(self, p: Any, k: Any, *, deep: bool) -> Any:
        """Return w, w', w'' and their derivatives in the search variables."""
        import numpy as np

        left, right = self.slopes(p)
        by_left, by_right = left * (1.0 - left / self.left), right * (1.0 - right / self.right)
        b, lean, x, square = 0.5 * (left + right), 0.5 * (right - left), k - p[3], exp(2.0 * p[4])
        root = np.sqrt(x * x + square)
        down, up, one = 0.5 * (root - x), 0.5 * (root + x), np.ones_like(x)
        w = p[0] + left * down + right * up
        u = x / root
        w1, w2 = lean + b * u, b * square / root**3
        dw = np.stack([one, by_left * down, by_right * up, -w1, b * square / root], axis=1)
        if not deep:
            return w, dw
        none, w3 = 0.0 * one, -3.0 * w2 * x / (root * root)
        dw1 = np.stack([none, 0.5 * by_left * (u - 1.0), 0.5 * by_right * (u + 1.0), -w2, -x * w2], axis=1)
        bend = 0.5 * square / root**3
        dw2 = np.stack([none, by_left * bend, by_right * bend, -w3, w2 * (2.0 - 3.0 * square / root**2)], axis=1)
        return w, dw, w1, dw1, w2, dw2


def _mended(svi: Svi | None, target: Target, ceiling: Ceiling | None) -> Svi:
    """Return the smile with as little given up as makes it hold."""
    import numpy as np

    safe = _safe(target, ceiling)
    if svi is None:
        return safe
    low = _lowered(svi, ceiling)
    if low is not None and holds(Smile(low), ceiling):
        return low
    own, other = (np.array([one.a, one.b, one.b * one.rho, one.m, one.sigma]) for one in (svi, safe))
    for step in range(1, _MIXES):
        a, b, lean, m, sigma = (own + (step / _MIXES) * (other - own)).tolist()
        least = sigma * sqrt(max(b * b - lean * lean, 0.0))
        mixed = _lowered(Svi(max(a, 1e-9 * b - least), b, lean / b, m, sigma), ceiling)
        if mixed is not None and holds(Smile(mixed), ceiling):
            return mixed
    return safe


def _safe(target: Target, ceiling: Ceiling | None) -> Svi:
    """Return a smile that holds whatever the quotes say: nearly flat, or a share of the later one."""
    import numpy as np

    level = float(np.median(target.w))
    if ceiling is None:
        return Svi(0.9 * level, 0.05 * min(level, 1.0), 0.0, 0.0, 1.0)
    later = ceiling.smile.svi
    most = float((ceiling.w / svi_terms(later, grid())[0]).min())
    share = min(most * (1.0 - 1e-9), max(level / float(later.total_variance(0.0)), 1e-6))
    return Svi(share * later.a, share * later.b, later.rho, later.m, later.sigma)


def _lowered(svi: Svi, ceiling: Ceiling | None) -> Svi | None:
    """Return the smile moved down below the ceiling; None where nothing would be left of it."""
    if ceiling is None:
        return svi
    gap = float((svi_terms(svi, grid())[0] - ceiling.w).max())
    a = svi.a - max(gap, 0.0) * (1.0 + 1e-9) - (1e-15 if gap > 0.0 else 0.0)
    if a + svi.b * svi.sigma * sqrt(1.0 - svi.rho * svi.rho) <= 0.0:
        return None
    return Svi(a, svi.b, svi.rho, svi.m, svi.sigma)
