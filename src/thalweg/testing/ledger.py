"""What the simulated chain keeps: channels, tokens, reports. Values; every change is a new ledger."""

from typing import NoReturn

import msgspec

from thalweg.channel.onchain import Progress
from thalweg.channel.terms import Terms
from thalweg.errors import Reason
from thalweg.testing.resolution import Report
from thalweg.units import Address, Amount, ChannelId, Hash, Seat, UnixSeconds, Version


class Reverted(Exception):
    """The call fails and changes nothing."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


def revert(reason: Reason, detail: str = "") -> NoReturn:
    """Fail the call."""
    raise Reverted(reason, detail)


class Contest(msgspec.Struct, frozen=True):
    """A dispute as the contract keeps it: what was shown is known by its hashes."""

    deadline: UnixSeconds
    version: Version
    challenger: Seat
    balances_hash: Hash
    claims_root: Hash
    progress: Progress = Progress()


class Account(msgspec.Struct, frozen=True):
    """One channel's two words, with the totals they bind in full; `closed_with` is the version it ended with."""

    terms: Terms
    deposited: tuple[Amount, ...]
    withdrawn: tuple[Amount, ...]
    is_closed: bool = False
    closed_with: Version = Version(0)
    contest: Contest | None = None


class Quorum(msgspec.Struct, frozen=True):
    """An oracle contract: who signs, and how many must."""

    signers: tuple[Address, ...]
    threshold: int


class Ledger(msgspec.Struct, frozen=True):
    """Everything on the chain that matters here: channels, token balances by (asset, owner), reports, oracles."""

    chain_id: int
    contract: Address
    separator: Hash
    accounts: dict[ChannelId, Account] = {}
    tokens: dict[tuple[Address, Address], int] = {}
    reports: dict[tuple[Address, Hash, UnixSeconds], Report] = {}
    oracles: dict[Address, Quorum] = {}


def with_account(ledger: Ledger, channel_id: ChannelId, account: Account) -> Ledger:
    """Return the ledger with one channel changed."""
    return msgspec.structs.replace(ledger, accounts={**ledger.accounts, channel_id: account})


def moved(ledger: Ledger, moves: list[tuple[Address, Address, int]]) -> Ledger:
    """Move tokens between the contract and owners: positive amounts out of it, negative ones in."""
    tokens = dict(ledger.tokens)
    for asset, owner, amount in moves:
        tokens[asset, owner] = tokens.get((asset, owner), 0) + amount
        tokens[asset, ledger.contract] = tokens.get((asset, ledger.contract), 0) - amount
        if tokens[asset, owner] < 0 or tokens[asset, ledger.contract] < 0:
            revert(Reason.INSUFFICIENT)
    return msgspec.structs.replace(ledger, tokens=tokens)
