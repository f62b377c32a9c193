"""What a picture of a surface shows, as arrays: smiles with quotes, the surface, its term structure, residuals."""

from math import sqrt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from thalweg.pricing.products.variance import fair_variance
from thalweg.pricing.surface_fit import Calibration

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_POINTS: Final = 161
_MARGIN: Final = 0.12  # of the quoted width: how far a smile is drawn beyond its quotes
_DEVIATIONS: Final = 2.5
_TIMES: Final = 48
_DAYS_A_YEAR: Final = 365.25


class Smile(NamedTuple):
    """One expiry: quotes by log-moneyness in volatility points, and the curves through them."""

    label: str
    days: float
    k: "Floats"
    bid: "Floats"
    mid: "Floats"
    ask: "Floats"
    at: "Floats"
    curve: "Floats"
    svi: "Floats"
    residual: "Floats"
    inside: "NDArray[np.bool_]"


class Terms(NamedTuple):
    """By expiry, in days and volatility points: at the money, of a variance swap, and forward from one to the next."""

    days: "Floats"
    money: "Floats"
    swap: "Floats"
    forward: "Floats"


class Mesh(NamedTuple):
    """The surface: deviations (k over the money's) by days, log-moneyness and volatility points; rows are times."""

    k: "Floats"
    days: "Floats"
    volatility: "Floats"


def smiles_of(found: Calibration) -> list[Smile]:
    """Return each expiry's smile and quotes."""
    import numpy as np

    smiles = []
    for part, quotes in zip(found.surface.slices, found.expiries, strict=True):
        room = _MARGIN * float(quotes.k[-1] - quotes.k[0])
        at = np.linspace(quotes.k[0] - room, quotes.k[-1] + room, _POINTS)
        curve, here = (_volatility(part.smile.total_variance(k), part.years) for k in (at, quotes.k))
        plain = part.smile.svi
        x = at - plain.m
        svi = _volatility(plain.a + plain.b * (plain.rho * x + np.sqrt(x * x + plain.sigma**2)), part.years)
        bid, mid, ask = (100.0 * side for side in (quotes.bid, quotes.mid, quotes.ask))
        days = _DAYS_A_YEAR * part.years
        label = f"{days:.1f} days" if days < 10 else f"{days:.0f} days"
        inside = (here >= bid) & (here <= ask)
        smiles.append(Smile(label, days, quotes.k, bid, mid, ask, at, curve, svi, here - mid, inside))
    return smiles


def terms_of(found: Calibration) -> Terms:
    """Return the term structure."""
    import numpy as np

    surface = found.surface
    years = np.array([part.years for part in surface.slices])
    money = np.array([float(part.smile.total_variance(0.0)) for part in surface.slices])
    swap = np.array([sqrt(fair_variance(surface, float(time))) for time in years])
    gains = np.diff(money, prepend=0.0) / np.diff(years, prepend=0.0)
    return Terms(_DAYS_A_YEAR * years, _volatility(money, years), 100.0 * swap, 100.0 * np.sqrt(np.maximum(gains, 0.0)))


def mesh_of(found: Calibration) -> Mesh:
    """Return the surface within a few deviations of the money, at times evenly spaced in their root."""
    import numpy as np

    surface = found.surface
    first, last = surface.slices[0].years, surface.slices[-1].years
    years = np.linspace(sqrt(first), sqrt(last), _TIMES) ** 2
    rows = []
    for time in years:
        money = sqrt(float(surface.terms(np.zeros(1), float(time))[0][0]))
        k = money * np.linspace(-_DEVIATIONS, _DEVIATIONS, 61)
        rows.append((k, np.full(61, _DAYS_A_YEAR * time), _volatility(surface.terms(k, float(time))[0], time)))
    k, days, volatility = (np.stack(column) for column in zip(*rows, strict=True))
    return Mesh(k, days, volatility)


def _volatility(w: Any, years: Any) -> Any:
    import numpy as np

    return 100.0 * np.sqrt(np.maximum(w, 0.0) / years)
