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
import surface
import svi


# -- module state ------------------------------------------------------------------------------------------------------

implements: IOracle

initializes: eip712

exports: eip712.eip712Domain


# -- constants ---------------------------------------------------------------------------------------------------------

SIGNERS_MAX: constant(uint256) = 16

_GRID_S: constant(uint64) = 60
_KNOWN: constant(uint256) = 1 << 255
_VOID: constant(uint256) = 1 << 254
_PRICE_MAX: constant(uint256) = (1 << 63) - 1
_STORED_AT: constant(uint256) = 64  # where a report's word has the address of its surface

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

# @dev Kind of report (its type hash) to feed to time to the report: known (1 bit) | void (1) | address of the surface,
#      as the code of which it is stored (160, from bit 64) | price (63).
_reports: HashMap[bytes32, HashMap[bytes32, HashMap[uint64, uint256]]]

# @dev Signer to whether he was proven to have signed two different reports of one point.
is_liar: public(HashMap[address, bool])


# -- structs -----------------------------------------------------------------------------------------------------------

# What a signer said of a point: for a mark with the hash of its surface, for a settlement with zero.
struct Said:
    price: uint256
    is_void: bool
    surface_hash: bytes32
    signature: signatures.Signature


# -- events ------------------------------------------------------------------------------------------------------------

event Registered:
    feed: indexed(bytes32)
    time: indexed(uint64)
    is_mark: bool
    is_void: bool
    price: uint256

