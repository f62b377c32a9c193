"""Simulation of a model on a grid of times: who asks for what, split over threads, with the same bits on any number."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import ceil, inf, isfinite, log
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing import warm
from thalweg.pricing.models.parameters import BlackScholes, Model, VarianceGamma
from thalweg.pricing.models.rough import RoughBergomi, RoughHeston, RoughModel
from thalweg.pricing.paths import arrays, sobol
from thalweg.pricing.paths.memory import lags

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LANES: Final = 64
PATHS_MAX: Final = 1 << 26
STEPS_MAX: Final = 4096
CELLS_MAX: Final = 1 << 36
FIELDS: Final = (
    "terminal", "average", "log_average", "maximum", "minimum", "survival", "score", "barrier_score", "average_vega",
    "vega_score",
)  # fmt: skip

_AVERAGES: Final = frozenset(("terminal", "average", "log_average", "score", "average_vega"))


class Sampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to sample: `paths` is rounded up to whole blocks of 64 (antithetic: pairs of blocks; Sobol: a power of two).

    `sobol` averages `replicates` independent shifts of a Sobol sequence in place of antithetic pseudo-random paths.
    `threads` changes no bit of a result; 0 takes all cores. `backend` "torch" runs on `device` (a GPU: "cuda"), "numpy"
    needs nothing else; both agree with "numba" to rounding. Without numba, numpy takes its place.
    """

    paths: int = 1 << 16
    seed: int = 1
    antithetic: bool = True
    sobol: bool = False
    replicates: int = 16
    threads: int = 0
    backend: str = "numba"
    device: str = "cpu"

    def __post_init__(self) -> None:
        limits = {"paths": (64, PATHS_MAX), "seed": (0, 2**62), "replicates": (2, 1024), "threads": (0, 256)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise UserFault(Reason.MALFORMED, f"{name} is {getattr(self, name)}: it must be within {low}..{high}")

    def shape(self) -> tuple[int, int, bool]:
        """Return base paths, points a Sobol replicate (0: none) and whether each base path has a mirror."""
        if self.sobol:
            size = 1 << max(6, ceil(log(self.paths / self.replicates, 2)))
            return size * self.replicates, size, False
        unit = 2 * LANES if self.antithetic else LANES
        count = ceil(self.paths / unit) * unit
        return (count // 2 if self.antithetic else count), 0, self.antithetic


class Scene(NamedTuple):
    """What is simulated and observed: `times` in years, increasing; `forwards` the forward prices for them.

    `weights` make the average (they need not sum to one); `watched` marks the times at which extremes and barriers are
    observed, `continuous` observes them all the time. Barriers at `low` and `high` end survival.
    """

    spot: float
    times: "Floats"
    forwards: "Floats"
    weights: "Floats"
    watched: "NDArray[np.bool_]"
    continuous: bool = False
    low: float = 0.0
    high: float = inf


class Statistics(NamedTuple):
    """By path: columns of mirrored pairs are `base` apart where there are mirrors; `size` points a replicate, or 0."""

    terminal: "Floats"
    average: "Floats"
    log_average: "Floats"
    maximum: "Floats"
    minimum: "Floats"
    survival: "Floats"
    score: "Floats"
    barrier_score: "Floats"
    average_vega: "Floats"
    vega_score: "Floats"
    base: int
    size: int
    mirrored: bool


def simulate(
    model: "Model | RoughModel", scene: Scene, sampling: Sampling, wanted: tuple[str, ...] = FIELDS
) -> Statistics:
    """Return statistics of paths; those not in `wanted` (and `terminal`) are not to be used.

    Raises:
        UserFault: MALFORMED, naming what is wrong with the scene; OVERSIZED for too many paths times steps;
            UNKNOWN_FEATURE where the model cannot do it, saying what can.
    """
    import numpy as np

    _check(model, scene, sampling, wanted)
    base, size, mirrored = sampling.shape()
    out = np.empty((len(FIELDS), base * (2 if mirrored else 1)))
    short = isinstance(model, BlackScholes) and not size and not scene.continuous and _AVERAGES.issuperset(wanted)
    kernel = warm.optional("mirrored" if short else "paths") if sampling.backend == "numba" else None
    if kernel is None:
        arrays.simulate(model, scene, sampling, wanted, FIELDS, out)
        return Statistics(**dict(zip(FIELDS, out, strict=True)), base=base, size=size, mirrored=mirrored)
    if short and isinstance(model, BlackScholes):
        summary = (
            model.volatility, scene.times, np.log(scene.forwards), scene.weights, "average_vega" in wanted,
            sampling.seed, mirrored,
        )  # fmt: skip
        _spread(kernel, summary, base, sampling.threads, out)
        return Statistics(**dict(zip(FIELDS, out, strict=True)), base=base, size=size, mirrored=mirrored)
    steps = scene.times.size
    dimensions = (1, 2, 1, 3, 3)[model.diffusion] * steps
    directions = sobol.directions(dimensions) if size else np.zeros((1, 1), np.int64)
    plan = sobol.bridge_plan(scene.times if size and model.diffusion in (0, 2) else np.empty(0))
    mask = sum(1 << i for i, name in enumerate(FIELDS) if name in wanted)
    arguments = (
        model.diffusion, model.jumps, np.array(model.values()), scene.times, np.log(scene.forwards), scene.weights,
        scene.watched, scene.continuous, log(scene.low) if scene.low > 0.0 else -inf,
        log(scene.high) if scene.high < inf else inf, log(scene.spot), mask, sampling.seed, mirrored, size, directions,
        plan, lags(model, scene.times),
    )  # fmt: skip
    _spread(kernel, arguments, base, sampling.threads, out)
    return Statistics(**dict(zip(FIELDS, out, strict=True)), base=base, size=size, mirrored=mirrored)


def _spread(kernel: Any, arguments: tuple[Any, ...], base: int, threads: int, out: "Floats") -> None:
    blocks = base // LANES
    count = min(threads or os.cpu_count() or 1, blocks)
    edges = [blocks * i // count for i in range(count + 1)]
    if count == 1:
        kernel.simulate(*arguments, 0, blocks, base, out)
        return

    def part(span: tuple[int, int]) -> None:
        kernel.simulate(*arguments, *span, base, out)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(part, pairwise(edges)))


def _check(model: "Model | RoughModel", scene: Scene, sampling: Sampling, wanted: tuple[str, ...]) -> None:
    import numpy as np

    unknown = [name for name in wanted if name not in FIELDS]
    if unknown:
        raise UserFault(Reason.MALFORMED, f"statistics are some of {', '.join(FIELDS)}; not {unknown}")
    if not 0.0 < scene.spot < inf:
        raise UserFault(Reason.MALFORMED, f"spot is {scene.spot}: it must be positive and finite")
    steps = scene.times.size
    if (
        not 0 < steps <= STEPS_MAX
        or not np.all(np.diff(scene.times, prepend=0.0) > 0.0)
        or not isfinite(scene.times[-1])
    ):
        raise UserFault(Reason.MALFORMED, f"times are 1..{STEPS_MAX} increasing numbers above 0")
    for name in ("forwards", "weights", "watched"):
        array = getattr(scene, name)
        if array.shape != (steps,) or not np.all(np.isfinite(array)):
            raise UserFault(Reason.MALFORMED, f"{name} are {steps} finite numbers, one a time")
    if not np.all(scene.forwards > 0.0):
        raise UserFault(Reason.MALFORMED, "forwards must be positive")
    if steps * sampling.paths > CELLS_MAX:
        raise UserFault(Reason.OVERSIZED, f"{sampling.paths} paths of {steps} steps are too many")
    _check_features(model, scene, wanted)


def _check_features(model: "Model | RoughModel", scene: Scene, wanted: tuple[str, ...]) -> None:
    import numpy as np

    if isinstance(model, VarianceGamma) and scene.continuous:
        raise UserFault(
            Reason.UNKNOWN_FEATURE,
            "variance gamma moves by jumps alone: it is watched at given times, not continuously",
        )
    if not isinstance(model, BlackScholes) and {"average_vega", "vega_score"} & set(wanted):
        raise UserFault(Reason.UNKNOWN_FEATURE, "derivatives in volatility along a path: BlackScholes only")
    if (
        isinstance(model, RoughBergomi | RoughHeston)
        and np.ptp(np.diff(scene.times, prepend=0.0)) > 1e-9 * scene.times[-1]
    ):
        raise UserFault(Reason.UNKNOWN_FEATURE, "rough models are simulated in equal steps: dates must fall on them")
    if isinstance(model, VarianceGamma) and "score" in wanted:
        raise UserFault(Reason.UNKNOWN_FEATURE, "the score of variance gamma has no variance: use pathwise derivatives")
