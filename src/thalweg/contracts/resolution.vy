# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title What a claim comes to
@license Apache-2.0
@notice Escrowed claims credit one seat in full; margined ones move a signed amount between two seats. A claim that
        cannot be told yet reverts with the reason, so that a shorter run can go through without it.
@dev Indices out of range cannot be agreed to by an honest node; here they move nothing, so that they lock nothing.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IOracle
import claims
import payoffs
import preimages


# -- module state ------------------------------------------------------------------------------------------------------

uses: preimages


# -- constants ---------------------------------------------------------------------------------------------------------

_GRID_S: constant(uint256) = 60
_VOIDS_MAX: constant(uint256) = 60  # void reports walked over, each one grid point on
_ORACLE_GRACE_S: constant(uint256) = 7 * 86400
_ORACLE_GAS: constant(uint256) = 200_000
_GAS_LEFT_MIN: constant(uint256) = 210_000  # _ORACLE_GAS, the 64th that a call leaves behind, and the call's own cost
_LINEAR: constant(uint256) = 0
_AMOUNT_MAX: constant(uint256) = 2**128 - 1


# -- structs -----------------------------------------------------------------------------------------------------------

# `delta` moves from short to long (margined); `credit` goes to a seat in an asset (escrowed).
struct Outcome:
    long: uint256
    short: uint256
    delta: int256
    seat: uint256
    asset: uint256
    credit: uint256


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _outcome(
    claim: Bytes[claims.CLAIM_BYTES], settlement: uint256, mark_time: uint256, dispute_deadline: uint256
) -> Outcome:
    """
    @notice Return what a claim comes to; `settlement` is the asset that backs positions.
    """
    kind: uint256 = extract32(claim, 0, output_type=uint256)
    if kind == claims.POSITION:
        return self._position(claim, settlement, mark_time, dispute_deadline)
    assert kind == claims.HASH_LOCK, "claim: unsupported"
    is_met: bool = preimages._is_met(claims._hashes(claim, 8), extract32(claim, 32 * 6, output_type=uint256))
    return Outcome(
        long=0,
        short=0,
        delta=0,
        seat=self._seat(extract32(claim, 32 * (3 if is_met else 2), output_type=uint256)),
        asset=self._seat(extract32(claim, 32 * 4, output_type=uint256)),
        credit=min(extract32(claim, 32 * 5, output_type=uint256), _AMOUNT_MAX),
    )


@internal
@view
def _position(
    claim: Bytes[claims.CLAIM_BYTES], settlement: uint256, mark_time: uint256, dispute_deadline: uint256
) -> Outcome:
    """
    @dev A premium is escrowed by the side that owes it: paid over where the condition is met, else paid back.
    """
    payoff: uint256 = extract32(claim, 32 * 5, output_type=uint256)
    style: uint256 = extract32(claim, 32 * 6, output_type=uint256)
    assert payoff <= payoffs.CURVE and style == _LINEAR, "claim: unsupported"
    outcome: Outcome = Outcome(
        long=self._seat(extract32(claim, 32 * 2, output_type=uint256)),
        short=self._seat(extract32(claim, 32 * 3, output_type=uint256)),
        delta=0,
        seat=0,
        asset=settlement,
        credit=0,
    )
    knots: DynArray[uint256, claims.KNOTS_MAX] = claims._knots(claim)
    is_met: bool = preimages._is_met(
        claims._hashes(claim, 16 + len(knots)), extract32(claim, 32 * 13, output_type=uint256)
    )
    premium: int256 = extract32(claim, 32 * 12, output_type=int256)
    if premium != 0:
        long_owes: bool = premium > 0
        outcome.credit = self._magnitude(premium)
        outcome.seat = outcome.short if long_owes == is_met else outcome.long
    if is_met:
        outcome.delta = payoffs._amount(
            payoff,
            extract32(claim, 32 * 4, output_type=uint256),
            extract32(claim, 32 * 11, output_type=uint256),
            knots,
            self._price(
                extract32(claim, 32 * 8, output_type=address),
                extract32(claim, 32 * 9),
                extract32(claim, 32 * 10, output_type=uint256),
                mark_time,
                dispute_deadline,
            ),
        )
    return outcome


@internal
@pure
def _seat(index: uint256) -> uint256:
    """
    @notice Return an index of a seat or asset, cut to what the caller can multiply; none is that great.
    """
    return min(index, 255)


@internal
@pure
def _magnitude(premium: int256) -> uint256:
    if premium < -convert(_AMOUNT_MAX, int256):
        return _AMOUNT_MAX
    return min(convert(abs(premium), uint256), _AMOUNT_MAX)


@internal
@view
def _price(oracle: address, feed: bytes32, expiry: uint256, mark_time: uint256, dispute_deadline: uint256) -> uint256:
    """
    @notice Return the price that an expiry settles at. A void report moves on to the next grid point. Where the
            oracle stays silent for a week after both the expiry and the dispute's deadline, the tick that the state's
            collateral was computed on settles instead.
    """
    known: bool = False
    is_void: bool = False
    price: uint256 = 0
    time: uint256 = expiry
    for _: uint256 in range(_VOIDS_MAX):
        known, is_void, price = self._asked(
            oracle, abi_encode(feed, time, method_id=method_id("settlement(bytes32,uint64)"))
        )
        if not (known and is_void):
            break
        time = unsafe_add(time, _GRID_S)
    if known and not is_void:
        return price
    silent_since: uint256 = max(expiry, dispute_deadline)
    known = False
    if block.timestamp > silent_since and block.timestamp - silent_since > _ORACLE_GRACE_S:
        known, is_void, price = self._asked(
            oracle, abi_encode(feed, mark_time, method_id=method_id("mark(bytes32,uint64)"))
        )
    assert known and not is_void, "claim: no oracle report"
    return price


@internal
@view
def _asked(oracle: address, question: Bytes[68]) -> (bool, bool, uint256):
    """
    @dev An oracle that fails says nothing; one that is called with too little gas must not be taken for silent.
    """
    assert msg.gas > _GAS_LEFT_MIN, "claim: more gas needed"
    success: bool = False
    answer: Bytes[96] = b""
    success, answer = raw_call(
        oracle, question, max_outsize=96, gas=_ORACLE_GAS, is_static_call=True, revert_on_failure=False
    )
    if not success or len(answer) < 96:
        return (False, False, 0)
    return (
        extract32(answer, 0, output_type=uint256) != 0,
        extract32(answer, 32, output_type=uint256) != 0,
        extract32(answer, 64, output_type=uint256),
    )
