"""American options, one element at a time on all threads; the mathematics is in `american_boundary` and `_value`."""

from typing import Any, Final

import numpy as np
from numba import njit, prange, types

from thalweg.pricing import american_boundary, american_value
from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, density, exp, log_ratio, mills, stack_block
from thalweg.pricing.kernels.planes import CALLS, OUTPUTS, OUTS, READ

EDITION: Final = 2  # of the two modules' mathematics: numba's cache looks at this file alone, so change it with them
_compiled: Final = njit(fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True)
_inlined: Final = njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
_results: Final = stack_block(OUTPUTS)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def tail(x: float) -> Any:
    """Return N(-|x|) and n(x)."""
    height = density(x)
    return height * mills(abs(x)), height


_boundary, _held_put = american_boundary.build(
    _compiled, _inlined, exp, log_ratio, tail, stack_block(american_boundary.CELLS),
    stack_block(american_boundary.PRICE_POINTS),
    tuple(np.array(table) for table in american_boundary.TABLES),
)  # fmt: skip
american: Final = american_value.build(
    _compiled, exp, log_ratio, tail, _boundary, _held_put, stack_block(american_boundary.NODES + 1),
    stack_block(american_value.TREE_CELLS),
)  # fmt: skip

_SIGNATURE: Final = types.int64(
    types.UniTuple(READ, 6), CALLS, types.int64, types.float64[::1], OUTS, types.Array(types.uint8, 2, "A"),
    types.int64, types.int64,
)  # fmt: skip


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, parallel=True, cache=True)
def price_parallel(inputs, call, mask, scales, outs, verdicts, rows, columns):
    """Price planes on all threads; return how many elements have a verdict that is not OK."""
    wanted = 1 if mask & ~american_value.CHEAP else 0
    faults = 0
    for index in prange(rows * columns):
        row, column = index // columns, index % columns
        results = _results()
        verdict = american(
            call[row, column], inputs[0][row, column], inputs[1][row, column], inputs[2][row, column],
            inputs[3][row, column], inputs[4][row, column], inputs[5][row, column], wanted, results,
        )  # fmt: skip
        for output in range(OUTPUTS):
            if mask & (1 << output):
                outs[output][row, column] = scales[output] * results[output]
        verdicts[row, column] = verdict
        faults += verdict != 0
    return faults
