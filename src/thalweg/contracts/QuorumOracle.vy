# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Quorum oracle
@license Apache-2.0
@notice m of n signers sign one identical value, or a VOID, for a feed and a time. Anybody registers it; the first one
        registered stays for ever. m is more than two thirds of n, so two conflicting reports take over a third of
        traitors.
@dev Types and digests: thalweg/instruments/report.py and docs/protocol.md.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IOracle
import eip712
import signatures


# -- module state ------------------------------------------------------------------------------------------------------

implements: IOracle

initializes: eip712

exports: eip712.eip712Domain


# -- constants ---------------------------------------------------------------------------------------------------------

SIGNERS_MAX: constant(uint256) = 16
SLICES_MAX: constant(uint256) = 32

_KNOWN: constant(uint256) = 1 << 255
_VOID: constant(uint256) = 1 << 254
_PRICE_MAX: constant(uint256) = (1 << 63) - 1

_SETTLEMENT_TYPE: constant(bytes32) = keccak256("Settlement(bytes32 feed,uint64 time,uint256 price,bool isVoid)")
_SLICE_TYPE: constant(bytes32) = keccak256(
    "Slice(uint64 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma)"
)
_MARK_TYPE: constant(bytes32) = keccak256(
    "Mark(bytes32 feed,uint64 time,uint256 price,bool isVoid,Slice[] slices)Slice(uint64 expiry,uint256 forward,int256 a,uint256 b,int256 rho,int256 m,uint256 sigma)"
)


# -- immutables --------------------------------------------------------------------------------------------------------

_SIGNERS: immutable(DynArray[address, SIGNERS_MAX])
_THRESHOLD: immutable(uint256)


# -- storage -----------------------------------------------------------------------------------------------------------

# @dev Kind of report (its type hash) to feed to time to the report: known (1 bit) | void (1 bit) | price.
_reports: HashMap[bytes32, HashMap[bytes32, HashMap[uint64, uint256]]]


# -- structs -----------------------------------------------------------------------------------------------------------

# One expiry of a mark: forward and raw SVI parameters, scaled by 1e8 each.
struct Slice:
    expiry: uint64
    forward: uint256
    a: int256
    b: uint256
    rho: int256
    m: int256
    sigma: uint256


# -- events ------------------------------------------------------------------------------------------------------------

event Registered:
    feed: indexed(bytes32)
    time: indexed(uint64)
    is_mark: bool
    is_void: bool
    price: uint256


# -- construction ------------------------------------------------------------------------------------------------------

@deploy
def __init__(signers: DynArray[address, SIGNERS_MAX], threshold: uint256):
    """
    @notice Fix the signers, who are different, and how many must agree.
    @param signers Their addresses; a report names them by index.
    @param threshold At least floor(2n / 3) + 1.
    """
    eip712.__init__("Thalweg Oracle", "1")
    count: uint256 = len(signers)
    assert threshold <= count and threshold >= 2 * count // 3 + 1, "oracle: threshold"
    for i: uint256 in range(count, bound=SIGNERS_MAX):
        assert signers[i] != empty(address), "oracle: signers"
        for j: uint256 in range(i, bound=SIGNERS_MAX):
            assert signers[i] != signers[j], "oracle: signers"
    _SIGNERS = signers
    _THRESHOLD = threshold


# -- external ----------------------------------------------------------------------------------------------------------

@external
def register(
    feed: bytes32,
    time: uint64,
    price: uint256,
    is_void: bool,
    signers: DynArray[uint8, SIGNERS_MAX],
    signed: DynArray[signatures.Signature, SIGNERS_MAX],
):
    """
    @notice Register a settlement report.
    @param feed The underlying.
    @param time The expiry.
    @param price Scaled by 1e8; zero in a void.
    @param is_void Whether the signers say that there is no price.
    @param signers Indices of those who signed, strictly increasing.
    @param signed Their signatures over Settlement.
    """
    digest: bytes32 = eip712._digest(keccak256(abi_encode(_SETTLEMENT_TYPE, feed, time, price, is_void)))
    self._check_quorum(digest, signers, signed)
    self._register(_SETTLEMENT_TYPE, feed, time, price, is_void)


