"""What the model keeps of a channel, with deposits or without, and how it refuses a call: by all rules it breaks."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from tests.contracts.reference import shares
from tests.contracts.scene import State

from thalweg.channel.sheet import Holding
from thalweg.channel.terms import Terms

DEPOSIT_MAX: Final = 2**124 - 1
TIME_MAX: Final = 2**32 - 1
PHASE, HASH, SIGNER, STALE, EXPIRED, NOT_YET, MALFORMED, RANGE = (
    f"adjudicator: {reason}"
    for reason in (
        "wrong phase", "wrong hash", "wrong signer", "stale version", "expired", "not yet", "malformed",
        "amount overflows",
    )
)  # fmt: skip


Rule = Callable[[list[shares.Cell]], list[int]]


class Refused(Exception):
    """The call breaks rules; nothing happens."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = tuple(reasons)


class Dispute(msgspec.Struct):
    """A state shown and not yet settled. `begun` is what the totals were when its settlement began."""

    state: State
    deadline: int
    challenger: int
    cursor: int = 0
    margin: list[int] = []
    escrow: list[int] = []
    begun: list[tuple[int, int]] | None = None

    def is_of(self, state: State) -> bool:
        """Say whether a state is the one shown, as far as settling reads it: its version is of the word, not shown."""
        kept, said = self.state.state, state.state
        return (kept.balances_hash, kept.claims_root) == (said.balances_hash, said.claims_root)


class Account(msgspec.Struct):
    """One channel: what was deposited and paid in each cell, and the lowest version that may be shown."""

    terms: Terms
    deposited: list[int]
    withdrawn: list[int]
    lowest: int = 0
    is_closed: bool = False
    is_settled: bool = False  # closed, and by a dispute's claims
    dispute: Dispute | None = None

    @property
    def assets(self) -> int:
        """Return how many assets it has."""
        return len(self.terms.assets)


def cells_of(
    account: Account, holdings: Sequence[Holding], margin: Sequence[int] = (), escrow: Sequence[int] = ()
) -> list[shares.Cell]:
    none = [0] * len(holdings)
    columns = zip(holdings, account.deposited, account.withdrawn, margin or none, escrow or none, strict=True)
    return [shares.Cell(*column) for column in columns]


def unless(rules: dict[str, bool], broken: Sequence[str]) -> None:
    reasons = [*(reason for reason, is_broken in rules.items() if is_broken), *broken]
    if reasons:
        raise Refused(reasons)
