"""How arrays reach kernels: as planes (rows, columns) of any strides, walked in blocks that stay in cache."""

from typing import Any, Final

from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS

BLOCK: Final = 128
READ: Final = types.Array(types.float64, 2, "A", readonly=True)
CALLS: Final = types.Array(types.boolean, 2, "A", readonly=True)
OUTPUTS: Final = 12
OUTS: Final = types.UniTuple(types.Array(types.float64, 2, "A"), OUTPUTS)


@intrinsic
def _address(typing_context: Any, plane: Any, row: Any, column: Any) -> Any:
    """Return where an element is: rows whose elements are neighbours are read and written as vectors from there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        array = context.make_array(kind)(context, builder, arguments[0])
        return cgutils.get_item_pointer(context, builder, kind, array, arguments[1:])

    return types.CPointer(plane.dtype)(plane, types.intp, types.intp), generate


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def load(plane: Any, row: int, start: int, count: int, block: Any) -> None:
    """Copy a piece of a row into a block."""
    if plane.strides[1] == plane.itemsize:
        source = carray(_address(plane, row, start), BLOCK)
        for i in range(count):
            block[i] = source[i]
        return
    for i in range(count):
        block[i] = plane[row, start + i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def load_signs(plane: Any, row: int, start: int, count: int, block: Any) -> None:
    """Fill a block with +1 for calls and -1 for puts."""
    if plane.strides[1] == plane.itemsize:
        source = carray(_address(plane, row, start), BLOCK)
        for i in range(count):
            block[i] = 1.0 if source[i] else -1.0
        return
    for i in range(count):
        block[i] = 1.0 if plane[row, start + i] else -1.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def write(scale: float, block: Any, plane: Any, row: int, start: int, count: int) -> None:
    """Copy a block, scaled, to a piece of a row."""
    if plane.strides[1] == plane.itemsize:
        place = carray(_address(plane, row, start), BLOCK)
        for i in range(count):
            place[i] = scale * block[i]
        return
    for i in range(count):
        plane[row, start + i] = scale * block[i]


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def store(results, mask, scales, outs, row, start, count):
    """Write the blocks whose bit is set, scaled, to their places; return how many prices (the first) are NaN."""
    for output in range(OUTPUTS):
        if mask & (1 << output):
            write(scales[output], results[output], outs[output], row, start, count)
    bad = 0
    for i in range(count):
        bad += results[0][i] != results[0][i]
    return bad
