"""Applying operations to a sheet: the arithmetic both sides must agree on, to the unit.

A `Draft` is a working copy. `apply` either does all of an operation or refuses it and leaves the draft as it was, so
one bad operation never spoils a batch. A state is signable only if every participant is covered or his deficit does
not grow; that is checked at each operation. Money that would go below zero is never a deficit: it is refused.
"""

from collections.abc import Iterable
from typing import Final, NoReturn, TypeGuard

from thalweg.channel.claims import CLAIMS_MAX, Claim, Position
from thalweg.channel.operations import (
    LEGS_MAX,
    MEMO_MAX,
    NUMBER_MAX,
    AddPositions,
    AnyOperation,
    Close,
    CountDeposit,
    Jump,
    Leg,
    SettlePositions,
    Transfer,
    Withdraw,
)
from thalweg.channel.reports import settled_expiry
from thalweg.channel.sheet import Holding, Sheet
from thalweg.channel.terms import Terms
from thalweg.errors import Reason, RuleBroken
from thalweg.instruments import collateral
from thalweg.instruments.payoff import payoff_amount
from thalweg.instruments.terms import Instrument
from thalweg.instruments.validity import validate
from thalweg.units import AMOUNT_MAX, QUANTITY_MAX, Amount, ClaimId, Quantity, UnixSeconds

_PREMIUM_MAX: Final = AMOUNT_MAX
_Pair = tuple[Instrument, int, int]


def _refuse(reason: Reason, detail: str) -> NoReturn:
    raise RuleBroken(reason, detail)