@external
def register_mark(
    feed: bytes32,
    time: uint64,
    price: uint256,
    is_void: bool,
    slices: DynArray[Slice, SLICES_MAX],
    signers: DynArray[uint8, SIGNERS_MAX],
    signed: DynArray[signatures.Signature, SIGNERS_MAX],
):
    """
    @notice Register a mark: the index at a tick, and the surface on it.
    @param feed The underlying.
    @param time The tick.
    @param price The index, scaled by 1e8; zero in a void.
    @param is_void Whether the signers say that there is no price.
    @param slices The surface.
    @param signers Indices of those who signed, strictly increasing.
    @param signed Their signatures over Mark.
    """
    hashes: DynArray[bytes32, SLICES_MAX] = []
    for one: Slice in slices:
        hashes.append(keccak256(abi_encode(_SLICE_TYPE, one)))
    surface: bytes32 = keccak256(slice(abi_encode(hashes, ensure_tuple=False), 32, 32 * len(hashes)))
    digest: bytes32 = eip712._digest(keccak256(abi_encode(_MARK_TYPE, feed, time, price, is_void, surface)))
    self._check_quorum(digest, signers, signed)
    self._register(_MARK_TYPE, feed, time, price, is_void)


@external
@view
def settlement(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    """
    @notice Return the price an expiry settles at: is it known, is it void, the price scaled by 1e8.
    """
    return self._told(_SETTLEMENT_TYPE, feed, time)


@external
@view
def mark(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    """
    @notice Return the index at a tick: is it known, is it void, the price scaled by 1e8.
    """
    return self._told(_MARK_TYPE, feed, time)


@external
@view
def signers() -> DynArray[address, SIGNERS_MAX]:
    """
    @notice Return who may sign, by index.
    """
    return _SIGNERS


@external
@view
def threshold() -> uint256:
    """
    @notice Return how many must sign.
    """
    return _THRESHOLD


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _check_quorum(
    digest: bytes32,
    signers: DynArray[uint8, SIGNERS_MAX],
    signed: DynArray[signatures.Signature, SIGNERS_MAX],
):
    assert len(signers) >= _THRESHOLD and len(signed) == len(signers), "oracle: bad oracle report"
    known: DynArray[address, SIGNERS_MAX] = _SIGNERS
    lowest: uint256 = 0
    for i: uint256 in range(len(signers), bound=SIGNERS_MAX):
        index: uint256 = convert(signers[i], uint256)
        assert index >= lowest and index < len(known), "oracle: bad oracle report"
        assert signatures._signed_by(digest, signed[i], known[index]), "oracle: wrong signer"
        lowest = index + 1


@internal
def _register(kind: bytes32, feed: bytes32, time: uint64, price: uint256, is_void: bool):
    """
    @dev The same report again changes nothing, so that two who send it at once do not trip each other.
    """
    assert block.timestamp >= convert(time, uint256), "oracle: not yet"
    assert price <= _PRICE_MAX and (price == 0 or not is_void), "oracle: bad oracle report"
    report: uint256 = _KNOWN | price
    if is_void:
        report |= _VOID
    before: uint256 = self._reports[kind][feed][time]
    if before == 0:
        self._reports[kind][feed][time] = report
        log Registered(feed=feed, time=time, is_mark=kind == _MARK_TYPE, is_void=is_void, price=price)
    else:
        assert before == report, "oracle: exists already"


@internal
@view
def _told(kind: bytes32, feed: bytes32, time: uint64) -> (bool, bool, uint256):
    report: uint256 = self._reports[kind][feed][time]
    return (report & _KNOWN != 0, report & _VOID != 0, report & _PRICE_MAX)
