"""What a state with nothing but positions in one asset comes to, once all of them are priced."""

from collections.abc import Mapping, Sequence

from tests.contracts.reference import shares
from tests.contracts.reference.outcomes import payoff

from thalweg.channel.claims import Claim, Position
from thalweg.channel.sheet import Holding
from thalweg.units import Hash, Price


def settled(
    holdings: Sequence[Holding],
    totals: Sequence[tuple[int, int]],
    claims: Sequence[Claim],
    prices: Mapping[Hash, Price],
) -> tuple[int, ...]:
    """Return what every seat is paid; `totals` are what was deposited and withdrawn, `prices` are by feed."""
    cells = [shares.Cell(holding, *total) for holding, total in zip(holdings, totals, strict=True)]
    for claim in claims:
        assert isinstance(claim, Position)
        amount = payoff(claim.instrument, claim.quantity, prices[claim.instrument.feed])
        cells[claim.long].margin += amount
        cells[claim.short].margin -= amount
    return tuple(shares.settled(cells))