class Draft:
    """A sheet being changed.

    `exposure` is what its operations have put at stake so far, by asset index; `room` (None: no limit) caps it.
    """

    def __init__(self, terms: Terms, sheet: Sheet, now: UnixSeconds, room: tuple[int, ...] | None = None) -> None:
        self._terms = terms
        self._assets = len(terms.assets)
        self._seats = len(terms.participants)
        self._now = now
        self._room = room
        self._balances: list[int] = [holding.balance for holding in sheet.holdings]
        self._deposited: list[int] = [holding.deposited for holding in sheet.holdings]
        self._withdrawn: list[int] = [holding.withdrawn for holding in sheet.holdings]
        self._claims: dict[ClaimId, Claim] = {claim.id: claim for claim in sheet.claims}
        self._next_claim: int = sheet.next_claim
        self._required: list[int] = list(sheet.required)
        self._numbers = list(sheet.numbers)
        self._mark_time = sheet.mark_time
        self.exposure = [0] * self._assets
        self.closing = False
        self.jumping = False

    def apply(self, operation: AnyOperation) -> None:
        """Do one operation.

        Raises:
            RuleBroken: with the reason; the draft is unchanged.
        """
        self._check_order(operation)
        match operation:
            case Transfer():
                self._transfer(operation)
            case AddPositions():
                self._add_positions(operation)
            case SettlePositions():
                self._settle(operation)
            case CountDeposit():
                self._count_deposit(operation)
            case Withdraw():
                self._withdraw(operation)
            case Close():
                self._close()
            case Jump():
                self.jumping = True
        self._numbers[operation.author] = operation.number

    def advance_mark(self, time: UnixSeconds) -> None:
        """Name the oracle tick that collateral is computed on from here."""
        if time < self._mark_time:
            _refuse(Reason.MARK_TIME_BACK, f"{time} is before {self._mark_time}")
        self._mark_time = time

    def sheet(self) -> Sheet:
        """Return the result. What no claim can reach is `free`."""
        return Sheet(
            holdings=tuple(
                Holding(
                    balance=Amount(balance),
                    free=Amount(self._free(index, balance)),
                    deposited=Amount(self._deposited[index]),
                    withdrawn=Amount(self._withdrawn[index]),
                )
                for index, balance in enumerate(self._balances)
            ),
            required=tuple(map(Amount, self._required)),
            numbers=tuple(self._numbers),
            claims=tuple(self._claims.values()),
            next_claim=ClaimId(self._next_claim),
            mark_time=self._mark_time,
        )

    def _free(self, index: int, balance: int) -> int:
        seat, asset = divmod(index, self._assets)
        return max(0, balance - self._required[seat]) if asset == self._terms.settlement else balance

    def _check_order(self, operation: AnyOperation) -> None:
        if not 0 <= operation.author < self._seats:
            _refuse(Reason.NOT_AUTHOR, f"there is no seat {operation.author}")
        if operation.number > NUMBER_MAX:
            _refuse(Reason.OVERFLOW, f"an operation's number is at most {NUMBER_MAX}")
        if operation.number <= self._numbers[operation.author]:
            _refuse(Reason.OUT_OF_ORDER, f"number {operation.number} was used; send operations in rising order")
        if operation.valid_until < self._now:
            _refuse(Reason.EXPIRED, f"was valid until {operation.valid_until}, now is {self._now}")
        if self.closing or self.jumping:
            _refuse(Reason.WRONG_PHASE, "nothing may follow a close or a jump in one state")

    def _index(self, seat: int, asset: int) -> int:
        if not 0 <= asset < self._assets:
            _refuse(Reason.UNKNOWN_INSTRUMENT, f"there is no asset {asset} in this channel")
        if not 0 <= seat < self._seats:
            _refuse(Reason.NOT_AUTHOR, f"there is no seat {seat} in this channel")
        return seat * self._assets + asset

    def _check_spend(self, index: int, amount: int) -> None:
        """Refuse to take `amount` out of a balance where it is not there or backs a claim."""
        if amount <= 0:
            _refuse(Reason.NEGATIVE, f"the amount is {amount}; it must be positive")
        left = self._balances[index] - amount
        if left < 0:
            _refuse(Reason.INSUFFICIENT, f"{self._balances[index]} is there, {amount} is asked for")
        seat, asset = divmod(index, self._assets)
        if asset == self._terms.settlement and left < self._required[seat]:
            _refuse(Reason.UNCOVERED, f"{left} would be left, {self._required[seat]} backs open positions")

    def _expose(self, asset: int, amount: int) -> None:
        """Count what the operation puts at stake while the state is offered; refuse it where the room is used up."""
        total = self.exposure[asset] + amount
        if self._room is not None and total > self._room[asset]:
            _refuse(
                Reason.UNDECIDED_MAX,
                f"{total} would be undecided, {self._room[asset]} may be: split it, or raise undecided_max",
            )
        self.exposure[asset] = total

    def _transfer(self, operation: Transfer) -> None:
        source = self._index(operation.author, operation.asset)
        target = self._index(operation.payee, operation.asset)
        if source == target:
            _refuse(Reason.NOT_AUTHOR, "a transfer to oneself")
        if len(operation.memo) > MEMO_MAX:
            _refuse(Reason.OVERSIZED, f"a memo has at most {MEMO_MAX} characters")
        self._check_spend(source, operation.amount)
        self._expose(operation.asset, operation.amount)
        self._balances[source] -= operation.amount
        self._balances[target] += operation.amount

    def _count_deposit(self, operation: CountDeposit) -> None:
        index = self._index(operation.seat, operation.asset)
        more = operation.total - self._deposited[index]
        if more <= 0:
            _refuse(Reason.STALE_VERSION, f"{self._deposited[index]} is counted already")
        if sum(self._deposited[operation.asset :: self._assets]) + more > AMOUNT_MAX:
            _refuse(Reason.OVERFLOW, f"at most {AMOUNT_MAX} can be deposited by all: a balance may come to hold it")
        self._deposited[index] = operation.total
        self._balances[index] += more

    def _withdraw(self, operation: Withdraw) -> None:
        index = self._index(operation.author, operation.asset)
        self._check_spend(index, operation.amount)
        self._balances[index] -= operation.amount
        self._withdrawn[index] += operation.amount

    def _close(self) -> None:
        if self._claims:
            _refuse(Reason.OPEN_CLAIMS, f"{len(self._claims)} claims are open: settle or close them first")
        self.closing = True
        self._mark_time = UnixSeconds(0)

    def _settle(self, operation: SettlePositions) -> None:
        expiry = settled_expiry(operation)
        oracle, report = operation.report.oracle, operation.report.report
        moves = [0] * self._seats
        due: list[Position] = []
        for claim in self._claims.values():
            if _is_live(claim):
                terms = claim.instrument
                if (terms.oracle, terms.feed, terms.expiry) == (oracle, report.feed, expiry):
                    due.append(claim)
                    amount = payoff_amount(terms, claim.quantity, report.price)
                    moves[claim.long] += amount
                    moves[claim.short] -= amount
        if not due:
            _refuse(Reason.UNKNOWN_CLAIM, f"no position on feed {report.feed.hex()} expires at {expiry}")
        base = self._terms.settlement
        for seat, move in enumerate(moves):
            if self._balances[seat * self._assets + base] + move < 0:
                _refuse(Reason.INSUFFICIENT, f"seat {seat} cannot pay {-move}: settle on chain")
        for claim in due:
            del self._claims[claim.id]
        for seat, move in enumerate(moves):
            self._balances[seat * self._assets + base] += move
            self._required[seat] = collateral_of(seat, self._claims.values())

    def _add_positions(self, operation: AddPositions) -> None:
        self._check_legs(operation)
        claims, next_claim = dict(self._claims), self._next_claim
        nets = {_pair(claim): claim for claim in claims.values() if _is_live(claim)}
        paid = 0
        for leg in operation.legs:
            pair = _pair(leg)
            old = nets.pop(pair, None)
            if old is None:
                new: Position | None = _position(ClaimId(next_claim), leg)
                next_claim += 1
            else:
                new = _net(old, leg)
            if new is not None:
                nets[pair] = claims[new.id] = new
            elif old is not None:
                del claims[old.id]
            paid += leg.premium if leg.long == operation.author else -leg.premium
        if len(claims) > CLAIMS_MAX:
            _refuse(Reason.TOO_MANY_CLAIMS, f"a channel holds at most {CLAIMS_MAX} claims")
        self._cover_trade(operation, claims, paid)
        self._claims, self._next_claim = claims, next_claim

    def _cover_trade(self, operation: AddPositions, claims: dict[ClaimId, Claim], paid: int) -> None:
        """Move the premium and set the new collateral, if both sides stay covered or in no deeper deficit."""
        base = self._terms.settlement
        changes = []
        for seat, out in ((operation.author, paid), (operation.maker, -paid)):
            index = seat * self._assets + base
            balance, required = self._balances[index] - out, collateral_of(seat, claims.values())
            if balance < 0:
                _refuse(Reason.INSUFFICIENT, f"seat {seat} has {self._balances[index]}, the premium is {out}")
            before = max(0, self._required[seat] - self._balances[index])
            if required - balance > before:
                _refuse(Reason.UNCOVERED, f"seat {seat} would hold {balance} against {required} required")
            changes.append((seat, index, balance, required))
        shifts = sum(abs(required - self._required[seat]) for seat, _, _, required in changes)
        self._expose(base, abs(paid) + shifts)
        for seat, index, balance, required in changes:
            self._balances[index] = balance
            self._required[seat] = required

    def _check_legs(self, operation: AddPositions) -> None:
        if not 0 < len(operation.legs) <= LEGS_MAX:
            _refuse(Reason.LIMIT, f"a trade has 1 to {LEGS_MAX} legs")
        sides = {operation.author, operation.maker}
        if len(sides) != 2 or not all(0 <= seat < self._seats for seat in sides):
            _refuse(Reason.NOT_AUTHOR, "a trade is between two participants of the channel")
        for leg in operation.legs:
            if {leg.long, leg.short} != sides:
                _refuse(Reason.NOT_AUTHOR, "every leg is between the author and the maker")
            if not 0 < leg.quantity <= QUANTITY_MAX:
                _refuse(Reason.NEGATIVE, f"quantity {leg.quantity} is not in 1..{QUANTITY_MAX}")
            if abs(leg.premium) > _PREMIUM_MAX:
                _refuse(Reason.OVERFLOW, f"a premium is at most {_PREMIUM_MAX}")
            validate(leg.instrument)
            if leg.instrument.expiry <= self._now:
                _refuse(Reason.INSTRUMENT_EXPIRED, f"it expired at {leg.instrument.expiry}, now is {self._now}")
            if leg.instrument.oracle != self._terms.oracle:
                _refuse(Reason.UNKNOWN_INSTRUMENT, "its oracle is not the channel's")