event Equivocated:
    signer: indexed(address)
    feed: indexed(bytes32)
    time: indexed(uint64)
    is_mark: bool
    first: Said
    second: Said


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
    @param time The expiry, on the one-minute grid.
    @param price Scaled by 1e8; zero in a void.
    @param is_void Whether the signers say that there is no price.
    @param signers Indices of those who signed, strictly increasing.
    @param signed Their signatures over Settlement.
    """
    self._check_quorum(self._settlement_digest(feed, time, price, is_void), signers, signed)
    self._check_value(time, price, is_void)
    self._register(_SETTLEMENT_TYPE, feed, time, price, is_void, b"")


@external
def register_mark(
    feed: bytes32,
    time: uint64,
    price: uint256,
    is_void: bool,
    slices: DynArray[surface.Slice, surface.SLICES_MAX],
    signers: DynArray[uint8, SIGNERS_MAX],
    signed: DynArray[signatures.Signature, SIGNERS_MAX],
):
    """
    @notice Register a mark: the index at a tick of the one-minute grid, and the surface on it. A surface that does not
            hold together counts as a void, whoever signed it.
    @param feed The underlying.
    @param time The tick.
    @param price The index, scaled by 1e8; zero in a void.
    @param is_void Whether the signers say that there is none.
    @param slices The surface; none in a void.
    @param signers Indices of those who signed, strictly increasing.
    @param signed Their signatures over Mark.
    """
    hashes: DynArray[bytes32, surface.SLICES_MAX] = []
    for one: surface.Slice in slices:
        hashes.append(keccak256(abi_encode(_SLICE_TYPE, one)))
    surface_hash: bytes32 = keccak256(slice(abi_encode(hashes, ensure_tuple=False), 32, 32 * len(hashes)))
    self._check_quorum(self._mark_digest(feed, time, price, is_void, surface_hash), signers, signed)
    self._check_value(time, price, is_void)
    assert len(slices) == 0 or not is_void, "oracle: bad oracle report"
    if is_void or not surface._is_valid(slices, time):
        self._register(_MARK_TYPE, feed, time, 0, True, b"")
    elif len(slices) == 0:
        self._register(_MARK_TYPE, feed, time, price, False, b"")
    else:
        self._register(_MARK_TYPE, feed, time, price, False, surface._packed(slices))


@external
def prove_equivocation(feed: bytes32, time: uint64, is_mark: bool, signer: uint8, first: Said, second: Said):
    """
    @notice Prove that a signer signed two different reports of one point. What a quorum registered stays: else one
            signer could take back any report.
    @param feed The underlying of both.
    @param time The expiry or tick of both.
    @param is_mark Whether they are marks or settlements.
    @param signer The signer's index.
    @param first One of the two, with its signature.
    @param second The other.
    """
    digests: bytes32[2] = empty(bytes32[2])
    if is_mark:
        digests = [
            self._mark_digest(feed, time, first.price, first.is_void, first.surface_hash),
            self._mark_digest(feed, time, second.price, second.is_void, second.surface_hash),
        ]
    else:
        digests = [
            self._settlement_digest(feed, time, first.price, first.is_void),
            self._settlement_digest(feed, time, second.price, second.is_void),
        ]
    assert digests[0] != digests[1] and convert(signer, uint256) < len(_SIGNERS), "oracle: malformed"
    who: address = _SIGNERS[signer]
    assert signatures._signed_by(digests[0], first.signature, who), "oracle: wrong signer"
    assert signatures._signed_by(digests[1], second.signature, who), "oracle: wrong signer"
    self.is_liar[who] = True
    log Equivocated(signer=who, feed=feed, time=time, is_mark=is_mark, first=first, second=second)


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
def smile(feed: bytes32, time: uint64, expiry: uint64) -> (bool, bool, svi.Smile):
    """
    @notice Return what the mark at a tick says about an expiry after it: is it known, is it void, forward and smile. A
            mark without a surface is void here.
    """
    report: uint256 = self._reports[_MARK_TYPE][feed][time]
    stored: address = convert((report >> _STORED_AT) & convert(max_value(uint160), uint256), address)
    if report == 0 or stored == empty(address) or expiry <= time:
        return (report != 0, report != 0, empty(svi.Smile))
    return (True, False, surface._smile(stored, time, expiry))


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
@view
def _check_value(time: uint64, price: uint256, is_void: bool):
    assert block.timestamp >= convert(time, uint256), "oracle: not yet"
    assert time % _GRID_S == 0 and price <= _PRICE_MAX and (price == 0 or not is_void), "oracle: bad oracle report"


@internal
def _register(
    kind: bytes32,
    feed: bytes32,
    time: uint64,
    price: uint256,
    is_void: bool,
    packed: Bytes[surface.PACKED_MAX],
):
    """
    @dev The same report again changes nothing, so that two who send it at once do not trip each other.
    """
    report: uint256 = _KNOWN | price
    if is_void:
        report |= _VOID
    before: uint256 = self._reports[kind][feed][time]
    if before == 0:
        if len(packed) != 0:
            report |= convert(surface._store(packed), uint256) << _STORED_AT
        self._reports[kind][feed][time] = report
        log Registered(feed=feed, time=time, is_mark=kind == _MARK_TYPE, is_void=is_void, price=price)
        return
    stored: address = convert((before >> _STORED_AT) & convert(max_value(uint160), uint256), address)
    is_same: bool = before & ~(convert(max_value(uint160), uint256) << _STORED_AT) == report
    if len(packed) != 0:
        is_same = is_same and stored.codehash == keccak256(packed)
    else:
        is_same = is_same and stored == empty(address)
    assert is_same, "oracle: exists already"


@internal
@view
def _settlement_digest(feed: bytes32, time: uint64, price: uint256, is_void: bool) -> bytes32:
    return eip712._digest(keccak256(abi_encode(_SETTLEMENT_TYPE, feed, time, price, is_void)))


@internal
@view
def _mark_digest(feed: bytes32, time: uint64, price: uint256, is_void: bool, surface_hash: bytes32) -> bytes32:
    return eip712._digest(keccak256(abi_encode(_MARK_TYPE, feed, time, price, is_void, surface_hash)))


@internal
@view
def _told(kind: bytes32, feed: bytes32, time: uint64) -> (bool, bool, uint256):
    report: uint256 = self._reports[kind][feed][time]
    return (report & _KNOWN != 0, report & _VOID != 0, report & _PRICE_MAX)
