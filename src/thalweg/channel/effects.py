"""What the core asks the shell to do: imperatives. Each is idempotent and derivable again from the state.

The shell performs none before the events that led to it are durable, and feeds results back as events.
"""

from enum import StrEnum

import msgspec

from thalweg.channel.messages import Message
from thalweg.channel.onchain import Call
from thalweg.channel.terms import Terms
from thalweg.errors import Reason
from thalweg.units import Amount, ChannelId, Hash, UnixSeconds, Version


class SendMessage(msgspec.Struct, frozen=True, tag=True):
    """Say `message` to a peer; without a link it is lost, and said again when it matters."""

    peer: bytes
    message: Message


class Disconnect(msgspec.Struct, frozen=True, tag=True):
    """Drop the link to a peer, telling it why."""

    peer: bytes
    reason: Reason
    detail: str


class SignState(msgspec.Struct, frozen=True, tag=True):
    """Have the channel key sign a state; the answer is `StateSigned`."""

    channel_id: ChannelId
    version: Version
    digest: Hash


class SignDigest(msgspec.Struct, frozen=True, tag=True):
    """Have the channel key sign something else; the answer is `DigestSigned` with the same `subject`."""

    channel_id: ChannelId
    subject: str
    digest: Hash


class Authorize(msgspec.Struct, frozen=True, tag=True):
    """Have the wallet authorise its share of an opening; the answer is `FundingAuthorized`."""

    channel_id: ChannelId
    terms: Terms
    amounts: tuple[Amount, ...]
    seat: int
    digest: Hash
    deadline: UnixSeconds


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Send a call to the chain and see it through; the answer is `CallSettled` with the same tag."""

    tag: str
    call: Call


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Report this channel's views from now on."""

    channel_id: ChannelId


class SetTimer(msgspec.Struct, frozen=True, tag=True):
    """Deliver `TimerFired` for this channel at `at`; replaces its earlier timer (0: none)."""

    channel_id: ChannelId
    at: UnixSeconds


class Topic(StrEnum):
    """What a notice is about."""

    OPENING_PROPOSED = "opening proposed"
    OPENING_DECLINED = "opening declined"
    OPENED = "opened"
    AGREED = "agreed"
    REFUSED = "refused"
    OFFERED = "offered"
    OFFER_DECLINED = "offer declined"
    STALLED = "stalled"
    DISPUTED = "disputed"
    RECOVERED = "recovered"
    CLOSED = "closed"
    PEER_UP = "peer up"
    PEER_DOWN = "peer down"
    CALL = "call"
    ACCEPTED = "accepted"


class Notify(msgspec.Struct, frozen=True, tag=True):
    """Tell whoever listens (API, dashboard, a strategy). `request` echoes the request it answers, if any."""

    topic: Topic
    channel_id: ChannelId = ChannelId(b"")
    request: str = ""
    detail: str = ""
    version: int = 0
    numbers: tuple[int, ...] = ()
    reason: Reason | None = None


Effect = SendMessage | Disconnect | SignState | SignDigest | Authorize | Submit | Watch | SetTimer | Notify