def collateral_of(seat: int, claims: Iterable[Claim]) -> int:
    """Return what `seat` must hold against its positions, in base units of the settlement asset."""
    return collateral.required(
        [
            collateral.Leg(claim.instrument, claim.quantity if claim.long == seat else -claim.quantity)
            for claim in claims
            if isinstance(claim, Position) and seat in (claim.long, claim.short)
        ]
    )


def _is_live(claim: Claim) -> TypeGuard[Position]:
    return isinstance(claim, Position) and not claim.condition.hashes


def _pair(position: Position | Leg) -> _Pair:
    """Return what a position nets by: the instrument and the two seats."""
    low, high = sorted((position.long, position.short))
    return position.instrument, low, high


def _position(fresh: ClaimId, leg: Leg) -> Position:
    return Position(id=fresh, long=leg.long, short=leg.short, quantity=leg.quantity, instrument=leg.instrument)


def _net(old: Position, leg: Leg) -> Position | None:
    """Return the position after a leg: grown, shrunk, turned around, or None where nothing is left."""
    signed = old.quantity + (leg.quantity if leg.long == old.long else -leg.quantity)
    if signed == 0:
        return None
    if abs(signed) > QUANTITY_MAX:
        _refuse(Reason.OVERFLOW, f"a position holds at most {QUANTITY_MAX}")
    long, short = (old.long, old.short) if signed > 0 else (old.short, old.long)
    return Position(id=old.id, long=long, short=short, quantity=Quantity(abs(signed)), instrument=old.instrument)
