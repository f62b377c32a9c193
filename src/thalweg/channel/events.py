"""What happened: facts in the past tense, the only way anything reaches the core. `now` is when.

Events named `...Requested` come from the local user; `MessageReceived` from a peer; `ChainReported` from the chain;
the rest answer effects. Those in `DERIVABLE` can be had again by repeating the effect, so nothing waits for them to
reach the disk.
"""

from typing import Final

import msgspec

from thalweg.channel.messages import Message
from thalweg.channel.onchain import ChainEvent, Pull
from thalweg.channel.operations import AnyOperation, Offer
from thalweg.channel.terms import Terms
from thalweg.instruments.report import SignedReport
from thalweg.units import (
    ZERO_HASH,
    Address,
    Amount,
    AssetIndex,
    ChannelId,
    Hash,
    Signature,
    UnixSeconds,
    Version,
    WireTime,
)


class Event(msgspec.Struct, frozen=True, tag=True):
    """What every event carries."""

    now: UnixSeconds


class SignedMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest version that the signer says it signed in a channel."""

    channel_id: ChannelId
    version: Version


class Started(Event, frozen=True, tag=True):
    """The node is up; replay has ended. `recovering`: the journal is not the keystore's own.

    `marks` names the channels in which the signer has signed more than the journal knows.
    """

    recovering: bool = False
    marks: tuple[SignedMark, ...] = ()


class LinkUp(Event, frozen=True, tag=True):
    """An authenticated link to a peer exists."""

    peer: bytes


class LinkDown(Event, frozen=True, tag=True):
    """The link is gone."""

    peer: bytes
    detail: str = ""


class MessageReceived(Event, frozen=True, tag=True):
    """A peer said something well-formed."""

    peer: bytes
    message: Message


class ChainReported(Event, frozen=True, tag=True):
    """The chain adapter saw something."""

    event: ChainEvent


class TimerFired(Event, frozen=True, tag=True):
    """A channel's timer is due. `block_time` is that of the newest block the node has seen; 0: none."""

    channel_id: ChannelId
    block_time: WireTime = UnixSeconds(0)


class StateSigned(Event, frozen=True, tag=True):
    """The signer signed a state. Derivable: the signer gives the same signature again."""

    channel_id: ChannelId
    version: Version
    signature: Signature


class DigestSigned(Event, frozen=True, tag=True):
    """The signer signed something else. Derivable."""

    channel_id: ChannelId
    subject: str
    signature: Signature


class FundingAuthorized(Event, frozen=True, tag=True):
    """The wallet authorised its share of an opening, or could not (`error`)."""

    channel_id: ChannelId
    signature: Signature
    pulls: tuple[Pull, ...]
    error: str = ""


class ReportReceived(Event, frozen=True, tag=True):
    """A quorum's report, its signatures checked."""

    report: SignedReport


class Quorum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The oracle as its contract says: who signs, in order, how many are needed, and the EIP-712 domain separator."""

    signers: tuple[Address, ...] = ()
    threshold: int = 1
    separator: Hash = ZERO_HASH


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this node tolerates in one channel. Amounts by asset index; times in seconds."""

    undecided_max: tuple[Amount, ...]  # put at stake by offered states that are not agreed
    answer_s: int = 60  # until an offered state must be agreed; then nothing more is offered
    challenge_s: int = 60  # after that, until the newest agreed state goes to the chain
    clock_skew_s: int = 30
    mark_age_max_s: int = 3600
    offers_max: int = 64
    quorum: Quorum = Quorum()


class OpenRequested(Event, frozen=True, tag=True):
    """The user wants a channel; he takes seat 0 and sequences it."""

    request: str
    terms: Terms
    amounts: tuple[Amount, ...]
    payers: tuple[Address, ...]
    peers: tuple[bytes, ...]
    deadline: UnixSeconds
    secret: Hash
    policy: Policy


class AcceptRequested(Event, frozen=True, tag=True):
    """The user (or his policy) agrees to a proposed channel."""

    channel_id: ChannelId
    policy: Policy


class DeclineRequested(Event, frozen=True, tag=True):
    """The user (or his policy) does not want a proposed channel."""

    channel_id: ChannelId
    detail: str = ""


class OperationsRequested(Event, frozen=True, tag=True):
    """The user wants these operations; author and numbers are set here."""

    request: str
    channel_id: ChannelId
    operations: tuple[AnyOperation, ...]


class OfferRequested(Event, frozen=True, tag=True):
    """The user offers a trade."""

    request: str
    channel_id: ChannelId
    offer: Offer


class TakeRequested(Event, frozen=True, tag=True):
    """The user takes an offer made to him, or declines it."""

    request: str
    channel_id: ChannelId
    offer: Hash
    accept: bool = True
    detail: str = ""


class DepositRequested(Event, frozen=True, tag=True):
    """The user adds to his deposit."""

    request: str
    channel_id: ChannelId
    asset: AssetIndex
    amount: Amount
    deadline: UnixSeconds


class CloseRequested(Event, frozen=True, tag=True):
    """The user wants out: together if the others sign, else (`alone`) by a challenge."""

    request: str
    channel_id: ChannelId
    valid_until: UnixSeconds
    alone: bool = False


AnyEvent = (
    Started
    | LinkUp
    | LinkDown
    | MessageReceived
    | ChainReported
    | TimerFired
    | StateSigned
    | DigestSigned
    | FundingAuthorized
    | ReportReceived
    | OpenRequested
    | AcceptRequested
    | DeclineRequested
    | OperationsRequested
    | OfferRequested
    | TakeRequested
    | DepositRequested
    | CloseRequested
)

DERIVABLE: Final = (StateSigned, DigestSigned)
