"""What can be done to a channel's sheet. Participants send operations; the sequencer puts them into states.

Every operation names its author, his running number (first in, first out per author) and until when it may be
included. Who must consent to what: a transfer and a withdrawal cost their author alone; a trade is authored by the
side that accepts an offer, and the offer is the other side's consent; the rest follows from the chain or the oracle.
"""

from typing import Final

import msgspec

from thalweg.instruments.report import SignedReport
from thalweg.instruments.terms import Instrument
from thalweg.units import Amount, AssetIndex, Hash, Quantity, Seat, UnixSeconds

LEGS_MAX: Final = 20
MEMO_MAX: Final = 64
NUMBER_MAX: Final = 2**53


class Operation(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """What every operation carries."""

    author: Seat
    number: int
    valid_until: UnixSeconds


class Transfer(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """A plain payment by the author."""

    payee: Seat
    asset: AssetIndex
    amount: Amount
    memo: str = ""


class Leg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One position of a trade. `premium` moves from long to short at once (negative: the other way)."""

    instrument: Instrument
    long: Seat
    short: Seat
    quantity: Quantity
    premium: int


class AddPositions(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """A trade: all its legs or none. Positions of one instrument and pair net. Accepts `offer`, made by `maker`."""

    maker: Seat
    offer: Hash
    legs: tuple[Leg, ...]


class SettlePositions(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """Pay every position of one expiry on the report's feed, and remove it.

    The expiry is the report's time, or, where that was VOID, the time of the first of `voids`: the reports between.
    """

    report: SignedReport
    voids: tuple[SignedReport, ...] = ()


class CountDeposit(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """Count what a participant's deposits on chain amount to by now. Authored by one whose risk it is."""

    seat: Seat
    asset: AssetIndex
    total: Amount


class Withdraw(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """Take `amount` of the author's balance out of the channel; the agreed state is the payment order."""

    asset: AssetIndex
    amount: Amount


class Close(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """End the channel: the next state is the final one. Needs an empty list of claims."""


class Jump(Operation, frozen=True, tag=True, forbid_unknown_fields=True):
    """Skip 2^20 versions: whatever history a restored node has forgotten is void once this is agreed."""


AnyOperation = Transfer | AddPositions | SettlePositions | CountDeposit | Withdraw | Close | Jump


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trade one participant offers another until `valid_until`: his consent, taken up by one `AddPositions`."""

    id: Hash
    maker: Seat
    taker: Seat
    legs: tuple[Leg, ...]
    valid_until: UnixSeconds
