"""Agreeing on states: the sequencer proposes, the rest countersign. docs/protocol.md tells the rules and why.

Only seat 0 proposes. It batches whatever is queued, first in, first out, into the next version, signs, and may have
several versions under way. Others apply the same operations to the same base, must arrive at the same hashes, and
sign. A signature on a version acknowledges all below it. A refused version is dead, and its other operations go into
the next one. Nothing here looks at a clock or a key: `now` comes with the event, signatures come as events.
"""

from typing import Final, NamedTuple

import msgspec

from thalweg.channel import hashes
from thalweg.channel.consent import Consent
from thalweg.channel.draft import Draft
from thalweg.channel.effects import Effect, Notify, SendMessage, SignDigest, SignState, Topic
from thalweg.channel.invariants import check_sheet
from thalweg.channel.messages import (
    OPERATIONS_MAX,
    OperationRefused,
    OperationsSent,
    StateCountersigned,
    StateProposed,
    StateRefused,
)
from thalweg.channel.operations import AddPositions, AnyOperation, Close, Jump
from thalweg.channel.sheet import Sheet
from thalweg.channel.state import (
    EARLY_MAX,
    NO_SIGNATURE,
    OFFERED_MAX,
    PIPELINE_MAX,
    QUEUE_MAX,
    SEQUENCER,
    Agreed,
    Channel,
    Early,
    Offered,
    Phase,
    is_final,
    make_state,
    newest,
    others,
    phase,
    undecided,
    version_max,
)
from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason, RuleBroken
from thalweg.units import VERSION_FINAL, VERSION_JUMP, ChannelId, Seat, Signature, UnixSeconds, Version

REFUSALS_MAX: Final = 8  # of states in a row; then the operations are refused to their authors


class Step(NamedTuple):
    """A channel after an event, and what the shell must do."""

    channel: Channel
    effects: tuple[Effect, ...] = ()


class _Batch(NamedTuple):
    draft: Draft
    included: tuple[AnyOperation, ...]
    refused: tuple[tuple[AnyOperation, RuleBroken], ...]
    left: tuple[AnyOperation, ...]


# --- operations on their way into a state ---------------------------------------------------------------------------


def queue_operations(channel: Channel, operations: tuple[AnyOperation, ...]) -> Channel:
    """Append operations to the queue.

    Raises:
        RuleBroken: LIMIT, when the queue is full.
    """
    if len(channel.queue) + len(operations) > QUEUE_MAX:
        raise RuleBroken(Reason.LIMIT, f"{len(channel.queue)} operations wait already; the peer is slow or away")
    return msgspec.structs.replace(channel, queue=channel.queue + operations)


def on_operations_sent(channel: Channel, seat: Seat, message: OperationsSent) -> Step:
    """At the sequencer: queue what a participant sent; what is known already (a resend) is skipped."""
    if channel.seat != SEQUENCER:
        raise PeerFault(Reason.NOT_SEQUENCER, "send operations to seat 0")
    if any(operation.author != seat for operation in message.operations):
        raise PeerFault(Reason.NOT_AUTHOR, f"seat {seat} sent another's operation")
    last = max([newest(channel).sheet.numbers[seat], *(item.number for item in channel.queue if item.author == seat)])
    fresh = tuple(operation for operation in message.operations if operation.number > last)
    try:
        return Step(queue_operations(channel, fresh))
    except RuleBroken as full:
        return Step(channel, tuple(_refuse_operation(channel, operation, full) for operation in fresh))


def _refuse_operation(channel: Channel, operation: AnyOperation, why: RuleBroken) -> Effect:
    """Return how the author of an operation learns that it is not included: the sequencer's refusals are signed."""
    if operation.author == channel.seat:
        return Notify(Topic.REFUSED, channel.id, numbers=(operation.number,), reason=why.reason, detail=why.detail)
    subject = refusal_subject(operation.author, operation.number, why.reason, why.detail)
    digest = hashes.refusal_digest(channel.separator, channel.id, operation.author, operation.number, why.reason)
    return SignDigest(channel.id, subject, digest)


