"""Variance swaps, replicated from a surface.

The fair variance to T is what a strip of options out of the money costs, undiscounted (A. Neuberger, J. Portfolio
Management 20, 1994; K. Demeterfi, E. Derman, M. Kamal and J. Zou, J. Derivatives 6, 1999), c(k) being Black's price on
a forward of one at log-moneyness k:

    variance = (2/T) int e^(-k) c(k) dk
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.quadrature import legendre
from thalweg.pricing.surface import Surface
from thalweg.pricing.terms import VarianceSwap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EDGES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
_POINTS: Final = 16


def fair_variance(surface: Surface, years: float) -> float:
    """Return the annual variance a swap from now to `years` is worth. Its root is the fair volatility.

    Raises:
        UserFault: MALFORMED where the time is not positive and finite.
    """
    import numpy as np

    from thalweg.pricing.european import black76

    k, weights = _grid()
    w = surface.terms(k, years)[0]
    if not np.all(w >= 0.0):
        raise UserFault(Reason.MALFORMED, "the surface's total variance is negative")
    price = black76(k > 0.0, 1.0, np.exp(k), np.sqrt(w), 1.0, outputs=("price",))["price"]
    return float(2.0 / years * (weights * np.exp(-k) * price).sum())


def variance_swap_value(terms: VarianceSwap, surface: Surface, rate: float = 0.0) -> float:
    """Return what a variance swap is worth now.

    Raises:
        UserFault: as `fair_variance`.
    """
    import numpy as np

    whole = terms.gone + terms.years
    expected = (terms.gone * terms.realised + terms.years * fair_variance(surface, terms.years)) / whole
    return float(terms.notional * np.exp(-rate * terms.years) * (expected - terms.strike))


def _grid() -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return nodes and weights in k, dense at the money, where the strip changes from puts to calls."""
    import numpy as np

    nodes: list[Any] = []
    weights: list[Any] = []
    for low, high in pairwise(_EDGES):
        for x, w in legendre(_POINTS):
            nodes.append(0.5 * (low + high) + 0.5 * (high - low) * x)
            weights.append(0.5 * (high - low) * w)
    far, mass = np.array(nodes), np.array(weights)
    return np.concatenate([-far[::-1], far]), np.concatenate([mass[::-1], mass])
