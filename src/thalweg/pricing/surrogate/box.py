"""What the surrogates were trained on: a box of model parameters and contracts, and how it is scaled.

A point is (v0, kappa, theta, sigma, rho, intensity, mean, deviation, years, m[, h]): m = ln(K/F)/s is moneyness and
h = ln(barrier/F)/s the barrier's distance in deviations, s^2 = E int v dt + intensity T (mean^2 + deviation^2).
"""

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DAY: Final = 1.0 / 365.25
MODEL: Final[dict[str, tuple[float, float]]] = {
    "v0": (0.06, 1.2), "kappa": (0.5, 8.0), "theta": (0.06, 1.2), "sigma": (0.2, 2.5), "rho": (-0.9, 0.4),
    "intensity": (0.0, 5.0), "mean": (-0.2, 0.15), "deviation": (0.02, 0.25),
}  # fmt: skip
TWAP: Final = MODEL | {"years": (0.25 * DAY, 30.0 * DAY), "m": (-2.5, 2.5)}
DOWN_OUT: Final = MODEL | {"years": (1.0 * DAY, 60.0 * DAY), "m": (-2.0, 2.0), "h": (-3.0, -0.3)}
LOGARITHMIC: Final = ("v0", "kappa", "theta", "sigma", "deviation", "years")


class Box(msgspec.Struct, frozen=True):
    """Bounds by name; `cells` splits a dimension for error bounds: so many equal parts of its scaled range."""

    bounds: dict[str, tuple[float, float]]
    cells: dict[str, int]

    def scaled(self, points: "Floats") -> "Floats":
        """Return points (rows) with each coordinate on -1..1, logarithmic where that is natural."""
        import numpy as np

        curved = [i for i, name in enumerate(self.bounds) if name in LOGARITHMIC]
        low, high = np.array(list(self.bounds.values())).T
        x = np.array(points, np.float64)
        for row in (x, low, high):
            row[..., curved] = np.log(row[..., curved])
        result: Floats = 2.0 * (x - low) / (high - low) - 1.0
        return result

    def random(self, count: int, seed: int) -> "Floats":
        """Return uniform points of the scaled box."""
        import numpy as np

        rng = np.random.default_rng(seed)
        columns = []
        for name, (low, high) in self.bounds.items():
            u = rng.random(count)
            columns.append(low * (high / low) ** u if name in LOGARITHMIC else low + (high - low) * u)
        return np.column_stack(columns)

    def outside(self, point: "Floats") -> str:
        """Return the first coordinate that is outside, or nothing."""
        for value, (name, (low, high)) in zip(point.tolist(), self.bounds.items(), strict=True):
            if not low <= value <= high:
                return name
        return ""

    def cell(self, scaled: "Floats") -> "NDArray[np.int64]":
        """Return the number of the cell that each scaled point lies in."""
        import numpy as np

        number = np.zeros(len(scaled), np.int64)
        for i, name in enumerate(self.bounds):
            parts = self.cells.get(name, 1)
            if parts > 1:
                place = (0.5 * (scaled[:, i] + 1.0) * parts).astype(np.int64)
                number = number * parts + np.minimum(np.maximum(place, 0), parts - 1)
        return number

    def count(self) -> int:
        """Return how many cells there are."""
        total = 1
        for parts in self.cells.values():
            total *= parts
        return total
