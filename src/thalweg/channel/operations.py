"""What can be done to a channel's sheet. Participants send operations; the sequencer puts them into states.

Every operation names its author, his running number (first in, first out per author) and until when it may be
included. Who must consent to what: a transfer and a withdrawal cost their author alone; a trade is authored by the
side that accepts an offer, and the offer is the other side's consent; the rest follows from the chain or the oracle.
"""

from typing import Annotated, Final

import msgspec

from thalweg.instruments.report import SignedReport
from thalweg.instruments.terms import KNOT_LIMIT, Instrument
from thalweg.units import AMOUNT_MAX, Amount, WireAsset, WireHash, WireNumber, WireQuantity, WireSeat, WireTime
from thalweg.units import NUMBER_MAX as NUMBER_MAX

LEGS_MAX: Final = 20
MEMO_MAX: Final = 64
VOIDS_MAX: Final = 60  # in a row, as the contracts walk; the price comes within as many reports


class Operation(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """What every operation carries."""

    author: WireSeat
    number: WireNumber
    valid_until: WireTime


class Transfer(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """A plain payment by the author."""

    payee: WireSeat
    asset: WireAsset
    amount: Amount
    memo: Annotated[str, msgspec.Meta(max_length=MEMO_MAX)] = ""


class Leg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One position of a trade. `premium` moves from long to short at once (negative: the other way)."""

    instrument: Instrument
    long: WireSeat
    short: WireSeat
    quantity: WireQuantity
    premium: int


_Legs = Annotated[tuple[Leg, ...], msgspec.Meta(max_length=LEGS_MAX)]


class AddPositions(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """A trade: all its legs or none. Positions of one instrument and pair net. Accepts `offer`, made by `maker`."""

    maker: WireSeat
    offer: WireHash
    legs: _Legs


class SettlePositions(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """Pay every position of one expiry on the report's feed, and remove it.

    The expiry is the report's time, or, where that was VOID, the time of the first of `voids`: the reports between.
    """

    report: SignedReport
    voids: Annotated[tuple[SignedReport, ...], msgspec.Meta(max_length=VOIDS_MAX)] = ()


class CountDeposit(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """Count what a participant's deposits on chain amount to by now. Authored by one whose risk it is."""

    seat: WireSeat
    asset: WireAsset
    total: Amount


class Withdraw(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """Take `amount` of the author's balance out of the channel; the agreed state is the payment order."""

    asset: WireAsset
    amount: Amount


class Close(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """End the channel: the next state is the final one. Needs an empty list of claims."""


class Jump(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """Skip 2^20 versions: whatever history a restored node has forgotten is void once this is agreed."""


AnyOperation = Transfer | AddPositions | SettlePositions | CountDeposit | Withdraw | Close | Jump


def is_in_range(operation: AnyOperation) -> bool:
    """Say whether those numbers that are wider than a machine word, which decoding cannot check, are in range."""
    match operation:
        case Transfer() | Withdraw():
            return 0 <= operation.amount <= AMOUNT_MAX
        case CountDeposit():
            return 0 <= operation.total <= AMOUNT_MAX
        case AddPositions():
            return all(
                abs(leg.premium) <= AMOUNT_MAX and all(0 <= knot < KNOT_LIMIT for knot in leg.instrument.knots)
                for leg in operation.legs
            )
        case SettlePositions() | Close() | Jump():
            return True


def weight(operation: AnyOperation) -> int:
    """Return what an operation counts for in a queue: one, and one more for each leg or void report it carries."""
    match operation:
        case AddPositions():
            return 1 + len(operation.legs)
        case SettlePositions():
            return 1 + len(operation.voids)
        case _:
            return 1


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trade one participant offers another until `valid_until`: his consent, taken up by one `AddPositions`."""

    id: WireHash
    maker: WireSeat
    taker: WireSeat
    legs: _Legs
    valid_until: WireTime
