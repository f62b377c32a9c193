"""What an oracle refuses to hear, and quorums that could sign two values."""

import msgspec
import pytest
from tests.unit.oracle.quorum import KEYS, ORACLE, SEPARATOR, SIGNERS, say

from thalweg.crypto import sign
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.instruments.report import SignedReport, report_digest
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
    ticks_hash,
)
from thalweg.oracle.rules import Rules
from thalweg.oracle.step import Heard, Memory, PointScheduled, restored, step
from thalweg.units import Address, Hash, Price, Signature, UnixSeconds

RULES = Rules(0, SIGNERS, 3, ORACLE, SEPARATOR)
TIME = UnixSeconds(1_800_000_000)
POINT = Point(Kind.MARK, Hash(b"\x02" * 32), TIME)
NEAR: Ticks = (Price(60_001 * 10**8),)
FAR: Ticks = (Price(66_000 * 10**8),)


def certificate(number: int, ticks: Ticks, voters: tuple[int, ...] = (0, 1, 2)) -> Certificate:
    vote = Vote(POINT, number, Phase.PREPARE, ticks_hash(ticks))
    return Certificate(number, ticks, voters, tuple(say(voter, vote).signature for voter in voters))


def whole(ticks: Ticks, signers: tuple[int, ...] = (0, 1, 3)) -> SignedReport:
    report = report_of(POINT, ticks)
    digest = report_digest(SEPARATOR, report)
    return SignedReport(ORACLE, report, signers, tuple(sign(KEYS[signer], digest) for signer in signers))


WRONG_TIME = Point(Kind.MARK, POINT.feed, UnixSeconds(TIME + 1))
OTHER_FEED = Point(Kind.MARK, Hash(b"\x03" * 32), TIME)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said(4, Status(POINT, 0, NEAR), Signature(bytes(64))), Reason.WRONG_SIGNER),
        (Said(-1, Status(POINT, 0, NEAR), Signature(bytes(64))), Reason.WRONG_SIGNER),
        (Said(1, Status(POINT, 0, NEAR), say(0, Status(POINT, 0, NEAR)).signature), Reason.WRONG_SIGNER),
        (Said(0, Status(POINT, 0, FAR), say(0, Status(POINT, 0, NEAR)).signature), Reason.WRONG_SIGNER),
        (say(0, Status(POINT, -1, NEAR)), Reason.MALFORMED),
        (say(0, Vote(POINT, 10**9, Phase.PREPARE, Hash(bytes(32)))), Reason.MALFORMED),
        (say(0, Status(POINT, 0, (*NEAR, *NEAR))), Reason.MALFORMED),
        (say(0, Proposal(POINT, 0, (Price(-1),))), Reason.MALFORMED),
        (say(0, Proposal(POINT, 0, (Price(2**63),))), Reason.MALFORMED),
        (say(0, Proposal(POINT, 1, NEAR, certificate(0, NEAR, (0, 1)))), Reason.MALFORMED),
        (say(0, Proposal(POINT, 1, NEAR, certificate(0, NEAR, (0, 2, 1)))), Reason.MALFORMED),
        (say(0, Proposal(POINT, 1, NEAR, certificate(0, NEAR, (0, 0, 1)))), Reason.MALFORMED),
        (
            say(0, Proposal(POINT, 1, NEAR, msgspec.structs.replace(certificate(0, NEAR), voters=(0, 1, 9)))),
            Reason.MALFORMED,
        ),
        (
            say(0, Proposal(POINT, 1, NEAR, msgspec.structs.replace(certificate(0, NEAR), signatures=()))),
            Reason.MALFORMED,
        ),
        (
            say(0, Proposal(POINT, 1, NEAR, msgspec.structs.replace(certificate(0, NEAR), ticks=FAR))),
            Reason.WRONG_SIGNER,
        ),
        (say(0, Attestation(POINT, NEAR, whole(FAR).signatures[0])), Reason.WRONG_SIGNER),
        (say(0, Finished(POINT, whole(NEAR, (0, 1)))), Reason.BAD_REPORT),
        (
            say(0, Finished(POINT, msgspec.structs.replace(whole(NEAR), oracle=Address(bytes(20))))),
            Reason.BAD_REPORT,
        ),
        (
            say(0, Finished(POINT, msgspec.structs.replace(whole(NEAR), report=report_of(OTHER_FEED, NEAR)))),
            Reason.MALFORMED,
        ),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused_and_nothing_changes(said: Said, reason: Reason) -> None:
    state, _ = step(restored(RULES, Memory()), PointScheduled(POINT, TIME))
    before = msgspec.json.encode(state.agreements[POINT].statuses)
    with pytest.raises(PeerFault) as refusal:
        step(state, Heard(said, TIME))
    assert refusal.value.reason == reason
    assert msgspec.json.encode(state.agreements[POINT].statuses) == before


@pytest.mark.parametrize(
    "point", [WRONG_TIME, Point(Kind.MARK, Hash(b""), TIME), Point(Kind.MARK, POINT.feed, UnixSeconds(0))]
)
def test_points_off_the_grid_cannot_be_scheduled(point: Point) -> None:
    with pytest.raises(PeerFault):
        step(restored(RULES, Memory()), PointScheduled(point, TIME))


@pytest.mark.parametrize(
    ("me", "signers", "threshold"),
    [(4, SIGNERS, 3), (0, SIGNERS, 2), (0, SIGNERS, 5), (0, (), 1), (0, SIGNERS * 2, 6)],
)
def test_a_quorum_that_could_sign_two_values_is_refused(me: int, signers: tuple[Address, ...], threshold: int) -> None:
    with pytest.raises(UserFault):
        Rules(me, signers, threshold, ORACLE, SEPARATOR)
