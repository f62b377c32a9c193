"""After a reconnect: compare versions and hashes, say again what the other has missed, show him what he has lost."""

import msgspec

from thalweg.channel import hashes
from thalweg.channel.agreeing import agree, bury
from thalweg.channel.draft import collateral_of
from thalweg.channel.effects import Effect, Notify, SendMessage, SignState, Topic
from thalweg.channel.invariants import check_sheet
from thalweg.channel.messages import OperationsSent, StateCountersigned, StateShown, Synced
from thalweg.channel.operations import NUMBER_MAX
from thalweg.channel.proposing import proposal
from thalweg.channel.sheet import Sheet
from thalweg.channel.state import SEQUENCER, Agreed, Channel, Phase, Step, make_state, others, phase, version_max
from thalweg.channel.timing import begin_again
from thalweg.crypto import signed_by
from thalweg.errors import InvariantBroken, PeerFault, Reason
from thalweg.units import Seat, UnixSeconds, Version

OPERATIONS_RESENT_MAX = 4096


def on_link_up(channel: Channel, seat: Seat) -> Step:
    """Say where I stand; on a new link notes are to be compared anew. Before the chain shows the channel, say nothing.

    Whoever hears me takes it that I can sign, and offers.
    """
    channel = _set_synced(channel, seat, up=False)
    if phase(channel) == Phase.OPENING:
        return Step(channel)
    return Step(channel, (SendMessage(channel.peers[seat], where_i_stand(channel)),))


def greet_all(channel: Channel) -> tuple[Effect, ...]:
    """Say where I stand to every participant: the channel has come to be."""
    return tuple(SendMessage(peer, where_i_stand(channel)) for peer in others(channel))


def where_i_stand(channel: Channel) -> Synced:
    """Return the summary peers compare."""
    digest = hashes.state_digest(channel.separator, channel.agreed.state)
    return Synced(channel.id, channel.agreed.version, digest, version_max(channel), channel.recovering)


def on_link_down(channel: Channel, seat: Seat) -> Step:
    """Nothing more is offered until the link is back."""
    return Step(_set_synced(channel, seat, up=False))


def _set_synced(channel: Channel, seat: Seat, *, up: bool) -> Channel:
    if channel.synced[seat] == up:
        return channel
    synced = (*channel.synced[:seat], up, *channel.synced[seat + 1 :])
    return msgspec.structs.replace(channel, synced=synced)


def on_synced(channel: Channel, seat: Seat, message: Synced) -> Step:
    """Compare with the peer's stand; send what he lacks: signatures, proposals, operations, or a whole state.

    Who hears of the other's stand for the first time says his own too: the first one may have come too early. All of
    this is said once a link, and once more to one who has begun to recover: what came since has reached him on it.
    Who has waited in vain for signatures says again where he stands, and is shown each version once.
    Who sees the channel before I do hears where I stand when I see it too; he has spoken, and need not do so again.
    """
    peer = channel.peers[seat]
    is_first = not channel.synced[seat] or (message.recovering and not channel.recovering)
    if message.recovering:
        channel = _recover_with(channel, seat)
    mine = where_i_stand(channel)
    if message.agreed == mine.agreed and message.agreed_digest != mine.agreed_digest:
        raise PeerFault(Reason.WRONG_HASH, f"version {mine.agreed} is another state there: two histories")
    is_news = phase(channel) != Phase.OPENING and (not channel.synced[seat] or message.agreed > mine.agreed)
    effects: list[Effect] = [SendMessage(peer, mine)] if is_news else []
    if message.agreed < mine.agreed and channel.agreed.signatures and (is_first or _shown(channel, seat) < mine.agreed):
        effects.append(SendMessage(peer, _what_he_lacks(channel, message)))
        channel = _note_shown(channel, seat)
    if is_first:
        effects.extend(_unanswered(channel, peer))
    return Step(_set_synced(channel, seat, up=True), tuple(effects))


def _shown(channel: Channel, seat: Seat) -> Version:
    return channel.shown[seat] if channel.shown else Version(0)


def _note_shown(channel: Channel, seat: Seat) -> Channel:
    shown = list(channel.shown) or [Version(0)] * len(channel.peers)
    shown[seat] = channel.agreed.version
    return msgspec.structs.replace(channel, shown=tuple(shown))


def _recover_with(channel: Channel, seat: Seat) -> Channel:
    """One of us lost states: what is under way is void, and what he asked for he knows nothing of any more."""
    if channel.recovering:
        return channel
    live = [operation for entry in channel.offered if not entry.dead for operation in entry.operations]
    waiting = (*live, *channel.queue) if channel.seat == SEQUENCER else channel.queue
    queue = tuple(operation for operation in waiting if operation.author != seat)
    return msgspec.structs.replace(bury(channel, Version(0)), queue=queue, recovering=True)


