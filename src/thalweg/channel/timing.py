"""When a channel wants to be looked at again, and what is overdue then. Derived from the state alone."""

import msgspec

from thalweg.channel.effects import Effect, Notify, Topic
from thalweg.channel.judging import GRACE_S
from thalweg.channel.state import SEQUENCER, Channel, Leaving, Phase, is_final, phase
from thalweg.channel.updating import Step
from thalweg.errors import Reason
from thalweg.units import UnixSeconds


def alarm(channel: Channel) -> UnixSeconds:
    """Return when a `TimerFired` is wanted next; 0: never."""
    at = phase(channel)
    if at == Phase.CLOSED:
        return UnixSeconds(0)
    times: list[int] = [channel.quiet_until, channel.ask_after]
    dispute = channel.head.dispute
    if dispute is not None:
        first = dispute.deadline + 1
        times += [first, first + GRACE_S]
    elif at != Phase.OPENING and channel.leaving != Leaving.ALONE:
        times += [entry.answer_by for entry in channel.offered]
        times += [entry.answer_by + channel.policy.challenge_s for entry in channel.offered]
        times += [known.since + _patience(channel) for known in channel.reports if not known.registered]
        if channel.leaving == Leaving.TOGETHER and not is_final(channel.agreed):
            times.append(channel.leave_by)
    if is_final(channel.agreed):
        times.append(channel.leave_by + GRACE_S)
    if channel.seat != SEQUENCER:
        times += [operation.valid_until + 1 for operation in channel.queue[:1]]
    times += [offer.valid_until + 1 for offer in channel.offers[:1]]
    return UnixSeconds(min((time for time in times if time > channel.looked), default=0))


def _patience(channel: Channel) -> int:
    return channel.policy.answer_s + channel.policy.challenge_s


def on_timer(channel: Channel, now: UnixSeconds) -> Step:
    """Do what is overdue: forget what ran out, and leave alone where the others do not answer."""
    channel = msgspec.structs.replace(channel, looked=now)
    channel, effects = _forget_expired(channel, now)
    if phase(channel) in (Phase.LIVE, Phase.RECOVERING) and channel.leaving != Leaving.ALONE:
        why = _unanswered(channel, now)
        if why:
            notice = Notify(Topic.STALLED, channel.id, version=channel.agreed.version, detail=why)
            return Step(msgspec.structs.replace(channel, leaving=Leaving.ALONE), (*effects, notice))
    return Step(channel, effects)


def _unanswered(channel: Channel, now: UnixSeconds) -> str:
    """Say why the newest agreed state must go to the chain now, or nothing."""
    if is_final(channel.agreed):
        return ""
    for entry in channel.offered:
        if now >= entry.answer_by + channel.policy.challenge_s:
            return f"version {entry.version} was not answered"
    if channel.leaving == Leaving.TOGETHER and now >= channel.leave_by:
        return "the others did not sign the close"
    if any(now >= known.since + _patience(channel) for known in channel.reports):
        return "positions with a known settlement price were not settled"
    return ""


def _forget_expired(channel: Channel, now: UnixSeconds) -> Step:
    effects: list[Effect] = []
    queue = channel.queue
    if channel.seat != SEQUENCER:
        gone = tuple(operation for operation in queue if operation.valid_until < now)
        queue = tuple(operation for operation in queue if operation.valid_until >= now)
        effects += [
            Notify(Topic.REFUSED, channel.id, numbers=(item.number,), reason=Reason.EXPIRED, detail="not included")
            for item in gone
        ]
    offers = tuple(offer for offer in channel.offers if offer.valid_until >= now)
    return Step(msgspec.structs.replace(channel, queue=queue, offers=offers), tuple(effects))
