"""The three kinds of claim a channel's state may hold, and the condition any of them may carry.

Escrowed claims (`HashLock`, `Subchannel`, a conditional position's premium) have left the balances and pay in full.
Margined claims (`Position`) accumulate at settlement and are capped by what is left.
"""

from typing import Annotated, Final

import msgspec

from thalweg.channel.terms import CELLS_MAX, PARTICIPANTS_MAX
from thalweg.instruments.terms import Instrument
from thalweg.units import (
    Amount,
    ClaimId,
    UnixSeconds,
    WireAddress,
    WireAsset,
    WireChannelId,
    WireHash,
    WireQuantity,
    WireSeat,
    WireTime,
)

CLAIMS_MAX: Final = 256
HASHES_MAX: Final = 8  # of one condition


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Met where the preimage of every hash is registered on chain by `deadline`. No hashes: unconditional."""

    hashes: Annotated[tuple[WireHash, ...], msgspec.Meta(max_length=HASHES_MAX)] = ()
    deadline: WireTime = UnixSeconds(0)


UNCONDITIONAL: Final = Condition()


class HashLock(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """`amount` of one asset: the payee's if the condition is met, else the payer's again."""

    id: ClaimId
    payer: WireSeat
    payee: WireSeat
    asset: WireAsset
    amount: Amount
    condition: Condition


class Position(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A derivative between two participants. At most one unconditional position an instrument and pair.

    `premium` (escrowed, conditional positions only): positive goes from long to short if the condition is met.
    """

    id: ClaimId
    long: WireSeat
    short: WireSeat
    quantity: WireQuantity
    instrument: Instrument
    premium: int = 0
    condition: Condition = UNCONDITIONAL


class Subchannel(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Collateral lent to a child channel, whose outcome `judge`, a contract, fixes once for all its parents.

    `seats[i]` is the child's seat that participant i of this channel plays (or 255: none). `allocations`, participant
    by participant and asset by asset, is what each lent. `opening` and `until` are what the child's nonce binds.
    """

    id: ClaimId
    judge: WireAddress
    child: WireChannelId
    seats: Annotated[tuple[WireSeat, ...], msgspec.Meta(max_length=PARTICIPANTS_MAX)]
    allocations: Annotated[tuple[Amount, ...], msgspec.Meta(max_length=CELLS_MAX)]
    opening: WireHash
    until: WireTime
    condition: Condition = UNCONDITIONAL


Claim = HashLock | Position | Subchannel
