# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title What oracles say of a position's price
@license Apache-2.0
@notice An expiry settles at its report; a position that is still alive when its channel is closed out is valued by the
        mark at a grid point. A void report moves on to the next grid point. Where the oracle stays silent for a week, the
        report of an expiry that has come since speaks, else the tick that the state's collateral was computed on, and
        where nobody shows that one within another week, nothing moves: money is never locked for ever.
@dev Oracles are asked with bounded gas and bounded returned data. One that fails says nothing.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IOracle
import svi


# -- constants ---------------------------------------------------------------------------------------------------------

NOTHING: constant(uint256) = 0
PRICE: constant(uint256) = 1
MARK: constant(uint256) = 2
GRID_S: constant(uint256) = 60
_VOIDS_MAX: constant(uint256) = 60  # void reports walked over, each one grid point on
_ORACLE_GRACE_S: constant(uint256) = 7 * 86400
_ORACLE_GAS: constant(uint256) = 120_000  # a call; 122 of them fit into a transaction of 2^24 (EIP-7825)
_GAS_LEFT_MIN: constant(uint256) = 130_000  # _ORACLE_GAS, the 64th that a call leaves behind, and the call's own cost


# -- structs -----------------------------------------------------------------------------------------------------------

# When positions are priced: those that expire after `mark_from` by the mark at it, a grid point.
struct Occasion:
    mark_from: uint256
    mark_time: uint256  # the tick that the state's collateral was computed on
    deadline: uint256  # of the dispute


# What a position on (oracle, feed, expiry) is priced by: nothing, a price, or a mark's smile.
struct Quote:
    is_asked: bool
    oracle: address
    feed: bytes32
    expiry: uint256
    kind: uint256
    price: uint256
    smile: svi.Smile


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _quote(oracle: address, feed: bytes32, expiry: uint256, occasion: Occasion) -> Quote:
    """
    @notice Return what prices a position; revert where nobody can tell yet.
    """
    quote: Quote = empty(Quote)
    quote.is_asked = True
    quote.oracle = oracle
    quote.feed = feed
    quote.expiry = expiry
    is_known: bool = True
    is_void: bool = True  # of all that was said so far
    time: uint256 = occasion.mark_from
    if time < expiry:
        quote.kind = MARK
        for _: uint256 in range(_VOIDS_MAX):
            is_known, is_void, quote.smile = self._smile(oracle, feed, time, expiry)
            time = unsafe_add(time, GRID_S)
            if not (is_known and is_void) or time >= expiry:
                break
    if is_known and is_void and time >= expiry:
        quote.kind = PRICE
        is_known, is_void, quote.price = self._settled(oracle, feed, expiry)
    if is_known and not is_void:
        return quote
    return self._last_word(quote, occasion)


@internal
@view
def _last_word(silent: Quote, occasion: Occasion) -> Quote:
    """
    @notice Return what prices a position that its oracle says nothing of.
    """
    quote: Quote = silent
    silent_since: uint256 = max(min(occasion.mark_from, quote.expiry), occasion.deadline)
    silent_s: uint256 = block.timestamp - min(silent_since, block.timestamp)
    is_known: bool = False
    is_void: bool = True
    if silent_s > _ORACLE_GRACE_S:
        if silent.kind == MARK:
            quote.kind = PRICE
            is_known, is_void, quote.price = self._settled(quote.oracle, quote.feed, quote.expiry)
        if (not is_known or is_void) and occasion.mark_from < quote.expiry:
            quote.kind = MARK
            is_known, is_void, quote.smile = self._smile(
                quote.oracle, quote.feed, occasion.mark_time, quote.expiry
            )
        if not is_known or is_void:
            quote.kind = PRICE
            is_known, is_void, quote.price = self._price(
                quote.oracle, abi_encode(quote.feed, occasion.mark_time, method_id=method_id("mark(bytes32,uint64)"))
            )
        if (not is_known or is_void) and silent_s > 2 * _ORACLE_GRACE_S:
            quote.kind = NOTHING
            return quote
    assert is_known and not is_void, "claim: no oracle report"
    return quote


@internal
@view
def _settled(oracle: address, feed: bytes32, expiry: uint256) -> (bool, bool, uint256):
    """
    @notice Return what an expiry settles at: is it known, is it void all along, the price.
    """
    is_known: bool = False
    is_void: bool = True
    price: uint256 = 0
    for step: uint256 in range(_VOIDS_MAX):
        is_known, is_void, price = self._price(
            oracle,
            abi_encode(
                feed,
                unsafe_add(expiry, unsafe_mul(step, GRID_S)),
                method_id=method_id("settlement(bytes32,uint64)"),
            ),
        )
        if not is_void or not is_known:
            break
    return (is_known, is_void, price)


@internal
@view
def _price(oracle: address, question: Bytes[68]) -> (bool, bool, uint256):
    success: bool = False
    answer: Bytes[96] = b""
    self._check_gas()
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


@internal
@view
def _smile(oracle: address, feed: bytes32, time: uint256, expiry: uint256) -> (bool, bool, svi.Smile):
    success: bool = False
    answer: Bytes[480] = b""
    self._check_gas()
    success, answer = raw_call(
        oracle,
        abi_encode(feed, time, expiry, method_id=method_id("smile(bytes32,uint64,uint64)")),
        max_outsize=480,
        gas=_ORACLE_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) < 480:
        return (False, False, empty(svi.Smile))
    is_void: bool = extract32(answer, 32, output_type=uint256) != 0
    smile: svi.Smile = svi.Smile(
        forward=extract32(answer, 64, output_type=uint256),
        left_weight=extract32(answer, 96, output_type=uint256),
        right_weight=extract32(answer, 128, output_type=uint256),
        left=self._parameters(answer, 160),
        right=self._parameters(answer, 320),
    )
    return (extract32(answer, 0, output_type=uint256) != 0, is_void, smile)


@internal
@pure
def _parameters(answer: Bytes[480], start: uint256) -> svi.Parameters:
    return svi.Parameters(
        a=extract32(answer, start, output_type=int256),
        b=extract32(answer, start + 32, output_type=uint256),
        rho=extract32(answer, start + 64, output_type=int256),
        m=extract32(answer, start + 96, output_type=int256),
        sigma=extract32(answer, start + 128, output_type=uint256),
    )


@internal
@view
def _check_gas():
    """
    @dev An oracle that is called with too little gas must not be taken for silent.
    """
    assert msg.gas > _GAS_LEFT_MIN, "claim: more gas needed"
