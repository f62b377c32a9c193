"""Train the surrogates: `python -m thalweg.pricing.surrogate [NAME ...]`, some minutes each; writes their weights.

The matrices are small: OPENBLAS_NUM_THREADS=1 is faster on a busy machine.

Labels are simulated prices with controls; their slopes are differences on the same paths, in every input. Bounds are
the largest errors, by cell, on points held out and priced with more paths.
"""

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import Progress, TaskID

from thalweg.pricing.paths.simulation import Sampling
from thalweg.pricing.surrogate.box import LOGARITHMIC
from thalweg.pricing.surrogate.network import evaluate, train
from thalweg.pricing.surrogate.surrogate import SURROGATES, exact, path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIZES: Final = {"twap": (6144, 1024, 200), "down_out": (4096, 1024, 300)}  # points, held out, epochs
PATHS: Final = {"twap": (2048, 16384), "down_out": (4096, 16384)}  # of a label, of a point held out
HIDDEN: Final = {"twap": (48, 48, 48), "down_out": (64, 64, 64)}
STEP: Final = 0.02  # of the scaled range, for slopes


def labelled(name: str, points: "Floats", progress: Progress) -> "tuple[Floats, Floats]":
    """Return labels, and their slopes in the scaled coordinates."""
    import numpy as np

    box = SURROGATES[name]
    scaled = box.scaled(points)
    values, slopes = np.empty(len(points)), np.zeros_like(points)
    coordinates = list(box.bounds)
    for row in progress.track(range(len(points)), description=f"{name}: labels"):
        sampling = Sampling(paths=PATHS[name][0], seed=row + 1, threads=1)
        here = exact(name, points[row], sampling)
        values[row] = here.value
        for i, coordinate in enumerate(coordinates):
            low, high = box.bounds[coordinate]
            if coordinate == "m":
                slopes[row, i] = here.slope * 0.5 * (high - low)
                continue
            moved = points[row].copy()
            way = -1.0 if scaled[row, i] > 0.0 else 1.0
            share = way * 0.5 * STEP
            moved[i] = (
                moved[i] * (high / low) ** share if coordinate in LOGARITHMIC else moved[i] + (high - low) * share
            )
            slopes[row, i] = (exact(name, moved, sampling).value - here.value) / (way * STEP)
    return values, slopes


def bounds_of(name: str, layers: Any, progress: Progress) -> "tuple[Floats, Floats]":
    """Return the largest error by cell on points held out (at least twice its typical size), and all errors."""
    import numpy as np

    box = SURROGATES[name]
    points = box.random(SIZES[name][1], seed=2)
    found = [
        exact(name, point, Sampling(paths=PATHS[name][1], seed=row + 10_000, threads=1))
        for row, point in enumerate(progress.track(points, description=f"{name}: held out"))
    ]
    errors = np.abs(evaluate(layers, box.scaled(points)) - [label.value for label in found])
    cells = box.cell(box.scaled(points))
    typical = float(np.sqrt(np.mean(errors**2)))
    bounds = np.array([max(errors[cells == i].max(initial=0.0), 2.0 * typical) for i in range(box.count())])
    return bounds, errors


def _show(progress: Progress, task: TaskID, epoch: int, loss: float) -> None:
    progress.update(task, completed=epoch)


def main() -> int:
    """Train what is named, or everything."""
    import numpy as np

    console = Console()
    for name in sys.argv[1:] or list(SURROGATES):
        with Progress(console=console) as progress:
            box, (count, _, epochs) = SURROGATES[name], SIZES[name]
            points = box.random(count, seed=1)
            values, slopes = labelled(name, points, progress)
            task = progress.add_task(f"{name}: training", total=epochs)
            layers = train(
                box.scaled(points), values, slopes, np.ones(points.shape[1]), HIDDEN[name], epochs, 1,
                partial(_show, progress, task),
            )  # fmt: skip
            bounds, errors = bounds_of(name, layers, progress)
        arrays: Any = {f"w{i}": w.astype(np.float32) for i, (w, _) in enumerate(layers)}
        arrays |= {f"b{i}": b.astype(np.float32) for i, (_, b) in enumerate(layers)}
        np.savez_compressed(path(name), bounds=bounds, held_out=errors.astype(np.float32), **arrays)
        rms = float(np.sqrt(np.mean(errors**2)))
        console.print(f"{name}: held out, in deviations: rms {rms:.2e}, largest {errors.max():.2e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
