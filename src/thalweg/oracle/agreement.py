"""How a quorum comes to one value at one point. One oracle's side of it, pure.

Rounds follow one another until the report is whole. In each, a leader (it rotates by time and round) proposes, every
oracle votes twice, and only then signs the report:

    Status    on entering the round, to all: what I saw, and the certificate I am locked on, if any
    Proposal  the leader's, once it has a quorum's statuses: the value of the highest certificate among them; only
              where there is none, the medians of what was seen
    PREPARE   a vote for the proposal of my round, at most one a round: if I am not locked on anything else, or the
              proposal brings a certificate at least as new as my lock; and, where it brings none, if it is close to
              what I saw myself
    COMMIT    a vote cast on seeing a quorum of PREPAREs of one round: they are the certificate I lock on
    sign      on seeing a quorum of COMMITs of one round: the value is decided, and I sign the report

(n signers, quorum m >= floor(2n/3) + 1, fewer than n/3 liars; this is Tendermint's lock rule, arXiv 1807.04938,
with the signature taken out of the rounds.)

Safety: two quorums share an honest oracle. In one round it votes once, so one value has a certificate. If v is decided
in round r, a quorum committed, so more honest oracles are locked on v from r on than any quorum can do without; by
induction no later round certifies another value, since one of them would have had to vote for it. Hence an honest
oracle never signs anything but v, and never a second value: `decided` is durable first and never changes. Votes and
locks are durable before they are cast, so a crash takes nothing back.

Liveness: once messages arrive within a round and the leader is honest, it hears every honest lock, proposes the newest
(or the medians, which are close to what the honest saw), a quorum prepares, commits and signs. A liar who leads can
waste his own round only. If prices stay apart, or a source is down, a VOID is agreed in the same way: at once where an
oracle finds no median itself, and anyhow when each leader has had a turn.

That a value is close to what the honest saw follows from its first certificate, whose quorum has an honest majority;
so an oracle that dissents does not vote for it, yet signs once it is decided.
"""

from typing import Final

import msgspec

from thalweg.instruments.report import SignedReport
from thalweg.oracle.median import agrees, median_ticks
from thalweg.oracle.messages import (
    Attestation,
    Certificate,
    Phase,
    Point,
    Proposal,
    Statement,
    Status,
    Ticks,
    Vote,
    report_of,
    ticks_hash,
)
from thalweg.oracle.rules import Rules
from thalweg.units import Hash, Signature, UnixSeconds

_STRETCH_MAX_S: Final = 30
_ROUNDS_AHEAD: Final = 2  # votes and proposals of rounds further off are not kept


class SignReport(msgspec.Struct, frozen=True, tag=True):
    """Sign the report of a decided point with the oracle's key, and answer with `ReportSigned`."""

    point: Point
    ticks: Ticks


class Agreement(msgspec.Struct, frozen=True):
    """One point on its way to a report. `entered` is None until its time has come."""

    point: Point
    entered: UnixSeconds | None = None
    round: int = 0
    seen: Ticks | None = None
    statuses: dict[int, Status] = {}
    proposals: dict[int, Proposal] = {}
    votes: dict[tuple[int, Phase, int], tuple[Hash, Signature]] = {}  # by round, phase, voter
    values: dict[Hash, Ticks] = {}
    proposed: int = -1  # the newest round I proposed in
    prepared: int = -1  # the newest round I voted PREPARE in
    lock: Certificate | None = None
    decided: Ticks | None = None
    attestations: dict[int, Attestation] = {}
    report: SignedReport | None = None


Turn = tuple[Agreement, tuple[Statement | SignReport, ...]]


def deadline(agreement: Agreement, rules: Rules) -> UnixSeconds | None:
    """Return when the current round ends."""
    if agreement.entered is None or agreement.report is not None:
        return None
    return UnixSeconds(agreement.entered + rules.round_s + min(agreement.round, _STRETCH_MAX_S))


