"""What to do on chain, derived from the chain's view and my newest agreed state: nothing here remembers steps.

Called after everything that may change the answer; at most one call a channel is under way, and in a dispute one about
it beside what was under way before. A dispute below my newest
agreed state is answered at once, whoever started it, and still a little past the deadline: my clock may be fast. After
the deadline the positions whose price is known are settled in order, and with the last one everybody is paid. If the
view changes under us (a reorganisation, the other side was faster), the next answer is simply another one.
"""

from typing import Final, TypeVar

import msgspec

from thalweg.channel import hashes, reports
from thalweg.channel.claims import Position
from thalweg.channel.effects import Effect, Notify, SignDigest, Submit, Topic
from thalweg.channel.onchain import (
    Call,
    CallSettled,
    ChallengeState,
    ChannelObserved,
    CloseChannel,
    Dispute,
    OpenChannel,
    PayWithdrawal,
    RegisterReport,
    RespondState,
    SettleClaims,
    TopUp,
)
from thalweg.channel.sheet import ChannelState, Sheet, empty_sheet
from thalweg.channel.state import (
    Agreed,
    Channel,
    KnownReport,
    Leaving,
    Offered,
    Phase,
    Step,
    is_final,
    make_state,
    phase,
    shown,
)
from thalweg.instruments.report import SignedReport
from thalweg.units import ZERO_HASH, Signature, UnixSeconds, Version

_Payment = TypeVar("_Payment", CloseChannel, PayWithdrawal)

RETRY_S: Final = 3  # after a call, until the chain's view is trusted to show it
GRACE_S: Final = 30  # how long the one whose turn it is goes first
CHALLENGE_VALID_S: Final = 3600
_CHALLENGE: Final = "challenge"


def act(channel: Channel, now: UnixSeconds) -> Step:
    """Return the one call that is due, if any."""
    if _must_wait(channel) or now < channel.quiet_until or not channel.head.opened or channel.head.closed:
        return Step(channel)
    dispute = channel.head.dispute
    if dispute is not None:
        return _in_dispute(channel, dispute, now)
    if is_final(channel.agreed):
        return _close(channel, now)
    if channel.leaving == Leaving.ALONE:
        digest = hashes.challenge_digest(channel.separator, channel.id, channel.agreed.version, _valid_until(now))
        return Step(channel, (SignDigest(channel.id, f"{_CHALLENGE}/{_valid_until(now)}", digest),))
    return _withdrawal(channel)


def _must_wait(channel: Channel) -> bool:
    """Say whether a call is under way that the next has to wait for.

    No answer to a dispute waits for calls from before it: the allowance for a top-up may take minutes to be mined.
    """
    if channel.head.dispute is None:
        return bool(channel.calls)
    return not all(isinstance(item.call, OpenChannel | TopUp | PayWithdrawal) for item in channel.calls)


def _valid_until(now: UnixSeconds) -> UnixSeconds:
    return UnixSeconds(now + CHALLENGE_VALID_S)


def submit(channel: Channel, call: Call) -> Step:
    """Send a call under a tag of its own and remember it until the chain answers."""
    effect = Submit(f"{channel.id.hex()}/{channel.calls_made}", call)
    channel = msgspec.structs.replace(channel, calls=(*channel.calls, effect), calls_made=channel.calls_made + 1)
    return Step(channel, (effect,))


def on_challenge_signed(channel: Channel, subject: str, signature: Signature) -> Step:
    """Challenge with the newest agreed state."""
    if channel.head.dispute is not None or channel.calls:
        return Step(channel)
    until = UnixSeconds(int(subject.partition("/")[2]))
    return submit(channel, ChallengeState(channel.terms, shown(channel.agreed), channel.seat, until, signature))


def _in_dispute(channel: Channel, dispute: Dispute, now: UnixSeconds) -> Step:
    if channel.agreed.version > dispute.version:
        if is_final(channel.agreed):
            return _close(channel, now)
        if now <= dispute.deadline + channel.policy.clock_skew_s and not dispute.progress.released:
            return submit(channel, RespondState(channel.terms, shown(channel.agreed)))
    turn = dispute.deadline + (0 if dispute.challenger == channel.seat else GRACE_S)
    return _settle(channel, dispute, now) if now > turn else Step(channel)


def _settle(channel: Channel, dispute: Dispute, now: UnixSeconds) -> Step:
    sheet = _sheet_at(channel, dispute.version)
    if sheet is None:
        return Step(channel)
    upto, missing = _resolvable(channel, sheet, dispute.progress.cursor)
    if missing is not None:
        return submit(channel, _register(missing.signed))
    if dispute.progress.released and upto == dispute.progress.cursor and upto < len(sheet.claims):
        return Step(channel)
    return submit(channel, _settle_call(channel, dispute, sheet, upto))


def forgotten(channel: Channel, now: UnixSeconds) -> str:
    """Say that a dispute was decided by a version whose content is not known here any more, or nothing.

    An old one, shown while nobody here answered: its hash is on the chain, what it says is not, and only who knows that
    can settle it.
    """
    dispute = channel.head.dispute
    if dispute is None or now <= dispute.deadline or _sheet_at(channel, dispute.version) is not None:
        return ""
    return (
        f"version {dispute.version} was not answered before {dispute.deadline}; mine is {channel.agreed.version}. "
        "Who showed it can settle it, and so can a backup from that time"
    )


