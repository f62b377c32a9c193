"""Least squares under linear inequalities, small and dense.

The problem is turned into that of the least distance, and that into one of least squares with unknowns not negative,
which an active set solves in as many steps as inequalities are tight (C. Lawson and R. Hanson, "Solving Least Squares
Problems", 1974, chapter 23).
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_STEPS_MAX: Final = 200
_NOTHING: Final = 1e-12


def nearest(design: "Floats", target: "Floats", sides: "Floats", bounds: "Floats") -> "Floats | None":
    """Return the x of least |design x - target| where sides x >= bounds; None where no x meets them.

    `design` has full column rank.
    """
    import numpy as np

    q, r = np.linalg.qr(design)
    free: Floats = np.linalg.solve(r, q.T @ target)
    short = bounds - sides @ free
    if not short.size or short.max() <= 0.0:
        return free
    rows = np.linalg.solve(r.T, sides.T)
    size = np.sqrt((rows * rows).sum(axis=0))
    live = size > 0.0
    rows, short = rows[:, live] / size[live], short[live] / size[live]
    unit = max(float(np.abs(short).max()), 1e-300)
    system = np.vstack([rows, short / unit])
    aim = np.zeros(system.shape[0])
    aim[-1] = 1.0
    rest = system @ not_negative(system, aim) - aim
    if -rest[-1] <= _NOTHING:
        return None
    moved: Floats = free + np.linalg.solve(r, unit * rest[:-1] / -rest[-1])
    return moved


def not_negative(design: "Floats", target: "Floats") -> "Floats":
    """Return the x >= 0 of least |design x - target|."""
    import numpy as np

    count = design.shape[1]
    x, active = np.zeros(count), np.zeros(count, bool)
    for _ in range(_STEPS_MAX):
        slope = design.T @ (target - design @ x)
        slope[active] = -np.inf
        best = int(np.argmax(slope))
        if slope[best] <= _NOTHING:
            break
        active[best] = True
        x = _within(design, target, x, active)
    return x


def _within(design: "Floats", target: "Floats", x: "Floats", active: "NDArray[np.bool_]") -> "Floats":
    """Return the solution on the active unknowns, of which those that would turn negative have been let go."""
    import numpy as np

    for _ in range(_STEPS_MAX):
        wanted: Any = np.zeros(x.size)
        wanted[active] = np.linalg.lstsq(design[:, active], target, rcond=None)[0]
        below = active & (wanted <= 0.0)
        if not below.any():
            return np.asarray(wanted)
        share = float((x[below] / np.maximum(x[below] - wanted[below], 1e-300)).min())
        x = x + share * (wanted - x)
        active &= x > 1e-15
        x = np.where(active, x, 0.0)
        if not active.any():
            return x
    return x
