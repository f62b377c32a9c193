"""What must hold in every state, checked in production on each one and by the simulator on each tick."""

from thalweg.channel.claims import Claim, HashLock, Position, Subchannel
from thalweg.channel.sheet import Sheet
from thalweg.channel.state import Channel
from thalweg.errors import InvariantBroken


def check_sheet(sheet: Sheet, assets: int, settlement: int) -> None:
    """Check one sheet: money is conserved, nothing is negative, ids strictly increase.

    Raises:
        InvariantBroken: naming the asset and the figures.
    """
    for asset in range(assets):
        held = sheet.holdings[asset::assets]
        inside = sum(holding.balance + holding.withdrawn for holding in held) + _escrow(
            sheet.claims, asset, assets, settlement
        )
        deposited = sum(holding.deposited for holding in held)
        if inside != deposited:
            raise InvariantBroken(f"asset {asset}: balances, escrow and withdrawn make {inside}, deposited {deposited}")
    if any(not 0 <= holding.free <= holding.balance for holding in sheet.holdings):
        raise InvariantBroken("a balance is negative or less than what is free of it")
    ids = [claim.id for claim in sheet.claims]
    if ids != sorted(set(ids)) or (ids and ids[-1] >= sheet.next_claim):
        raise InvariantBroken("claim ids do not strictly increase")


def _escrow(claims: tuple[Claim, ...], asset: int, assets: int, settlement: int) -> int:
    total = 0
    for claim in claims:
        match claim:
            case HashLock():
                total += claim.amount if claim.asset == asset else 0
            case Subchannel():
                total += sum(claim.allocations[asset::assets])
            case Position():
                total += abs(claim.premium) if asset == settlement else 0
    return total


def check_channel(before: Channel, after: Channel) -> None:
    """Check a step: the agreed version never goes back, and nothing offered is below it.

    Raises:
        InvariantBroken: with the channel's story.
    """
    if after.agreed.version < before.agreed.version:
        raise InvariantBroken(f"agreed version went back: {before!r} -> {after!r}")
    if any(entry.version <= after.agreed.version for entry in after.offered):
        raise InvariantBroken(f"a state below the agreed one is still offered: {after!r}")