def _what_he_lacks(channel: Channel, message: Synced) -> StateCountersigned | StateShown:
    """Return my signature, if that is all he can lack; else the newest agreed state with everybody's."""
    agreed = channel.agreed
    if len(channel.peers) > 2 or message.recovering or message.signed < agreed.version:
        return StateShown(channel.id, agreed.state, agreed.sheet, agreed.signatures)
    return StateCountersigned(channel.id, agreed.version, agreed.signatures[channel.seat])


def _unanswered(channel: Channel, peer: bytes) -> list[Effect]:
    """Return my offered states, or my signatures on them, and my operations that no state holds yet."""
    effects: list[Effect] = []
    for entry in channel.offered:
        mine = entry.signatures[channel.seat]
        if entry.dead or not mine:
            continue
        if channel.seat == SEQUENCER:
            effects.append(SendMessage(peer, proposal(channel.id, entry, mine)))
        else:
            effects.append(SendMessage(peer, StateCountersigned(channel.id, entry.version, mine)))
    if channel.seat != SEQUENCER and peer == channel.peers[SEQUENCER] and channel.queue:
        for start in range(0, len(channel.queue), OPERATIONS_RESENT_MAX):
            chunk = channel.queue[start : start + OPERATIONS_RESENT_MAX]
            effects.append(SendMessage(peer, OperationsSent(channel.id, chunk)))
    return effects


def on_state_shown(channel: Channel, message: StateShown) -> Step:
    """Take over a newer state that carries every signature, mine too.

    If I do not know that I signed it, my journal is stale: others may have more, and I recover.
    """
    if message.state.version <= channel.agreed.version:
        return Step(channel)
    _check_shown(channel, message)
    for entry in channel.offered:
        if entry.state == message.state:
            return agree(channel, entry, message.signatures)
    agreed = Agreed(message.state, _signed_part(message.sheet), message.signatures)
    offered = tuple(entry for entry in bury(channel, Version(0)).offered if entry.version > message.state.version)
    number = max(channel.next_number, message.sheet.numbers[channel.seat] + 1)
    queue = tuple(item for item in channel.queue if item.number > message.sheet.numbers[item.author])
    channel = msgspec.structs.replace(
        channel, agreed=agreed, offered=offered, queue=queue, next_number=number, recovering=True
    )
    notice = Notify(Topic.RECOVERED, channel.id, version=message.state.version)
    return Step(channel, (notice, *greet_all(channel)))


def _signed_part(sheet: Sheet) -> Sheet:
    """Return a sheet without a mark time that nobody signed: it is only hashed with claims."""
    return sheet if sheet.claims else msgspec.structs.replace(sheet, mark_time=UnixSeconds(0))


def _check_shown(channel: Channel, message: StateShown) -> None:
    seats = len(channel.peers)
    sheet = message.sheet
    sizes = (len(sheet.holdings), len(sheet.required), len(sheet.numbers), len(message.signatures))
    if sizes != (seats * len(channel.terms.assets), seats, seats, seats):
        raise PeerFault(Reason.MALFORMED, "a sheet of another shape")
    if not all(0 <= number <= NUMBER_MAX for number in sheet.numbers):
        raise PeerFault(Reason.MALFORMED, f"an operation's number is not in 0..{NUMBER_MAX}")
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


def on_started(channel: Channel, now: UnixSeconds, *, recovering: bool, signed: Version) -> Step:
    """Begin again: no link is up, and what I offered without having my signature is signed now.

    `signed` is the signer's mark. In a journal that is not the keystore's own nothing that was offered may be signed:
    who knows what was signed since. What was offered later, to end a recovery, is this journal's own.
    """
    is_stale = recovering or signed > version_max(channel)
    channel = msgspec.structs.replace(
        begin_again(channel, now),
        synced=(False,) * len(channel.peers),
        quiet_until=UnixSeconds(0),
        ask_after=UnixSeconds(0),
        offer_after=UnixSeconds(0),
        signed_max=max(channel.signed_max, signed) if signed > version_max(channel) else channel.signed_max,
        recovering=channel.recovering or is_stale,
    )
    if is_stale:
        return Step(bury(channel, Version(0)), channel.calls)
    unsigned = tuple(
        SignState(channel.id, entry.version, entry.digest)
        for entry in channel.offered
        if not entry.dead and not entry.signatures[channel.seat]
    )
    return Step(channel, (*unsigned, *channel.calls))
