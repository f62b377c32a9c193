"""When a channel wants to be looked at again, and what is overdue then. Derived from the state alone."""

from typing import Final

import msgspec

from thalweg.channel import judging, reports
from thalweg.channel.effects import Effect, Notify, Topic
from thalweg.channel.judging import GRACE_S
from thalweg.channel.opening import FORGET_S, MISSED_S
from thalweg.channel.queueing import refuse_operation
from thalweg.channel.state import Channel, Leaving, Phase, Step, is_final, phase
from thalweg.errors import Reason, RuleBroken
from thalweg.units import UnixSeconds

QUEUE_AHEAD: Final = 64  # of the operations that wait, looked at for which runs out next; the others get their turn


def alarm(channel: Channel) -> UnixSeconds:
    """Return when a `TimerFired` is wanted next; 0: never."""
    at = phase(channel)
    if at == Phase.CLOSED:
        return UnixSeconds(0)
    times: list[int] = [channel.quiet_until, channel.ask_after, channel.offer_after]
    if at == Phase.OPENING:
        times.append(max(channel.open_by, channel.looked) + FORGET_S)
    dispute = channel.head.dispute
    if dispute is not None:
        first = dispute.deadline + 1
        times += [first, first + GRACE_S]
    elif at != Phase.OPENING and channel.leaving != Leaving.ALONE:
        times += _answers_due(channel)
    if is_final(channel.agreed):
        times.append(channel.leave_by + GRACE_S)
    times += [item.valid_until + 1 for item in (*channel.queue[:QUEUE_AHEAD], *channel.offers)]
    looked = channel.looked
    return UnixSeconds(min([time for time in times if time > looked], default=0))


def _answers_due(channel: Channel) -> list[int]:
    """Return when the others must have answered what was offered, settled what is priced, signed what closes."""
    times: list[int] = []
    for entry in channel.offered:
        times += (entry.answer_by, entry.answer_by + channel.policy.challenge_s)
    if channel.reports:
        for since in _priced(channel):
            times += (since + channel.policy.answer_s, since + _patience(channel))
    if channel.leaving == Leaving.TOGETHER and not is_final(channel.agreed):
        times.append(channel.leave_by)
    return times


def _patience(channel: Channel) -> int:
    return channel.policy.answer_s + channel.policy.challenge_s


def _priced(channel: Channel) -> list[UnixSeconds]:
    """Return since when I have known the prices that positions settle at."""
    return [known[-1].since for known in reports.due(channel, channel.agreed.sheet)]


def on_timer(channel: Channel, now: UnixSeconds) -> Step:
    """Do what is overdue: forget what ran out, and leave alone where the others do not answer."""
    channel = msgspec.structs.replace(channel, looked=now)
    channel, effects = _forget_expired(channel, now)
    if lost := judging.forgotten(channel, now):
        effects = (*effects, Notify(Topic.STALLED, channel.id, version=channel.agreed.version, detail=lost))
    if channel.leaving == Leaving.TOGETHER and now >= channel.leave_by and channel.agreed.sheet.claims:
        channel = msgspec.structs.replace(channel, leaving=Leaving.NO)  # a trade was agreed first: nothing can close
    if phase(channel) in (Phase.LIVE, Phase.RECOVERING) and channel.leaving != Leaving.ALONE:
        why = _unanswered(channel, now)
        if why:
            notice = Notify(Topic.STALLED, channel.id, version=channel.agreed.version, detail=why)
            return Step(msgspec.structs.replace(channel, leaving=Leaving.ALONE), (*effects, notice))
    return Step(channel, effects)


def is_kept_waiting(channel: Channel, now: UnixSeconds) -> bool:
    """Say whether somebody's signature on what was offered is overdue here; others may have it."""
    is_usable = phase(channel) in (Phase.LIVE, Phase.RECOVERING)
    return is_usable and any(not entry.dead and now >= entry.answer_by for entry in channel.offered)


def _unanswered(channel: Channel, now: UnixSeconds) -> str:
    """Say why the newest agreed state must go to the chain now, or nothing."""
    if is_final(channel.agreed):
        return ""
    for entry in channel.offered:
        if now >= entry.answer_by + channel.policy.challenge_s:
            return f"version {entry.version} was not answered"
    if channel.leaving == Leaving.TOGETHER and now >= channel.leave_by:
        return "the others did not sign the close"
    if any(now >= since + _patience(channel) for since in _priced(channel)):
        return "positions with a known settlement price were not settled"
    return ""


def _forget_expired(channel: Channel, now: UnixSeconds) -> Step:
    why = RuleBroken(Reason.EXPIRED, "not included in time")
    gone = [operation for operation in channel.queue if operation.valid_until < now]
    effects: tuple[Effect, ...] = tuple(refuse_operation(channel, operation, why) for operation in gone)
    queue = tuple(operation for operation in channel.queue if operation.valid_until >= now) if gone else channel.queue
    offers = tuple(offer for offer in channel.offers if offer.valid_until >= now)
    return Step(msgspec.structs.replace(channel, queue=queue, offers=offers), effects)


def is_forlorn(channel: Channel, block_time: UnixSeconds) -> bool:
    """Say whether a channel can be forgotten: a block long after its opening's deadline was seen, and does not show it.

    An opening that failed is no proof: somebody else may have sent the same one first. Nor is the time alone: it passes
    while the chain is out of reach.
    """
    untouched = channel.agreed.version == 0 and not channel.offered and not channel.signed_max
    return untouched and phase(channel) == Phase.OPENING and block_time >= channel.open_by + MISSED_S


def begin_again(channel: Channel, now: UnixSeconds) -> Channel:
    """Give the others as long to answer as if everything had just been said, and look at all that came due meanwhile.

    So after a start, as nobody was heard while down, and when the chain shows again a channel in which states can be
    agreed: until then they could not.
    """
    answer_by = UnixSeconds(now + channel.policy.answer_s)
    offered = tuple(
        msgspec.structs.replace(entry, answer_by=max(entry.answer_by, answer_by)) for entry in channel.offered
    )
    known = tuple(msgspec.structs.replace(report, since=max(report.since, now)) for report in channel.reports)
    return msgspec.structs.replace(channel, offered=offered, reports=known, looked=UnixSeconds(0))
