"""What participants say to each other about a channel. JSON, one struct a message; unknown fields are ignored.

What is signed inside (terms, operations, reports) allows no unknown field. Signatures over states are the only thing
that commits; everything else may be lost, and is said again after a reconnect.
"""

from typing import Final

import msgspec

from thalweg.channel.onchain import Pull
from thalweg.channel.operations import AnyOperation, Offer
from thalweg.channel.sheet import ChannelState, Sheet
from thalweg.channel.terms import Terms
from thalweg.errors import Reason
from thalweg.units import Address, Amount, ChannelId, Hash, Seat, Signature, UnixSeconds, Version

WIRE_VERSION: Final = 1
OPERATIONS_MAX: Final = 4096  # of one message, so of one state


class Hello(msgspec.Struct, frozen=True, tag=True):
    """First on every link. `binding` is the channel key's signature over the sender's PeerId."""

    wire_version: int
    required: tuple[str, ...]
    chain_id: int
    contract: Address
    address: Address
    payout: Address
    payer: Address
    binding: Signature


class Goodbye(msgspec.Struct, frozen=True, tag=True):
    """Why the sender drops the link."""

    reason: Reason
    detail: str = ""


class ChannelProposed(msgspec.Struct, frozen=True, tag=True):
    """Open a channel with me: terms, who funds what, and the secret that salts our hashes."""

    terms: Terms
    amounts: tuple[Amount, ...]
    payers: tuple[Address, ...]
    peers: tuple[bytes, ...]  # PeerIds by seat
    deadline: UnixSeconds
    secret: Hash


class ChannelAccepted(msgspec.Struct, frozen=True, tag=True):
    """My payer's signature over the opening, and how my tokens may be taken."""

    channel_id: ChannelId
    signature: Signature
    pulls: tuple[Pull, ...]


class ChannelDeclined(msgspec.Struct, frozen=True, tag=True):
    """No."""

    channel_id: ChannelId
    reason: Reason
    detail: str = ""


class OperationsSent(msgspec.Struct, frozen=True, tag=True):
    """To the sequencer: please include these, in order."""

    channel_id: ChannelId
    operations: tuple[AnyOperation, ...]


class OperationRefused(msgspec.Struct, frozen=True, tag=True):
    """From the sequencer, signed: this operation is not included, and why."""

    channel_id: ChannelId
    author: Seat
    number: int
    reason: Reason
    detail: str
    signature: Signature


class StateProposed(msgspec.Struct, frozen=True, tag=True):
    """From the sequencer: version `version` is version `base` with these operations; here is my signature."""

    channel_id: ChannelId
    version: Version
    base: Version
    mark_time: UnixSeconds
    operations: tuple[AnyOperation, ...]
    balances_hash: Hash
    claims_root: Hash
    signature: Signature


class StateCountersigned(msgspec.Struct, frozen=True, tag=True):
    """To everyone: my signature on `version`, which acknowledges all below it."""

    channel_id: ChannelId
    version: Version
    signature: Signature


class StateRefused(msgspec.Struct, frozen=True, tag=True):
    """I do not sign `version`; `operation` is the index of the one at fault, or -1."""

    channel_id: ChannelId
    version: Version
    operation: int
    reason: Reason
    detail: str = ""


class OfferMade(msgspec.Struct, frozen=True, tag=True):
    """Trade this with me."""

    channel_id: ChannelId
    offer: Offer


class OfferDeclined(msgspec.Struct, frozen=True, tag=True):
    """I do not take your offer."""

    channel_id: ChannelId
    offer: Hash
    reason: Reason
    detail: str = ""


class Synced(msgspec.Struct, frozen=True, tag=True):
    """After a reconnect: where I stand. `recovering` asks to be shown the newest agreed state."""

    channel_id: ChannelId
    agreed: Version
    agreed_digest: Hash
    signed: Version
    recovering: bool = False


class StateShown(msgspec.Struct, frozen=True, tag=True):
    """A whole agreed state with every signature, for one who lost his."""

    channel_id: ChannelId
    state: ChannelState
    sheet: Sheet
    signatures: tuple[Signature, ...]


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
