"""Reports count with a quorum's signatures; two reports by one signer are a proof against him."""

import coincurve
import msgspec
import pytest

from thalweg.crypto import address_of, sign
from thalweg.errors import PeerFault, Reason
from thalweg.instruments.quorum import Equivocation, threshold_min, verify_equivocation, verify_report
from thalweg.instruments.report import (
    GRID_S,
    WINDOW_TICKS,
    Mark,
    Settlement,
    SignedReport,
    oracle_domain,
    report_digest,
    settlement_price,
    window,
)
from thalweg.units import Address, Hash, Price, Signature, UnixSeconds

KEYS = [coincurve.PrivateKey(bytes([seat + 1]) * 32) for seat in range(5)]
SIGNERS = tuple(address_of(key.public_key) for key in KEYS[:4])
ORACLE, FEED, TIME = Address(b"\x0c" * 20), Hash(b"\x02" * 32), UnixSeconds(1_800_000_000)
SEPARATOR = oracle_domain(1, ORACLE).separator()
REPORT = Settlement(FEED, TIME, Price(60_000 * 10**8))


def signatures(report: Mark | Settlement, keys: tuple[int, ...]) -> tuple[Signature, ...]:
    return tuple(sign(KEYS[key], report_digest(SEPARATOR, report)) for key in keys)


def signed(signers: tuple[int, ...], keys: tuple[int, ...], report: Mark | Settlement = REPORT) -> SignedReport:
    return SignedReport(ORACLE, report, signers, signatures(report, keys))


@pytest.mark.parametrize("signers", [(0, 1, 2), (0, 1, 3), (1, 2, 3), (0, 1, 2, 3)])
def test_a_report_with_a_quorum_counts(signers: tuple[int, ...]) -> None:
    verify_report(signed(signers, signers), SIGNERS, 3, SEPARATOR)


@pytest.mark.parametrize(
    "report",
    [
        signed((0, 1), (0, 1)),
        signed((), ()),
        signed((0, 1, 1), (0, 1, 1)),
        signed((0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
        signed((1, 0, 2), (1, 0, 2)),
        signed((0, 1, 4), (0, 1, 4)),
        signed((-1, 0, 1), (3, 0, 1)),
        signed((0, 1, 2), (0, 1, 3)),
        signed((0, 1, 2), (0, 1)),
        signed((0, 1, 2), (0, 1, 2), Settlement(FEED, TIME, Price(2**63))),
        signed((0, 1, 2), (0, 1, 2), Settlement(FEED, TIME, Price(1), True)),
        signed((0, 1, 2), (0, 1, 2), Settlement(FEED, UnixSeconds(TIME + 1), Price(1))),
    ],
    ids=[
        "too few", "none", "duplicate", "too many", "unsorted", "unknown", "negative", "wrong key", "missing", "price",
        "void with a price", "off the grid",
    ],
)  # fmt: skip
def test_a_report_without_a_proper_quorum_is_refused(report: SignedReport) -> None:
    with pytest.raises(PeerFault) as refusal:
        verify_report(report, SIGNERS, 3, SEPARATOR)
    assert refusal.value.reason == Reason.BAD_REPORT


def test_signatures_count_for_one_oracle_contract_on_one_chain_and_one_kind_of_report() -> None:
    report = signed((0, 1, 2), (0, 1, 2))
    for other in (oracle_domain(2, ORACLE), oracle_domain(1, Address(bytes(20)))):
        with pytest.raises(PeerFault):
            verify_report(report, SIGNERS, 3, other.separator())
    mark = Mark(REPORT.feed, REPORT.time, REPORT.price)
    with pytest.raises(PeerFault):
        verify_report(msgspec.structs.replace(report, report=mark), SIGNERS, 3, SEPARATOR)


@pytest.mark.parametrize(("signers", "least"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (7, 5), (16, 11)])
def test_two_quorums_always_share_an_honest_signer(signers: int, least: int) -> None:
    assert threshold_min(signers) == least
    shared = 2 * least - signers
    assert shared > (signers - 1) // 3


OTHER = Settlement(FEED, TIME, Price(1))


def proof(first: Mark | Settlement, second: Mark | Settlement, signer: int = 2) -> Equivocation:
    pair = signatures(first, (2,)) + signatures(second, (2,))
    return Equivocation(ORACLE, signer, first, second, (pair[0], pair[1]))


def test_two_reports_of_one_point_by_one_signer_are_proven() -> None:
    verify_equivocation(proof(REPORT, OTHER), SIGNERS, SEPARATOR)


@pytest.mark.parametrize(
    "claim",
    [
        proof(REPORT, REPORT),
        proof(REPORT, Settlement(FEED, UnixSeconds(TIME + 60), Price(1))),
        proof(REPORT, Settlement(Hash(bytes(32)), TIME, Price(1))),
        proof(REPORT, Mark(FEED, TIME, Price(1))),
        proof(REPORT, OTHER, signer=1),
        proof(REPORT, OTHER, signer=4),
        msgspec.structs.replace(proof(REPORT, OTHER), first=Settlement(FEED, TIME, Price(2))),
    ],
    ids=["same", "other time", "other feed", "other kind", "other signer", "unknown signer", "not signed"],
)
def test_what_proves_nothing_is_refused(claim: Equivocation) -> None:
    with pytest.raises(PeerFault):
        verify_equivocation(claim, SIGNERS, SEPARATOR)


def test_a_window_is_the_thirty_minutes_before_expiry() -> None:
    times = window(TIME)
    assert len(times) == WINDOW_TICKS
    assert (times[0], times[-1]) == (TIME - 30 * GRID_S, TIME - GRID_S)


def test_a_settlement_is_the_mean_of_the_ticks_that_are_no_void_rounded_down() -> None:
    ticks = [Mark(FEED, time, Price(100 + i)) for i, time in enumerate(window(TIME))]
    voids = [Mark(FEED, tick.time, Price(0), True) for tick in ticks]
    assert settlement_price(tuple(ticks)) == 114
    assert settlement_price((*voids[:10], *ticks[10:])) == 119
    assert settlement_price((*voids[:11], *ticks[11:])) is None
