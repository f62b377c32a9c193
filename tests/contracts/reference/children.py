"""Child channels as rules on values: no money, disputes like a channel's, one outcome that every parent mirrors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from tests.contracts.reference import shares
from tests.contracts.reference.accounts import (
    EXPIRED,
    HASH,
    NOT_YET,
    PHASE,
    SIGNER,
    STALE,
    TIME_MAX,
    Account,
    Dispute,
    cells_of,
    unless,
)
from tests.contracts.reference.outcomes import CHILD_GRACE_S, DECIDED, GRID_S, Facts, Leaving, Untold, moves
from tests.contracts.scene import State

from thalweg.chain.children import Child
from thalweg.channel.terms import CloseOut
from thalweg.units import VERSION_FINAL

if TYPE_CHECKING:
    from tests.contracts.reference.chain import Chain

STUCK_S: Final = 90 * 86_400
HIDDEN_S: Final = 365 * 86_400
_NOBODY: Final = 255


class Children:
    """All children of a chain: those that were ever disputed have an account, those decided an outcome, by cell."""

    def __init__(self, chain: "Chain") -> None:
        self._chain = chain
        self.accounts: dict[bytes, Account] = {}
        self.outcomes: dict[bytes, list[int]] = {}

    def copied(self, chain: "Chain") -> "Children":
        """Return children that can go their own way from here, on another chain."""
        twin = Children(chain)
        twin.accounts = {name: msgspec.structs.replace(one) for name, one in self.accounts.items()}
        twin.outcomes = dict(self.outcomes)
        return twin

    def dispute(self, child: Child) -> Dispute | None:
        """Return a child's dispute."""
        account = self.accounts.get(child.id)
        return account.dispute if account else None

    def share(self, child: bytes, asset: bytes, seat: int) -> tuple[int, int]:
        """Return where a child is (0 not disputed, 1 in dispute, 2 decided), and what a seat has of an asset."""
        account = self.accounts.get(child)
        if account is None or (account.dispute is None and not account.is_closed):
            return 0, 0
        if not account.is_closed:
            return 1, 0
        assets = account.terms.assets
        if asset not in assets or seat >= len(account.terms.participants):
            return DECIDED, 0
        return DECIDED, self.outcomes[child][seat * len(assets) + [bytes(one) for one in assets].index(asset)]

    # -- disputes ---------------------------------------------------------------------------------------------------

    def challenge(self, child: Child, state: State, parent: bytes, now: int, broken: Sequence[str] = ()) -> None:
        """Show a state of a child: while a parent is in dispute or, once `until` has passed, for a month."""
        account = self.accounts.get(child.id)
        lender = self._chain.accounts.get(parent)
        is_started = now > child.until or (lender is not None and lender.dispute is not None)
        rules = {
            PHASE: (account is not None and (account.is_closed or account.dispute is not None)) or not is_started,
            EXPIRED: now > child.until + CHILD_GRACE_S,
            STALE: account is not None and state.state.version < account.lowest,
        }
        unless(rules, broken)
        if account is None:
            account = Account(child.terms, list(child.amounts), [0] * len(child.amounts))
            self.accounts[child.id] = account
        deadline = min(now + child.terms.challenge_period_s, TIME_MAX)
        account.dispute = Dispute(state, deadline, _NOBODY)

    def respond(self, child: Child, state: State, now: int, broken: Sequence[str] = ()) -> None:
        """Show a newer state, before the deadline, which stays."""
        dispute = self.dispute(child)
        rules = {
            PHASE: dispute is None,
            EXPIRED: dispute is not None and now >= dispute.deadline,
            STALE: dispute is not None and state.state.version <= dispute.state.state.version,
        }
        unless(rules, broken)
        assert dispute is not None
        self.accounts[child.id].dispute = Dispute(state, dispute.deadline, _NOBODY)

    def resume(self, child: Child, version: int, deadline: int, broken: Sequence[str] = ()) -> None:
        """Call a dispute off together; nothing below `version` may be shown from now on."""
        dispute = self.dispute(child)
        rules = {
            PHASE: dispute is None,
            STALE: dispute is not None and version <= dispute.state.state.version,
            SIGNER: dispute is not None and deadline != dispute.deadline,
        }
        unless(rules, broken)
        account = self.accounts[child.id]
        account.lowest, account.dispute = version, None

    # -- outcomes ---------------------------------------------------------------------------------------------------

    def close(self, child: Child, state: State, broken: Sequence[str] = ()) -> None:
        """Decide a child in dispute by a final state."""
        rules = {PHASE: self.dispute(child) is None, SIGNER: state.state.version != VERSION_FINAL}
        unless(rules, broken)
        self._decide(child, state, (), ())

    def settle(self, child: Child, state: State, upto: int, now: int, broken: Sequence[str] = ()) -> None:
        """From the deadline on: resolve the next claims; with the last one the child is decided."""
        dispute = self.dispute(child)
        rules = {
            PHASE: dispute is None,
            NOT_YET: dispute is not None and now < dispute.deadline,
            HASH: dispute is not None and not dispute.is_of(state),
        }
        if dispute is None:
            unless(rules, broken)
            return
        margin, escrow = (list(one or [0] * len(child.amounts)) for one in (dispute.margin, dispute.escrow))
        width = len(child.terms.assets)
        for claim in state.claims[dispute.cursor : upto]:
            try:
                for move in moves(claim, child.terms.settlement, state.mark_time, self._facts(child, dispute, now)):
                    (escrow if move.is_escrow else margin)[move.seat * width + move.asset] += move.amount
            except Untold as untold:
                rules[str(untold)] = True
        unless(rules, broken)
        if upto == len(state.claims):
            self._decide(child, state, margin, escrow)
            return
        walked = (margin, escrow) if upto else ([], [])
        self.accounts[child.id].dispute = Dispute(state, dispute.deadline, _NOBODY, upto, *walked)

    def call_off(self, child: Child, state: State, now: int, broken: Sequence[str] = ()) -> None:
        """Decide a child that nobody settled for three months, a year where it has no claims: it ends as it began."""
        dispute, patience = self.dispute(child), STUCK_S if state.claims else HIDDEN_S
        rules = {
            PHASE: dispute is None,
            NOT_YET: dispute is not None and now <= max(dispute.deadline, child.until) + patience,
            HASH: dispute is not None and not dispute.is_of(state),
        }
        unless(rules, broken)
        self._closed(child, list(child.amounts))

    # -- inside -----------------------------------------------------------------------------------------------------

    def _facts(self, child: Child, dispute: Dispute, now: int) -> Facts:
        """Return what a child's claims are resolved by: what lives at `until` by the mark there, without a spread."""
        end = child.until
        if child.terms.close_out == CloseOut.MARK:
            end = min(end, dispute.deadline)  # type: ignore[assignment]
        leaving = Leaving(-(-end // GRID_S) * GRID_S, _NOBODY, 0)
        chain = self._chain
        return Facts(
            now, dispute.deadline, child.terms.assets, chain.revealed, chain.settlements, chain.marks, leaving, None
        )

    def _decide(self, child: Child, state: State, margin: Sequence[int], escrow: Sequence[int]) -> None:
        cells, width = cells_of(self.accounts[child.id], state.holdings, margin, escrow), len(child.terms.assets)
        due = [0] * len(cells)
        for asset in range(width):
            due[asset::width] = shares.settled(cells[asset::width])
        self._closed(child, due)

    def _closed(self, child: Child, due: list[int]) -> None:
        account = self.accounts[child.id]
        account.is_closed, account.dispute = True, None
        self.outcomes[child.id] = due
