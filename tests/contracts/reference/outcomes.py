"""What claims come to, by DESIGN.md sections 1 and 6, in rationals and plain words."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from thalweg.channel.claims import Claim, Condition, HashLock, Position, Subchannel
from thalweg.instruments.closeout import Leaver, exit_amount, exit_exchange
from thalweg.instruments.report import Mark
from thalweg.instruments.surface import smile_at
from thalweg.instruments.svi import Smile
from thalweg.instruments.terms import Instrument, Payoff, Style, unknot
from thalweg.units import SCALE, Hash, Price, Seat

GRID_S: Final = 60
VOIDS_MAX: Final = 60
NOBODY: Final = Seat(255)
GRACE_S: Final = 7 * 86_400

CHILD_GRACE_S: Final = 30 * 86_400
CHILD_LIFE_MAX_S: Final = 2 * 365 * 86_400
DECIDED: Final = 2

Key = tuple[bytes, bytes, int]  # oracle, feed, time
Share = Callable[[bytes, bytes, int], tuple[int, int]]  # child, asset, seat: where the child is, and what the seat has


class Report(NamedTuple):
    """What an oracle has said for a time: a price scaled by 1e8, or that there is none."""

    price: int
    is_void: bool


class Leaving(NamedTuple):
    """A close-out at the mark: of which tick, who asked for it, and what that costs him, scaled by 1e8."""

    tick: int
    challenger: int
    spread: int


class Facts(NamedTuple):
    """What the chain knows when a claim is resolved. `revealed` is when each preimage was registered."""

    now: int
    deadline: int
    assets: Sequence[bytes]
    revealed: Mapping[Hash, int]
    settlements: Mapping[Key, Report]
    marks: Mapping[Key, Mark]
    leaving: Leaving | None
    share: Share | None  # none in a child, which has no children


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
            said = quote(claim.instrument, mark_time, facts) if is_met else None
            if claim.instrument.style == Style.PHYSICAL:
                return [premium, *delivery(claim, settlement, said, facts.leaving)]
            amount = _amount(claim, said, facts.leaving)
            return [
                premium, Move(claim.long, settlement, amount, False), Move(claim.short, settlement, -amount, False)
            ]  # fmt: skip
        case Subchannel():
            return loan(claim, is_met, facts)


def loan(claim: Subchannel, is_met: bool, facts: Facts) -> list[Move]:
    """What a child comes to for its lenders: each has what his seat has, the rest who has no seat, else the lowest.

    Each takes back what he lent where the condition is not met, or nobody can dispute the child any more.
    """
    width = len(facts.assets)
    lent = {divmod(cell, width): amount for cell, amount in enumerate(claim.allocations)}
    if not is_met or facts.share is None or not _is_decided(claim, facts.share, facts):
        return [Move(seat, asset, amount, True) for (seat, asset), amount in lent.items()]
    moves: list[Move] = []
    for asset, token in enumerate(facts.assets):
        left: int = sum(amount for (_, of), amount in lent.items() if of == asset)
        for participant, seat in enumerate(claim.seats):
            if seat != NOBODY:
                share = min(facts.share(claim.child, token, seat)[1], left)
                moves.append(Move(participant, asset, share, True))
                left -= share
        rest = claim.seats.index(NOBODY) if NOBODY in claim.seats else 0
        moves.append(Move(rest, asset, left, True))
    return moves


def _is_decided(claim: Subchannel, share: Share, facts: Facts) -> bool:
    status, _ = share(claim.child, facts.assets[0], 0)
    until = min(claim.until, facts.deadline + CHILD_LIFE_MAX_S)
    if status == DECIDED or (not status and facts.now > until + CHILD_GRACE_S):
        return status == DECIDED
    raise Untold("claim: child not decided")


def delivery(
    claim: Position, settlement: int, said: Price | Smile | None, leaving: Leaving | None = None
) -> list[Move]:
    """Both sides are in escrow, the strike and the goods: exercised they change hands, else they go back; closed out at
    the mark, who owes the value pays it out of his own."""
    terms = claim.instrument
    strike = int(Fraction(claim.quantity * terms.knots[0] * terms.unit, SCALE**2))
    goods = int(Fraction(claim.quantity * terms.knots[1], SCALE))
    buyer, seller = (claim.short, claim.long) if terms.payoff == Payoff.PUT else (claim.long, claim.short)
    paid, moved = 0, 0
    if isinstance(said, Smile):
        paid, moved = exit_exchange(terms, claim.quantity, said, *_cost(claim, leaving))
    elif said is not None:
        in_the_money = {Payoff.CALL: 1, Payoff.PUT: -1, Payoff.FORWARD: 0}[terms.payoff]
        if not in_the_money or in_the_money * (said - terms.knots[0]) > 0:
            paid, moved = strike, goods
    return [
        Move(buyer, settlement, strike - paid, True),
        Move(seller, settlement, paid, True),
        Move(seller, terms.deliver, goods - moved, True),
        Move(buyer, terms.deliver, moved, True),
    ]


def _amount(claim: Position, said: Price | Smile | None, leaving: Leaving | None) -> int:
    """Return what a position that settles in money moves from short to long."""
    if said is None:
        return 0
    if isinstance(said, Smile):
        return exit_amount(claim.instrument, claim.quantity, said, *_cost(claim, leaving))
    return payoff(claim.instrument, claim.quantity, said)


def _cost(claim: Position, leaving: Leaving | None) -> tuple[int, Leaver]:
    if leaving is None:
        return 0, Leaver.NEITHER
    sides = {claim.long: Leaver.LONG, claim.short: Leaver.SHORT}
    return leaving.spread, sides.get(Seat(leaving.challenger), Leaver.NEITHER)


def met(condition: Condition, facts: Facts) -> bool:
    """Say whether a condition is met: every preimage in time. That one is missing can be said after the deadline."""
    in_time = [facts.revealed.get(image, condition.deadline + 1) <= condition.deadline for image in condition.hashes]
    if not all(in_time) and facts.now <= condition.deadline:
        raise Untold("preimages: not yet")
    return all(in_time)


def quote(instrument: Instrument, mark_time: int, facts: Facts) -> Price | Smile | None:
    """Return what prices a position: its expiry's report or, where it is closed out before, the mark of the tick.

    A void mark moves on by a minute, to the expiry at most.
    """
    expiry, tick = instrument.expiry, instrument.expiry if facts.leaving is None else facts.leaving.tick
    is_void, said = True, None
    for moment in range(tick, min(expiry, tick + VOIDS_MAX * GRID_S), GRID_S):
        mark = facts.marks.get((instrument.oracle, instrument.feed, moment))
        said = None if mark is None else smile_at(mark, expiry)
        is_void = mark is not None
        if said is not None or not is_void:
            break
    if said is not None:
        return said
    price = _settlement(instrument, facts) if is_void and expiry <= tick + VOIDS_MAX * GRID_S else None
    if price is None:
        return _last_word(instrument, mark_time, max(min(tick, expiry), facts.deadline), facts)
    return price


def _last_word(instrument: Instrument, mark_time: int, since: int, facts: Facts) -> Price | Smile | None:
    """Return what prices a position of which its oracle says nothing.

    After a week the report of what has expired since, else the co-signed tick; None after two, where nobody shows that.
    """
    silent_s = facts.now - since
    if silent_s > GRACE_S:
        mark = facts.marks.get((instrument.oracle, instrument.feed, mark_time))
        is_alive = facts.leaving is not None and facts.leaving.tick < instrument.expiry
        price = _settlement(instrument, facts) if is_alive else None
        if price is not None:
            return price
        smile = smile_at(mark, instrument.expiry) if mark is not None and is_alive else None
        if smile is not None:
            return smile
        if mark is not None and not mark.is_void:
            return mark.price
    if silent_s > 2 * GRACE_S:
        return None
    raise Untold("claim: no oracle report")


def _settlement(instrument: Instrument, facts: Facts) -> Price | None:
    """Return the first report of an expiry that is no void."""
    for step in range(VOIDS_MAX):
        said = facts.settlements.get((instrument.oracle, instrument.feed, instrument.expiry + step * GRID_S))
        if said is None:
            return None
        if not said.is_void:
            return Price(said.price)
    return None


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
