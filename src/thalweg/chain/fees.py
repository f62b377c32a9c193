"""How much to bid for gas, and how much more when nobody takes it. Integers, in wei; rounding is up.

EIP-1559's base fee grows by at most an eighth a block, so twice the base fee holds for six full blocks.
"""

from typing import Final

from thalweg.chain.transaction import Fees
from thalweg.units import mul_div_up

_BASE_FACTOR: Final = 2
BUMP_NUMERATOR: Final = 9  # a replacement pays 9/8: nodes ask for at least 110 %
BUMP_DENOMINATOR: Final = 8


def first_bid(base_fee_wei: int, tip_wei: int, fee_max_wei: int) -> Fees:
    """Return the fees of a new transaction."""
    fee = min(fee_max_wei, _BASE_FACTOR * base_fee_wei + tip_wei)
    return Fees(fee, min(tip_wei, fee))


def outbid(fees: Fees, base_fee_wei: int, tip_wei: int, fee_max_wei: int) -> Fees | None:
    """Return fees that may replace `fees`: an eighth more or today's first bid; None where the limit forbids it."""
    today = first_bid(base_fee_wei, tip_wei, fee_max_wei)
    fee = max(today.fee_wei, mul_div_up(fees.fee_wei, BUMP_NUMERATOR, BUMP_DENOMINATOR))
    tip = max(today.tip_wei, mul_div_up(fees.tip_wei, BUMP_NUMERATOR, BUMP_DENOMINATOR))
    return Fees(fee, min(tip, fee)) if fee <= fee_max_wei else None
