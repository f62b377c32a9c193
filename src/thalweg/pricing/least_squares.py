"""Nonlinear least squares with a Jacobian: Levenberg and Marquardt, damped as by Nielsen.

(K. Levenberg, Quarterly of Applied Mathematics 2, 1944; D. Marquardt, SIAM J. 11, 1963; damping: Madsen, Nielsen and
Tingleff, "Methods for Non-Linear Least Squares Problems", 2004, algorithm 3.16.)
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Solution(NamedTuple):
    """Where the search ended: the point, half the sum of squares there, steps taken, and whether it settled."""

    x: "NDArray[np.float64]"
    cost: float
    steps: int
    settled: bool


def minimise(
    residuals: "Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]] | None]",
    start: "NDArray[np.float64]",
    *,
    steps_max: int = 60,
    precision: float = 1e-9,
    damping: float = 1e-3,
) -> Solution:
    """Return a local minimum of the sum of squares.

    `residuals(x)` gives residuals (m) and Jacobian (m, n), or None where x is not allowed: the step is then shortened.
    It settles when a step is below `precision` relative, or lowers the cost by less than that, relative.
    """
    import numpy as np

    x = np.array(start, np.float64)
    here = residuals(x)
    if here is None:
        return Solution(x, float("inf"), 0, False)
    cost = 0.5 * float(here[0] @ here[0])
    gradient, hessian = here[1].T @ here[0], here[1].T @ here[1]
    mu, grow = damping, 2.0
    for step in range(steps_max):
        scale = np.maximum(np.diag(hessian), 1e-12 * np.max(np.diag(hessian), initial=1e-300))
        move = _solved(hessian + np.diag(mu * scale), -gradient)
        there = None if move is None else residuals(x + move)
        if move is not None and np.all(np.abs(move) <= precision * (np.abs(x) + precision)):
            return Solution(x, cost, step, True)
        new_cost = float("inf") if there is None else 0.5 * float(there[0] @ there[0])
        if move is None or there is None or not new_cost < cost:
            mu, grow = mu * grow, grow * 2.0
            if mu > 1e20:
                return Solution(x, cost, step, True)
            continue
        gain = (cost - new_cost) / max(0.5 * float(move @ (mu * scale * move - gradient)), 1e-300)
        settled = cost - new_cost <= precision * cost
        x, cost = x + move, new_cost
        gradient, hessian = there[1].T @ there[0], there[1].T @ there[1]
        mu, grow = mu * max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3), 2.0
        if settled:
            return Solution(x, cost, step + 1, True)
    return Solution(x, cost, steps_max, False)


def _solved(matrix: Any, right: Any) -> Any:
    import numpy as np

    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return None
