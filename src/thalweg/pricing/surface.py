"""A volatility surface: forwards and smiles by expiry, what lies between them, and what follows from it.

Between two expiries the logarithm of the forward and the total variance at equal k are linear in time, which keeps a
surface without calendar arbitrage so; before the first and beyond the last, volatility at equal k is that expiry's.
Time is in years of 365.25 days from the surface's own time.

- Forward volatility between T1 and T2 at k: sqrt((w(k,T2) - w(k,T1))/(T2 - T1)).
- Local volatility (B. Dupire, "Pricing with a smile", Risk 7, 1994; in total variance: J. Gatheral, "The Volatility
  Surface", 2006, equation 1.10): sigma^2(k,T) = (dw/dT)/g(k), g being Durrleman's function.
"""

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.smile import Smile, durrleman
from thalweg.pricing.svi import Svi

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

EXPIRIES_MAX: Final = 64
REACH: Final = 5.0  # of k: where arbitrage is looked for; beyond, wings are straight lines
_POINTS: Final = 601


class Slice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One expiry: years from the surface's time, the forward (quote currency), and the smile."""

    years: float
    forward: float
    smile: Smile


class Arbitrage(msgspec.Struct, frozen=True):
    """Where a surface can be arbitraged: `kind` is "butterfly" or "calendar"; `excess` is g, or by how much w falls."""

    kind: str
    years: float
    k: float
    excess: float


class Surface(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Slices by increasing time."""

    slices: tuple[Slice, ...]

    def __post_init__(self) -> None:
        times = [0.0, *(one.years for one in self.slices)]
        if not 0 < len(self.slices) <= EXPIRIES_MAX or not all(a < b for a, b in pairwise(times)):
            raise UserFault(Reason.MALFORMED, f"a surface has 1..{EXPIRIES_MAX} expiries, in increasing time above 0")
        if not all(0.0 < one.forward < float("inf") for one in self.slices):
            raise UserFault(Reason.MALFORMED, "a surface's forwards are positive")

    def marks(self) -> list[tuple[float, float, Svi]]:
        """Return what an oracle signs: (years, forward, raw SVI) by expiry."""
        return [(one.years, one.forward, one.smile.svi) for one in self.slices]

    def forward(self, years: float) -> float:
        """Return the forward for a time (quote currency). Before the first expiry it is the first one's."""
        import math

        left, right, share = self._around(years)
        return math.exp((1.0 - share) * math.log(left.forward) + share * math.log(right.forward))

    def terms(self, k: "ArrayLike", years: float) -> "tuple[Floats, Floats, Floats, Floats]":
        """Return w and its derivatives w', w'' in k and in time, at one time.

        Raises:
            UserFault: MALFORMED where the time is not positive and finite.
        """
        import numpy as np

        if not 0.0 < years < float("inf"):
            raise UserFault(Reason.MALFORMED, f"years is {years}: it must be positive and finite")
        points = np.asarray(k, np.float64)
        left, right, share = self._around(years)
        low, high = left.smile.terms(points), right.smile.terms(points)
        if left is right:
            factor = years / left.years
            w, w1, w2 = (factor * term for term in low)
            return w, w1, w2, low[0] / left.years
        w, w1, w2 = ((1.0 - share) * a + share * b for a, b in zip(low, high, strict=True))
        return w, w1, w2, (high[0] - low[0]) / (right.years - left.years)

    def volatility(self, strike: "ArrayLike", years: float) -> "Floats":
        """Return implied volatilities of strikes (quote currency) at one time.

        Raises:
            UserFault: MALFORMED where a strike or the time is not positive.
        """
        import numpy as np

        strikes = np.asarray(strike, np.float64)
        if not np.all(strikes > 0.0):
            raise UserFault(Reason.MALFORMED, "strikes must be positive")
        w = self.terms(np.log(strikes / self.forward(years)), years)[0]
        result: Floats = np.sqrt(w / years)
        return result

    def forward_volatility(self, k: "ArrayLike", start: float, end: float) -> "Floats":
        """Return the volatility between two times at equal log-moneyness; NaN where total variance falls.

        Raises:
            UserFault: MALFORMED unless 0 < start < end.
        """
        import numpy as np

        if not 0.0 < start < end:
            raise UserFault(Reason.MALFORMED, f"forward volatility needs 0 < start < end, not {start} and {end}")
        gain = self.terms(k, end)[0] - self.terms(k, start)[0]
        result: Floats = np.sqrt(np.where(gain >= 0.0, gain, np.nan) / (end - start))
        return result

    def local_volatility(self, k: "ArrayLike", years: float) -> "Floats":
        """Return Dupire's local volatility at log-moneyness k; NaN where the surface has arbitrage."""
        import numpy as np

        w, w1, w2, slope = self.terms(k, years)
        density = durrleman(np.asarray(k, np.float64), w, w1, w2)
        sound = (density > 0.0) & (slope >= 0.0)
        result: Floats = np.sqrt(np.where(sound, slope, np.nan) / np.where(sound, density, 1.0))
        return result

    def arbitrages(self, reach: float = REACH) -> list[Arbitrage]:
        """Return the worst point of each butterfly and calendar arbitrage within |k| <= reach; empty where none.

        Points are dense near the money. Beyond `reach` SVI's wings are straight: their slopes are compared too.
        """
        import numpy as np

        found: list[Arbitrage] = []
        k = grid(reach)
        before: Any = None
        for one in self.slices:
            w, w1, w2 = one.smile.terms(k)
            g = np.where(w > 0.0, durrleman(k, np.where(w > 0.0, w, 1.0), w1, w2), -1.0)
            if g.min() < 0.0:
                found.append(Arbitrage("butterfly", one.years, float(k[g.argmin()]), float(g.min())))
            if before is not None and (w - before).min() < 0.0:
                at = (w - before).argmin()
                found.append(Arbitrage("calendar", one.years, float(k[at]), float((w - before)[at])))
            before = w
        for near, far in pairwise(self.slices):
            for sign in (-1.0, 1.0):
                a, b = near.smile.svi, far.smile.svi
                fall = b.b * (1.0 + sign * b.rho) - a.b * (1.0 + sign * a.rho)
                if fall < 0.0:
                    found.append(Arbitrage("calendar", far.years, sign * float("inf"), fall))
        return found

    def _around(self, years: float) -> tuple[Slice, Slice, float]:
        """Return the slices on both sides of a time (the same one outside), and the share of the second."""
        later = next((i for i, one in enumerate(self.slices) if one.years >= years), len(self.slices))
        if later == 0 or later == len(self.slices):
            only = self.slices[min(later, len(self.slices) - 1)]
            return only, only, 0.0
        left, right = self.slices[later - 1], self.slices[later]
        return left, right, (years - left.years) / (right.years - left.years)


@cache
def grid(reach: float = REACH, points: int = _POINTS) -> "Floats":
    """Return log-moneyness from -reach to reach, a thousand times denser at the money than far away."""
    import numpy as np

    u = np.linspace(-1.0, 1.0, points)
    result: Floats = reach * np.sinh(7.6 * u) / np.sinh(7.6)
    result.setflags(write=False)
    return result