def enter(agreement: Agreement, number: int, now: UnixSeconds, rules: Rules) -> Turn:
    """Begin a round: tell everyone what I saw and am locked on, and once more what I signed."""
    kept = {key: vote for key, vote in agreement.votes.items() if key[0] >= number - 1}
    agreement = msgspec.structs.replace(
        agreement,
        entered=now,
        round=number,
        votes=kept,
        proposals={key: value for key, value in agreement.proposals.items() if key >= number},
    )
    status = Status(agreement.point, number, agreement.seen, agreement.lock)
    mine = agreement.attestations.get(rules.me)
    return agreement, (status,) if mine is None else (status, mine)


def take(agreement: Agreement, sender: int, statement: Statement, signature: Signature, rules: Rules) -> Agreement:
    """Return the agreement with a checked statement of `sender` taken in. The first word counts, never a second."""
    match statement:
        case Status():
            return _take_status(agreement, sender, statement)
        case Proposal(round=number) if number not in agreement.proposals:
            if sender != rules.leader(agreement.point, number) or not _is_current(agreement, number):
                return agreement
            agreement = _learn(agreement, statement.ticks)
            return msgspec.structs.replace(agreement, proposals={**agreement.proposals, number: statement})
        case Vote(round=number, phase=phase) if (number, phase, sender) not in agreement.votes:
            if not _is_current(agreement, number):
                return agreement
            votes = {**agreement.votes, (number, phase, sender): (statement.value, signature)}
            return msgspec.structs.replace(agreement, votes=votes)
        case Attestation() if sender not in agreement.attestations:
            agreement = _learn(agreement, statement.ticks)
            return msgspec.structs.replace(agreement, attestations={**agreement.attestations, sender: statement})
        case _:
            return agreement


def _is_current(agreement: Agreement, number: int) -> bool:
    return agreement.round - 1 <= number <= agreement.round + _ROUNDS_AHEAD


def _take_status(agreement: Agreement, sender: int, status: Status) -> Agreement:
    before = agreement.statuses.get(sender)
    if before is not None:
        if status.round < before.round:
            return agreement
        if before.seen is not None:
            status = msgspec.structs.replace(status, seen=before.seen)
    if status.lock is not None:
        agreement = _learn(agreement, status.lock.ticks)
    return msgspec.structs.replace(agreement, statuses={**agreement.statuses, sender: status})


def _learn(agreement: Agreement, ticks: Ticks) -> Agreement:
    return msgspec.structs.replace(agreement, values={**agreement.values, ticks_hash(ticks): ticks})


def advance(agreement: Agreement, now: UnixSeconds, rules: Rules) -> Turn:
    """Do everything that the rules above now ask of me."""
    if agreement.entered is None or agreement.report is not None:
        return agreement, ()
    effects: tuple[Statement | SignReport, ...] = ()
    for rule in (_change_round, _propose, _prepare, _commit, _decide, _complete):
        agreement, more = rule(agreement, now, rules)
        effects += more
    return agreement, effects


def _change_round(agreement: Agreement, now: UnixSeconds, rules: Rules) -> Turn:
    """Move on when the round is over, or to a round that at least one honest oracle has reached."""
    reached = sorted((status.round for status in agreement.statuses.values()), reverse=True)
    honest = len(rules.signers) - rules.threshold  # so many may lie: the next one does not
    if len(reached) > honest and reached[honest] > agreement.round:
        return enter(agreement, reached[honest], now, rules)
    over = deadline(agreement, rules)
    if over is not None and now >= over:
        return enter(agreement, agreement.round + 1, now, rules)
    return agreement, ()


def _gathered(agreement: Agreement, now: UnixSeconds, rules: Rules) -> bool:
    """Say whether this round's statuses are all in, or a quorum's are and I have waited for the rest."""
    count = sum(status.round >= agreement.round for status in agreement.statuses.values())
    waited = agreement.entered is not None and now >= agreement.entered + rules.gather_s
    return count == len(rules.signers) or (waited and count >= rules.threshold)


def _medians(agreement: Agreement, rules: Rules) -> Ticks:
    seen = [status.seen for status in agreement.statuses.values() if status.seen is not None]
    if not seen:
        return (None,) * len(agreement.point.times())
    return median_ticks(seen, rules.threshold, rules.tolerance_ppm)


