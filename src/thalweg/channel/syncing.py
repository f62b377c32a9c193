"""After a reconnect: compare versions and hashes, say again what the other has missed, show him what he has lost."""

import msgspec

from thalweg.channel import hashes
from thalweg.channel.draft import collateral_of
from thalweg.channel.effects import Effect, Notify, SendMessage, SignState, Topic
from thalweg.channel.invariants import check_sheet
from thalweg.channel.messages import OperationsSent, StateCountersigned, StateShown, Synced
from thalweg.channel.state import SEQUENCER, Agreed, Channel, make_state, newest, others
from thalweg.channel.updating import Step, proposal
from thalweg.crypto import signed_by
from thalweg.errors import InvariantBroken, PeerFault, Reason
from thalweg.units import Seat

OPERATIONS_RESENT_MAX = 4096


def on_link_up(channel: Channel, seat: Seat) -> Step:
    """Say where I stand."""
    return Step(channel, (SendMessage(channel.peers[seat], where_i_stand(channel)),))


def greet_all(channel: Channel) -> tuple[Effect, ...]:
    """Say where I stand to every participant: the channel has come to be."""
    return tuple(SendMessage(peer, where_i_stand(channel)) for peer in others(channel))


def where_i_stand(channel: Channel) -> Synced:
    """Return the summary peers compare."""
    digest = hashes.state_digest(channel.separator, channel.agreed.state)
    return Synced(channel.id, channel.agreed.version, digest, newest(channel).version, channel.recovering)


def on_link_down(channel: Channel, seat: Seat) -> Step:
    """Nothing more is offered until the link is back."""
    return Step(_set_synced(channel, seat, up=False))


def _set_synced(channel: Channel, seat: Seat, *, up: bool) -> Channel:
    synced = (*channel.synced[:seat], up, *channel.synced[seat + 1 :])
    return msgspec.structs.replace(channel, synced=synced)


def on_synced(channel: Channel, seat: Seat, message: Synced) -> Step:
    """Compare with the peer's stand; send what he lacks: signatures, proposals, operations, or a whole state.

    Who hears of the other's stand for the first time says his own too: the first one may have come too early.
    """
    peer = channel.peers[seat]
    mine = where_i_stand(channel)
    if message.agreed == mine.agreed and message.agreed_digest != mine.agreed_digest:
        raise PeerFault(Reason.WRONG_HASH, f"version {mine.agreed} is another state there: two histories")
    effects: list[Effect] = [] if channel.synced[seat] else [SendMessage(peer, mine)]
    if message.recovering or message.signed < channel.agreed.version:
        effects.append(SendMessage(peer, _whole(channel)))
    elif message.agreed < channel.agreed.version and channel.agreed.signatures:
        signature = channel.agreed.signatures[channel.seat]
        effects.append(SendMessage(peer, StateCountersigned(channel.id, channel.agreed.version, signature)))
    if not message.recovering:
        effects.extend(_unanswered(channel, peer))
    return Step(_set_synced(channel, seat, up=True), tuple(effects))


def _unanswered(channel: Channel, peer: bytes) -> list[Effect]:
    """Return my offered states, or my signatures on them, and my operations that no state holds yet."""
    effects: list[Effect] = []
    for entry in channel.offered:
        mine = entry.signatures[channel.seat]
        if entry.dead:
            continue
        if not mine:
            effects.append(SignState(channel.id, entry.version, entry.digest))
        elif channel.seat == SEQUENCER:
            effects.append(SendMessage(peer, proposal(channel.id, entry, mine)))
        else:
            effects.append(SendMessage(peer, StateCountersigned(channel.id, entry.version, mine)))
    if channel.seat != SEQUENCER and peer == channel.peers[SEQUENCER] and channel.queue:
        for start in range(0, len(channel.queue), OPERATIONS_RESENT_MAX):
            chunk = channel.queue[start : start + OPERATIONS_RESENT_MAX]
            effects.append(SendMessage(peer, OperationsSent(channel.id, chunk)))
    return effects


def _whole(channel: Channel) -> StateShown:
    return StateShown(channel.id, channel.agreed.state, channel.agreed.sheet, channel.agreed.signatures)


def on_state_shown(channel: Channel, message: StateShown) -> Step:
    """Take over a newer state that carries every signature, mine too: I agreed to it once, so my journal is stale."""
    if message.state.version <= channel.agreed.version:
        return Step(channel)
    _check_shown(channel, message)
    agreed = Agreed(message.state, message.sheet, message.signatures)
    offered = tuple(entry for entry in channel.offered if entry.version > message.state.version)
    number = max(channel.next_number, message.sheet.numbers[channel.seat] + 1)
    channel = msgspec.structs.replace(channel, agreed=agreed, offered=offered, next_number=number, recovering=True)
    return Step(channel, (Notify(Topic.RECOVERED, channel.id, version=message.state.version),))


def _check_shown(channel: Channel, message: StateShown) -> None:
    seats = len(channel.peers)
    sheet = message.sheet
    sizes = (len(sheet.holdings), len(sheet.required), len(sheet.numbers), len(message.signatures))
    if sizes != (seats * len(channel.terms.assets), seats, seats, seats):
        raise PeerFault(Reason.MALFORMED, "a sheet of another shape")
    if make_state(channel, message.state.version, sheet) != message.state:
        raise PeerFault(Reason.WRONG_HASH, "the sheet does not hash to the state")
    digest = hashes.state_digest(channel.separator, message.state)
    for signer, signature in zip(channel.terms.participants, message.signatures, strict=True):
        if not signed_by(digest, signature, signer):
            raise PeerFault(Reason.WRONG_SIGNER, "a shown state must carry every signature")
    if any(collateral_of(seat, sheet.claims) != amount for seat, amount in enumerate(sheet.required)):
        raise PeerFault(Reason.UNCOVERED, "the collateral shown is not what the claims need")
    try:
        check_sheet(sheet, len(channel.terms.assets), channel.terms.settlement)
    except InvariantBroken as broken:
        raise PeerFault(Reason.NOT_CONSERVED, str(broken)) from broken


def unsigned(channel: Channel) -> tuple[Effect, ...]:
    """Return the signing of what I offered and have no signature for: a crash came in between."""
    return tuple(
        SignState(channel.id, entry.version, entry.digest)
        for entry in channel.offered
        if not entry.dead and not entry.signatures[channel.seat]
    )
