"""What a derivative is: terms that both sides sign and the contracts execute. Integers only.

An instrument pays `payoff(price)` per unit of the underlying, times the quantity, in the channel's settlement asset.
`style` says how the payoff becomes money; only LINEAR exists off chain so far.
"""

from enum import IntEnum
from typing import Annotated, Final

import msgspec

from thalweg.units import UNIT_MAX, Price, WireAddress, WireHash, WireTime

KNOTS_MAX: Final = 16
KNOT_LIMIT: Final = 2**256


class Payoff(IntEnum):
    """The shape of the payoff. The numbers are signed and judged on chain: never renumber."""

    CALL = 0  # max(S - K, 0); knots = (K,)
    PUT = 1  # max(K - S, 0); knots = (K,)
    CURVE = 2  # straight lines between knots; knots = pack(price, value), see `knot`
    DIGITAL_CALL = 3  # 1.0 where S >= K; knots = (K,)
    DIGITAL_PUT = 4  # 1.0 where S < K; knots = (K,)
    FORWARD = 5  # S - K, either sign; knots = (K,)


class Style(IntEnum):
    """How a payoff is paid. The numbers are signed and judged on chain: never renumber."""

    LINEAR = 0  # payoff x quantity in the settlement asset
    INVERSE = 1  # payoff / S x quantity, in the coin
    PHYSICAL = 2  # strike against delivery of `deliver`, an asset of the channel


class Instrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Terms of one derivative. Equal terms are the same instrument and net.

    `feed` names the underlying to the oracle (32 bytes); `unit` is base units of the settlement asset per whole
    token (1e6 for USDC); `deliver` is the index of the asset delivered, for PHYSICAL only, else 0.
    """

    payoff: Payoff
    oracle: WireAddress
    feed: WireHash
    expiry: WireTime
    unit: Annotated[int, msgspec.Meta(ge=0, le=UNIT_MAX)]
    knots: Annotated[tuple[int, ...], msgspec.Meta(max_length=KNOTS_MAX)]
    style: Style = Style.LINEAR
    deliver: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0


def knot(price: Price, value: int) -> int:
    """Pack a curve's point into one word: price in the high 128 bits, value (may be negative) in the low 128."""
    return (price << 128) | (value & (2**128 - 1))


def unknot(word: int) -> tuple[Price, int]:
    """Unpack a curve's point into (price, value)."""
    value = word & (2**128 - 1)
    return Price(word >> 128), value - 2**128 if value >> 127 else value