def _propose(agreement: Agreement, now: UnixSeconds, rules: Rules) -> Turn:
    point, number = agreement.point, agreement.round
    leads = rules.leader(point, number) == rules.me and agreement.proposed < number
    if not leads or not _gathered(agreement, now, rules):
        return agreement, ()
    locks = [status.lock for status in agreement.statuses.values() if status.lock is not None]
    newest = max((*locks, agreement.lock) if agreement.lock else locks, key=lambda lock: lock.round, default=None)
    ticks = newest.ticks if newest else _medians(agreement, rules)
    proposal = Proposal(point, number, ticks, newest)
    return msgspec.structs.replace(agreement, proposed=number), (proposal,)


def _prepare(agreement: Agreement, now: UnixSeconds, rules: Rules) -> Turn:
    proposal = agreement.proposals.get(agreement.round)
    if proposal is None or agreement.prepared >= agreement.round:
        return agreement, ()
    if not _may_prepare(agreement, proposal, _gathered(agreement, now, rules), rules):
        return agreement, ()
    vote = Vote(agreement.point, agreement.round, Phase.PREPARE, ticks_hash(proposal.ticks))
    return msgspec.structs.replace(agreement, prepared=agreement.round), (vote,)


def _may_prepare(agreement: Agreement, proposal: Proposal, gathered: bool, rules: Rules) -> bool:
    ticks, lock, mine = proposal.ticks, proposal.lock, agreement.lock
    if agreement.decided is not None:
        return ticks == agreement.decided
    if lock is not None and lock.ticks == ticks and lock.round < proposal.round:
        return mine is None or mine.ticks == ticks or lock.round >= mine.round
    if mine is not None:
        return mine.ticks == ticks
    if None in ticks and not gathered:
        return False
    own = agreement.seen or (None,) * len(ticks)
    may_void = proposal.round >= len(rules.signers)
    return agrees(ticks, own, _medians(agreement, rules), may_void, rules.tolerance_ppm)


def _quorum(agreement: Agreement, phase: Phase, rules: Rules) -> tuple[int, Ticks] | None:
    """Return the newest round with a quorum of votes for one value that I know."""
    tally: dict[tuple[int, Hash], int] = {}
    for (number, cast, _), (value, _) in agreement.votes.items():
        if cast == phase and value in agreement.values:
            tally[number, value] = tally.get((number, value), 0) + 1
    won = [key for key, count in tally.items() if count >= rules.threshold]
    if not won:
        return None
    number, value = max(won)
    return number, agreement.values[value]


def _commit(agreement: Agreement, now: UnixSeconds, rules: Rules) -> Turn:
    won = _quorum(agreement, Phase.PREPARE, rules)
    if won is None or won[0] != agreement.round or (agreement.lock and agreement.lock.round >= won[0]):
        return agreement, ()
    number, ticks = won
    value = ticks_hash(ticks)
    cast = {
        voter: signature
        for (of, phase, voter), (voted, signature) in sorted(agreement.votes.items())
        if (of, phase, voted) == (number, Phase.PREPARE, value)
    }
    lock = Certificate(number, ticks, tuple(cast), tuple(cast.values()))
    vote = Vote(agreement.point, number, Phase.COMMIT, value)
    return msgspec.structs.replace(agreement, lock=lock), (vote,)


def _decide(agreement: Agreement, now: UnixSeconds, rules: Rules) -> Turn:
    if agreement.decided is not None:
        return agreement, ()
    won = _quorum(agreement, Phase.COMMIT, rules)
    if won is None:
        return agreement, ()
    return msgspec.structs.replace(agreement, decided=won[1]), (SignReport(agreement.point, won[1]),)


def _complete(agreement: Agreement, now: UnixSeconds, rules: Rules) -> Turn:
    by_value: dict[Hash, list[int]] = {}
    for signer, attestation in sorted(agreement.attestations.items()):
        by_value.setdefault(ticks_hash(attestation.ticks), []).append(signer)
    for value, signers in by_value.items():
        if len(signers) >= rules.threshold:
            chosen = tuple(signers[: rules.threshold])
            signatures = tuple(agreement.attestations[signer].signature for signer in chosen)
            report = report_of(agreement.point, agreement.values[value])
            whole = SignedReport(rules.oracle, report, chosen, signatures)
            return msgspec.structs.replace(agreement, report=whole), ()
    return agreement, ()
