"""One channel's whole behaviour: `step(channel, event)`. All branching is here; the goals' files hold the leaves.

After every event the same three questions are asked again: can more be offered, is a call to the chain due, and when
must somebody look again. So nothing is forgotten when an answer never comes.
"""

from thalweg.channel import agreeing, answering, judging, proposing, queueing, reports, requesting, syncing
from thalweg.channel.effects import SetTimer
from thalweg.channel.events import (
    AnyEvent,
    ChainReported,
    CloseRequested,
    DepositRequested,
    DigestSigned,
    LinkDown,
    LinkUp,
    MessageReceived,
    OfferRequested,
    OperationsRequested,
    ReportReceived,
    Started,
    StateSigned,
    TakeRequested,
    TimerFired,
)
from thalweg.channel.invariants import check_channel
from thalweg.channel.messages import (
    OfferDeclined,
    OfferMade,
    OperationRefused,
    OperationsSent,
    StateCountersigned,
    StateProposed,
    StateRefused,
    StateShown,
    Synced,
)
from thalweg.channel.onchain import CallSettled, ChannelObserved
from thalweg.channel.state import Channel, Phase, Step, phase, seat_of
from thalweg.channel.timing import alarm, begin_again, on_timer
from thalweg.errors import PeerFault, Reason, RuleBroken, blame
from thalweg.units import Seat, UnixSeconds, Version


def step(channel: Channel, event: AnyEvent) -> Step:
    """Return the channel after `event`, and the effects the shell must perform.

    Raises:
        PeerFault: the peer broke a rule; nothing changed.
        UserFault: the user asked for what cannot be; nothing changed.
    """
    try:
        after, effects = _dispatch(channel, event)
    except RuleBroken as broken:
        raise blame(broken, peer=isinstance(event, MessageReceived)) from broken
    if isinstance(event, StateSigned) and after.agreed is channel.agreed:
        return Step(after, effects)  # one of several signatures, about which none of the questions asks
    after, more = _settle_down(after, event.now)
    after = queueing.count_refusals(after, (*effects, *more), event.now)
    check_channel(channel, after)
    return Step(after, (*effects, *more, SetTimer(channel.id, alarm(after))))


def _settle_down(channel: Channel, now: UnixSeconds) -> Step:
    if channel.queue and phase(channel) == Phase.CLOSED:
        return queueing.refuse_own(channel, RuleBroken(Reason.WRONG_PHASE, "the channel is closed"))
    channel, asked = requesting.count_and_settle(channel, now)
    channel, offered = proposing.flush(channel, now)
    channel, called = judging.act(channel, now)
    return Step(channel, asked + offered + called)


def _dispatch(channel: Channel, event: AnyEvent) -> Step:  # noqa: C901 - one case an event
    match event:
        case MessageReceived():
            return _on_message(channel, event)
        case StateSigned():
            return agreeing.on_state_signed(channel, event.version, event.signature)
        case DigestSigned():
            return _on_digest_signed(channel, event)
        case ChainReported(event=ChannelObserved() as seen):
            return _on_observed(channel, seen, event.now)
        case ChainReported(event=CallSettled() as settled):
            return judging.on_call_settled(channel, settled, event.now)
        case TimerFired():
            return on_timer(channel, event.now)
        case LinkUp():
            return syncing.on_link_up(channel, _seat(channel, event.peer))
        case LinkDown():
            return syncing.on_link_down(channel, _seat(channel, event.peer))
        case ReportReceived():
            return Step(reports.on_report(channel, event.report, event.now))
        case Started():
            signed = next((mark.version for mark in event.marks if mark.channel_id == channel.id), Version(0))
            return syncing.on_started(channel, event.now, recovering=event.recovering, signed=signed)
        case _:
            return _on_request(channel, event)


def _on_observed(channel: Channel, seen: ChannelObserved, now: UnixSeconds) -> Step:
    """Take over the chain's view; when it first shows the channel, compare notes with everybody."""
    after, effects = judging.on_observed(channel, seen)
    if phase(after) != phase(channel) and phase(after) in (Phase.LIVE, Phase.RECOVERING):
        after = begin_again(after, now)
    if phase(channel) != Phase.OPENING or phase(after) == Phase.OPENING:
        return Step(after, effects)
    return Step(after, (*effects, *syncing.greet_all(after)))


def _on_request(channel: Channel, event: AnyEvent) -> Step:
    match event:
        case OperationsRequested():
            return requesting.on_operations(channel, event)
        case OfferRequested():
            return requesting.on_offer(channel, event)
        case TakeRequested():
            return requesting.on_take(channel, event)
        case DepositRequested():
            return requesting.on_deposit(channel, event)
        case CloseRequested():
            return requesting.on_close(channel, event)
        case _:
            return Step(channel)


def _on_message(channel: Channel, event: MessageReceived) -> Step:
    seat = _seat(channel, event.peer)
    match event.message:
        case OperationsSent() as message:
            return queueing.on_operations_sent(channel, seat, message, event.now)
        case StateProposed() as message:
            return answering.on_state_proposed(channel, seat, message, event.now)
        case StateCountersigned() as message:
            return agreeing.on_countersigned(channel, seat, message)
        case StateRefused() as message:
            return agreeing.on_state_refused(channel, seat, message, event.now)
        case OperationRefused() as message:
            return queueing.on_operation_refused(channel, seat, message)
        case OfferMade() as message:
            return requesting.on_offer_made(channel, seat, message, event.now)
        case OfferDeclined() as message:
            return requesting.on_offer_declined(channel, seat, message)
        case Synced() as message:
            return syncing.on_synced(channel, seat, message)
        case StateShown() as message:
            return syncing.on_state_shown(channel, message)
        case _:
            raise PeerFault(Reason.MALFORMED, "not a message about a channel")


def _seat(channel: Channel, peer: bytes) -> Seat:
    seat = seat_of(channel, peer)
    if seat is None or seat == channel.seat:
        raise PeerFault(Reason.UNKNOWN_CHANNEL, "the sender has no seat in this channel")
    return seat


def _on_digest_signed(channel: Channel, event: DigestSigned) -> Step:
    kind = event.subject.partition("/")[0]
    match kind:
        case "challenge":
            return judging.on_challenge_signed(channel, event.subject, event.signature)
        case "deposit":
            return requesting.on_deposit_signed(channel, event.subject, event.signature)
        case _:
            return queueing.on_refusal_signed(channel, event.subject, event.signature)
