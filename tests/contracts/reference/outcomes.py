"""What claims come to, by DESIGN.md sections 1 and 6, in rationals and plain words."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from thalweg.channel.claims import Claim, Condition, HashLock, Position
from thalweg.instruments.terms import Instrument, Payoff, Style, unknot
from thalweg.units import SCALE, Hash

GRID_S: Final = 60
VOIDS_MAX: Final = 60
GRACE_S: Final = 7 * 86_400

Key = tuple[bytes, bytes, int]  # oracle, feed, time


class Report(NamedTuple):
    """What an oracle has said for a time: a price scaled by 1e8, or that there is none."""

    price: int
    is_void: bool


class Facts(NamedTuple):
    """What the chain knows when a claim is resolved. `revealed` is when each preimage was registered."""

    now: int
    deadline: int
    revealed: Mapping[Hash, int]
    settlements: Mapping[Key, Report]
    marks: Mapping[Key, Report]


class Untold(Exception):
    """The claim cannot be resolved yet, for the reason given."""


class Move(NamedTuple):
    """`amount` that a claim adds to a cell: escrow, or margin (which may be negative)."""

    seat: int
    asset: int
    amount: int
    is_escrow: bool


def moves(claim: Claim, settlement: int, mark_time: int, facts: Facts) -> list[Move]:
    """Return what a claim adds to which cells."""
    is_met = met(claim.condition, facts)
    match claim:
        case HashLock():
            return [Move(claim.payee if is_met else claim.payer, claim.asset, claim.amount, True)]
        case Position():
            debtor, creditor = (claim.long, claim.short) if claim.premium > 0 else (claim.short, claim.long)
            premium = Move(creditor if is_met else debtor, settlement, abs(claim.premium), True)
            price = settlement_price(claim.instrument, mark_time, facts) if is_met else None
            if claim.instrument.style == Style.PHYSICAL:
                return [premium, *delivery(claim, settlement, price)]
            amount = 0 if price is None else payoff(claim.instrument, claim.quantity, price)
            return [
                premium, Move(claim.long, settlement, amount, False), Move(claim.short, settlement, -amount, False)
            ]  # fmt: skip
        case _:
            raise Untold("claim: unsupported")


def delivery(claim: Position, settlement: int, price: int | None) -> list[Move]:
    """Both sides are in escrow, the strike and the goods: exercised they change hands, else they go back."""
    terms = claim.instrument
    strike = int(Fraction(claim.quantity * terms.knots[0] * terms.unit, SCALE**2))
    goods = int(Fraction(claim.quantity * terms.knots[1], SCALE))
    buyer, seller = (claim.short, claim.long) if terms.payoff == Payoff.PUT else (claim.long, claim.short)
    in_the_money = {Payoff.CALL: 1, Payoff.PUT: -1, Payoff.FORWARD: 0}[terms.payoff]
    is_exercised = price is not None and (not in_the_money or in_the_money * (price - terms.knots[0]) > 0)
    takes_strike, takes_goods = (seller, buyer) if is_exercised else (buyer, seller)
    return [Move(takes_strike, settlement, strike, True), Move(takes_goods, terms.deliver, goods, True)]


def met(condition: Condition, facts: Facts) -> bool:
    """Say whether a condition is met: every preimage in time. That one is missing can be said after the deadline."""
    in_time = [facts.revealed.get(image, condition.deadline + 1) <= condition.deadline for image in condition.hashes]
    if not all(in_time) and facts.now <= condition.deadline:
        raise Untold("preimages: not yet")
    return all(in_time)


def settlement_price(instrument: Instrument, mark_time: int, facts: Facts) -> int | None:
    """Return the price an expiry settles at: the first report that is no void; after a week of silence the mark; None
    after two, where nobody has shown even that."""
    for step in range(VOIDS_MAX):
        said = facts.settlements.get((instrument.oracle, instrument.feed, instrument.expiry + step * GRID_S))
        if said is None:
            break
        if not said.is_void:
            return said.price
    silent_s = facts.now - max(instrument.expiry, facts.deadline)
    mark = facts.marks.get((instrument.oracle, instrument.feed, mark_time))
    if silent_s > GRACE_S and mark is not None and not mark.is_void:
        return mark.price
    if silent_s > 2 * GRACE_S:
        return None
    raise Untold("claim: no oracle report")


def payoff(instrument: Instrument, quantity: int, price: int) -> int:
    """Return what long receives, in base units; the fraction dropped."""
    strike = instrument.knots[0]
    match instrument.payoff:
        case Payoff.CALL:
            value = Fraction(max(price - strike, 0))
        case Payoff.PUT:
            value = Fraction(max(strike - price, 0))
        case Payoff.CURVE:
            value = _on_curve([unknot(one) for one in instrument.knots], price)
        case Payoff.DIGITAL_CALL:
            value = Fraction(SCALE if price >= strike else 0)
        case Payoff.DIGITAL_PUT:
            value = Fraction(SCALE if price < strike else 0)
        case Payoff.FORWARD:
            value = Fraction(price - strike)
    if instrument.style == Style.INVERSE:
        return int(value * quantity * instrument.unit / (max(price, 1) * SCALE))
    return int(value * quantity * instrument.unit / SCALE**2)


def _on_curve(points: list[tuple[int, int]], price: int) -> Fraction:
    """Return the value on the straight line of the segment that holds the price; the last one goes on for ever."""
    for (x0, y0), (x1, y1) in pairwise(points):
        value = y0 + Fraction((y1 - y0) * (price - x0), x1 - x0)
        if price <= x1:
            return value
    return value
