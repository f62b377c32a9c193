"""What participants say to each other about a channel. JSON, one struct a message; unknown fields are ignored.

What is signed inside (terms, operations, reports) allows no unknown field. Signatures over states are the only thing
that commits; everything else may be lost, and is said again after a reconnect.

Decoding checks every length and range but those of amounts, which do not fit into a machine word: `draft` checks them.
"""

from typing import Annotated, Final

import msgspec

from thalweg.channel.onchain import Pull
from thalweg.channel.operations import AnyOperation, Offer
from thalweg.channel.sheet import ChannelState, Sheet
from thalweg.channel.terms import ASSETS_MAX, CELLS_MAX, PARTICIPANTS_MAX, Terms
from thalweg.errors import Reason
from thalweg.units import (
    Amount,
    WireAddress,
    WireChannelId,
    WireHash,
    WireNumber,
    WirePeer,
    WireSeat,
    WireSignature,
    WireTime,
    WireVersion,
)

WIRE_VERSION: Final = 1
OPERATIONS_MAX: Final = 4096  # of one message, so of one state
DETAIL_MAX: Final = 500  # characters of an explanation
FEATURES_MAX: Final = 16
FEATURE_MAX: Final = 64  # characters of a feature's name

_Detail = Annotated[str, msgspec.Meta(max_length=DETAIL_MAX)]
_Feature = Annotated[str, msgspec.Meta(max_length=FEATURE_MAX)]
_Operations = Annotated[tuple[AnyOperation, ...], msgspec.Meta(max_length=OPERATIONS_MAX)]


class Hello(msgspec.Struct, frozen=True, tag=True):
    """First on every link. `binding` is the channel key's signature over the sender's PeerId."""

    wire_version: WireNumber
    required: Annotated[tuple[_Feature, ...], msgspec.Meta(max_length=FEATURES_MAX)]
    chain_id: int
    contract: WireAddress
    address: WireAddress
    payout: WireAddress
    payer: WireAddress
    binding: WireSignature


class Goodbye(msgspec.Struct, frozen=True, tag=True):
    """Why the sender drops the link."""

    reason: Reason
    detail: _Detail = ""


class ChannelProposed(msgspec.Struct, frozen=True, tag=True):
    """Open a channel with me: terms, who funds what, and the secret that salts our hashes."""

    terms: Terms
    amounts: Annotated[tuple[Amount, ...], msgspec.Meta(max_length=CELLS_MAX)]
    payers: Annotated[tuple[WireAddress, ...], msgspec.Meta(max_length=PARTICIPANTS_MAX)]
    peers: Annotated[tuple[WirePeer, ...], msgspec.Meta(max_length=PARTICIPANTS_MAX)]  # PeerIds by seat
    deadline: WireTime
    secret: WireHash


class ChannelAccepted(msgspec.Struct, frozen=True, tag=True):
    """My payer's signature over the opening, and how my tokens may be taken."""

    channel_id: WireChannelId
    signature: WireSignature
    pulls: Annotated[tuple[Pull, ...], msgspec.Meta(max_length=ASSETS_MAX)]


class ChannelDeclined(msgspec.Struct, frozen=True, tag=True):
    """No."""

    channel_id: WireChannelId
    reason: Reason
    detail: _Detail = ""


class OperationsSent(msgspec.Struct, frozen=True, tag=True):
    """To the sequencer: please include these, in order."""

    channel_id: WireChannelId
    operations: _Operations


class OperationRefused(msgspec.Struct, frozen=True, tag=True):
    """From the sequencer, signed: this operation is not included, and why."""

    channel_id: WireChannelId
    author: WireSeat
    number: WireNumber
    reason: Reason
    detail: _Detail
    signature: WireSignature


class StateProposed(msgspec.Struct, frozen=True, tag=True):
    """From the sequencer: version `version` is version `base` with these operations; here is my signature."""

    channel_id: WireChannelId
    version: WireVersion
    base: WireVersion
    mark_time: WireTime
    operations: _Operations
    balances_hash: WireHash
    claims_root: WireHash
    signature: WireSignature


class StateCountersigned(msgspec.Struct, frozen=True, tag=True):
    """To everyone: my signature on `version`, which acknowledges all below it."""

    channel_id: WireChannelId
    version: WireVersion
    signature: WireSignature


class StateRefused(msgspec.Struct, frozen=True, tag=True):
    """I do not sign `version`; `operation` is the index of the one at fault, or -1."""

    channel_id: WireChannelId
    version: WireVersion
    operation: Annotated[int, msgspec.Meta(ge=-1, lt=OPERATIONS_MAX)]
    reason: Reason
    detail: _Detail = ""


class OfferMade(msgspec.Struct, frozen=True, tag=True):
    """Trade this with me."""

    channel_id: WireChannelId
    offer: Offer


class OfferDeclined(msgspec.Struct, frozen=True, tag=True):
    """I do not take your offer."""

    channel_id: WireChannelId
    offer: WireHash
    reason: Reason
    detail: _Detail = ""


class Synced(msgspec.Struct, frozen=True, tag=True):
    """After a reconnect: where I stand. `recovering` asks to be shown the newest agreed state."""

    channel_id: WireChannelId
    agreed: WireVersion
    agreed_digest: WireHash
    signed: WireVersion
    recovering: bool = False


class StateShown(msgspec.Struct, frozen=True, tag=True):
    """A whole agreed state with every signature, for one who lost his."""

    channel_id: WireChannelId
    state: ChannelState
    sheet: Sheet
    signatures: Annotated[tuple[WireSignature, ...], msgspec.Meta(max_length=PARTICIPANTS_MAX)]


Message = (
    Hello
    | Goodbye
    | ChannelProposed
    | ChannelAccepted
    | ChannelDeclined
    | OperationsSent
    | OperationRefused
    | StateProposed
    | StateCountersigned
    | StateRefused
    | OfferMade
    | OfferDeclined
    | Synced
    | StateShown
)
ChannelMessage = (
    OperationsSent
    | OperationRefused
    | StateProposed
    | StateCountersigned
    | StateRefused
    | OfferMade
    | OfferDeclined
    | Synced
    | StateShown
)
