"""Calibration of rough models to implied volatilities: least squares, gradients by differences.

Rough Heston is priced by its Fourier integral (`rough.price_slice`), rough Bergomi by paths whose draws stay the same
whatever the parameters, so that differences are smooth; the noise that is left shifts a parameter by about its standard
error. Misses, box and diagnostics are those of `calibration`. Seconds, where the other models take milliseconds.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.least_squares import minimise
from thalweg.pricing.models.calibration import Calibration, Search, checked_start
from thalweg.pricing.models.rough import RoughBergomi, RoughHeston, RoughModel, price_slice
from thalweg.pricing.models.targets import Targets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROUGH_BOX: Final[dict[str, tuple[float, float]]] = {
    "xi": (1e-5, 9.0), "eta": (0.05, 8.0), "rho": (-0.99, 0.99), "hurst": (0.02, 0.499), "v0": (1e-5, 9.0),
    "kappa": (1e-2, 20.0), "theta": (1e-5, 9.0), "sigma": (2e-2, 8.0),
}  # fmt: skip
STEPS: Final = 32
PATHS: Final = 1 << 14
_DIFFERENCE: Final = 1e-4  # of a searched variable
_PATH_STEPS: Final = 100


def calibrate_rough(
    kind: "type[RoughModel]", targets: Targets, *, start: RoughModel | None = None, steps: int = STEPS,
    paths: int = PATHS, steps_max: int = 20, precision: float = 1e-6,
) -> Calibration:  # fmt: skip
    """Return the rough model that meets the targets best, searched from `start`.

    `steps` is what rough Heston's equation is solved in (and in twice as many), `paths` how many rough Bergomi takes.

    Raises:
        UserFault: as `calibration.calibrate`; UNKNOWN_FEATURE for a model that is not rough.
    """
    if kind not in (RoughBergomi, RoughHeston):
        raise UserFault(Reason.UNKNOWN_FEATURE, f"{kind.__name__} is not rough: see `calibration.calibrate`")
    checked_start(kind, targets, start)
    search = _RoughSearch(kind, targets, steps, paths)
    found = minimise(search, search.place((start or _first(kind, targets)).values()), steps_max=steps_max,
                     precision=precision)  # fmt: skip
    return search.report(found)


def _first(kind: "type[RoughModel]", targets: Targets) -> RoughModel:
    import numpy as np

    near = [int(np.argmin(np.abs(targets.strikes[:stop] - targets.forwards[0]))) for stop in targets.starts[1:2]]
    variance = float(np.clip(targets.volatility[near[0]], 0.03, 2.5)) ** 2
    if kind is RoughBergomi:
        return RoughBergomi(variance, 1.5, -0.4, 0.15)
    return RoughHeston(variance, 1.0, variance, variance**0.5, -0.4, 0.15)


class _RoughSearch(Search):
    """Misses by the model's own prices, and their Jacobian by differences on the same draws."""

    def __init__(self, kind: "type[RoughModel]", targets: Targets, steps: int, paths: int) -> None:
        super().__init__(kind, targets, ROUGH_BOX)
        self.steps, self.paths = steps, paths

    def __call__(self, y: "Floats") -> "tuple[Floats, Floats] | None":
        import numpy as np

        here = self._misses(y)
        if here is None:
            return None
        columns = []
        for i in range(y.size):
            moved = y.copy()
            moved[i] += _DIFFERENCE
            there = self._misses(moved)
            if there is None:
                return None
            columns.append((there - here) / _DIFFERENCE)
        return here, np.stack(columns, axis=1)

    def _misses(self, y: "Floats") -> "Floats | None":
        import numpy as np

        miss = (self.puts(self.kind.of(self.parameters(y)[0]), 1)[0] - self.targets.put) * self.scale
        result: Floats = miss
        return result if np.isfinite(miss).all() else None

    def puts(self, model: Any, rows: int) -> "Floats":
        """Return undiscounted puts, as the only row."""
        import numpy as np

        found = []
        for j, (years, forward) in enumerate(zip(self.targets.years, self.targets.forwards, strict=True)):
            strikes = self.targets.strikes[self.targets.starts[j] : self.targets.starts[j + 1]]
            if isinstance(model, RoughHeston):
                prices = price_slice(model, False, float(forward), strikes, float(years), steps=self.steps).price
            else:
                prices = _simulated(model, float(forward), strikes, float(years), self.paths)
            found.append(prices)
        return np.concatenate(found)[None, :]


def _simulated(model: RoughBergomi, forward: float, strikes: "Floats", years: float, paths: int) -> "Floats":
    import numpy as np

    from thalweg.pricing.paths.estimate import estimate
    from thalweg.pricing.paths.simulation import Sampling, Scene, simulate

    times = years * np.arange(1, _PATH_STEPS + 1) / _PATH_STEPS
    flat, none = np.full(_PATH_STEPS, forward), np.zeros(_PATH_STEPS)
    walked = simulate(model, Scene(forward, times, flat, none, none > 0.0), Sampling(paths=paths), ("terminal",))
    control = [(walked.terminal, forward)]
    return np.array(
        [estimate(walked, np.maximum(strike - walked.terminal, 0.0), control).value for strike in strikes.tolist()]
    )
