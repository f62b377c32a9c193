"""When a report counts, and what proves that an oracle lied: signatures only, no opinion about prices.

A quorum's threshold is at least floor(2n/3) + 1 of n, so two quorums share more than a third of the signers; as an
honest one signs a point once, two reports of one point need more liars than a third.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason
from thalweg.instruments.report import GRID_S, Mark, Settlement, SignedReport, report_digest
from thalweg.units import PRICE_MAX, Address, Signature, mul_div_down


def threshold_min(signers: int) -> int:
    """Return the least threshold that a quorum of so many signers may have."""
    return mul_div_down(2, signers, 3) + 1


def verify_report(signed: SignedReport, signers: Sequence[Address], threshold: int, separator: bytes) -> None:
    """Return if `threshold` of `signers` signed the report; `separator` is of the oracle's EIP-712 domain.

    Raises:
        PeerFault: BAD_REPORT, for too few, too many, repeated, unsorted or unknown signers, a wrong signature, a
            price out of 0..PRICE_MAX, or a VOID that names a price.
    """
    _check_value(signed.report)
    count = len(signed.signers)
    if count != len(signed.signatures):
        raise PeerFault(Reason.BAD_REPORT, f"{count} signers but {len(signed.signatures)} signatures")
    if not threshold <= count <= len(signers):
        raise PeerFault(Reason.BAD_REPORT, f"{count} signatures; {threshold}..{len(signers)} are needed")
    if any(left >= right for left, right in pairwise(signed.signers)):
        raise PeerFault(Reason.BAD_REPORT, "signers must strictly increase")
    if not 0 <= signed.signers[0] <= signed.signers[-1] < len(signers):
        raise PeerFault(Reason.BAD_REPORT, f"a signer's index is not in 0..{len(signers) - 1}")
    digest = report_digest(separator, signed.report)
    for index, signature in zip(signed.signers, signed.signatures, strict=True):
        if not signed_by(digest, signature, signers[index]):
            raise PeerFault(Reason.BAD_REPORT, f"signer {index} did not sign this report")


def _check_value(report: Mark | Settlement) -> None:
    if not 0 <= report.price <= PRICE_MAX:
        raise PeerFault(Reason.BAD_REPORT, f"price {report.price} is not in 0..{PRICE_MAX}")
    if report.is_void and report.price != 0:
        raise PeerFault(Reason.BAD_REPORT, "a VOID has price 0")
    if report.time % GRID_S:
        raise PeerFault(Reason.BAD_REPORT, f"time {report.time} is not a multiple of {GRID_S} s")
    if isinstance(report, Mark) and report.is_void and report.slices:
        raise PeerFault(Reason.BAD_REPORT, "a VOID mark has no surface")


class Equivocation(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Proof against one signer: two different reports of one point, both signed. Anyone can check it."""

    oracle: Address
    signer: int
    first: Mark | Settlement
    second: Mark | Settlement
    signatures: tuple[Signature, Signature]


def verify_equivocation(proof: Equivocation, signers: Sequence[Address], separator: bytes) -> None:
    """Return if the proof holds.

    Raises:
        PeerFault: MALFORMED, where it proves nothing.
    """
    first, second = proof.first, proof.second
    if type(first) is not type(second) or (first.feed, first.time) != (second.feed, second.time):
        raise PeerFault(Reason.MALFORMED, "the two reports are of different points")
    if first == second:
        raise PeerFault(Reason.MALFORMED, "the two reports are the same")
    if not 0 <= proof.signer < len(signers):
        raise PeerFault(Reason.MALFORMED, f"signer {proof.signer} is not in 0..{len(signers) - 1}")
    for report, signature in zip((first, second), proof.signatures, strict=True):
        if not signed_by(report_digest(separator, report), signature, signers[proof.signer]):
            raise PeerFault(Reason.WRONG_SIGNER, f"signer {proof.signer} did not sign both reports")
