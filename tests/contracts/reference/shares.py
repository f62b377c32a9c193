"""Who gets what, by docs/contracts.md: one column, an asset, at a time, and an entitlement for every cell in it.

base = free + credits + (deposited on chain - counted) + (withdrawn counted - paid on chain)
rest = balance - free, less losses capped by it, plus gains

Accruals that no honest terms come to are cut: a margin at MARGIN_MAX, an escrow and the losses of all at AMOUNT_MAX.
"""

from typing import Final

import msgspec

from thalweg.channel.sheet import Holding

AMOUNT_MAX: Final = 2**128 - 1
MARGIN_MAX: Final = 2**127 - 1


class Cell(msgspec.Struct):
    """One participant's one asset in a settlement: what the state gives it, what the chain counts, what claims did."""

    holding: Holding
    deposited: int
    withdrawn: int
    margin: int = 0
    escrow: int = 0

    @property
    def base(self) -> int:
        """Return what leaves at once; negative where the state counts what never arrived, or paid what it gives."""
        counted = self.holding
        escrow = min(self.escrow, AMOUNT_MAX)
        return counted.free + escrow + (self.deposited - counted.deposited) + (counted.withdrawn - self.withdrawn)

    @property
    def at_risk(self) -> int:
        """Return what claims can take."""
        return max(self.holding.balance - self.holding.free, 0)

    @property
    def loss(self) -> int:
        """Return what claims have taken, which is no more than they can."""
        return min(max(-self.margin, 0), MARGIN_MAX, self.at_risk)

    @property
    def gain(self) -> int:
        """Return what claims have won, if those who lost have as much."""
        return min(max(self.margin, 0), MARGIN_MAX)


def released(column: list[Cell]) -> list[int]:
    """Return what each cell of an asset is paid while claims are left: its base, in order of seats, while it lasts."""
    left = held(column)
    paid = []
    for cell in column:
        paid.append(min(max(cell.base, 0), left))
        left -= paid[-1]
    return paid


def settled(column: list[Cell]) -> list[int]:
    """Return what each cell of an asset is paid where no claim is left; all of the column is paid out."""
    first = released(column)
    left = held(column) - sum(first)
    losses, gains = min(sum(cell.loss for cell in column), AMOUNT_MAX), sum(cell.gain for cell in column)
    second = []
    for cell, paid in zip(column, first, strict=True):
        won = cell.gain if losses >= gains else cell.gain * losses // gains
        owed = cell.base - paid + cell.at_risk - cell.loss + won
        second.append(min(max(owed, 0), left))
        left -= second[-1]
    total = [paid + more for paid, more in zip(first, second, strict=True)]
    return [total[0] + left, *total[1:]]


def shared_out(column: list[Cell]) -> list[int]:
    """Return what each cell is paid by a state without claims: all it is entitled to; a remainder is the first one's.

    Where `free` exceeds the balance, which no honest state says, it counts for nothing here.
    """
    left = held(column)
    paid = []
    for cell in column:
        entitled = cell.holding.balance - cell.holding.free + cell.base
        paid.append(min(max(entitled, 0), left))
        left -= paid[-1]
    return [paid[0] + left, *paid[1:]]


def withdrawable(column: list[Cell]) -> list[int]:
    """Return what each cell is paid by a withdrawal: what the state counts as withdrawn and nobody has paid."""
    left = held(column)
    paid = []
    for cell in column:
        paid.append(min(max(cell.holding.withdrawn - cell.withdrawn, 0), left))
        left -= paid[-1]
    return paid


def held(column: list[Cell]) -> int:
    """Return what the channel has of an asset."""
    return sum(cell.deposited - cell.withdrawn for cell in column)
