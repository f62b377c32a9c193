"""What a position is worth before its expiry: the exact twin of contracts/valuation.vy, integers only.

Vanillas by `black`, a digital as the call spread 1/1024 of its strike wide on either side, a curve as the sum of its
call spreads. Each value lies within what no arbitrage allows: between the payoff's least and greatest, or the
forward's own line. Values are prices scaled by 1e8 and by 2^64; amounts are rounded once, toward zero.
"""

from itertools import pairwise
from typing import Final

from thalweg.errors import InvariantBroken
from thalweg.instruments.black import VALUE_SHIFT, call_value
from thalweg.instruments.payoff import PAYOFF_SCALE
from thalweg.instruments.svi import Smile, is_usable
from thalweg.instruments.terms import Instrument, Payoff, Style, unknot
from thalweg.units import PRICE_MAX, SCALE, Price, Quantity, mul_div_toward_zero

WORTH_MAX: Final = 2**131 - 1  # sixteen times the greatest price; only the steepest curves get there
_SPREAD_SHIFT: Final = 10  # half the width of a digital's call spread: 1/1024 of the strike


def position_value(instrument: Instrument, quantity: Quantity, smile: Smile) -> int:
    """Return what the position is worth to long in base units of the settlement asset; negative: it costs him.

    The instrument must be valid and not physical, `quantity` in 0..QUANTITY_MAX. A smile that cannot be priced with
    says nothing: the value is zero.

    Raises:
        InvariantBroken: a physical instrument is worth a part of what is in escrow.
    """
    if not can_price(smile):
        return 0
    worth = min(max(value(instrument, smile), -WORTH_MAX), WORTH_MAX)
    match instrument.style:
        case Style.LINEAR:
            scale = PAYOFF_SCALE
        case Style.INVERSE:
            scale = smile.forward * SCALE
        case Style.PHYSICAL:
            raise InvariantBroken("a physical instrument does not settle in money")
    return mul_div_toward_zero(quantity * instrument.unit, worth, scale << VALUE_SHIFT)


def can_price(smile: Smile) -> bool:
    """Say whether a smile that some oracle gave is sound, with a forward in 1..PRICE_MAX."""
    return 0 < smile.forward <= PRICE_MAX and is_usable(smile)


def value(instrument: Instrument, smile: Smile) -> int:
    """Return the value of one contract's payoff."""
    if instrument.payoff == Payoff.CURVE:
        return _curve(instrument.knots, smile)
    strike = Price(instrument.knots[0])
    ahead = (smile.forward - strike) << VALUE_SHIFT
    match instrument.payoff:
        case Payoff.FORWARD:
            return ahead
        case Payoff.CALL:
            return call_value(smile, strike)
        case Payoff.PUT:
            return call_value(smile, strike) - ahead
        case Payoff.DIGITAL_CALL:
            return _digital(smile, strike)
        case Payoff.DIGITAL_PUT:
            return (SCALE << VALUE_SHIFT) - _digital(smile, strike)


def _digital(smile: Smile, strike: Price) -> int:
    half = max(strike >> _SPREAD_SHIFT, 1)
    low, high = max(strike, half) - half, strike + half
    width = high - low
    spread = _within(call_value(smile, Price(low)), call_value(smile, Price(high)), width)
    return mul_div_toward_zero(SCALE, spread, width)


def _curve(knots: tuple[int, ...], smile: Smile) -> int:
    points = [unknot(packed) for packed in knots]
    near = smile.forward << VALUE_SHIFT  # a call struck at zero
    worth, rise, width = points[0][1] << VALUE_SHIFT, 0, 1
    for (x0, y0), (x1, y1) in pairwise(points):
        far = call_value(smile, x1)
        rise, width = y1 - y0, x1 - x0
        worth += mul_div_toward_zero(rise, _within(near, far, width), width)
        near = far
    return worth + mul_div_toward_zero(rise, near, width)


def _within(near: int, far: int, width: int) -> int:
    """Return the value of a call spread, in 0..width whatever the last digits of its two calls are."""
    return min(max(near - far, 0), width << VALUE_SHIFT)
