"""Direction numbers of the Sobol sequence, and in what order Brownian motion is built from its dimensions.

(I. Sobol, USSR Computational Mathematics and Mathematical Physics 7, 1967; numbers: Joe and Kuo 2008, `joe_kuo.txt`.)
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BITS: Final = 32


@cache
def _table() -> list[list[int]]:
    lines = (Path(__file__).parent / "joe_kuo.txt").read_text().splitlines()
    return [list(map(int, line.split())) for line in lines if not line.startswith("#")]


@cache
def directions(dimensions: int) -> "NDArray[np.int64]":
    """Return direction numbers (dimensions x 32): the point of index i is the XOR of those of i's bits, over 2^32.

    Raises:
        UserFault: OVERSIZED beyond the dimensions of the table.
    """
    import numpy as np

    if dimensions > len(_table()) + 1:
        raise UserFault(Reason.OVERSIZED, f"Sobol points have at most {len(_table()) + 1} dimensions, not {dimensions}")
    rows = [[1 << (BITS - 1 - i) for i in range(BITS)]]
    for polynomial, *first in _table()[: dimensions - 1]:
        degree = polynomial.bit_length() - 1
        row = [m << (BITS - 1 - i) for i, m in enumerate(first)]
        for i in range(degree, BITS):
            value = row[i - degree] ^ (row[i - degree] >> degree)
            for k in range(1, degree):
                value ^= row[i - k] * (polynomial >> (degree - k) & 1)
            row.append(value)
        rows.append(row)
    return np.array(rows[:dimensions], np.int64)


def bridge_plan(times: "Floats") -> tuple[Any, ...]:
    """Return by step of a Brownian bridge: the index of the time it fixes, those of its neighbours that are fixed
    already (-1: time zero, or none), the weight of the right one and the deviation; and the roots of the time steps.
    """
    import numpy as np

    steps = times.size
    if not steps:
        return (*(np.empty(0, np.int64) for _ in range(3)), *(np.empty(0) for _ in range(3)))
    at = [0.0, *times.tolist()]  # index + 1
    order, left, right, lean, spread = [steps - 1], [-1], [-1], [0.0], [at[steps] ** 0.5]
    spans = [(0, steps)]
    for low, high in spans:
        if high - low < 2:
            continue
        middle = (low + high) // 2
        share = (at[middle] - at[low]) / (at[high] - at[low])
        order.append(middle - 1)
        left.append(low - 1)
        right.append(high - 1)
        lean.append(share)
        spread.append((share * (at[high] - at[middle])) ** 0.5)
        spans += [(low, middle), (middle, high)]
    indices = (np.array(column, np.int64) for column in (order, left, right))
    return (*indices, np.array(lean), np.array(spread), np.sqrt(np.diff(times, prepend=0.0)))
