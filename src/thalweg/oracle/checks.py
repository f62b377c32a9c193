"""Is a message of another oracle well formed, and his? Asked before a word of it counts."""

from typing import Final

from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason
from thalweg.instruments.quorum import verify_report
from thalweg.instruments.report import GRID_S, WINDOW_TICKS, Mark, report_digest
from thalweg.oracle.messages import (
    Attestation,
    Certificate,
    Finished,
    Kind,
    Phase,
    Point,
    Proposal,
    Said,
    Status,
    Ticks,
    Vote,
    report_of,
    statement_digest,
    ticks_hash,
)
from thalweg.oracle.rules import Rules
from thalweg.units import PRICE_MAX

_ROUND_MAX: Final = 10**6
_FEED_BYTES: Final = 32


def check_said(said: Said, rules: Rules) -> None:
    """Return if the message is well formed and every signature in it holds.

    Raises:
        PeerFault: MALFORMED, WRONG_SIGNER or BAD_REPORT.
    """
    if not 0 <= said.sender < len(rules.signers):
        raise PeerFault(Reason.WRONG_SIGNER, f"there is no oracle {said.sender}")
    statement = said.statement
    check_point(statement.point)
    _check_signature(said, rules)
    match statement:
        case Status():
            _check_round(statement.round)
            _check_ticks(statement.point, statement.seen)
            _check_certificate(statement.point, statement.lock, rules)
        case Proposal():
            _check_round(statement.round)
            _check_ticks(statement.point, statement.ticks)
            _check_certificate(statement.point, statement.lock, rules)
        case Vote():
            _check_round(statement.round)
        case Attestation():
            _check_attestation(said.sender, statement, rules)
        case Finished():
            _check_finished(statement, rules)


def check_point(point: Point) -> None:
    """Return if the point can be reported on.

    Raises:
        PeerFault: MALFORMED.
    """
    oldest = GRID_S * WINDOW_TICKS
    if len(point.feed) != _FEED_BYTES or point.time % GRID_S or not oldest <= point.time < 2**64:
        raise PeerFault(Reason.MALFORMED, f"not a point on the {GRID_S} s grid of a feed")


def _check_signature(said: Said, rules: Rules) -> None:
    if not signed_by(statement_digest(rules.separator, said.statement), said.signature, rules.signers[said.sender]):
        raise PeerFault(Reason.WRONG_SIGNER, f"oracle {said.sender} did not sign this")


def _check_round(value: int) -> None:
    if not 0 <= value <= _ROUND_MAX:
        raise PeerFault(Reason.MALFORMED, f"round {value} is not in 0..{_ROUND_MAX}")


def _check_ticks(point: Point, ticks: Ticks | None) -> None:
    if ticks is None:
        return
    if len(ticks) != len(point.times()):
        raise PeerFault(Reason.MALFORMED, f"{len(ticks)} ticks; a {point.kind} has {len(point.times())}")
    if not all(price is None or 0 <= price <= PRICE_MAX for price in ticks):
        raise PeerFault(Reason.MALFORMED, f"a tick is not in 0..{PRICE_MAX}")


def _check_certificate(point: Point, lock: Certificate | None, rules: Rules) -> None:
    if lock is None:
        return
    _check_round(lock.round)
    _check_ticks(point, lock.ticks)
    voters, count = lock.voters, len(rules.signers)
    if list(voters) != sorted(set(voters)) or not rules.threshold <= len(voters) <= count:
        raise PeerFault(Reason.MALFORMED, "a certificate's voters must strictly increase and be a quorum")
    if len(voters) != len(lock.signatures) or not 0 <= voters[0] <= voters[-1] < count:
        raise PeerFault(Reason.MALFORMED, "a certificate has one signature a known voter")
    body = statement_digest(rules.separator, Vote(point, lock.round, Phase.PREPARE, ticks_hash(lock.ticks)))
    for voter, signature in zip(voters, lock.signatures, strict=True):
        if not signed_by(body, signature, rules.signers[voter]):
            raise PeerFault(Reason.WRONG_SIGNER, f"oracle {voter} did not cast this certificate's vote")


def _check_attestation(sender: int, attestation: Attestation, rules: Rules) -> None:
    _check_ticks(attestation.point, attestation.ticks)
    digest = report_digest(rules.separator, report_of(attestation.point, attestation.ticks))
    if not signed_by(digest, attestation.signature, rules.signers[sender]):
        raise PeerFault(Reason.WRONG_SIGNER, f"oracle {sender} did not sign the report it attests")


def _check_finished(finished: Finished, rules: Rules) -> None:
    signed, point = finished.report, finished.point
    kind = Kind.MARK if isinstance(signed.report, Mark) else Kind.SETTLEMENT
    if (kind, signed.report.feed, signed.report.time) != (point.kind, point.feed, point.time):
        raise PeerFault(Reason.MALFORMED, "the report is of another point")
    if signed.oracle != rules.oracle:
        raise PeerFault(Reason.BAD_REPORT, "the report is of another oracle")
    verify_report(signed, rules.signers, rules.threshold, rules.separator)
