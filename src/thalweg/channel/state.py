"""A channel as one participant holds it. Everything here is data; what it means is derived by functions.

*Agreed* is the newest state I hold every signature of. *Offered* states carry my signature or are waiting for it, and
lack somebody's; until one is agreed, any prefix of them may turn out to be the truth.
"""

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from thalweg.channel import hashes
from thalweg.channel.effects import Effect, Submit
from thalweg.channel.events import Policy
from thalweg.channel.onchain import Shown, View
from thalweg.channel.operations import AnyOperation, Offer
from thalweg.channel.sheet import ChannelState, Sheet, empty_sheet
from thalweg.channel.terms import Terms
from thalweg.instruments.report import SignedReport
from thalweg.units import (
    VERSION_FINAL,
    ZERO_HASH,
    ChannelId,
    Hash,
    Seat,
    Signature,
    UnixSeconds,
    Version,
)

SEQUENCER: Final = Seat(0)
PIPELINE_MAX: Final = 8  # states offered, not agreed and not refused
OFFERED_MAX: Final = 64  # with the refused ones
QUEUE_MAX: Final = 65_536  # operations waiting
EARLY_MAX: Final = 16  # countersignatures of one participant that came before their state
NO_SIGNATURE: Final = Signature(b"")


class Phase(StrEnum):
    """Where a channel is in its life; derived from the chain's view."""

    OPENING = "opening"
    LIVE = "live"
    RECOVERING = "recovering"
    DISPUTED = "disputed"
    CLOSED = "closed"


class Agreed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest state with every signature (version 0 needs none)."""

    state: ChannelState
    sheet: Sheet
    signatures: tuple[Signature, ...]

    @property
    def version(self) -> Version:
        """Return the state's version."""
        return self.state.version


class Offered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state on its way. `signatures` is by seat, empty where missing; `exposure` is by asset.

    A `dead` one was refused: it is superseded as soon as a greater version is agreed, and counts as undecided until.
    """

    state: ChannelState
    base: Version
    sheet: Sheet
    digest: Hash
    signatures: tuple[Signature, ...]
    operations: tuple[AnyOperation, ...]
    exposure: tuple[int, ...]
    answer_by: UnixSeconds
    dead: bool = False

    @property
    def version(self) -> Version:
        """Return the state's version."""
        return self.state.version


