"""What must be true of a world at every moment, and what everybody must be paid in the end. DESIGN.md section 5."""

from functools import lru_cache
from typing import Final

from thalweg.channel.claims import Claim, Position
from thalweg.channel.sheet import Sheet
from thalweg.channel.state import Channel, Offered
from thalweg.channel.terms import Terms
from thalweg.errors import InvariantBroken
from thalweg.instruments.payoff import payoff_amount
from thalweg.instruments.terms import Payoff, unknot
from thalweg.testing.ledger import Account, Ledger
from thalweg.testing.participant import Participant
from thalweg.testing.resolution import settlement_price
from thalweg.units import PRICE_MAX, ChannelId, Hash, Price, UnixSeconds, Version

REACTION_S: Final = 600  # within so long after a challenge an honest node has answered it, whatever befell it


class Watchdog:
    """Remembers what was true, so that it can tell what must not have changed.

    Raises InvariantBroken: everywhere.
    """

    def __init__(self) -> None:
        self._agreed: dict[tuple[str, ChannelId], Version] = {}
        self._digests: dict[tuple[ChannelId, Version], Hash] = {}
        self._floors: dict[ChannelId, tuple[UnixSeconds, Version]] = {}
        self.sheets: dict[tuple[ChannelId, Version], Sheet] = {}
        self.restored: set[str] = set()

    def forget(self, participant: Participant) -> None:
        """Expect nothing of what a node knew: it lost its disk."""
        self.restored.add(participant.name)
        for key in [key for key in self._agreed if key[0] == participant.name]:
            del self._agreed[key]

    # --- nodes ------------------------------------------------------------------------------------------------------

    def look_at(self, participant: Participant, final: Ledger) -> None:
        """Check every channel of a node; `final` is what no reorganisation can take back."""
        if not participant.is_honest:
            return
        for channel in participant.channels.values():
            key = (participant.name, channel.id)
            if self._agreed.get(key) != channel.agreed.version:
                self._check_agreed(participant, channel)
                check_counted(channel, final)
                self._agreed[key] = channel.agreed.version

    def _check_agreed(self, participant: Participant, channel: Channel) -> None:
        before = self._agreed.get((participant.name, channel.id), Version(0))
        agreed = channel.agreed
        if agreed.version < before:
            raise InvariantBroken(f"{participant.name} went back from version {before}: {channel!r}")
        root = Hash(agreed.state.balances_hash + agreed.state.claims_root)
        known = self._digests.get((channel.id, agreed.version))
        if known == root:
            return
        if known is not None:
            raise InvariantBroken(f"two histories: {participant.name} holds another version {agreed.version}")
        self._digests[channel.id, agreed.version] = root
        self.sheets[channel.id, agreed.version] = agreed.sheet
        check_money(agreed.sheet, channel.terms)
        check_cover(agreed.sheet, channel.terms)

    def note(self, channel_id: ChannelId, entry: Offered) -> None:
        """Remember what an honest node is about to sign: any of it may become the truth.

        A version that two honest nodes were shown differently can never be complete.
        """
        self.sheets.setdefault((channel_id, entry.version), entry.sheet)

    # --- the chain --------------------------------------------------------------------------------------------------

    def look_at_ledger(self, head: Ledger, participants: list[Participant], now: UnixSeconds) -> None:
        """Note what a dispute may not end below: what honest nodes held agreed early enough to show it."""
        for channel_id, account in head.accounts.items():
            if account.contest is None:
                if not account.is_closed:
                    self._floors.pop(channel_id, None)
            elif now <= account.contest.deadline - REACTION_S:
                held = [
                    channel.agreed.version
                    for participant in participants
                    if participant.is_honest and (channel := participant.channels.get(channel_id)) is not None
                ]
                deadline, floor = self._floors.get(channel_id, (account.contest.deadline, Version(0)))
                if deadline != account.contest.deadline:
                    floor = Version(0)
                self._floors[channel_id] = (account.contest.deadline, max([floor, *held]))

    def check_closed(self, ledger: Ledger, channel_id: ChannelId) -> None:
        """Check that everybody was paid exactly what the state the channel ended with says."""
        account = ledger.accounts[channel_id]
        version = account.closed_with
        _, floor = self._floors.get(channel_id, (0, Version(0)))
        if version < floor:
            raise InvariantBroken(f"settled at version {version}; an honest node held {floor}")
        expected = entitlement(ledger, account, self.sheets.get((channel_id, version)))
        if expected != list(account.withdrawn):
            raise InvariantBroken(f"version {version} entitles to {expected}, paid was {account.withdrawn}")