def _settle_call(channel: Channel, dispute: Dispute, sheet: Sheet, upto: int) -> SettleClaims:
    fresh = dispute.version == 0
    salt = ZERO_HASH if fresh else hashes.balances_salt(channel.secret, dispute.version)
    nothing = ChannelState(channel.id, Version(0), ZERO_HASH, ZERO_HASH)
    return SettleClaims(
        terms=channel.terms,
        deposited=channel.head.deposited,
        withdrawn=channel.head.withdrawn,
        state=nothing if fresh else make_state(channel, dispute.version, sheet),
        holdings=sheet.holdings,
        salt=salt,
        mark_time=sheet.mark_time,
        claims=sheet.claims,
        secret=channel.secret,
        progress=dispute.progress,
        upto=upto,
    )


def _sheet_at(channel: Channel, version: Version) -> Sheet | None:
    """Return what a version said, if I know it: the newest agreed, or one that I offered and the other completed."""
    if version == 0:
        return empty_sheet(channel.terms)
    entries: tuple[Agreed | Offered, ...] = (channel.agreed, *channel.offered)
    for entry in entries:
        if entry.version == version:
            return entry.sheet
    return None


def _resolvable(channel: Channel, sheet: Sheet, cursor: int) -> tuple[int, KnownReport | None]:
    """Return up to which claim settlement can walk now, and the first known report the chain still lacks for it."""
    for index in range(cursor, len(sheet.claims)):
        claim = sheet.claims[index]
        if not isinstance(claim, Position):
            return index, None
        known, is_priced = reports.path(channel, claim.instrument.feed, claim.instrument.expiry)
        missing = next((report for report in known if not report.registered), None)
        if missing is not None or not is_priced:
            return index, missing
    return len(sheet.claims), None


def _register(signed: SignedReport) -> RegisterReport:
    report = signed.report
    return RegisterReport(
        signed.oracle, report.feed, report.time, report.price, report.is_void, signed.signers, signed.signatures
    )


def _close(channel: Channel, now: UnixSeconds) -> Step:
    """Show the final state; the one who asked goes first, the others after a grace."""
    if channel.head.dispute is None and channel.leaving == Leaving.NO and now < channel.leave_by + GRACE_S:
        return Step(channel)
    return submit(channel, _payment(channel, CloseChannel))


def _withdrawal(channel: Channel) -> Step:
    """Have the chain pay what my agreed state says I withdrew."""
    assets = len(channel.terms.assets)
    mine = range(channel.seat * assets, (channel.seat + 1) * assets)
    owed = any(channel.agreed.sheet.holdings[index].withdrawn > channel.head.withdrawn[index] for index in mine)
    return submit(channel, _payment(channel, PayWithdrawal)) if owed else Step(channel)


def _payment(channel: Channel, kind: type[_Payment]) -> _Payment:
    agreed, head = channel.agreed, channel.head
    salt = hashes.balances_salt(channel.secret, agreed.version)
    return kind(channel.terms, head.deposited, head.withdrawn, shown(agreed), agreed.sheet.holdings, salt)


# --- what the chain says --------------------------------------------------------------------------------------------


def on_observed(channel: Channel, event: ChannelObserved) -> Step:
    """Take over the chain's view; tell the user what changed."""
    before, old = phase(channel), channel.head.dispute
    channel = msgspec.structs.replace(channel, head=event.head, final=event.final, quiet_until=UnixSeconds(0))
    effects: list[Effect] = []
    after = phase(channel)
    if before == Phase.OPENING and after != Phase.OPENING:
        effects.append(Notify(Topic.OPENED, channel.id))
    new = channel.head.dispute
    if new is not None and (old is None or old.version != new.version):
        effects.append(Notify(Topic.DISPUTED, channel.id, version=new.version, detail=f"deadline {new.deadline}"))
    if after == Phase.CLOSED and before != Phase.CLOSED:
        effects.append(Notify(Topic.CLOSED, channel.id, version=channel.agreed.version))
    return Step(channel, tuple(effects))


def on_call_settled(channel: Channel, event: CallSettled, now: UnixSeconds) -> Step:
    """A call is over, well or not; look at the chain again before the next one."""
    done = next((item for item in channel.calls if item.tag == event.tag), None)
    if done is None:
        return Step(channel)
    channel = msgspec.structs.replace(
        channel,
        calls=tuple(item for item in channel.calls if item is not done),
        quiet_until=UnixSeconds(now + RETRY_S),
    )
    if isinstance(done.call, RegisterReport):
        channel = _mark_registered(channel, done.call)
    elif isinstance(done.call, SettleClaims) and event.error:
        unsure = tuple(msgspec.structs.replace(known, registered=False) for known in channel.reports)
        channel = msgspec.structs.replace(channel, reports=unsure)
    name = type(done.call).__name__
    notice = Notify(Topic.CALL, channel.id, request=event.tag, detail=f"{name} {event.error or event.transaction}")
    return Step(channel, (notice,))


def _mark_registered(channel: Channel, call: RegisterReport) -> Channel:
    """Count a report as on chain, whoever put it there. If it is not, settling fails, and it is registered again."""
    marked = tuple(
        msgspec.structs.replace(known, registered=True)
        if (known.signed.report.feed, known.signed.report.time) == (call.feed, call.time)
        else known
        for known in channel.reports
    )
    return msgspec.structs.replace(channel, reports=marked)