def refusal_subject(author: int, number: int, reason: Reason, detail: str) -> str:
    """Return the subject under which a refusal's signature comes back."""
    return f"refusal/{author}/{number}/{reason.name}/{detail}"


def on_refusal_signed(channel: Channel, subject: str, signature: Signature) -> Step:
    """Send a signed refusal to its author."""
    _, author, number, name, detail = subject.split("/", 4)
    message = OperationRefused(channel.id, Seat(int(author)), int(number), Reason[name], detail, signature)
    return Step(channel, (SendMessage(channel.peers[int(author)], message),))


def on_operation_refused(channel: Channel, seat: Seat, message: OperationRefused) -> Step:
    """The sequencer did not include mine: forget it and say so."""
    if seat != SEQUENCER or message.author != channel.seat:
        raise PeerFault(Reason.NOT_SEQUENCER, "only the sequencer refuses operations, to their author")
    digest = hashes.refusal_digest(channel.separator, channel.id, message.author, message.number, message.reason)
    if not signed_by(digest, message.signature, channel.terms.participants[SEQUENCER]):
        raise PeerFault(Reason.WRONG_SIGNER, "a refusal must carry the sequencer's signature")
    queue = tuple(operation for operation in channel.queue if operation.number != message.number)
    notice = Notify(Topic.REFUSED, channel.id, numbers=(message.number,), reason=message.reason, detail=message.detail)
    return Step(msgspec.structs.replace(channel, queue=queue), (notice,))


# --- proposing ------------------------------------------------------------------------------------------------------


def can_offer(channel: Channel, now: UnixSeconds) -> bool:
    """Say whether the sequencer may put another state at stake now."""
    return (
        channel.seat == SEQUENCER
        and phase(channel) in (Phase.LIVE, Phase.RECOVERING)
        and (bool(channel.queue) or _must_supersede(channel))
        and len(channel.offered) < OFFERED_MAX
        and sum(not entry.dead for entry in channel.offered) < PIPELINE_MAX
        and not is_final(newest(channel))
        and all(up for seat, up in enumerate(channel.synced) if seat != channel.seat)
        and all(now < entry.answer_by for entry in channel.offered)
    )


def _must_supersede(channel: Channel) -> bool:
    """Say whether a refused version is the greatest one: somebody could still sign it, so a newer must be agreed."""
    return version_max(channel) > newest(channel).version


def flush(channel: Channel, now: UnixSeconds) -> Step:
    """At the sequencer: turn as much of the queue into states as may be offered now."""
    effects: list[Effect] = []
    while can_offer(channel, now):
        before = channel
        channel, more = _propose(channel, now)
        effects.extend(more)
        if channel.queue == before.queue and channel.offered == before.offered:
            break
    return Step(channel, tuple(effects))


def _propose(channel: Channel, now: UnixSeconds) -> Step:
    batch = _fill(channel, now)
    effects = [_refuse_operation(channel, operation, why) for operation, why in batch.refused]
    channel = msgspec.structs.replace(channel, queue=batch.left)
    if not batch.included and not _must_supersede(channel):
        return Step(channel, tuple(effects))
    base = newest(channel)
    sheet = batch.draft.sheet()
    version = _next_version(channel, batch.draft)
    state = make_state(channel, version, sheet)
    check_sheet(sheet, len(channel.terms.assets), channel.terms.settlement)
    offered = Offered(
        state=state,
        base=base.version,
        sheet=sheet,
        digest=hashes.state_digest(channel.separator, state),
        signatures=(NO_SIGNATURE,) * len(channel.peers),
        operations=batch.included,
        exposure=tuple(batch.draft.exposure),
        answer_by=UnixSeconds(now + channel.policy.answer_s),
    )
    effects.append(SignState(channel.id, version, offered.digest))
    return Step(msgspec.structs.replace(channel, offered=(*channel.offered, offered)), tuple(effects))


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
    consent = Consent(channel, now)
    included: list[AnyOperation] = []
    refused: list[tuple[AnyOperation, RuleBroken]] = []
    done = 0
    for operation in channel.queue[:OPERATIONS_MAX]:
        if draft.closing or draft.jumping:
            break
        try:
            if channel.recovering and not isinstance(operation, Close | Jump):
                raise RuleBroken(Reason.RECOVERING, "the sequencer's journal is a restored one")
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


