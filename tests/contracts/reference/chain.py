"""The whole contract as rules on values: channels, disputes, money, claimables, after docs/contracts.md and DESIGN.md.

A call either breaks rules, and then says all that it breaks and changes nothing, or is carried out. Signatures and
hashes do not exist here: whoever makes a call says what is wrong with it.
"""

from collections.abc import Sequence

import msgspec
from tests.contracts.reference import shares
from tests.contracts.reference.accounts import (
    DEPOSIT_MAX,
    EXPIRED,
    HASH,
    NOT_YET,
    PHASE,
    RANGE,
    SIGNER,
    STALE,
    TIME_MAX,
    Account,
    Dispute,
    Rule,
    cells_of,
    unless,
)
from tests.contracts.reference.children import Children
from tests.contracts.reference.money import Money
from tests.contracts.reference.outcomes import GRID_S, Facts, Key, Leaving, Report, Untold, moves
from tests.contracts.scene import State

from thalweg.channel.terms import CloseOut, Terms
from thalweg.instruments.report import Mark
from thalweg.instruments.surface import is_valid
from thalweg.units import VERSION_FINAL, Address, Hash, Price


class Chain:
    """The chain. `broken` in a call are the rules its maker knows that it breaks."""

    def __init__(self, money: Money) -> None:
        self.money = money
        self.accounts: dict[bytes, Account] = {}
        self.revealed: dict[Hash, int] = {}
        self.settlements: dict[Key, Report] = {}
        self.marks: dict[Key, Mark] = {}
        self.children = Children(self)

    def copied(self) -> "Chain":
        """Return a chain that can go its own way from here."""
        twin = Chain(self.money.copied())
        twin.accounts = {
            channel: msgspec.structs.replace(one, deposited=list(one.deposited), withdrawn=list(one.withdrawn))
            for channel, one in self.accounts.items()
        }
        twin.revealed, twin.settlements = dict(self.revealed), dict(self.settlements)
        twin.marks = dict(self.marks)
        twin.children = self.children.copied(twin)
        return twin

    # -- funding ----------------------------------------------------------------------------------------------------

    def open(
        self, channel: bytes, terms: Terms, amounts: Sequence[int], payers: Sequence[Address], now: int, until: int,
        broken: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Fund a channel that never was, all of it or nothing."""
        assets = len(terms.assets)
        payments = [
            (terms.assets[cell % assets], payers[cell // assets], amount)
            for cell, amount in enumerate(amounts)
            if amount  # of nothing, nothing is taken
        ]
        rules = {
            EXPIRED: now > until,
            PHASE: channel in self.accounts,
            RANGE: max(amounts) > DEPOSIT_MAX,
            **self.money.obstacles(payments),
        }
        unless(rules, broken)
        self.money.take(payments)
        self.accounts[channel] = Account(terms, list(amounts), [0] * len(amounts))

    def deposit(
        self, channel: bytes, seat: int, asset: int, amount: int, payer: Address, now: int, until: int,
        broken: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Add to a participant's deposit, with his consent."""
        account = self.accounts.get(channel)
        payments = [(account.terms.assets[asset], payer, amount)] if account else []
        cell = seat * account.assets + asset if account else 0
        rules = {
            EXPIRED: now > until,
            PHASE: not self._is_open(channel),
            RANGE: account is not None and account.deposited[cell] + amount > DEPOSIT_MAX,
            **self.money.obstacles(payments),
        }
        unless(rules, broken)
        assert account is not None
        self.money.take(payments)
        account.deposited[cell] += amount

    # -- paying what all have signed --------------------------------------------------------------------------------

    def withdraw(self, channel: bytes, state: State, broken: Sequence[str] = ()) -> None:
        """Pay what a state counts as withdrawn."""
        rules = {PHASE: not self._is_open(channel), STALE: state.state.version < self._lowest(channel)}
        unless(rules, broken)
        account = self.accounts[channel]
        self._pay(account, self._due(account, cells_of(account, state.holdings), shares.withdrawable))

    def close(self, channel: bytes, state: State, broken: Sequence[str] = ()) -> None:
        """Pay everybody by a final state, for ever."""
        account = self.accounts.get(channel)
        rules = {PHASE: account is None or account.is_closed, SIGNER: state.state.version != VERSION_FINAL}
        unless(rules, broken)
        assert account is not None
        self._finish(account, cells_of(account, state.holdings), shares.shared_out)

    # -- disputes ---------------------------------------------------------------------------------------------------

    def challenge(
        self, channel: bytes, state: State, challenger: int, now: int, until: int, broken: Sequence[str] = ()
    ) -> None:
        """Show a state; the clock starts."""
        rules = {
            PHASE: not self._is_open(channel),
            EXPIRED: now > until,
            STALE: state.state.version < self._lowest(channel),
        }
        unless(rules, broken)
        account = self.accounts[channel]
        deadline = min(now + account.terms.challenge_period_s, TIME_MAX)
        account.dispute = Dispute(state, deadline, challenger)

    def respond(self, channel: bytes, state: State, now: int, broken: Sequence[str] = ()) -> None:
        """Show a newer state, before the deadline, which stays."""
        account = self.accounts.get(channel)
        dispute = account.dispute if account else None
        rules = {
            PHASE: dispute is None,
            EXPIRED: dispute is not None and now >= dispute.deadline,
            STALE: dispute is not None and state.state.version <= dispute.state.state.version,
        }
        unless(rules, broken)
        assert account is not None
        assert dispute is not None
        account.dispute = Dispute(state, dispute.deadline, dispute.challenger)

    def resume(self, channel: bytes, version: int, deadline: int, broken: Sequence[str] = ()) -> None:
        """Call a dispute off together; nothing below `version` may be shown from now on."""
        account = self.accounts.get(channel)
        dispute = account.dispute if account else None
        rules = {
            PHASE: dispute is None,
            STALE: dispute is not None and version <= dispute.state.state.version,
            SIGNER: dispute is not None and deadline != dispute.deadline,
        }
        unless(rules, broken)
        assert account is not None
        account.lowest, account.dispute = version, None

    def settle(self, channel: bytes, state: State, upto: int, now: int, broken: Sequence[str] = ()) -> None:
        """From the deadline on: resolve the next claims, pay what is free; with the last one pay all, for ever."""
        account = self.accounts.get(channel)
        dispute = account.dispute if account else None
        rules = {
            PHASE: dispute is None,
            NOT_YET: dispute is not None and now < dispute.deadline,
            HASH: dispute is not None and not dispute.is_of(state),
        }
        if account is None or dispute is None:
            unless(rules, broken)
            return
        margin, escrow = dispute.margin or [0] * len(account.deposited), dispute.escrow or [0] * len(account.deposited)
        margin, escrow = list(margin), list(escrow)
        facts = self.facts(account.terms, dispute, now)
        for claim in state.claims[dispute.cursor : upto]:
            try:
                for move in moves(claim, account.terms.settlement, state.mark_time, facts):
                    (escrow if move.is_escrow else margin)[move.seat * account.assets + move.asset] += move.amount
            except Untold as untold:
                rules[str(untold)] = True
        unless(rules, broken)
        cells = cells_of(account, state.holdings, margin, escrow)
        if upto == len(state.claims):
            account.is_settled = True
            self._finish(account, cells, shares.settled if state.claims else shares.shared_out)
            return
        begun = dispute.begun or list(zip(account.deposited, account.withdrawn, strict=True))
        account.dispute = Dispute(
            state, dispute.deadline, dispute.challenger, upto, margin if upto else [], escrow if upto else [], begun
        )
        self._pay(account, self._due(account, cells, shares.released))

    # -- the registries ---------------------------------------------------------------------------------------------

    def reveal(self, images: Sequence[Hash], now: int) -> None:
        """Register preimages; the first time stays."""
        for image in images:
            self.revealed.setdefault(image, now)

    def register(self, key: Key, report: Report, now: int, broken: Sequence[str] = ()) -> None:
        """Register what a quorum has signed; the first report stays."""
        known = self.settlements.get(key, report)
        unless({"oracle: not yet": now < key[2], "oracle: exists already": known != report}, broken)
        self.settlements[key] = report

    def register_mark(self, key: Key, mark: Mark, now: int, broken: Sequence[str] = ()) -> None:
        """Register a mark; a surface that does not hold together is a void, and the first report stays."""
        if not is_valid(mark.slices, mark.time):
            mark = Mark(mark.feed, mark.time, Price(0), is_void=True)
        known = self.marks.get(key, mark)
        unless({"oracle: not yet": now < key[2], "oracle: exists already": known != mark}, broken)
        self.marks[key] = mark

    def collect(self, asset: Address, payee: Address, to: Address, broken: Sequence[str] = ()) -> None:
        """Pay a payee, where he likes, what failed payouts left him."""
        amount = self.money.claimable.get((asset, payee), 0)
        rules = {
            "payments: insufficient balance": not amount,
            "payments: refused": not self.money.arrives(asset, to, amount),
        }
        unless(rules, broken)
        self.money.collect(asset, payee, to)

    def facts(self, terms: Terms, dispute: Dispute, now: int) -> Facts:
        """Return what a dispute's claims are resolved by."""
        leaving = None
        if terms.close_out == CloseOut.MARK:
            leaving = Leaving(-(-dispute.deadline // GRID_S) * GRID_S, dispute.challenger, terms.exit_spread)
        return Facts(
            now,
            dispute.deadline,
            terms.assets,
            self.revealed,
            self.settlements,
            self.marks,
            leaving,
            self.children.share,
        )

    # -- what holds always ------------------------------------------------------------------------------------------

    def owed(self, asset: Address) -> int:
        """Return what open channels and claimables add up to."""
        total = sum(amount for (token, _), amount in self.money.claimable.items() if token == asset)
        for account in self.accounts.values():
            if asset in account.terms.assets and not account.is_closed:
                index = account.terms.assets.index(asset)
                total += sum(account.deposited[index :: account.assets]) - sum(
                    account.withdrawn[index :: account.assets]
                )
        return total

    # -- inside -----------------------------------------------------------------------------------------------------

    def _is_open(self, channel: bytes) -> bool:
        account = self.accounts.get(channel)
        return account is not None and not account.is_closed and account.dispute is None

    def _lowest(self, channel: bytes) -> int:
        return self.accounts[channel].lowest if channel in self.accounts else 0

    @staticmethod
    def _due(account: Account, cells: list[shares.Cell], rule: Rule) -> list[int]:
        due = [0] * len(cells)
        for asset in range(account.assets):
            due[asset :: account.assets] = rule(cells[asset :: account.assets])
        return due

    def _pay(self, account: Account, due: list[int], *, is_lowest_last: bool = False) -> None:
        """Pay cells in order: where a token lost what is held, the last ones wait."""
        first = account.assets if is_lowest_last else 0
        for cell in (*range(first, len(due)), *range(first)):
            seat, asset = divmod(cell, account.assets)
            self.money.pay(account.terms.assets[asset], account.terms.payouts[seat], due[cell])
            account.withdrawn[cell] += due[cell]

    def _finish(self, account: Account, cells: list[shares.Cell], rule: Rule) -> None:
        account.is_closed, account.dispute = True, None
        # whoever gets what is left over is paid with it
        self._pay(account, self._due(account, cells, rule), is_lowest_last=rule is shares.shared_out)
