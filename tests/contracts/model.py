"""What a settlement must come to, said again in plain Python: the reference that the contracts are held to."""

from collections.abc import Mapping, Sequence

import msgspec

from thalweg.channel.claims import Claim, HashLock, Position
from thalweg.channel.sheet import Holding
from thalweg.instruments.payoff import payoff_amount
from thalweg.units import Hash, Price

Met = frozenset[Hash]  # hashes whose preimages were registered in time


class Cell(msgspec.Struct):
    """One participant's one asset while it is being settled."""

    holding: Holding
    deposited: int
    withdrawn: int
    delta: int = 0
    credit: int = 0
    paid: int = 0

    @property
    def base(self) -> int:
        """Return what leaves at the deadline (negative: the state counts what never arrived)."""
        arrived = self.deposited - self.holding.deposited
        return self.holding.free + self.credit + arrived + self.holding.withdrawn - self.withdrawn

    @property
    def margin(self) -> int:
        """Return what claims can reach."""
        return max(self.holding.balance - self.holding.free, 0)


def settled(
    holdings: Sequence[Holding],
    totals: Sequence[tuple[int, int]],
    claims: Sequence[Claim],
    prices: Mapping[Hash, Price],
    *,
    assets: int = 1,
    settlement: int = 0,
    met: Met = frozenset(),
) -> tuple[int, ...]:
    """Return what every cell is paid once all claims are resolved; `prices` are by feed."""
    cells = [Cell(holding, *total) for holding, total in zip(holdings, totals, strict=True)]
    for claim in claims:
        _apply(claim, cells, prices, assets, settlement, met)
    for asset in range(assets):
        _pay(cells[asset::assets])
    return tuple(cell.paid for cell in cells)


def _apply(
    claim: Claim, cells: list[Cell], prices: Mapping[Hash, Price], assets: int, settlement: int, met: Met
) -> None:
    is_met = all(one in met for one in claim.condition.hashes)
    match claim:
        case HashLock():
            seat = claim.payee if is_met else claim.payer
            cells[seat * assets + claim.asset].credit += claim.amount
        case Position():
            long, short = cells[claim.long * assets + settlement], cells[claim.short * assets + settlement]
            payer, payee = (long, short) if claim.premium > 0 else (short, long)
            (payee if is_met else payer).credit += abs(claim.premium)
            if is_met:
                amount = payoff_amount(claim.instrument, claim.quantity, prices[claim.instrument.feed])
                long.delta += amount
                short.delta -= amount
        case _:
            raise NotImplementedError(type(claim))


def _pay(column: list[Cell]) -> None:
    left = sum(cell.deposited - cell.withdrawn for cell in column)
    for cell in column:
        cell.paid = min(max(cell.base, 0), left)
        left -= cell.paid
    lost = sum(min(max(-cell.delta, 0), cell.margin) for cell in column)
    gained = sum(max(cell.delta, 0) for cell in column)
    for cell in column:
        loss = min(max(-cell.delta, 0), cell.margin)
        gain = max(cell.delta, 0) * lost // gained if gained else 0
        rest = min(max(cell.base - cell.paid + cell.margin - loss + gain, 0), left)
        cell.paid += rest
        left -= rest
    column[0].paid += left
