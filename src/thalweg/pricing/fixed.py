"""The one place where a model's float becomes a price that may be signed."""

from math import isfinite

from thalweg.errors import Reason, UserFault
from thalweg.units import PRICE_MAX, SCALE, Price


def to_price(value: float) -> Price:
    """Return `value` (quote currency) scaled by 1e8 and rounded to nearest, ties to even.

    A curve may be worth less than nothing, so the sign is kept.

    Raises:
        UserFault: OVERFLOW, where the value is not finite or beyond PRICE_MAX.
    """
    if not isfinite(value) or abs(scaled := round(value * SCALE)) > PRICE_MAX:
        raise UserFault(Reason.OVERFLOW, f"{value} is not a price")
    return Price(scaled)
