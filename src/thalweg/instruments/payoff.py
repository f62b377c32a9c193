"""What a position pays: the exact twin of the contracts' arithmetic, integers only, one rounding.

    call   quantity * max(S - K, 0) * unit / 1e16
    put    quantity * max(K - S, 0) * unit / 1e16
    curve  quantity * (y0 * (x1 - x0) + (y1 - y0) * (S - x0)) * unit / ((x1 - x0) * 1e16)

S is the settlement price, K the strike, (x0, y0) and (x1, y1) the knots around S; beyond the last knot the last
segment goes on, so a flat end takes two knots of one value. Prices, values and quantity are scaled by 1e8 each, hence
1e16. The whole product is divided once and the fraction dropped toward zero, as SDIV does, so long and short get
exactly opposite amounts.

Nothing overflows int256. In a valid curve (`validity.validate`) |y| <= 2^63 and x, S, quantity < 2^63, unit < 2^60:

    |y0 * (x1 - x0)| < 2^126,  |(y1 - y0) * (S - x0)| < 2^64 * 2^63 = 2^127,  their sum < 2^128
    numerator   < 2^63 * 2^128 * 2^60 = 2^251 < 2^255
    denominator < 2^63 * 2^54  = 2^117

and an option's numerator is < 2^63 * 2^63 * 2^60 = 2^186. At a knot both neighbouring segments give the same rational,
so it does not matter which of them is said to contain it.
"""

from bisect import bisect_right
from typing import Final

from thalweg.errors import InvariantBroken
from thalweg.instruments.terms import Instrument, Payoff, unknot
from thalweg.units import SCALE, Price, Quantity, mul_div_toward_zero

PAYOFF_SCALE: Final = SCALE * SCALE  # price scale times quantity scale


def payoff_amount(instrument: Instrument, quantity: Quantity, price: Price) -> int:
    """Return what long receives from short, in base units of the settlement asset; negative: long pays.

    The instrument must be valid, `quantity` in 0..QUANTITY_MAX and `price`, the settlement price, in 0..PRICE_MAX.

    Raises:
        InvariantBroken: the payoff is one that `validate` refuses.
    """
    scaled = quantity * instrument.unit
    match instrument.payoff:
        case Payoff.CALL:
            return mul_div_toward_zero(scaled, max(price - instrument.knots[0], 0), PAYOFF_SCALE)
        case Payoff.PUT:
            return mul_div_toward_zero(scaled, max(instrument.knots[0] - price, 0), PAYOFF_SCALE)
        case Payoff.CURVE:
            return _curve_amount(instrument.knots, scaled, price)
        case _:
            raise InvariantBroken(f"payoff {instrument.payoff!r} was agreed to but cannot be executed")


def _curve_amount(knots: tuple[int, ...], scaled: int, price: Price) -> int:
    points = [unknot(packed) for packed in knots]
    right = bisect_right(points, price, lo=1, hi=len(points) - 1, key=lambda point: point[0])
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    width = x1 - x0
    return mul_div_toward_zero(scaled, y0 * width + (y1 - y0) * (price - x0), width * PAYOFF_SCALE)
