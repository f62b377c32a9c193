"""What oracles of one quorum say to each other, and how it is signed.

Every message is `Said(sender, statement, signature)`. The signature is EIP-712 under the oracle's domain over the
hash of the statement's JSON, so a statement cannot pass for a report, holds whatever link carried it, and may be
shown to others. Only `Attestation` carries a signature that counts on chain.
"""

from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from thalweg.codec import array_hash, digest, encode, type_hash, words
from thalweg.crypto import keccak
from thalweg.instruments.report import Mark, Settlement, SignedReport, settlement_price, window
from thalweg.units import Hash, Price, Signature, UnixSeconds

MESSAGE_BYTES_MAX: Final = 16_384
_STATEMENT_TYPE: Final = type_hash("Statement(bytes32 body)")
_VOID_WORD: Final = 2**64

Ticks = tuple[Price | None, ...]  # oldest first; None is a VOID, or not seen


class Kind(StrEnum):
    """What a point is reported as, and so how many ticks its agreement covers."""

    MARK = "mark"  # one tick
    SETTLEMENT = "settlement"  # the 30 ticks before `time`


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a quorum reports on, once and for ever: a feed at a grid point."""

    kind: Kind
    feed: Hash
    time: UnixSeconds

    def times(self) -> tuple[UnixSeconds, ...]:
        """Return the grid points whose prices are agreed on, oldest first."""
        return (self.time,) if self.kind == Kind.MARK else window(self.time)


class Phase(IntEnum):
    """The two votes of a round."""

    PREPARE = 0  # "I find this right"
    COMMIT = 1  # "I saw a quorum prepare it, and I am locked on it"


class Vote(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """One vote of one round, for the ticks that hash to `value`."""

    point: Point
    round: int
    phase: Phase
    value: Hash


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quorum's PREPARE votes of one round for one value: strictly increasing voters, one signature each."""

    round: int
    ticks: Ticks
    voters: tuple[int, ...]
    signatures: tuple[Signature, ...]


class Status(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Sent to all on entering a round: what the sender saw (None: nothing yet) and what it is locked on."""

    point: Point
    round: int
    seen: Ticks | None
    lock: Certificate | None = None


class Proposal(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The leader's word in a round; `lock` proves why an earlier value comes again."""

    point: Point
    round: int
    ticks: Ticks
    lock: Certificate | None = None


class Attestation(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The sender's one signature on the report of a decided point."""

    point: Point
    ticks: Ticks
    signature: Signature


class Finished(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The whole report, for whoever still asks about the point."""

    point: Point
    report: SignedReport


Statement = Vote | Status | Proposal | Attestation | Finished


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A statement and who made it. This is what travels."""

    sender: int
    statement: Statement
    signature: Signature


def statement_digest(separator: bytes, statement: Statement) -> Hash:
    """Return what the sender of a statement signs."""
    return digest(separator, keccak(words((_STATEMENT_TYPE, keccak(encode(statement))))))


def ticks_hash(ticks: Ticks) -> Hash:
    """Return the name that votes use for a value."""
    return array_hash(_VOID_WORD if price is None else price for price in ticks)


def report_of(point: Point, ticks: Ticks) -> Mark | Settlement:
    """Return the report that agreed ticks amount to."""
    marks = tuple(
        Mark(point.feed, time, price or Price(0), price is None)
        for time, price in zip(point.times(), ticks, strict=True)
    )
    if point.kind == Kind.MARK:
        return marks[0]
    price = settlement_price(marks)
    return Settlement(point.feed, point.time, price or Price(0), price is None)
