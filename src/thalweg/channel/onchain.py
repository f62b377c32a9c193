"""The chain as the core sees it: what a channel's two words say, and the calls we may ask for.

The chain adapter reports *views*, not differences: a reorganisation is simply a new view, so there is nothing to undo.
Every view comes twice: at the head (react to it) and final (credit money by it).
"""

from typing import Annotated, Final

import msgspec

from thalweg.channel.claims import Claim
from thalweg.channel.sheet import ChannelState, Holding
from thalweg.channel.terms import Terms
from thalweg.units import AMOUNT_MAX, Address, Amount, ChannelId, Hash, Seat, Signature, UnixSeconds, Version, WireTime

PERMIT_BYTES: Final = (0, 64)


class Progress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a settlement has walked: claims before `cursor` are done.

    `deltas` (margined, either sign) and `escrow` (what resolved escrow has credited) are what they accumulated, laid
    out like holdings; empty while `cursor` is 0. `released` says that free amounts, uncounted deposits and unpaid
    withdrawals have left.
    """

    cursor: int = 0
    released: bool = False
    deltas: tuple[int, ...] = ()
    escrow: tuple[Amount, ...] = ()


class Dispute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A challenge under way: the newest state shown, and when it stands."""

    version: Version
    deadline: UnixSeconds
    challenger: Seat
    progress: Progress = Progress()


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One channel on chain. Totals are laid out like holdings: participant by participant, asset by asset."""

    opened: bool = False
    closed: bool = False
    deposited: tuple[Amount, ...] = ()
    withdrawn: tuple[Amount, ...] = ()
    dispute: Dispute | None = None


def fits(view: View, terms: Terms) -> bool:
    """Say whether a view can be one of a channel of these terms; before it is opened, nothing need be said of it."""
    cells, dispute = len(terms.participants) * len(terms.assets), view.dispute
    sizes = {len(view.deposited), len(view.withdrawn)}
    if sizes != {cells} and (view.opened or sizes != {0}):
        return False
    if not all(0 <= total <= AMOUNT_MAX for total in (*view.deposited, *view.withdrawn)):
        return False
    return dispute is None or (
        view.opened
        and 0 <= dispute.challenger < len(terms.participants)
        and {len(dispute.progress.deltas), len(dispute.progress.escrow)} <= {0, cells}
    )


class Pull(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """How the contract takes a payer's tokens: the allowance he gave (empty `signature`) or his EIP-2612 permit."""

    deadline: WireTime = UnixSeconds(0)
    signature: Annotated[bytes, msgspec.Meta(max_length=64)] = b""


class OpenChannel(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Fund a channel: one transaction. `amounts` and `pulls` by participant and asset; one signature a payer."""

    terms: Terms
    amounts: tuple[Amount, ...]
    payers: tuple[Address, ...]
    deadline: UnixSeconds
    signatures: tuple[Signature, ...]
    pulls: tuple[Pull, ...]


class TopUp(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Add `amount` to a participant's deposit, out of the sender's wallet."""

    terms: Terms
    deposited: tuple[Amount, ...]
    withdrawn: tuple[Amount, ...]
    participant: Seat
    asset: int
    amount: Amount
    deadline: UnixSeconds
    signature: Signature
    pull: Pull


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state with every signature, ready to show to the contract."""

    state: ChannelState
    signatures: tuple[Signature, ...]


class PayWithdrawal(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Pay what an agreed state says has been withdrawn and the chain has not paid yet; the channel goes on."""

    terms: Terms
    deposited: tuple[Amount, ...]
    withdrawn: tuple[Amount, ...]
    shown: Shown
    holdings: tuple[Holding, ...]
    salt: Hash


class CloseChannel(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Pay everyone by a final state and close the id for ever."""

    terms: Terms
    deposited: tuple[Amount, ...]
    withdrawn: tuple[Amount, ...]
    shown: Shown
    holdings: tuple[Holding, ...]
    salt: Hash


class ChallengeState(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Start a dispute with a state (version 0 needs no signatures)."""

    terms: Terms
    shown: Shown
    challenger: Seat
    valid_until: UnixSeconds
    signature: Signature


class RespondState(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Answer a dispute with a greater version. Anyone may."""

    terms: Terms
    shown: Shown


class RegisterReport(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Put a quorum's settlement report on chain: a price, or a VOID."""

    oracle: Address
    feed: Hash
    time: UnixSeconds
    price: int
    is_void: bool
    signers: tuple[int, ...]
    signatures: tuple[Signature, ...]


class SettleClaims(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """After the deadline: release what is free, walk `claims[cursor:upto]`, and with the last one pay and close.

    `claims` are all of the disputed state's; `secret` salts their leaves.
    """

    terms: Terms
    deposited: tuple[Amount, ...]
    withdrawn: tuple[Amount, ...]
    state: ChannelState
    holdings: tuple[Holding, ...]
    salt: Hash
    mark_time: UnixSeconds
    claims: tuple[Claim, ...]
    secret: bytes
    progress: Progress
    upto: int


Call = (
    OpenChannel | TopUp | PayWithdrawal | CloseChannel | ChallengeState | RespondState | RegisterReport | SettleClaims
)


class ChannelObserved(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The chain's word on one channel: now, and as of the last final block. Sent on every change of either."""

    channel_id: ChannelId
    head: View
    final: View


class BlockObserved(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A new head. `time` is its timestamp."""

    number: int
    time: UnixSeconds


class CallSettled(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """What became of a call: `error` is empty when it succeeded, else the revert string or why it was not sent."""

    tag: str
    transaction: str = ""
    gas_used: int = 0
    error: str = ""


ChainEvent = ChannelObserved | BlockObserved | CallSettled
