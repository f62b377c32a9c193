"""How arrays reach kernels: as planes (rows, columns) of any strides, walked in blocks that stay in cache."""

from typing import Any, Final

from numba import njit, types

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS

BLOCK: Final = 128
READ: Final = types.Array(types.float64, 2, "A", readonly=True)
CALLS: Final = types.Array(types.boolean, 2, "A", readonly=True)
OUTPUTS: Final = 12
OUTS: Final = types.UniTuple(types.Array(types.float64, 2, "A"), OUTPUTS)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def load(plane: Any, row: int, start: int, count: int, block: Any) -> None:
    """Copy a piece of a row into a block."""
    for i in range(count):
        block[i] = plane[row, start + i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def load_signs(plane: Any, row: int, start: int, count: int, block: Any) -> None:
    """Fill a block with +1 for calls and -1 for puts."""
    for i in range(count):
        block[i] = 1.0 if plane[row, start + i] else -1.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def store(results, mask, scales, outs, row, start, count):
    """Write the blocks whose bit is set, scaled, to their places; return how many prices (the first) are NaN."""
    for output in range(OUTPUTS):
        if mask & (1 << output):
            scale, block, out = scales[output], results[output], outs[output]
            for i in range(count):
                out[row, start + i] = scale * block[i]
    bad = 0
    for i in range(count):
        bad += results[0][i] != results[0][i]
    return bad
