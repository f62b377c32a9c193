"""What the gossip router is told (events, past tense), and what it wants done (effects, imperatives)."""

import msgspec

from thalweg.errors import Reason
from thalweg.network.gossip.rpc import Exchanged
from thalweg.network.gossip.validation import Validator, Verdict


class Joined(msgspec.Struct, frozen=True):
    """A peer that speaks gossip is linked."""

    peer: bytes
    is_outbound: bool  # we dialled it
    group: str = ""  # the address it dialled from, as far as one party has it whole; empty where that means nothing


class Left(msgspec.Struct, frozen=True):
    """The link to a peer is gone."""

    peer: bytes


class Received(msgspec.Struct, frozen=True):
    """A peer sent an RPC."""

    peer: bytes
    rpc: bytes


class Resumed(msgspec.Struct, frozen=True):
    """There is time for the messages of a peer's RPC that were left (`More`)."""

    peer: bytes


class Due(msgspec.Struct, frozen=True):
    """The time of a `Pause` has passed."""


class Lagged(msgspec.Struct, frozen=True):
    """What peers sent has been waiting for a while, or (`is_behind` false) no longer does."""

    is_behind: bool


class Subscribed(msgspec.Struct, frozen=True):
    """We read a topic from now on."""

    topic: str
    validator: Validator


class Unsubscribed(msgspec.Struct, frozen=True):
    """We no longer read a topic."""

    topic: str


class Published(msgspec.Struct, frozen=True):
    """We have a message of our own for a topic, which we may read or not."""

    topic: str
    payload: bytes


class Known(msgspec.Struct, frozen=True):
    """A good message came another way: it needs no look and need not be asked for."""

    topic: str
    payload: bytes


class Recorded(msgspec.Struct, frozen=True):
    """A peer's signed record is known: others may be told of the peer."""

    peer: bytes
    record: bytes


class Accused(msgspec.Struct, frozen=True):
    """A peer misbehaved outside gossip, where it is no less of a liar."""

    peer: bytes
    amount: float  # of bad behaviour (P7)


class Beat(msgspec.Struct, frozen=True):
    """A heartbeat's time has passed."""


Event = (
    Joined
    | Left
    | Received
    | Resumed
    | Due
    | Lagged
    | Subscribed
    | Unsubscribed
    | Published
    | Known
    | Recorded
    | Accused
    | Beat
)


class Send(msgspec.Struct, frozen=True):
    """Send an RPC. One that is not vital may be dropped where the peer does not read fast enough."""

    peer: bytes
    rpc: bytes
    is_vital: bool  # subscriptions, GRAFT and PRUNE


class More(msgspec.Struct, frozen=True):
    """Messages of a peer's RPC are left: say `Resumed` before the next RPC of it, when everybody had his turn."""

    peer: bytes


class Pause(msgspec.Struct, frozen=True):
    """Say `Due` after so many seconds: until then good messages are gathered that are to be passed on."""

    seconds: float


class Deliver(msgspec.Struct, frozen=True):
    """Give a good message to whoever reads the topic."""

    topic: str
    payload: bytes
    peer: bytes  # who sent it first


class Cut(msgspec.Struct, frozen=True):
    """Drop the link to a peer that broke the rules, and refuse it for a while."""

    peer: bytes
    reason: Reason
    detail: str


class Dial(msgspec.Struct, frozen=True):
    """Link to a peer that a well-scored one named."""

    peer: Exchanged
    source: bytes


class Note(msgspec.Struct, frozen=True):
    """Log that something of a peer's was not taken, and why."""

    peer: bytes
    verdict: Verdict
    reason: Reason
    detail: str


Effect = Send | More | Pause | Deliver | Cut | Dial | Note
