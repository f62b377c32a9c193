"""One oracle of a quorum as a pure machine: `step(state, event) -> (state, effects)`.

The shell around it owns the clock, the source, the key, the disk and the links. It

- feeds `PointScheduled` for every point it will be asked about (in advance: what peers say about other points is
  dropped), `TimerFired` at the time of the last `WakeAt`, and `Heard` for each message of a peer;
- performs effects in their order, and feeds what they yield back as events, its own `Said` first of all:
    Save        write `memory` durably (all of it, replacing the old) before performing the next effect
    Observe     read the source at `point.times()`; answer `Observed` (None where it has no price)
    Say         sign `statement_digest(separator, statement)`, feed `Heard(said)` to this step, send it to all peers
    Tell        the same for one peer, without feeding it back
    SignReport  sign `report_digest(separator, report_of(point, ticks))`; answer `ReportSigned`
    WakeAt      set the one alarm; a later call replaces an earlier one
    Publish     the report is whole: keep it, gossip it, serve it
    Accuse      a signer put its name to two reports of one point: gossip the proof
- starts with `restored(rules, memory)`, where memory is the last one saved (`Memory()` on the first start), then feeds
  `TimerFired` once.

Messages are JSON of `Said` (`codec.encode`, `codec.decode(data, Said)`), at most MESSAGE_BYTES_MAX long. `step` raises
PeerFault where a message breaks a rule; the state is unchanged and the shell drops the peer. `now` is seconds, and must
move on while a point is open.
"""

from typing import Final

import msgspec

from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.instruments.quorum import Equivocation
from thalweg.instruments.report import SignedReport
from thalweg.oracle.agreement import Agreement, SignReport, advance, deadline, take
from thalweg.oracle.checks import check_point, check_said
from thalweg.oracle.messages import (
    Attestation,
    Certificate,
    Finished,
    Point,
    Said,
    Statement,
    Status,
    Ticks,
    report_of,
)
from thalweg.oracle.rules import Rules
from thalweg.units import Signature, UnixSeconds

POINTS_MAX: Final = 256  # scheduled, open or finished and still answered for


class PointScheduled(msgspec.Struct, frozen=True, tag=True):
    """A report will be wanted of this point."""

    point: Point
    now: UnixSeconds


class Observed(msgspec.Struct, frozen=True, tag=True):
    """What our source says of a point's ticks."""

    point: Point
    ticks: Ticks
    now: UnixSeconds


class Heard(msgspec.Struct, frozen=True, tag=True):
    """Somebody's words arrived, or our own were signed."""

    said: Said
    now: UnixSeconds


class ReportSigned(msgspec.Struct, frozen=True, tag=True):
    """Our own signature on a decided report was made."""

    point: Point
    signature: Signature
    now: UnixSeconds


class TimerFired(msgspec.Struct, frozen=True, tag=True):
    """The alarm went off."""

    now: UnixSeconds


Event = PointScheduled | Observed | Heard | ReportSigned | TimerFired


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must survive of one point: how I voted, what I am locked on, what I sign."""

    point: Point
    prepared: int = -1
    lock: Certificate | None = None
    decided: Ticks | None = None


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that an oracle must remember. No point at or before `floor` is ever taken up again."""

    floor: UnixSeconds = UnixSeconds(0)
    records: tuple[Record, ...] = ()


class Save(msgspec.Struct, frozen=True, tag=True):
    """Make `memory` durable before anything that follows."""

    memory: Memory


class Observe(msgspec.Struct, frozen=True, tag=True):
    """Read the source."""

    point: Point


class Say(msgspec.Struct, frozen=True, tag=True):
    """Sign a statement and send it to everyone, ourselves included."""

    statement: Statement


class Tell(msgspec.Struct, frozen=True, tag=True):
    """Sign a statement and send it to one peer."""

    to: int
    statement: Statement


class WakeAt(msgspec.Struct, frozen=True, tag=True):
    """Fire the timer at `time`."""

    time: UnixSeconds


class Publish(msgspec.Struct, frozen=True, tag=True):
    """A report has its quorum."""

    report: SignedReport


class Accuse(msgspec.Struct, frozen=True, tag=True):
    """A signer signed two reports of one point."""

    proof: Equivocation


Effect = Save | Observe | Say | Tell | SignReport | WakeAt | Publish | Accuse


class State(msgspec.Struct, frozen=True):
    """One oracle: its quorum's rules and the points it knows."""

    rules: Rules
    floor: UnixSeconds = UnixSeconds(0)
    agreements: dict[Point, Agreement] = {}


Step = tuple[State, tuple[Effect, ...]]


def restored(rules: Rules, memory: Memory) -> State:
    """Return the state after a start. Points of which nothing was remembered must be scheduled again.

    A point goes on no earlier than in the round of its last vote: who votes in a round never commits in one before it.
    """
    agreements = {}
    for record in memory.records:
        reached = max(record.prepared, record.lock.round if record.lock else 0, 0)
        agreements[record.point] = Agreement(
            record.point, round=reached, prepared=record.prepared, lock=record.lock, decided=record.decided
        )
    return State(rules, memory.floor, agreements)