# --- judging a proposal ---------------------------------------------------------------------------------------------


def on_state_proposed(channel: Channel, seat: Seat, message: StateProposed, now: UnixSeconds) -> Step:
    """Check a proposal and have it signed, or refuse it; what I signed already is only signed again."""
    if seat != SEQUENCER or channel.seat == SEQUENCER:
        raise PeerFault(Reason.NOT_SEQUENCER, "only seat 0 proposes")
    known = find(channel, message.version)
    if known is not None:
        return Step(channel, _again(channel, known))
    if message.version <= channel.agreed.version:
        return Step(channel, _stale(channel, message.version))
    if phase(channel) not in (Phase.LIVE, Phase.RECOVERING) or is_final(channel.agreed):
        return _refuse_state(channel, message, -1, RuleBroken(Reason.WRONG_PHASE, f"the channel is {phase(channel)}"))
    base = _base(channel, message.base)
    if base is None:
        return _refuse_state(channel, message, -1, RuleBroken(Reason.SKIPPED_VERSION, f"{message.base} is not known"))
    return _judge(channel, base, message, now)


def _stale(channel: Channel, version: Version) -> tuple[Effect, ...]:
    """Answer a version below what is agreed: a resend that crossed my signature, or an attempt to go back.

    Either way nothing changes, and my signature on the newest one acknowledges all below it.
    """
    agreed = channel.agreed
    detail = f"{version} is not above {agreed.version}, which is agreed"
    notice = Notify(Topic.REFUSED, channel.id, version=version, reason=Reason.STALE_VERSION, detail=detail)
    answer = StateCountersigned(channel.id, agreed.version, agreed.signatures[channel.seat])
    return (SendMessage(channel.peers[SEQUENCER], answer), notice)


def _judge(channel: Channel, base: Agreed | Offered, message: StateProposed, now: UnixSeconds) -> Step:
    draft = Draft(channel.terms, base.sheet, UnixSeconds(now - channel.policy.clock_skew_s), _room(channel))
    consent = Consent(channel, now)
    at = -1
    try:
        _check_mark(channel, base.sheet, message, now)
        draft.advance_mark(message.mark_time if message.mark_time else base.sheet.mark_time)
        for at, operation in enumerate(message.operations):  # noqa: B007 - the refusal names it
            consent.check(operation)
            draft.apply(operation)
        at = -1
        _check_version(channel, message, draft)
    except RuleBroken as why:
        return _refuse_state(channel, message, at, why)
    sheet = draft.sheet()
    check_sheet(sheet, len(channel.terms.assets), channel.terms.settlement)
    state = make_state(channel, message.version, sheet)
    if (state.balances_hash, state.claims_root) != (message.balances_hash, message.claims_root):
        detail = f"I get balances {state.balances_hash.hex()} and claims {state.claims_root.hex()}"
        return _refuse_state(channel, message, -1, RuleBroken(Reason.WRONG_HASH, detail))
    digest = hashes.state_digest(channel.separator, state)
    if not signed_by(digest, message.signature, channel.terms.participants[SEQUENCER]):
        raise PeerFault(
            Reason.WRONG_SIGNER, f"the signature on version {message.version} is not seat 0's over what I compute"
        )
    signatures = [NO_SIGNATURE] * len(channel.peers)
    signatures[SEQUENCER] = message.signature
    for early in channel.early:
        if early.version == message.version and _valid(channel, early.seat, digest, early.signature):
            signatures[early.seat] = early.signature
    answer_by = UnixSeconds(now + channel.policy.answer_s)
    offered = Offered(
        state, base.version, sheet, digest, tuple(signatures), message.operations, tuple(draft.exposure), answer_by
    )
    return Step(_take_up(channel, offered), (SignState(channel.id, message.version, digest),))


def _room(channel: Channel) -> tuple[int, ...] | None:
    """Return what may still be put at stake. With two, my signature decides the state for me: no limit applies."""
    if len(channel.peers) == 2:
        return None
    return tuple(a - b for a, b in zip(channel.policy.undecided_max, undecided(channel), strict=True))


