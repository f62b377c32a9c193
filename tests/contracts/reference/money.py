"""Tokens and payees as they are: the well-behaved, and those that refuse, lie, keep a fee or lose what they hold."""

from collections.abc import Sequence
from typing import Final

import msgspec

from thalweg.units import Address

COVERED: Final = "adjudicator: insufficient balance"
TOKEN: Final = "the token's own refusal, whatever it says"


class Manners(msgspec.Struct):
    """How a token behaves now."""

    blocked: set[bytes] = set()
    fee: int = 0
    is_lying: bool = False
    is_greedy: bool = False


class Money:
    """Balances by asset and owner, `keeper`'s among them, and what failed payouts left for whom."""

    def __init__(self, keeper: Address) -> None:
        self.keeper = keeper
        self.balances: dict[tuple[bytes, bytes], int] = {}
        self.allowances: dict[tuple[bytes, bytes], int] = {}
        self.claimable: dict[tuple[bytes, bytes], int] = {}
        self.manners: dict[bytes, Manners] = {}
        self.refusing: set[bytes] = set()

    def copied(self) -> "Money":
        """Return money that can go its own way from here."""
        twin = Money(self.keeper)
        twin.balances, twin.allowances = dict(self.balances), dict(self.allowances)
        twin.claimable, twin.refusing = dict(self.claimable), set(self.refusing)
        twin.manners = {
            asset: msgspec.structs.replace(one, blocked=set(one.blocked)) for asset, one in self.manners.items()
        }
        return twin

    def of(self, asset: bytes, owner: bytes) -> int:
        """Return a balance."""
        return self.balances.get((asset, owner), 0)

    def manner(self, asset: bytes) -> Manners:
        """Return how a token behaves; the native coin and plain tokens do nothing odd."""
        return self.manners.setdefault(asset, Manners())

    # -- in ---------------------------------------------------------------------------------------------------------

    def obstacles(self, payments: Sequence[tuple[bytes, bytes, int]]) -> dict[str, bool]:
        """Return what may keep payments from arriving: reasons, and whether they hold."""
        wanted: dict[tuple[bytes, bytes], int] = {}
        for asset, payer, amount in payments:
            if any(asset):
                wanted[asset, payer] = wanted.get((asset, payer), 0) + amount
        poor = any(
            min(self.of(asset, payer), self.allowances.get((asset, payer), 0)) < amount
            for (asset, payer), amount in wanted.items()
        )
        odd = any(
            manner.is_lying or manner.is_greedy or self.keeper in manner.blocked
            for manner in (self.manner(asset) for asset, _ in wanted)
        )
        short = any(self.manner(asset).fee for asset, _ in wanted)
        dust = any(amount < self.manner(asset).fee for asset, _, amount in payments if any(asset))
        return {TOKEN: poor or odd or dust, COVERED: short}

    def take(self, payments: Sequence[tuple[bytes, bytes, int]]) -> None:
        """Let payments arrive. The native coin comes with the call, out of a pocket nobody looks at."""
        for asset, payer, amount in payments:
            if any(asset):
                self.balances[asset, payer] = self.of(asset, payer) - amount
                self.allowances[asset, payer] = self.allowances.get((asset, payer), 0) - amount
            self.balances[asset, self.keeper] = self.of(asset, self.keeper) + amount

    # -- out --------------------------------------------------------------------------------------------------------

    def arrives(self, asset: bytes, to: bytes, amount: int) -> bool:
        """Say whether a payout gets to its payee."""
        if amount > self.of(asset, self.keeper):
            return False
        if not any(asset):
            return to not in self.refusing
        manner = self.manner(asset)
        return not (manner.is_lying or manner.is_greedy or to in manner.blocked or amount < manner.fee)

    def pay(self, asset: bytes, payee: bytes, amount: int) -> None:
        """Pay out; what does not get there waits for its payee."""
        if not amount:
            return
        if self.arrives(asset, payee, amount):
            self._send(asset, payee, amount)
        else:
            self.claimable[asset, payee] = self.claimable.get((asset, payee), 0) + amount

    def collect(self, asset: bytes, payee: bytes, to: bytes) -> None:
        """Send on what waited."""
        self._send(asset, to, self.claimable.pop((asset, payee)))

    def _send(self, asset: bytes, to: bytes, amount: int) -> None:
        self.balances[asset, self.keeper] = self.of(asset, self.keeper) - amount
        self.balances[asset, to] = self.of(asset, to) + amount - self.manner(asset).fee
