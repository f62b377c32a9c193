# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title What a position is worth before its expiry
@license Apache-2.0
@notice The model's value of every payoff, the exact twin of thalweg/instruments/valuation.py: vanillas by black.vy, a
        digital as the call spread 1/1024 of its strike wide on either side, a curve as the sum of its call spreads. Each
        value lies within what no arbitrage allows: between the payoff's least and greatest, or the forward's own line.
@dev Values are prices scaled by 1e8 and by 2^64. Terms are payable (payoffs.vy), so no product here reaches 2^255.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import black
import payoffs
import svi


# -- constants ---------------------------------------------------------------------------------------------------------

_SPREAD_SHIFT: constant(uint256) = 10  # half the width of a digital's call spread: 1/1024 of the strike
_SCALE: constant(int256) = 10**8
_PAYOFF_SCALE: constant(int256) = 10**16 << 64
_INVERSE_SCALE: constant(int256) = 10**8 << 64
_WORTH_MAX: constant(int256) = 2**131 - 1  # sixteen times the greatest price; only the steepest curves get there


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _amount(
    payoff: uint256,
    style: uint256,
    quantity: uint256,
    unit: uint256,
    knots: DynArray[uint256, payoffs.KNOTS_MAX],
    smile: svi.Smile,
) -> int256:
    """
    @notice Return what the position is worth to long in base units; negative where it costs him, zero for terms or a
            smile out of range.
    """
    if not self._is_usable(smile) or not payoffs._are_payable(payoff, style, quantity, unit, knots):
        return 0
    scaled: int256 = convert(unsafe_mul(quantity, unit), int256)
    worth: int256 = min(max(self._value(payoff, knots, smile), -_WORTH_MAX), _WORTH_MAX)
    if style == payoffs.INVERSE:
        return scaled * worth // (convert(smile.forward, int256) * _INVERSE_SCALE)
    return scaled * worth // _PAYOFF_SCALE


@internal
@pure
def _is_usable(smile: svi.Smile) -> bool:
    """
    @notice Say whether a smile that some oracle gave can be priced with: nothing here may overflow.
    """
    return payoffs._is_price(smile.forward) and svi._is_usable(smile)


@internal
@pure
def _value(payoff: uint256, knots: DynArray[uint256, payoffs.KNOTS_MAX], smile: svi.Smile) -> int256:
    """
    @notice Return the value of a contract's payoff.
    """
    if payoff == payoffs.CURVE:
        return self._curve(knots, smile)
    strike: uint256 = knots[0]
    ahead: int256 = (convert(smile.forward, int256) - convert(strike, int256)) << black.VALUE_SHIFT
    if payoff == payoffs.FORWARD:
        return ahead
    if payoff == payoffs.CALL or payoff == payoffs.PUT:
        call: int256 = convert(black._call(smile, strike), int256)
        return call if payoff == payoffs.CALL else call - ahead
    half: uint256 = max(strike >> _SPREAD_SHIFT, 1)
    low: uint256 = max(strike, half) - half
    digital: int256 = self._spread(smile, low, strike + half, _SCALE)
    return digital if payoff == payoffs.DIGITAL_CALL else (_SCALE << black.VALUE_SHIFT) - digital


@internal
@pure
def _curve(knots: DynArray[uint256, payoffs.KNOTS_MAX], smile: svi.Smile) -> int256:
    left: int256[2] = payoffs._unknot(knots[0])
    near: uint256 = smile.forward << black.VALUE_SHIFT  # a call struck at zero
    worth: int256 = left[1] << black.VALUE_SHIFT
    rise: int256 = 0
    width: int256 = 1
    for i: uint256 in range(1, len(knots), bound=payoffs.KNOTS_MAX):
        right: int256[2] = payoffs._unknot(knots[i])
        far: uint256 = black._call(smile, convert(right[0], uint256))
        rise = right[1] - left[1]
        width = right[0] - left[0]
        worth += rise * self._within(near, far, width) // width
        left = right
        near = far
    return worth + rise * convert(near, int256) // width


@internal
@pure
def _spread(smile: svi.Smile, low: uint256, high: uint256, rise: int256) -> int256:
    """
    @notice Return the value of a payoff that rises by `rise` from `low` to `high`.
    """
    width: int256 = convert(high - low, int256)
    return rise * self._within(black._call(smile, low), black._call(smile, high), width) // width


@internal
@pure
def _within(near: uint256, far: uint256, width: int256) -> int256:
    """
    @notice Return the value of a call spread, in 0..width whatever the last digits of its two calls are.
    """
    return min(max(convert(near, int256) - convert(far, int256), 0), width << black.VALUE_SHIFT)