def entitlement(ledger: Ledger, account: Account, sheet: Sheet | None) -> list[int]:
    """Return, by cell, all that a fully collateralised channel owes over its life if it ends with `sheet`.

    One line a participant: balance + withdrawn + deposits not counted + payoffs. None: version 0.
    """
    if sheet is None:
        if account.closed_with != 0:
            raise InvariantBroken(f"the channel ended with version {account.closed_with}, which no honest node saw")
        return list(account.deposited)
    assets = len(account.terms.assets)
    due = [
        holding.balance + holding.withdrawn + deposited - holding.deposited
        for holding, deposited in zip(sheet.holdings, account.deposited, strict=True)
    ]
    for claim in sheet.claims:
        if not isinstance(claim, Position):
            raise InvariantBroken(f"{claim!r} is in a state, but nothing can add it yet")
        terms = claim.instrument
        price = settlement_price(ledger.reports, terms.oracle, terms.feed, terms.expiry)
        if price is None:
            raise InvariantBroken("a channel closed with a position whose price nobody knows")
        amount = payoff_amount(terms, claim.quantity, price)
        due[claim.long * assets + account.terms.settlement] += amount
        due[claim.short * assets + account.terms.settlement] -= amount
    return due


def check_money(sheet: Sheet, terms: Terms) -> None:
    """Check that a sheet's money is conserved, asset by asset, and nothing in it is negative."""
    assets = len(terms.assets)
    for asset in range(assets):
        column = sheet.holdings[asset::assets]
        inside = sum(holding.balance + holding.withdrawn for holding in column)
        if inside != sum(holding.deposited for holding in column):
            raise InvariantBroken(f"asset {asset} is not conserved: {column}")
        if any(min(holding.balance, holding.free, holding.balance - holding.free) < 0 for holding in column):
            raise InvariantBroken(f"a holding is negative, or more of it free than there is: {column}")


def check_counted(channel: Channel, final: Ledger) -> None:
    """Check that nobody counts another's deposit before it is final."""
    account = final.accounts.get(channel.id)
    for cell, holding in enumerate(channel.agreed.sheet.holdings):
        there = account.deposited[cell] if account else 0
        if cell // len(channel.terms.assets) != channel.seat and holding.deposited > there:
            raise InvariantBroken(f"{channel!r} counts a deposit of {holding.deposited}; {there} is final")


def check_cover(sheet: Sheet, terms: Terms) -> None:
    """Check that nobody can lose more than he has, at any price a payoff turns at."""
    losses = _worst_losses(sheet.claims, len(terms.participants))
    for seat, loss in enumerate(losses):
        holding = sheet.holdings[seat * len(terms.assets) + terms.settlement]
        if holding.balance - loss < holding.free:
            raise InvariantBroken(f"seat {seat} is not covered: {holding}, at worst it loses {loss}")


@lru_cache(maxsize=256)
def _worst_losses(claims: tuple[Claim, ...], seats: int) -> tuple[int, ...]:
    """Return what each seat can lose at the worst price of each expiry, added up. A straightforward search."""
    groups: dict[UnixSeconds, list[Position]] = {}
    for claim in claims:
        if isinstance(claim, Position):
            groups.setdefault(claim.instrument.expiry, []).append(claim)
    losses = [0] * seats
    for positions in groups.values():
        worst = [0] * seats
        for price in _turning_points(positions):
            outcomes = [0] * seats
            for position in positions:
                amount = payoff_amount(position.instrument, position.quantity, price)
                outcomes[position.long] += amount
                outcomes[position.short] -= amount
            worst = list(map(min, worst, outcomes))
        losses = [loss - outcome for loss, outcome in zip(losses, worst, strict=True)]
    return tuple(losses)


def _turning_points(positions: list[Position]) -> set[Price]:
    prices = {Price(0), PRICE_MAX}
    for position in positions:
        knots = position.instrument.knots
        is_curve = position.instrument.payoff == Payoff.CURVE
        prices.update(unknot(packed)[0] if is_curve else Price(packed) for packed in knots)
    return prices


def check_tokens(ledger: Ledger, supply: dict[bytes, int]) -> None:
    """Check that no token was made or lost, and that the contract holds what its channels have not paid out."""
    held: dict[bytes, int] = {}
    owed: dict[bytes, int] = {}
    for (asset, owner), amount in ledger.tokens.items():
        held[asset] = held.get(asset, 0) + amount
        if owner == ledger.contract:
            owed[asset] = owed.get(asset, 0) + amount
    if held != supply:
        raise InvariantBroken(f"tokens {held}, supplied were {supply}")
    for account in ledger.accounts.values():
        for cell, (deposited, withdrawn) in enumerate(zip(account.deposited, account.withdrawn, strict=True)):
            owed[account.terms.assets[cell % len(account.terms.assets)]] -= deposited - withdrawn
        if account.is_closed and account.deposited and sum(account.deposited) != sum(account.withdrawn):
            raise InvariantBroken("a closed channel has not paid out all it held")
    if any(owed.values()):
        raise InvariantBroken(f"the contract holds {owed} more than its channels do")
