"""Calibration of a model to implied volatilities: least squares with the exact gradient of the Fourier price.

A miss is (model's put - Black-76 put)/vega, the error in volatility to first order. Parameters stay inside a box: the
search moves y, where parameter = low (high/low)^s(y) or low + (high - low) s(y), s(y) = 1/(1 + e^-y). (Gradient: Cui,
del Bano Rollin and Germano, "Full and fast calibration of the Heston stochastic volatility model", EJOR 263, 2017.)
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.pricing.least_squares import Solution, minimise
from thalweg.pricing.models.fourier import chain
from thalweg.pricing.models.parameters import Bates, BlackScholes, Heston, Kou, Merton, Model, VarianceGamma
from thalweg.pricing.models.rough import RoughModel
from thalweg.pricing.models.targets import Targets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BOX: Final[dict[str, tuple[float, float]]] = {
    "volatility": (1e-2, 5.0), "v0": (1e-5, 9.0), "kappa": (1e-2, 60.0), "theta": (1e-5, 9.0), "sigma": (1e-2, 20.0),
    "rho": (-0.999, 0.999), "intensity": (1e-3, 100.0), "mean": (-1.5, 1.5), "deviation": (1e-3, 1.5),
    "up_probability": (1e-3, 0.999), "up_rate": (1.05, 500.0), "down_rate": (0.1, 500.0), "nu": (1e-3, 5.0),
}  # fmt: skip
_GAMMA_BOX: Final = BOX | {"sigma": (1e-2, 5.0), "theta": (-4.0, 4.0)}
_STRAIGHT: Final = ("rho", "mean", "up_probability", "hurst")  # the others are searched on a logarithmic scale
_EDGE: Final = 0.005  # of the searched range: so close, a parameter is at its bound
_TOLERANCE: Final = 1e-9
_NODES_MAX: Final = 1 << 14
_VALUES: Final = 4  # rows of a price before those of the parameters


class Calibration(NamedTuple):
    """A calibrated model and what to think of it.

    `rmse` (weighted as the targets are), `worst` and `misses` are in volatility points, to first order. `at_bounds`
    names parameters that the quotes do not hold: they ran into the search's limits. `feller` is None where it means
    nothing.
    """

    model: Model | RoughModel
    rmse: float
    worst: float
    misses: "Floats"
    at_bounds: tuple[str, ...]
    feller: bool | None
    steps: int
    settled: bool


def calibrate(
    kind: "type[Model]", targets: Targets, *, start: Model | None = None, steps_max: int = 80, precision: float = 1e-10
) -> Calibration:
    """Return the model of this kind that meets the targets best, searched from `start` (yesterday's, for instance).

    Without a start, several are tried that the quotes suggest, and the best is kept.

    Raises:
        UserFault: MALFORMED where `start` is of another kind, or there are fewer targets than parameters.
    """
    checked_start(kind, targets, start)
    search = Search(kind, targets)
    best: Solution | None = None
    for first in [start] if start is not None else starts(kind, targets):
        found = minimise(search, search.place(first.values()), steps_max=steps_max, precision=precision)
        if best is None or found.cost < 0.99 * best.cost:
            best = found
    assert best is not None
    return search.report(best)


def checked_start(kind: "type[Any]", targets: Targets, start: Any) -> None:
    """Refuse a start of another kind, and fewer targets than parameters.

    Raises:
        UserFault: MALFORMED.
    """
    if start is not None and type(start) is not kind:
        raise UserFault(Reason.MALFORMED, f"the start is a {type(start).__name__}, not a {kind.__name__}")
    if targets.strikes.size < len(kind.names()):
        quotes, parameters = targets.strikes.size, len(kind.names())
        raise UserFault(Reason.MALFORMED, f"{quotes} quotes cannot fix the {parameters} parameters of {kind.__name__}")


def starts(kind: "type[Model]", targets: Targets) -> list[Model]:
    """Return models to begin a search with: level and term structure from the quotes, shapes from experience."""
    import numpy as np

    ends = []
    for j in (0, -1):
        piece = slice(targets.starts[j - 1 if j else 0], targets.starts[j] if j else targets.starts[1])
        near = int(np.argmin(np.abs(targets.strikes[piece] - targets.forwards[j])))
        ends.append(float(np.clip(targets.volatility[piece][near], 0.03, 2.5)))
    short, long = ends
    heston = [(short**2, 2.0, long**2, 1.5 * long, rho) for rho in (-0.5, 0.3)]
    if kind is BlackScholes:
        return [BlackScholes(short)]
    if kind is Heston:
        return [Heston(*heston[0])]
    if kind is Bates:
        return [Bates(*base, 0.5, mean, 0.1) for base, mean in zip(heston, (-0.1, 0.1), strict=True)]
    if kind is Merton:
        return [Merton(0.8 * long, 1.0, mean, 0.2) for mean in (-0.1, 0.1)]
    if kind is Kou:
        return [Kou(0.8 * long, 2.0, share, 10.0, 10.0) for share in (0.3, 0.6)]
    return [VarianceGamma(long, 0.2, drift) for drift in (-0.2, 0.1)]


class Search:
    """Misses and their Jacobian as a function of the searched variables."""

    def __init__(self, kind: "type[Any]", targets: Targets, box: dict[str, tuple[float, float]] = BOX) -> None:
        import numpy as np

        self.kind, self.targets = kind, targets
        box = _GAMMA_BOX if kind is VarianceGamma else box
        self.straight = np.array([n in _STRAIGHT or (kind is VarianceGamma and n == "theta") for n in kind.names()])
        ends = np.array([box[name] for name in kind.names()])
        self.low, self.high = np.where(self.straight[:, None], ends, np.log(np.maximum(ends, 1e-300))).T
        self.rates = np.zeros(targets.years.size)
        self.scale = np.sqrt(targets.weight) / targets.vega

    def place(self, values: tuple[float, ...]) -> "Floats":
        """Return the searched variables of parameters; those outside the box are put just inside."""
        import numpy as np

        raw = np.where(self.straight, values, np.log(np.maximum(values, 1e-300)))
        share = np.clip((raw - self.low) / (self.high - self.low), 1e-6, 1.0 - 1e-6)
        result: Floats = np.log(share / (1.0 - share))
        return result

    def parameters(self, y: "Floats") -> "tuple[Floats, Floats]":
        """Return parameters and their derivatives in the searched variables."""
        import numpy as np

        share = 1.0 / (1.0 + np.exp(-np.clip(y, -40.0, 40.0)))
        raw = self.low + (self.high - self.low) * share
        slope = (self.high - self.low) * share * (1.0 - share)
        values = np.where(self.straight, raw, np.exp(raw))
        return values, np.where(self.straight, slope, values * slope)

    def __call__(self, y: "Floats") -> "tuple[Floats, Floats] | None":
        """Return misses and Jacobian, or None where the variables stand for no model."""
        import numpy as np

        values, slope = self.parameters(y)
        try:
            model = self.kind.of(values)
        except UserFault:
            return None
        found = self.puts(model, _VALUES + values.size)
        miss = (found[0] - self.targets.put) * self.scale
        if not np.isfinite(miss).all():
            return None
        return miss, (found[_VALUES:] * slope[:, None] * self.scale).T

    def puts(self, model: Any, rows: int) -> "Floats":
        """Return undiscounted puts and, below, the rows of their derivatives."""
        t = self.targets
        return chain(model, t.years, t.forwards, self.rates, t.starts, t.strikes, rows, _TOLERANCE, _NODES_MAX)[0]

    def report(self, found: Solution) -> Calibration:
        """Return what was found with its diagnostics."""
        import numpy as np

        model = self.kind.of(self.parameters(found.x)[0])
        misses = 100.0 * (self.puts(model, 1)[0] - self.targets.put) / self.targets.vega
        share = 1.0 / (1.0 + np.exp(-found.x))
        stuck = np.minimum(share, 1.0 - share) < _EDGE
        return Calibration(
            model=model,
            rmse=float(np.sqrt(np.mean(self.targets.weight * misses**2))),
            worst=float(np.abs(misses).max()),
            misses=misses,
            at_bounds=tuple(name for name, at in zip(self.kind.names(), stuck, strict=True) if at),
            feller=getattr(model, "feller", None),
            steps=found.steps,
            settled=found.settled,
        )
