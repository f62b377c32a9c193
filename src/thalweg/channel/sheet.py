"""The balance sheet: what a channel's state says, in full. `hashes` turns it into what is signed."""

from typing import Annotated

import msgspec

from thalweg.channel.claims import CLAIMS_MAX, Claim
from thalweg.channel.terms import CELLS_MAX, PARTICIPANTS_MAX, Terms
from thalweg.units import Amount, ClaimId, UnixSeconds, WireChannelId, WireHash, WireNumber, WireTime, WireVersion


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

    holdings: Annotated[tuple[Holding, ...], msgspec.Meta(max_length=CELLS_MAX)]
    required: Annotated[tuple[Amount, ...], msgspec.Meta(max_length=PARTICIPANTS_MAX)]
    numbers: Annotated[tuple[WireNumber, ...], msgspec.Meta(max_length=PARTICIPANTS_MAX)]
    claims: Annotated[tuple[Claim, ...], msgspec.Meta(max_length=CLAIMS_MAX)] = ()
    next_claim: ClaimId = ClaimId(1)
    mark_time: WireTime = UnixSeconds(0)


class ChannelState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed. The salted hashes hide the amounts from whoever only keeps or carries the record."""

    channel_id: WireChannelId
    version: WireVersion
    balances_hash: WireHash
    claims_root: WireHash


def empty_sheet(terms: Terms) -> Sheet:
    """Return version 0: nothing counted yet, so everyone is entitled to what he deposited."""
    seats = len(terms.participants)
    return Sheet(
        holdings=(Holding(),) * (seats * len(terms.assets)), required=(Amount(0),) * seats, numbers=(0,) * seats
    )
