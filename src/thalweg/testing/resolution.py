"""What claims come to and who is due what: the model of `resolution.vy` and `shares.vy`, in unbounded integers."""

from typing import Final

import msgspec

from thalweg.channel.claims import Claim, Position
from thalweg.channel.onchain import Progress
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import Terms
from thalweg.errors import Reason
from thalweg.instruments.payoff import payoff_amount
from thalweg.instruments.report import GRID_S
from thalweg.units import Address, Amount, Hash, Price, UnixSeconds, mul_div_down

VOIDS_MAX: Final = 60  # void reports walked over, each one grid point on


class Report(msgspec.Struct, frozen=True):
    """What an oracle contract keeps of one settlement."""

    price: Price
    is_void: bool


class Move(msgspec.Struct, frozen=True):
    """A margined claim's outcome: `amount` goes from short to long; negative: the other way."""

    long: int
    short: int
    amount: int


Reports = dict[tuple[Address, Hash, UnixSeconds], Report]


def outcome(claim: Claim, reports: Reports) -> Move | Reason:
    """Return what a claim comes to, or why nobody can tell yet. Only unconditional positions exist so far."""
    if not isinstance(claim, Position) or claim.condition.hashes or claim.premium:
        return Reason.UNKNOWN_CLAIM
    terms = claim.instrument
    price = settlement_price(reports, terms.oracle, terms.feed, terms.expiry)
    if price is None:
        return Reason.NO_REPORT
    return Move(claim.long, claim.short, payoff_amount(terms, claim.quantity, price))


def settlement_price(reports: Reports, oracle: Address, feed: Hash, expiry: UnixSeconds) -> Price | None:
    """Return the price an expiry settles at: a void report moves on to the next grid point."""
    for step in range(VOIDS_MAX):
        report = reports.get((oracle, feed, UnixSeconds(expiry + step * GRID_S)))
        if report is None:
            return None
        if not report.is_void:
            return report.price
    return None


def amount_due(
    terms: Terms,
    deposited: tuple[Amount, ...],
    withdrawn: tuple[Amount, ...],
    holdings: tuple[Holding, ...],
    progress: Progress,
    *,
    is_last: bool,
) -> list[int]:
    """Return what every cell is paid now: what no claim can reach and, with the last claim, the rest.

    base = free + escrow + (deposited on chain - counted) + (withdrawn counted - paid)
    rest = balance - free, less losses capped by it, plus gains; gains are cut pro rata where losses fall short.
    """
    cells = len(deposited)
    assets = len(terms.assets)
    deltas = progress.deltas or (0,) * cells
    escrow = progress.escrow or (0,) * cells
    due = [0] * cells
    for asset in range(assets):
        column = range(asset, cells, assets)
        left = sum(deposited[cell] - withdrawn[cell] for cell in column)
        owed = {}
        for cell in column:
            holding = holdings[cell]
            uncounted, unpaid = deposited[cell] - holding.deposited, holding.withdrawn - withdrawn[cell]
            base = holding.free + escrow[cell] + uncounted + unpaid
            due[cell] = min(max(base, 0), left)
            left -= due[cell]
            owed[cell] = base - due[cell]
        if not is_last or left == 0:
            continue
        for cell, rest in _rest(column, holdings, deltas).items():
            paid = min(max(owed[cell] + rest, 0), left)
            due[cell] += paid
            left -= paid
        due[asset] += left
    return due


def _rest(column: range, holdings: tuple[Holding, ...], deltas: tuple[int, ...]) -> dict[int, int]:
    margins = {cell: max(holdings[cell].balance - holdings[cell].free, 0) for cell in column}
    losses = {cell: min(max(-deltas[cell], 0), margins[cell]) for cell in column}
    gains = {cell: max(deltas[cell], 0) for cell in column}
    lost, gained = sum(losses.values()), sum(gains.values())
    if lost < gained:
        gains = {cell: mul_div_down(gain, lost, gained) for cell, gain in gains.items()}
    return {cell: margins[cell] - losses[cell] + gains[cell] for cell in column}