class Early(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A countersignature that arrived before the state it signs."""

    seat: Seat
    version: Version
    signature: Signature


class KnownReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A settlement report some position of this channel waits for. `registered`: the chain has it."""

    signed: SignedReport
    since: UnixSeconds
    registered: bool = False


class Leaving(StrEnum):
    """Whether the user wants out, and how."""

    NO = "no"
    TOGETHER = "together"
    ALONE = "alone"


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One participant's whole knowledge of a channel.

    `queue` holds, at the sequencer, what goes into the next states, and elsewhere what was sent to it and is not
    included yet. `synced` says by seat whether the link is up and both sides have compared notes. `quiet_until` holds
    back further calls while the chain's view settles after one, `ask_after` what the node asks for by itself,
    `offer_after` the sequencer's next state; `looked` is when a timer last fired; `open_by` is the opening's deadline.

    `shown` holds by seat the newest version that was shown to him as he lacked it: nothing is shown twice on a link.

    `refused` counts by seat the refusals that its operations cost the sequencer since `refused_since`.

    `recovering`: somebody here lost states, so nothing but a jump or a close may be agreed. `signed_max` is what my
    signer has signed, where that is more than this journal knows.
    """

    id: ChannelId
    separator: Hash
    terms: Terms
    seat: Seat
    peers: tuple[bytes, ...]
    secret: Hash
    policy: Policy
    agreed: Agreed
    offered: tuple[Offered, ...] = ()
    early: tuple[Early, ...] = ()
    queue: tuple[AnyOperation, ...] = ()
    next_number: int = 1
    refusals: int = 0
    offers: tuple[Offer, ...] = ()
    synced: tuple[bool, ...] = ()
    shown: tuple[Version, ...] = ()
    head: View = View()
    final: View = View()
    calls: tuple[Submit, ...] = ()
    calls_made: int = 0
    quiet_until: UnixSeconds = UnixSeconds(0)
    ask_after: UnixSeconds = UnixSeconds(0)
    offer_after: UnixSeconds = UnixSeconds(0)
    looked: UnixSeconds = UnixSeconds(0)
    reports: tuple[KnownReport, ...] = ()
    tick: UnixSeconds = UnixSeconds(0)
    leaving: Leaving = Leaving.NO
    leave_by: UnixSeconds = UnixSeconds(0)
    recovering: bool = False
    signed_max: Version = Version(0)
    open_by: UnixSeconds = UnixSeconds(0)
    refused: tuple[int, ...] = ()
    refused_since: UnixSeconds = UnixSeconds(0)

    @property
    def newest_signed(self) -> Version:
        """Return the greatest version this journal knows the channel key to have been asked to sign."""
        return version_max(self)

    def __repr__(self) -> str:
        """Tell the channel's story in one line, for errors."""
        return (
            f"<channel {self.id.hex()[:12]} seat {self.seat} {phase(self)} agreed v{self.agreed.version} "
            f"offered {[entry.version for entry in self.offered]} queue {len(self.queue)}>"
        )


class Step(NamedTuple):
    """A channel after an event, and what the shell must do."""

    channel: Channel
    effects: tuple[Effect, ...] = ()


def new_channel(
    separator: Hash, terms: Terms, seat: Seat, peers: tuple[bytes, ...], secret: Hash, policy: Policy
) -> Channel:
    """Return a channel before anything happened: version 0 is agreed by itself."""
    channel_id = hashes.channel_id(separator, terms)
    nothing = ChannelState(channel_id, Version(0), ZERO_HASH, ZERO_HASH)
    return Channel(
        id=channel_id,
        separator=separator,
        terms=terms,
        seat=seat,
        peers=peers,
        secret=secret,
        policy=policy,
        agreed=Agreed(nothing, empty_sheet(terms), ()),
        synced=(False,) * len(peers),
    )


def phase(channel: Channel) -> Phase:
    """Return where the channel is in its life."""
    if channel.head.closed:
        return Phase.CLOSED
    if channel.head.dispute is not None:
        return Phase.DISPUTED
    if not channel.head.opened:
        return Phase.OPENING
    return Phase.RECOVERING if channel.recovering else Phase.LIVE


def newest(channel: Channel) -> Agreed | Offered:
    """Return the state the next one builds on."""
    for entry in reversed(channel.offered):
        if not entry.dead:
            return entry
    return channel.agreed


def version_max(channel: Channel) -> Version:
    """Return the greatest version ever offered, agreed or signed here: nothing at or below it may be signed anew."""
    latest = channel.offered[-1].version if channel.offered else channel.agreed.version  # versions only grow
    return max(latest, channel.agreed.version, channel.signed_max)


def find_live(channel: Channel, version: Version) -> Offered | None:
    """Return the offered state of that version, if it was not refused."""
    for entry in channel.offered:
        if entry.version == version and not entry.dead:
            return entry
    return None


def undecided(channel: Channel) -> tuple[int, ...]:
    """Return by asset what offered states put at stake: any prefix of them may be the truth."""
    totals = [0] * len(channel.terms.assets)
    for entry in channel.offered:
        for asset, amount in enumerate(entry.exposure):
            totals[asset] += amount
    return tuple(totals)


def available(channel: Channel, asset: int) -> int:
    """Return what I can count on having free in every prefix of what is offered."""
    index = channel.seat * len(channel.terms.assets) + asset
    prefixes: tuple[Agreed | Offered, ...] = (channel.agreed, *channel.offered)
    return min(entry.sheet.holdings[index].free for entry in prefixes)


def seat_of(channel: Channel, peer: bytes) -> Seat | None:
    """Return which seat a peer has here."""
    return Seat(channel.peers.index(peer)) if peer in channel.peers else None


def others(channel: Channel) -> tuple[bytes, ...]:
    """Return the other participants' PeerIds."""
    return tuple(peer for seat, peer in enumerate(channel.peers) if seat != channel.seat)


def is_final(entry: Agreed | Offered) -> bool:
    """Say whether this is the state that closes."""
    return entry.version == VERSION_FINAL


def make_state(channel: Channel, version: Version, sheet: Sheet) -> ChannelState:
    """Return what is signed for a sheet at a version."""
    leaves = tuple(hashes.leaf(claim, channel.secret) for claim in sheet.claims)
    return ChannelState(
        channel.id,
        version,
        hashes.balances_hash(sheet.holdings, hashes.balances_salt(channel.secret, version)),
        hashes.claims_root(leaves, sheet.mark_time),
    )


def shown(entry: Agreed) -> Shown:
    """Return an agreed state as the contract wants to see it."""
    return Shown(entry.state, entry.signatures)
