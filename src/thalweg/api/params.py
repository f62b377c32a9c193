"""The parameters of the methods. Unknown names are refused; every wait has a limit."""

from typing import Annotated, Final

import msgspec

from thalweg.channel.messages import OPERATIONS_MAX
from thalweg.channel.operations import LEGS_MAX, MEMO_MAX

WAIT_S_MAX: Final = 600.0
OFFER_S_MAX: Final = 86_400
_Wait = Annotated[float, msgspec.Meta(ge=0, le=WAIT_S_MAX)]
_Text = Annotated[str, msgspec.Meta(max_length=512)]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Connect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`address`: a multiaddress that names its peer."""

    address: _Text
    wait_s: _Wait = 15.0


class OnePeer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`peer`: an id."""

    peer: _Text


class Open(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open a channel with `peer` (an id, or an address); `own` and `other` are what each side deposits.

    `undecided_max`: what may be at stake in states not everybody has signed yet; empty: as the node was told.
    """

    peer: _Text
    own: _Text
    other: _Text = "0"
    challenge_period_s: Annotated[int, msgspec.Meta(ge=1)] = 86_400
    undecided_max: _Text = ""
    valid_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 600
    wait_s: _Wait = 120.0


class ChannelOnly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`channel`: an id or its beginning; empty names the only open one."""

    channel: _Text = ""


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Resume a channel by a jump."""

    channel: _Text = ""
    wait_s: _Wait = 30.0


class Accept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Accept a proposed channel."""

    channel: _Text
    undecided_max: _Text = ""
    wait_s: _Wait = 120.0


class Decline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decline a proposed channel."""

    channel: _Text
    why: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Payment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One payment to the other side."""

    amount: _Text
    memo: Annotated[str, msgspec.Meta(max_length=MEMO_MAX)] = ""


class Pay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pay: all of `payments`, in order, or, one after another, `repeat` times as many states."""

    payments: Annotated[tuple[Payment, ...], msgspec.Meta(min_length=1, max_length=OPERATIONS_MAX)]
    channel: _Text = ""
    repeat: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    valid_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 3600
    wait_s: _Wait = 30.0


class Deposit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deposit more of the settlement asset."""

    amount: _Text
    channel: _Text = ""
    valid_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 600
    wait_s: _Wait = 120.0


class Withdraw(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take money out of a channel that goes on."""

    amount: _Text
    channel: _Text = ""
    valid_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 600
    wait_s: _Wait = 120.0


class Close(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Close together, or (`alone`) by a challenge."""

    channel: _Text = ""
    alone: bool = False
    valid_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    wait_s: _Wait = 120.0


class TradeLeg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One leg: `side` is "buy" or "sell", `price` is in the settlement asset for one unit of the underlying."""

    instrument: Annotated[str, msgspec.Meta(max_length=64)]
    side: Annotated[str, msgspec.Meta(pattern="^(buy|sell)$")]
    quantity: _Text
    price: _Text


class Trade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Offer a trade to the other side: all legs or none."""

    legs: Annotated[tuple[TradeLeg, ...], msgspec.Meta(min_length=1, max_length=LEGS_MAX)]
    channel: _Text = ""
    valid_s: Annotated[int, msgspec.Meta(ge=1, le=OFFER_S_MAX)] = 60
    wait_s: _Wait = 30.0


class Take(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take an offer made to this node: its id or the beginning of it."""

    offer: _Text
    channel: _Text = ""
    wait_s: _Wait = 30.0


class DeclineOffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decline an offer made to this node."""

    offer: _Text
    channel: _Text = ""
    why: Annotated[str, msgspec.Meta(max_length=200)] = ""
