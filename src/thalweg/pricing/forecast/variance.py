"""Realised variance of a day from its prices."""

from typing import TYPE_CHECKING

from thalweg.errors import Reason, UserFault
from thalweg.pricing.planes import as_floats, common_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

FLOOR = 1e-12  # a day without movement still has a variance


def garman_klass(open_: "ArrayLike", high: "ArrayLike", low: "ArrayLike", close: "ArrayLike") -> "Floats":
    """Return each day's variance (per day) from open, high, low and close, with the square of the gap before it.

    (M. Garman and M. Klass, "On the estimation of security price volatilities from historical data", J. Business 53,
    1980, equation 20, practical form.) Markets that never close have no gaps.

    Raises:
        UserFault: MALFORMED, naming the day, where prices are not positive or a high or low lies inside the others.
    """
    import numpy as np

    named = [(n, as_floats(n, v)) for n, v in (("open", open_), ("high", high), ("low", low), ("close", close))]
    shape = common_shape(named)
    if len(shape) != 1 or not shape[0]:
        raise UserFault(Reason.MALFORMED, f"prices are series of days, not of shape {shape}")
    o, h, low_, c = (np.broadcast_to(array, shape) for _, array in named)
    slack = 1.0 + 1e-9
    sound = (low_ > 0.0) & (h < np.inf) & (h * slack >= np.maximum(o, c)) & (low_ <= np.minimum(o, c) * slack)
    if not sound.all():
        day = int(np.argmin(sound))
        raise UserFault(Reason.MALFORMED, f"day {day}: open {o[day]}, high {h[day]}, low {low_[day]}, close {c[day]}")
    within = 0.5 * np.log(h / low_) ** 2 - (2.0 * np.log(2.0) - 1.0) * np.log(c / o) ** 2
    gap = np.concatenate(([0.0], np.log(o[1:] / c[:-1]) ** 2))
    result: Floats = np.maximum(within + gap, FLOOR)
    return result
