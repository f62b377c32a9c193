# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title A surface: one tick's smiles by expiry
@license Apache-2.0
@notice What makes one valid, how it is stored, and what lies between two expiries. The exact twin of
        thalweg/instruments/surface.py.

        Between two expiries the logarithm of the forward and the total variance at equal log-moneyness are linear in
        time; before the first and beyond the last, volatility is that expiry's.
@dev A surface is stored as the code of a contract: 200 gas a byte instead of 690, and read at once. Its first byte
     stops whoever calls it. A slice is two words: expiry, forward, a, b; then rho, m, sigma, nothing; 64 bits each.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import fixed
import svi


# -- constants ---------------------------------------------------------------------------------------------------------

SLICES_MAX: constant(uint256) = 32
SLICE_BYTES: constant(uint256) = 64
PACKED_MAX: constant(uint256) = SLICES_MAX * SLICE_BYTES + 33
_WEIGHT_ONE: constant(uint256) = 1 << 64
_WEIGHT_MAX: constant(uint256) = 1 << 76  # volatility beyond the last expiry: up to 4096 times as long
_PRICE_MAX: constant(uint256) = 2**63 - 1
_LOW: constant(uint256) = 2**64 - 1


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


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _is_valid(slices: DynArray[Slice, SLICES_MAX], time: uint64) -> bool:
    """
    @notice Say whether a tick's surface holds together: expiries ahead of it that increase, forwards that are prices,
            sound smiles, and total variance that does not fall from one expiry to the next.
    """
    last: uint64 = time
    near: svi.Parameters = empty(svi.Parameters)
    near_levels: uint256[svi.POINTS] = empty(uint256[svi.POINTS])
    for one: Slice in slices:
        far: svi.Parameters = self._parameters(one)
        if one.expiry <= last or one.forward == 0 or one.forward > _PRICE_MAX or not svi._is_sound(far):
            return False
        far_levels: uint256[svi.POINTS] = svi._levels(far)
        if last != time and not svi._is_later(near, near_levels, far, far_levels):
            return False
        last = one.expiry
        near = far
        near_levels = far_levels
    return True


@internal
@pure
def _packed(slices: DynArray[Slice, SLICES_MAX]) -> Bytes[PACKED_MAX]:
    """
    @notice Return the code a valid surface is stored as.
    """
    packed: DynArray[uint256, 2 * SLICES_MAX] = []
    for one: Slice in slices:
        packed.append(
            (convert(one.expiry, uint256) << 192) | (one.forward << 128) | (self._low(one.a) << 64) | one.b
        )
        packed.append((self._low(one.rho) << 192) | (self._low(one.m) << 128) | (one.sigma << 64))
    body: Bytes[SLICES_MAX * SLICE_BYTES + 32] = slice(
        abi_encode(packed, ensure_tuple=False), 32, SLICE_BYTES * len(slices)
    )
    return concat(b"\x00", body)


@internal
def _store(packed: Bytes[PACKED_MAX]) -> address:
    """
    @notice Store a packed surface, and return where.
    @dev The creation code returns what follows its ten bytes: PUSH2 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0,
         RETURN.
    """
    size: bytes2 = convert(convert(len(packed), uint16), bytes2)
    return raw_create(concat(b"\x61", size, b"\x80\x60\x0a\x5f\x39\x5f\xf3", packed))


@internal
@view
def _smile(stored: address, time: uint64, expiry: uint64) -> svi.Smile:
    """
    @notice Return what a surface stored at a tick says about an expiry after the tick.
    """
    until: uint256 = convert(expiry - time, uint256)
    right: uint256 = 0
    for i: uint256 in range((stored.codesize - 1) // SLICE_BYTES, bound=SLICES_MAX):
        right = i
        if self._word(stored, i, 0) >> 192 >= convert(expiry, uint256):
            break
    far: Slice = self._slice(stored, right)
    far_until: uint256 = convert(far.expiry - time, uint256)
    if right == 0 or far_until <= until:
        weight: uint256 = min(until * _WEIGHT_ONE // far_until, _WEIGHT_MAX)
        return svi.Smile(
            forward=far.forward,
            left_weight=weight,
            right_weight=0,
            left=self._parameters(far),
            right=self._parameters(far),
        )
    near: Slice = self._slice(stored, right - 1)
    near_until: uint256 = convert(near.expiry - time, uint256)
    share: uint256 = (until - near_until) * _WEIGHT_ONE // (far_until - near_until)
    return svi.Smile(
        forward=self._between(near.forward, far.forward, share),
        left_weight=_WEIGHT_ONE - share,
        right_weight=share,
        left=self._parameters(near),
        right=self._parameters(far),
    )


@internal
@pure
def _between(near: uint256, far: uint256, share: uint256) -> uint256:
    """
    @notice Return the forward at a share of the way from one to the other, geometrically, rounded down.
    """
    greater: uint256 = max(near, far)
    way: uint256 = share if greater == near else _WEIGHT_ONE - share
    return greater * fixed._exp_minus((fixed._log_ratio(greater, min(near, far)) * way) >> 64) >> 96


@internal
@view
def _word(stored: address, index: uint256, half: uint256) -> uint256:
    return convert(slice(stored.code, 1 + SLICE_BYTES * index + 32 * half, 32), uint256)


@internal
@view
def _slice(stored: address, index: uint256) -> Slice:
    first: uint256 = self._word(stored, index, 0)
    second: uint256 = self._word(stored, index, 1)
    return Slice(
        expiry=convert(first >> 192, uint64),
        forward=(first >> 128) & _LOW,
        a=self._signed(first >> 64),
        b=first & _LOW,
        rho=self._signed(second >> 192),
        m=self._signed(second >> 128),
        sigma=(second >> 64) & _LOW,
    )


@internal
@pure
def _parameters(one: Slice) -> svi.Parameters:
    return svi.Parameters(a=one.a, b=one.b, rho=one.rho, m=one.m, sigma=one.sigma)


@internal
@pure
def _low(number: int256) -> uint256:
    """
    @notice Return a number of 64 bits in two's complement.
    """
    return convert(convert(number, bytes32), uint256) & _LOW


@internal
@pure
def _signed(bits: uint256) -> int256:
    """
    @notice Return the number whose two's complement the lowest 64 bits are.
    """
    return convert(convert((bits & _LOW) << 192, bytes32), int256) >> 192
