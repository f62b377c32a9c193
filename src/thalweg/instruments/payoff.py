"""What a position pays: the exact twin of contracts/payoffs.vy, integers only, one rounding.

    linear    quantity * y * unit / 1e16            y, the payoff at price S, scaled by 1e8:
    inverse   quantity * y * unit / (S * 1e8)
                                                    call, put    max(S - K, 0), max(K - S, 0)
                                                    digital      1e8 where S >= K; where S < K
                                                    forward      S - K
                                                    curve        y0 + (y1 - y0) * (S - x0) / (x1 - x0)

S is the settlement price, K the strike, (x0, y0) and (x1, y1) the knots around S; beyond the last knot the last
segment goes on, so a flat end takes two knots of one value. Prices, values and quantity are scaled by 1e8 each, hence
1e16. The whole product is divided once and the fraction dropped toward zero, as SDIV does, so long and short get
exactly opposite amounts. An inverse payoff at price zero is divided by the least price above it.

Nothing overflows int256. In a valid curve (`validity.validate`) |y| <= 2^63 and x, S, quantity < 2^63, unit < 2^60:

    |y0 * (x1 - x0)| < 2^126,  |(y1 - y0) * (S - x0)| < 2^64 * 2^63 = 2^127,  their sum < 2^128
    numerator   < 2^63 * 2^128 * 2^60 = 2^251 < 2^255
    denominator < 2^63 * 2^54 = 2^117, inverse: 2^63 * 2^63 * 2^27 = 2^153

At a knot both neighbouring segments give the same rational, so it does not matter which of them is said to contain it.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

from thalweg.errors import InvariantBroken
from thalweg.instruments.terms import Instrument, Payoff, Style, unknot
from thalweg.units import SCALE, Price, Quantity, mul_div_down, mul_div_toward_zero

PAYOFF_SCALE: Final = SCALE * SCALE  # price scale times quantity scale


def payoff_amount(instrument: Instrument, quantity: Quantity, price: Price) -> int:
    """Return what long receives from short, in base units of the settlement asset; negative: long pays.

    The instrument must be valid and not physical, `quantity` in 0..QUANTITY_MAX and `price`, the settlement price, in
    0..PRICE_MAX.

    Raises:
        InvariantBroken: a physical instrument pays in two assets; see `delivery`.
    """
    numerator, width = _value(instrument, price)
    match instrument.style:
        case Style.LINEAR:
            scale = PAYOFF_SCALE
        case Style.INVERSE:
            scale = max(price, 1) * SCALE
        case Style.PHYSICAL:
            raise InvariantBroken("a physical instrument does not settle in money")
    return mul_div_toward_zero(quantity * instrument.unit, numerator, width * scale)


def _value(instrument: Instrument, price: Price) -> tuple[int, int]:
    """Return the payoff at a price, scaled by 1e8, as a fraction."""
    if instrument.payoff == Payoff.CURVE:
        return _on_curve(instrument.knots, price)
    gain = price - instrument.knots[0]
    match instrument.payoff:
        case Payoff.CALL:
            return max(gain, 0), 1
        case Payoff.PUT:
            return max(-gain, 0), 1
        case Payoff.DIGITAL_CALL:
            return (SCALE if gain >= 0 else 0), 1
        case Payoff.DIGITAL_PUT:
            return (SCALE if gain < 0 else 0), 1
        case Payoff.FORWARD:
            return gain, 1


def _on_curve(knots: tuple[int, ...], price: Price) -> tuple[int, int]:
    points = [unknot(packed) for packed in knots]
    right = bisect_right(points, price, lo=1, hi=len(points) - 1, key=lambda point: point[0])
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    width = x1 - x0
    return y0 * width + (y1 - y0) * (price - x0), width


class Delivery(NamedTuple):
    """What a physical position has in escrow: `strike` in the settlement asset, `goods` in the delivered one.

    A call's or forward's long has put up the strike and its short the goods; with a put it is the other way.
    """

    strike: int
    goods: int


def delivery(instrument: Instrument, quantity: Quantity) -> Delivery:
    """Return what the two sides of a physical position put up, in base units, rounded down."""
    strike, goods = instrument.knots
    return Delivery(
        mul_div_down(quantity * strike, instrument.unit, PAYOFF_SCALE), mul_div_down(quantity, goods, SCALE)
    )


def is_exercised(instrument: Instrument, price: Price) -> bool:
    """Say whether the two sides of a physical position exchange what they put up, else each takes his back."""
    match instrument.payoff:
        case Payoff.FORWARD:
            return True
        case Payoff.CALL:
            return price > instrument.knots[0]
        case Payoff.PUT:
            return price < instrument.knots[0]
        case _:
            raise InvariantBroken(f"payoff {instrument.payoff!r} was agreed to but cannot be delivered")
