"""What a position comes to where its channel is closed out at the mark: the exact twin of contracts/resolution.vy.

The model's value, less `spread` (scaled by 1e8, of the value's magnitude) for the side that asked for the close-out. A
physical position is paid for out of what its two sides have in escrow.
"""

from enum import IntEnum
from typing import NamedTuple

from thalweg.instruments.black import VALUE_SHIFT
from thalweg.instruments.payoff import PAYOFF_SCALE, delivery
from thalweg.instruments.svi import Smile
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.instruments.valuation import can_price, position_value, value
from thalweg.units import SCALE, Quantity, mul_div_down, mul_div_toward_zero

_WORTH_MAX = 2**127 - 1


class Leaver(IntEnum):
    """Which side of a position asked for the close-out."""

    SHORT = -1
    NEITHER = 0
    LONG = 1


class Exchange(NamedTuple):
    """What of a physical position's escrow changes hands: of the strike to the seller, of the goods to the buyer."""

    paid: int
    moved: int


def exit_amount(instrument: Instrument, quantity: Quantity, smile: Smile, spread: int, leaver: Leaver) -> int:
    """Return what long receives from short for a position that settles in money; negative: long pays."""
    return _left(position_value(instrument, quantity, smile), spread, leaver)


def exit_exchange(instrument: Instrument, quantity: Quantity, smile: Smile, spread: int, leaver: Leaver) -> Exchange:
    """Return what changes hands of a physical position's escrow."""
    if not can_price(smile):
        return Exchange(0, 0)
    strike, goods = delivery(instrument, quantity)
    worth = _left(value(instrument, smile), spread, leaver)
    if instrument.payoff == Payoff.PUT or worth < 0:
        owed = mul_div_down(quantity * instrument.unit, min(abs(worth), _WORTH_MAX), PAYOFF_SCALE << VALUE_SHIFT)
        return Exchange(min(owed, strike), 0)
    whole = smile.forward << VALUE_SHIFT
    return Exchange(0, mul_div_down(goods, min(worth, whole), whole))


def _left(amount: int, spread: int, leaver: Leaver) -> int:
    return amount - leaver * mul_div_toward_zero(abs(amount), spread, SCALE)
