"""At everybody but the sequencer: judging a proposal. Signed, or refused with a reason; never half of it.

A participant applies the same operations to the same base, must arrive at the same hashes, and signs. What it has
signed, or a greater version has made void, it never judges again.
"""

import msgspec

from thalweg.channel import hashes
from thalweg.channel.consent import Consent, check_mark_age
from thalweg.channel.draft import Draft
from thalweg.channel.effects import Effect, Notify, SendMessage, SignState, Topic
from thalweg.channel.invariants import check_sheet
from thalweg.channel.messages import OPERATIONS_MAX, StateCountersigned, StateProposed, StateRefused
from thalweg.channel.operations import AddPositions
from thalweg.channel.sheet import Sheet
from thalweg.channel.state import (
    NO_SIGNATURE,
    OFFERED_MAX,
    SEQUENCER,
    Agreed,
    Channel,
    Offered,
    Phase,
    Step,
    find_live,
    is_final,
    make_state,
    others,
    phase,
    undecided,
    version_max,
)
from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason, RuleBroken
from thalweg.units import VERSION_FINAL, VERSION_JUMP, Seat, UnixSeconds, Version


def on_state_proposed(channel: Channel, seat: Seat, message: StateProposed, now: UnixSeconds) -> Step:
    """Check a proposal and have it signed, or refuse it; what I signed already is only signed again."""
    if seat != SEQUENCER or channel.seat == SEQUENCER:
        raise PeerFault(Reason.NOT_SEQUENCER, "only seat 0 proposes")
    if len(message.operations) > OPERATIONS_MAX:
        raise PeerFault(Reason.OVERSIZED, f"{len(message.operations)} operations at once, at most {OPERATIONS_MAX}")
    known = find_live(channel, message.version)
    if known is not None:
        return Step(channel, _again(channel, known))
    if message.version <= channel.agreed.version:
        return Step(channel, _stale(channel, message.version))
    try:
        base = _find_base(channel, message)
    except RuleBroken as why:
        return _refuse_state(channel, message, -1, why)
    return _judge(channel, base, message, now)


def _find_base(channel: Channel, message: StateProposed) -> Agreed | Offered:
    """Return what a new proposal builds on.

    Raises:
        RuleBroken: nothing may be proposed now, not at this version, or not on that base.
    """
    if phase(channel) not in (Phase.LIVE, Phase.RECOVERING) or is_final(channel.agreed):
        raise RuleBroken(Reason.WRONG_PHASE, f"the channel is {phase(channel)}")
    newest = version_max(channel)
    if message.version <= newest:
        raise RuleBroken(Reason.STALE_VERSION, f"{message.version} is not above {newest}, which I signed")
    if len(channel.offered) >= OFFERED_MAX:
        raise RuleBroken(Reason.LIMIT, f"{OFFERED_MAX} states are offered and not agreed")
    base = channel.agreed if message.base == channel.agreed.version else find_live(channel, message.base)
    if base is None:
        raise RuleBroken(Reason.SKIPPED_VERSION, f"{message.base} is not known")
    return base


def _stale(channel: Channel, version: Version) -> tuple[Effect, ...]:
    """Answer a version below what is agreed: a resend that crossed my signature, or an attempt to go back.

    Either way nothing changes, and my signature on the newest one acknowledges all below it.
    """
    agreed = channel.agreed
    detail = f"{version} is not above {agreed.version}, which is agreed"
    notice = Notify(Topic.REFUSED, channel.id, version=version, reason=Reason.STALE_VERSION, detail=detail)
    if not agreed.signatures:
        return (notice,)
    answer = StateCountersigned(channel.id, agreed.version, agreed.signatures[channel.seat])
    return (SendMessage(channel.peers[SEQUENCER], answer), notice)


def _judge(channel: Channel, base: Agreed | Offered, message: StateProposed, now: UnixSeconds) -> Step:
    draft = Draft(channel.terms, base.sheet, UnixSeconds(now - channel.policy.clock_skew_s), _room(channel))
    consent = Consent(channel, base.version, now)
    at = -1
    try:
        _check_mark(channel, base.sheet, message, now)
        draft.advance_mark(message.mark_time if message.mark_time else base.sheet.mark_time)
        for at, operation in enumerate(message.operations):  # noqa: B007 - the refusal names it
            consent.check(operation)
            draft.apply(operation)
        at = -1
        _check_version(channel, base, message, draft)
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
        signer = channel.terms.participants[early.seat]
        if early.version == message.version and signed_by(digest, early.signature, signer):
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
    if any(isinstance(operation, AddPositions) for operation in message.operations):
        check_mark_age(channel, message.mark_time or sheet.mark_time, now)


def _check_version(channel: Channel, base: Agreed | Offered, message: StateProposed, draft: Draft) -> None:
    """Versions may have gaps, but a history must not run away: a restored node's jump has to reach beyond it."""
    if message.version > VERSION_FINAL or (message.version == VERSION_FINAL) != draft.closing:
        raise RuleBroken(Reason.WRONG_PHASE, "the final version, and only it, closes")
    if channel.recovering and len(channel.peers) == 2 and base.version < channel.signed_max:
        # with two, what the second to sign has signed was agreed: another base would take it back
        raise RuleBroken(Reason.RECOVERING, f"my key signed version {channel.signed_max}: show me that one first")
    if channel.recovering and not (draft.closing or draft.jumping):
        raise RuleBroken(Reason.RECOVERING, "nothing but a jump or a close, until lost states are void")
    if draft.jumping and message.version < base.version + VERSION_JUMP:
        raise RuleBroken(Reason.SKIPPED_VERSION, f"a jump is over {VERSION_JUMP} versions")
    ahead = message.version - version_max(channel)
    if not draft.closing and ahead > OFFERED_MAX + (2 * VERSION_JUMP if draft.jumping else 0):
        raise RuleBroken(Reason.SKIPPED_VERSION, f"{ahead} versions at once")


def _refuse_state(channel: Channel, message: StateProposed, index: int, why: RuleBroken) -> Step:
    refusal = StateRefused(channel.id, message.version, index, why.reason, why.detail)
    notice = Notify(Topic.REFUSED, channel.id, version=message.version, reason=why.reason, detail=why.detail)
    return Step(channel, (SendMessage(channel.peers[SEQUENCER], refusal), notice))


def _again(channel: Channel, entry: Offered) -> tuple[Effect, ...]:
    """Say my signature once more; the peer has missed it. One that is not there yet will be said when it is."""
    mine = entry.signatures[channel.seat]
    if not mine:
        return ()
    return tuple(SendMessage(peer, StateCountersigned(channel.id, entry.version, mine)) for peer in others(channel))
