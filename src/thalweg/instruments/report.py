"""What oracles sign: one identical value, or a VOID, a (feed, grid point). Integers only.

A tick is the index on the one-minute grid. A settlement is the time-weighted average of the 30 ticks before expiry,
recomputable by anyone: VOID ticks are skipped, at least 20 must remain, the mean is rounded down. The tick of expiry
itself is not one of them.
"""

from typing import Annotated, Final

import msgspec

from thalweg.codec import ORACLE_NAME, Domain, array_hash, digest, type_hash, words
from thalweg.crypto import keccak
from thalweg.units import (
    Address,
    Hash,
    Price,
    UnixSeconds,
    WireAddress,
    WireHash,
    WirePrice,
    WireSignature,
    WireTime,
    mul_div_down,
)

GRID_S: Final = 60
WINDOW_TICKS: Final = 30
WINDOW_TICKS_MIN: Final = 20
SIGNERS_MAX: Final = 16
SLICES_MAX: Final = 32

_SignerIndex = Annotated[int, msgspec.Meta(ge=0, lt=SIGNERS_MAX)]
_Word = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

SETTLEMENT_TYPE: Final = type_hash("Settlement(bytes32 feed,uint64 time,uint256 price,bool isVoid)")
_SLICE = "Slice(uint64 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma)"
SLICE_TYPE: Final = type_hash(_SLICE)
MARK_TYPE: Final = type_hash("Mark(bytes32 feed,uint64 time,uint256 price,bool isVoid,Slice[] slices)" + _SLICE)


class Slice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One expiry of a mark: forward (1e8) and raw SVI parameters (each scaled by 1e8 too)."""

    expiry: WireTime
    forward: WirePrice
    a: _Word
    b: _Word
    rho: _Word
    m: _Word
    sigma: _Word


class Mark(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """One tick: the index at a grid point, and the surface on it."""

    feed: WireHash
    time: WireTime
    price: WirePrice
    is_void: bool = False
    slices: Annotated[tuple[Slice, ...], msgspec.Meta(max_length=SLICES_MAX)] = ()


class Settlement(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """The price an expiry settles at. A VOID has price 0."""

    feed: WireHash
    time: WireTime
    price: WirePrice
    is_void: bool = False


class SignedReport(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A report with the signatures of a quorum: strictly increasing signer indices, one signature each."""

    oracle: WireAddress
    report: Mark | Settlement
    signers: Annotated[tuple[_SignerIndex, ...], msgspec.Meta(max_length=SIGNERS_MAX)]
    signatures: Annotated[tuple[WireSignature, ...], msgspec.Meta(max_length=SIGNERS_MAX)]


def oracle_domain(chain_id: int, oracle: Address) -> Domain:
    """Return the EIP-712 domain of an oracle contract."""
    return Domain(chain_id, oracle, name=ORACLE_NAME)


def report_digest(separator: bytes, report: Mark | Settlement) -> Hash:
    """Return what each oracle signs."""
    head: tuple[int | bytes, ...] = (report.feed, report.time, report.price, int(report.is_void))
    match report:
        case Settlement():
            return digest(separator, keccak(words((SETTLEMENT_TYPE, *head))))
        case Mark():
            slices = array_hash(
                keccak(words((SLICE_TYPE, s.expiry, s.forward, s.a, s.b, s.rho, s.m, s.sigma))) for s in report.slices
            )
            return digest(separator, keccak(words((MARK_TYPE, *head, slices))))


def window(expiry: UnixSeconds) -> tuple[UnixSeconds, ...]:
    """Return the grid points whose ticks settle an expiry: the 30 that lie before it, oldest first."""
    return tuple(UnixSeconds(expiry - GRID_S * back) for back in range(WINDOW_TICKS, 0, -1))


def settlement_price(ticks: tuple[Mark, ...]) -> Price | None:
    """Return the time-weighted average of a window's ticks, rounded down; None (a VOID) with fewer than 20 values."""
    values = [tick.price for tick in ticks if not tick.is_void]
    if len(values) < WINDOW_TICKS_MIN:
        return None
    return Price(mul_div_down(sum(values), 1, len(values)))
