"""At the sequencer: turning the queue into states. Decisions 6, 8, 62, 63 and 122 tell the rules and why.

Only seat 0 proposes. It batches whatever is queued, first in, first out, into the next version, signs, and may have
several versions under way. A version that was refused is dead, but somebody could still sign it: a newer one must be
agreed to make it void, and that one changes nothing, so that it stands whatever is refused next. The final state is
offered alone and last, since nothing can ever supersede it.
"""

from typing import NamedTuple

import msgspec

from thalweg.channel import hashes
from thalweg.channel.consent import Consent, check_mark_age
from thalweg.channel.draft import Draft
from thalweg.channel.effects import Effect, SignState
from thalweg.channel.invariants import check_sheet
from thalweg.channel.messages import OPERATIONS_MAX, StateProposed
from thalweg.channel.operations import AddPositions, AnyOperation, Close, Jump
from thalweg.channel.queueing import refuse_operation
from thalweg.channel.state import (
    NO_SIGNATURE,
    OFFERED_MAX,
    PIPELINE_MAX,
    SEQUENCER,
    Channel,
    Offered,
    Phase,
    Step,
    make_state,
    newest,
    phase,
    undecided,
    version_max,
)
from thalweg.errors import Reason, RuleBroken
from thalweg.units import VERSION_FINAL, VERSION_JUMP, ChannelId, Signature, UnixSeconds, Version


class _Batch(NamedTuple):
    draft: Draft
    included: tuple[AnyOperation, ...]
    refused: tuple[tuple[AnyOperation, RuleBroken], ...]
    left: tuple[AnyOperation, ...]


def can_offer(channel: Channel, now: UnixSeconds) -> bool:
    """Say whether the sequencer may put another state at stake now."""
    return (
        channel.seat == SEQUENCER
        and (bool(channel.queue) or _must_supersede(channel))
        and phase(channel) in (Phase.LIVE, Phase.RECOVERING)
        and now >= channel.offer_after
        and version_max(channel) < VERSION_FINAL
        and len(channel.offered) < OFFERED_MAX
        and sum(not entry.dead for entry in channel.offered) < PIPELINE_MAX
        and all(up for seat, up in enumerate(channel.synced) if seat != channel.seat)
        and all(entry.dead or now < entry.answer_by for entry in channel.offered)
    )


def _must_supersede(channel: Channel) -> bool:
    """Say whether a refused version is the greatest one: somebody could still sign it, so a newer must be agreed."""
    latest = version_max(channel)
    return newest(channel).version < latest < VERSION_FINAL - 1 and not channel.recovering


def flush(channel: Channel, now: UnixSeconds) -> Step:
    """At the sequencer: turn as much of the queue into states as may be offered now."""
    effects: list[Effect] = []
    while can_offer(channel, now):
        supersedes = _must_supersede(channel)
        batch = _nothing(channel, now) if supersedes else _fill(channel, now)
        effects.extend(refuse_operation(channel, operation, why) for operation, why in batch.refused)
        channel = msgspec.structs.replace(channel, queue=batch.left)
        if batch.included or supersedes:
            channel, more = _propose(channel, batch, now)
            effects.extend(more)
        elif not batch.refused:
            break
    return Step(channel, tuple(effects))


def _nothing(channel: Channel, now: UnixSeconds) -> _Batch:
    """Return the empty batch: a state that changes nothing, so that nobody has a reason to refuse it."""
    return _Batch(Draft(channel.terms, newest(channel).sheet, now), (), (), channel.queue)


def _propose(channel: Channel, batch: _Batch, now: UnixSeconds) -> Step:
    sheet = batch.draft.sheet()
    version = _next_version(channel, batch.draft)
    state = make_state(channel, version, sheet)
    check_sheet(sheet, len(channel.terms.assets), channel.terms.settlement)
    offered = Offered(
        state=state,
        base=newest(channel).version,
        sheet=sheet,
        digest=hashes.state_digest(channel.separator, state),
        signatures=(NO_SIGNATURE,) * len(channel.peers),
        operations=batch.included,
        exposure=tuple(batch.draft.exposure),
        answer_by=UnixSeconds(now + channel.policy.answer_s),
    )
    channel = msgspec.structs.replace(channel, offered=(*channel.offered, offered))
    return Step(channel, (SignState(channel.id, version, offered.digest),))


def _next_version(channel: Channel, draft: Draft) -> Version:
    if draft.closing:
        return VERSION_FINAL
    return Version(version_max(channel) + (VERSION_JUMP if draft.jumping else 1))


def _fill(channel: Channel, now: UnixSeconds) -> _Batch:
    """Apply the queue to the newest sheet until something must wait: the batch is full or enough is undecided."""
    at_stake = undecided(channel)
    room = tuple(limit - stake for limit, stake in zip(channel.policy.undecided_max, at_stake, strict=True))
    base = newest(channel).sheet
    draft = Draft(channel.terms, base, now, room)
    if channel.tick > base.mark_time:
        draft.advance_mark(channel.tick)
    consent = Consent(channel, newest(channel).version, now)
    included: list[AnyOperation] = []
    refused: list[tuple[AnyOperation, RuleBroken]] = []
    done = 0
    for operation in channel.queue[:OPERATIONS_MAX]:
        is_last = isinstance(operation, Close)
        if draft.closing or draft.jumping or (is_last and (included or channel.offered)):
            break
        try:
            _check_version_room(channel, operation)
            if isinstance(operation, AddPositions):
                check_mark_age(channel, max(channel.tick, base.mark_time), now)
            if operation.author != channel.seat:
                consent.check(operation)
            draft.apply(operation)
        except RuleBroken as why:
            if why.reason == Reason.UNDECIDED_MAX and (included or any(at_stake)):
                break
            refused.append((operation, why))
        else:
            included.append(operation)
        done += 1
    return _Batch(draft, tuple(included), tuple(refused), channel.queue[done:])


def _check_version_room(channel: Channel, operation: AnyOperation) -> None:
    if channel.recovering and not isinstance(operation, Close | Jump):
        raise RuleBroken(Reason.RECOVERING, "a journal here is a restored one: jump or close first")
    if not isinstance(operation, Close) and version_max(channel) + 1 >= VERSION_FINAL:
        raise RuleBroken(Reason.LIMIT, "the channel has used up its versions: close it")
    if isinstance(operation, Jump) and version_max(channel) + 2 * VERSION_JUMP > VERSION_FINAL:
        raise RuleBroken(Reason.LIMIT, "no versions are left to jump over: close the channel")


def proposal(channel_id: ChannelId, entry: Offered, signature: Signature) -> StateProposed:
    """Return the message that proposes an offered state."""
    state = entry.state
    return StateProposed(
        channel_id, state.version, entry.base, entry.sheet.mark_time, entry.operations,
        state.balances_hash, state.claims_root, signature,
    )  # fmt: skip
