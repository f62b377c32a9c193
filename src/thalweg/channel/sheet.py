"""The balance sheet: what a channel's state says, in full. `hashes` turns it into what is signed."""

import msgspec

from thalweg.channel.claims import Claim
from thalweg.channel.terms import Terms
from thalweg.units import Amount, ChannelId, ClaimId, Hash, UnixSeconds, Version


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One participant's money in one asset.

    `balance` is his if nothing more happens; `free` <= balance is the part no claim can ever reach; `deposited` and
    `withdrawn` are the cumulative totals this state has counted (the chain keeps the same two).
    """

    balance: Amount = Amount(0)
    free: Amount = Amount(0)
    deposited: Amount = Amount(0)
    withdrawn: Amount = Amount(0)


class Sheet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Holdings by participant and asset (`holdings[seat * assets + asset]`), claims by strictly increasing id.

    `next_claim` numbers the next claim; ids are never used twice in a channel. `mark_time` is the oracle tick that
    collateral was computed on; it never goes back. Two members are bookkeeping and not signed: `required`, each
    participant's collateral (derived from the claims), and `numbers`, each author's last operation included.
    """

    holdings: tuple[Holding, ...]
    required: tuple[Amount, ...]
    numbers: tuple[int, ...]
    claims: tuple[Claim, ...] = ()
    next_claim: ClaimId = ClaimId(1)
    mark_time: UnixSeconds = UnixSeconds(0)


class ChannelState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed. The salted hashes hide the amounts from whoever only keeps or carries the record."""

    channel_id: ChannelId
    version: Version
    balances_hash: Hash
    claims_root: Hash


def empty_sheet(terms: Terms) -> Sheet:
    """Return version 0: nothing counted yet, so everyone is entitled to what he deposited."""
    seats = len(terms.participants)
    return Sheet(
        holdings=(Holding(),) * (seats * len(terms.assets)), required=(Amount(0),) * seats, numbers=(0,) * seats
    )