def _take_up(channel: Channel, offered: Offered) -> Channel:
    """Add a state I am about to sign: its operations leave my queue, and what it does not build on is dead."""
    kept = tuple(
        entry if entry.version <= offered.base else msgspec.structs.replace(entry, dead=True)
        for entry in channel.offered
    )
    last = offered.sheet.numbers[channel.seat]
    return msgspec.structs.replace(
        channel,
        offered=(*kept, offered),
        queue=tuple(operation for operation in channel.queue if operation.number > last),
        early=tuple(early for early in channel.early if early.version > offered.version),
    )


def _check_mark(channel: Channel, sheet: Sheet, message: StateProposed, now: UnixSeconds) -> None:
    if message.mark_time > now + channel.policy.clock_skew_s:
        raise RuleBroken(Reason.NOT_YET, f"mark time {message.mark_time} is in the future")
    adds = any(isinstance(operation, AddPositions) for operation in message.operations)
    mark = message.mark_time or sheet.mark_time
    if adds and mark and mark + channel.policy.mark_age_max_s < now:
        raise RuleBroken(Reason.MARK_TOO_OLD, f"mark time {mark} is older than {channel.policy.mark_age_max_s} s")


def _check_version(channel: Channel, message: StateProposed, draft: Draft) -> None:
    if (message.version == VERSION_FINAL) != draft.closing:
        raise RuleBroken(Reason.WRONG_PHASE, "the final version, and only it, closes")
    if channel.recovering and not (draft.closing or draft.jumping):
        raise RuleBroken(Reason.RECOVERING, "this node only closes or jumps until it knows the newest state")
    jump = message.version - version_max(channel)
    if not draft.closing and jump > (VERSION_JUMP if draft.jumping else PIPELINE_MAX + REFUSALS_MAX):
        raise RuleBroken(Reason.SKIPPED_VERSION, f"{jump} versions at once")


def _refuse_state(channel: Channel, message: StateProposed, index: int, why: RuleBroken) -> Step:
    refusal = StateRefused(channel.id, message.version, index, why.reason, why.detail)
    notice = Notify(Topic.REFUSED, channel.id, version=message.version, reason=why.reason, detail=why.detail)
    return Step(channel, (SendMessage(channel.peers[SEQUENCER], refusal), notice))


def _base(channel: Channel, version: Version) -> Agreed | Offered | None:
    return channel.agreed if version == channel.agreed.version else find(channel, version)


def find(channel: Channel, version: Version) -> Offered | None:
    """Return the offered state of that version, if it is one I may still sign."""
    for entry in channel.offered:
        if entry.version == version and not entry.dead:
            return entry
    return None


def _again(channel: Channel, entry: Offered) -> tuple[Effect, ...]:
    """Say my signature once more; the peer has missed it."""
    mine = entry.signatures[channel.seat]
    if not mine:
        return (SignState(channel.id, entry.version, entry.digest),)
    return tuple(SendMessage(peer, StateCountersigned(channel.id, entry.version, mine)) for peer in others(channel))


# --- signatures -----------------------------------------------------------------------------------------------------


def on_state_signed(channel: Channel, version: Version, signature: Signature) -> Step:
    """My own signature is there: send it, with the proposal if I am the sequencer."""
    entry = find(channel, version)
    if entry is None:
        return Step(channel)
    if channel.seat == SEQUENCER:
        message: StateProposed | StateCountersigned = proposal(channel.id, entry, signature)
    else:
        message = StateCountersigned(channel.id, version, signature)
    sends = tuple(SendMessage(peer, message) for peer in others(channel))
    channel, effects = _signature_added(channel, entry, channel.seat, signature)
    return Step(channel, sends + effects)


def proposal(channel_id: ChannelId, entry: Offered, signature: Signature) -> StateProposed:
    """Return the message that proposes an offered state."""
    state = entry.state
    return StateProposed(
        channel_id, state.version, entry.base, entry.sheet.mark_time, entry.operations,
        state.balances_hash, state.claims_root, signature,
    )  # fmt: skip


