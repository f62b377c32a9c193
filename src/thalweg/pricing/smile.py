"""One expiry's smile: raw SVI, and on it a local correction where quotes ask for more shape than five parameters have.

Total variance w(k), k = ln(K/F), with its first and second derivatives, as arrays. Without butterfly arbitrage

    g(k) = (1 - k w'/(2w))^2 - w'^2/4 (1/w + 1/4) + w''/2 >= 0

(V. Durrleman; Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14, 2014, lemma
2.2): the risk-neutral density of k is g times a positive function.
"""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.svi import Svi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

KNOTS_MAX: Final = 128


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cubic spline added to the total variance between its outer knots, and zero with its slopes beyond.

    `knots` increase strictly; `weights` are those of the B-splines that have five consecutive knots each, so there are
    four fewer of them (C. de Boor, "A Practical Guide to Splines", 1978, chapter IX).
    """

    knots: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        import math

        ordered = all(a < b for a, b in zip(self.knots, self.knots[1:], strict=False))
        finite = all(map(math.isfinite, (*self.knots, *self.weights)))
        if not (5 <= len(self.knots) <= KNOTS_MAX and len(self.weights) == len(self.knots) - 4 and ordered and finite):
            raise UserFault(Reason.MALFORMED, "a correction has 5..128 increasing knots and four weights fewer")


class Smile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A smile: `svi` is what an oracle signs; `correction` is the desk's own."""

    svi: Svi
    correction: Correction | None = None

    def total_variance(self, k: "Floats | float") -> "Floats":
        """Return w(k)."""
        return self.terms(k)[0]

    def terms(self, k: "Floats | float") -> "tuple[Floats, Floats, Floats]":
        """Return w, w' and w'' at k."""
        import numpy as np

        points = np.asarray(k, np.float64)
        if self.correction is not None and points.ndim == 0:
            w, w1, w2 = (term[0] for term in self.terms(points[None]))
            return w, w1, w2
        w, w1, w2 = svi_terms(self.svi, points)
        if self.correction is None:
            return w, w1, w2
        weights, knots = np.array(self.correction.weights), np.array(self.correction.knots)
        inside = (points > knots[0]) & (points < knots[-1])
        bases = spline_basis(knots, points[inside])
        for term, basis in zip((w, w1, w2), bases, strict=True):
            term[inside] += basis @ weights
        return w, w1, w2

    def durrleman(self, k: "Floats | float") -> "Floats":
        """Return g(k): negative where the smile has butterfly arbitrage."""
        import numpy as np

        return durrleman(np.asarray(k, np.float64), *self.terms(k))


def svi_terms(svi: Svi, k: "Floats") -> "tuple[Floats, Floats, Floats]":
    """Return raw SVI's w, w' and w'' at k."""
    import numpy as np

    y = k - svi.m
    root = np.sqrt(y * y + svi.sigma * svi.sigma)
    w = svi.a + svi.b * (svi.rho * y + root)
    return w, svi.b * (svi.rho + y / root), svi.b * svi.sigma * svi.sigma / (root * root * root)


def durrleman(k: "Floats", w: "Floats", w1: "Floats", w2: "Floats") -> "Floats":
    """Return g from a smile's terms."""
    slope: Any = 1.0 - 0.5 * k * w1 / w
    result: Floats = slope * slope - 0.25 * w1 * w1 * (1.0 / w + 0.25) + 0.5 * w2
    return result


def spline_basis(knots: "Floats", k: "Floats") -> "tuple[Floats, Floats, Floats]":
    """Return the cubic B-splines on `knots` and their two derivatives at k: shape (*k.shape, len(knots) - 4).

    De Boor's recursion; the derivative of an order is the difference of the order below.
    """
    import numpy as np

    x = k[..., None]
    orders = [((x >= knots[:-1]) & (x < knots[1:])).astype(np.float64)]
    for degree in (1, 2, 3):
        low = orders[-1]
        left = (x - knots[: -degree - 1]) / (knots[degree:-1] - knots[: -degree - 1])
        right = (knots[degree + 1 :] - x) / (knots[degree + 1 :] - knots[1:-degree])
        orders.append(left * low[..., :-1] + right * low[..., 1:])

    def differentiated(low: Any, degree: int) -> Any:
        left = low[..., :-1] / (knots[degree:-1] - knots[: -degree - 1])
        return degree * (left - low[..., 1:] / (knots[degree + 1 :] - knots[1:-degree]))

    second = differentiated(differentiated(orders[1], 2), 3)
    return orders[3], differentiated(orders[2], 3), second
