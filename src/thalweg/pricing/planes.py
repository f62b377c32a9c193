"""Broadcast arrays as two-dimensional views with strides: how kernels see any shapes, without copies.

Axes of length one are dropped and neighbouring axes merged where every array allows it; the longest remaining axis
comes last. What needs more than two axes is walked over the others in Python.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

SIZE_MAX: Final = 2**31


def as_floats(name: str, value: "ArrayLike") -> "NDArray[np.float64]":
    """Return an array of doubles; no copy where it is one.

    Raises:
        UserFault: MALFORMED, naming the argument, where it is no array of real numbers.
    """
    import numpy as np

    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"its type is {array.dtype}")
        return np.asarray(array, np.float64)
    except (TypeError, ValueError) as error:
        raise UserFault(Reason.MALFORMED, f"{name} is not an array of real numbers: {error}") from error


def as_flags(name: str, value: "ArrayLike") -> "NDArray[np.bool_]":
    """Return an array of booleans; no copy where it is one.

    Raises:
        UserFault: MALFORMED, naming the argument, where it holds anything but booleans.
    """
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind != "b":
        raise UserFault(Reason.MALFORMED, f"{name} is an array of booleans: True for a call; this is {array.dtype}")
    return array


def common_shape(named: Sequence[tuple[str, "NDArray[Any]"]]) -> tuple[int, ...]:
    """Return the shape that all arrays broadcast to.

    Raises:
        UserFault: MALFORMED, with every name and shape, where there is none; OVERSIZED beyond 2^31 elements.
    """
    import numpy as np

    try:
        shape = np.broadcast_shapes(*(array.shape for _, array in named))
    except ValueError as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in named)
        raise UserFault(Reason.MALFORMED, f"shapes do not broadcast: {shapes}") from error
    if np.prod(shape, dtype=float) >= SIZE_MAX:
        raise UserFault(Reason.OVERSIZED, f"{shape} are more than {SIZE_MAX} elements")
    return tuple(shape)


def planes(shape: tuple[int, ...], arrays: Sequence["NDArray[Any]"]) -> Iterator[list["NDArray[Any]"]]:
    """Yield views of shape (rows, columns) that together cover arrays broadcast to `shape`."""
    import numpy as np

    views = [np.broadcast_to(array, shape) if array.shape != shape else array for array in arrays]
    axes = sorted((axis for axis, length in enumerate(shape) if length != 1), key=lambda axis: shape[axis])
    merged: list[tuple[int, list[int]]] = []
    for axis in sorted(axes):
        strides = [view.strides[axis] for view in views]
        if merged and all(outer == inner * shape[axis] for outer, inner in zip(merged[-1][1], strides, strict=True)):
            merged[-1] = (merged[-1][0] * shape[axis], strides)
        else:
            merged.append((shape[axis], strides))
    merged.sort(key=lambda entry: entry[0])
    merged = [(1, [0] * len(views))] * (2 - len(merged)) + merged
    sizes = tuple(length for length, _ in merged)
    full = [
        np.lib.stride_tricks.as_strided(
            view, sizes, [strides[i] for _, strides in merged], writeable=view.flags.writeable
        )
        for i, view in enumerate(views)
    ]
    for index in np.ndindex(sizes[:-2]):
        yield [view[index] for view in full]