def step(state: State, event: Event) -> Step:
    """Return the next state and what to do, in order.

    Raises:
        PeerFault: a message is malformed or not its sender's.
        UserFault: NOT_YET, EXPIRED or LIMIT, for a point that cannot be scheduled.
        InvariantBroken: an answer to something that was not asked.
    """
    match event:
        case PointScheduled():
            return _schedule(state, event)
        case Heard():
            return _hear(state, event)
        case TimerFired():
            return _tick(state, event.now)
        case Observed():
            agreement = _asked(state, event.point)
            if agreement.seen is not None:
                return state, ()
            agreement = msgspec.structs.replace(agreement, seen=event.ticks)
            status = Say(Status(event.point, agreement.round, event.ticks, agreement.lock))
            return _turn(state, agreement, event.now, (status,))
        case ReportSigned():
            agreement = _asked(state, event.point)
            if agreement.decided is None:
                raise InvariantBroken("a report was signed before it was decided")
            said = Say(Attestation(event.point, agreement.decided, event.signature))
            return _turn(state, agreement, event.now, (said,))


def _asked(state: State, point: Point) -> Agreement:
    agreement = state.agreements.get(point)
    if agreement is None:
        raise InvariantBroken(f"the shell answered for {point}, which was never scheduled")
    return agreement


def _schedule(state: State, event: PointScheduled) -> Step:
    point = event.point
    check_point(point)
    if point not in state.agreements:
        if point.time <= state.floor:
            raise UserFault(Reason.EXPIRED, f"points up to {state.floor} are closed; ask for its report instead")
        state = _with_room(state)
        state = msgspec.structs.replace(state, agreements={**state.agreements, point: Agreement(point)})
    return _tick(state, event.now)


def _with_room(state: State) -> State:
    """Forget the oldest finished point where the table is full. Its time is closed for ever."""
    if len(state.agreements) < POINTS_MAX:
        return state
    finished = [point for point, agreement in state.agreements.items() if agreement.report is not None]
    if not finished:
        raise UserFault(Reason.LIMIT, f"{POINTS_MAX} points are open; wait until one is reported")
    oldest = min(finished, key=lambda point: point.time)
    kept = {point: agreement for point, agreement in state.agreements.items() if point != oldest}
    return msgspec.structs.replace(state, floor=max(state.floor, oldest.time), agreements=kept)


def _hear(state: State, event: Heard) -> Step:
    said, rules = event.said, state.rules
    statement = said.statement
    agreement = state.agreements.get(statement.point)
    if agreement is None:
        return state, ()
    check_said(said, rules)
    if agreement.report is not None:
        if isinstance(statement, Status) and said.sender != rules.me:
            return state, (Tell(said.sender, Finished(agreement.point, agreement.report)),)
        return state, _accusation(agreement, said, rules)
    if isinstance(statement, Finished):
        agreement = msgspec.structs.replace(agreement, report=statement.report)
        return _turn(state, agreement, event.now)
    accused = _accusation(agreement, said, rules)
    agreement = take(agreement, said.sender, statement, said.signature, rules)
    return _turn(state, agreement, event.now, accused)


def _accusation(agreement: Agreement, said: Said, rules: Rules) -> tuple[Effect, ...]:
    before = agreement.attestations.get(said.sender)
    if before is None or not isinstance(said.statement, Attestation):
        return ()
    first, second = report_of(before.point, before.ticks), report_of(before.point, said.statement.ticks)
    if first == second:
        return ()
    signatures = (before.signature, said.statement.signature)
    return (Accuse(Equivocation(rules.oracle, said.sender, first, second, signatures)),)


def _tick(state: State, now: UnixSeconds) -> Step:
    """Let every open point see the time, and begin those whose time has come."""
    effects: tuple[Effect, ...] = ()
    for agreement in tuple(state.agreements.values()):
        if agreement.entered is None and agreement.report is None and agreement.point.time <= now:
            begun = msgspec.structs.replace(agreement, entered=now)
            begin: tuple[Effect, ...] = (Observe(agreement.point),)
            if begun.decided is not None:
                begin = (*begin, SignReport(begun.point, begun.decided))
            state, more = _turn(state, begun, now, begin)
        else:
            state, more = _turn(state, agreement, now)
        effects += tuple(effect for effect in more if not isinstance(effect, WakeAt))
    return state, (*effects, *_alarm(state, now))


def _turn(state: State, agreement: Agreement, now: UnixSeconds, effects: tuple[Effect, ...] = ()) -> Step:
    """Advance one point; put what must be durable before what depends on it."""
    before = state.agreements[agreement.point]
    agreement, more = advance(agreement, now, state.rules)
    state = msgspec.structs.replace(state, agreements={**state.agreements, agreement.point: agreement})
    effects = (*effects, *(effect if isinstance(effect, SignReport) else Say(effect) for effect in more))
    if _record(agreement) != _record(before):
        effects = (Save(remembered(state)), *effects)
    if agreement.report is not None and before.report is None:
        effects = (*effects, Publish(agreement.report))
    return state, (*effects, *_alarm(state, now))


def _record(agreement: Agreement) -> Record:
    return Record(agreement.point, agreement.prepared, agreement.lock, agreement.decided)


def remembered(state: State) -> Memory:
    """Return what must survive a crash at this moment."""
    records = map(_record, state.agreements.values())
    return Memory(state.floor, tuple(record for record in records if record != Record(record.point)))


def _alarm(state: State, now: UnixSeconds) -> tuple[Effect, ...]:
    """Return the alarm for the first time at which something may change by itself."""
    times: list[int] = []
    for agreement in state.agreements.values():
        over = deadline(agreement, state.rules)
        if over is not None and agreement.entered is not None:
            times += (agreement.entered + state.rules.gather_s, over)
        elif agreement.report is None:
            times.append(agreement.point.time)
    later = [time for time in times if time > now]
    return (WakeAt(UnixSeconds(min(later))),) if later else ()