def on_countersigned(channel: Channel, seat: Seat, message: StateCountersigned) -> Step:
    """A participant signed: with the last signature the state is agreed."""
    if message.version <= channel.agreed.version:
        return Step(channel)
    entry = next((item for item in channel.offered if item.version == message.version), None)
    if entry is None:
        return Step(_keep_early(channel, seat, message))
    if not _valid(channel, seat, entry.digest, message.signature):
        raise PeerFault(Reason.WRONG_SIGNER, f"not seat {seat}'s signature on version {message.version}")
    return Step(*_signature_added(channel, entry, seat, message.signature))


def _keep_early(channel: Channel, seat: Seat, message: StateCountersigned) -> Channel:
    if channel.seat == SEQUENCER or len(channel.early) >= EARLY_MAX:
        raise PeerFault(Reason.STALE_VERSION, f"nobody offered version {message.version}")
    early = Early(seat, message.version, message.signature)
    return msgspec.structs.replace(channel, early=(*channel.early, early))


def _valid(channel: Channel, seat: int, digest: bytes, signature: Signature) -> bool:
    return signed_by(digest, signature, channel.terms.participants[seat])


def _signature_added(channel: Channel, entry: Offered, seat: Seat, signature: Signature) -> Step:
    signatures = (*entry.signatures[:seat], signature, *entry.signatures[seat + 1 :])
    if not all(signatures):
        changed = msgspec.structs.replace(entry, signatures=signatures)
        offered = tuple(changed if item is entry else item for item in channel.offered)
        return Step(msgspec.structs.replace(channel, offered=offered))
    used = {
        operation.offer
        for item in channel.offered
        if item.version <= entry.version and not item.dead
        for operation in item.operations
        if isinstance(operation, AddPositions)
    }
    channel = msgspec.structs.replace(
        channel,
        agreed=Agreed(entry.state, entry.sheet, signatures),
        offered=tuple(item for item in channel.offered if item.version > entry.version),
        queue=_mine_again(channel, entry) + channel.queue,
        offers=tuple(offer for offer in channel.offers if offer.id not in used),
        refusals=0,
        recovering=channel.recovering and not _restarts(entry),
    )
    taken = " ".join(sorted(offer.hex() for offer in used))
    notice = Notify(Topic.AGREED, channel.id, version=entry.version, numbers=entry.sheet.numbers, detail=taken)
    return Step(channel, (notice,))


def _restarts(entry: Offered) -> bool:
    """Say whether a state makes void whatever a restored node has forgotten."""
    return any(isinstance(operation, Jump | Close) for operation in entry.operations)


def _mine_again(channel: Channel, agreed: Offered) -> tuple[AnyOperation, ...]:
    """Return my operations that were in states now void and are not in the agreed one: they wait to be included."""
    if channel.seat == SEQUENCER:
        return ()
    last = newest(channel).sheet.numbers[channel.seat]
    lost = {
        operation.number: operation
        for item in channel.offered
        if item.dead and item.version < agreed.version
        for operation in item.operations
        if operation.author == channel.seat and operation.number > last
    }
    return tuple(lost[number] for number in sorted(lost))


def on_state_refused(channel: Channel, seat: Seat, message: StateRefused) -> Step:
    """Somebody does not sign: that version and what builds on it is dead; its other operations are queued again."""
    if channel.seat != SEQUENCER:
        raise PeerFault(Reason.NOT_SEQUENCER, "refusals go to seat 0")
    entry = find(channel, message.version)
    if entry is None:
        return Step(channel)
    why = RuleBroken(message.reason, f"seat {seat} does not sign: {message.detail}")
    again: list[AnyOperation] = []
    refused: list[AnyOperation] = []
    give_up = channel.refusals + 1 > REFUSALS_MAX
    for item in channel.offered:
        if item.version >= message.version and not item.dead:
            for index, operation in enumerate(item.operations):
                at_fault = item is entry and index == message.operation
                (refused if at_fault or give_up else again).append(operation)
    channel = msgspec.structs.replace(
        channel,
        offered=tuple(
            msgspec.structs.replace(item, dead=True) if item.version >= message.version else item
            for item in channel.offered
        ),
        queue=(*again, *channel.queue),
        refusals=0 if give_up else channel.refusals + 1,
    )
    return Step(channel, tuple(_refuse_operation(channel, operation, why) for operation in refused))
