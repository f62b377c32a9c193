# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title What a position pays
@license Apache-2.0
@notice The exact twin of thalweg/instruments/payoff.py: one multiplication chain, one truncation toward zero.

            call   quantity * max(S - K, 0) * unit / 1e16
            put    quantity * max(K - S, 0) * unit / 1e16
            curve  quantity * (y0 * (x1 - x0) + (y1 - y0) * (S - x0)) * unit / ((x1 - x0) * 1e16)

@dev Prices, values and quantities are scaled by 1e8 each. Within the limits below no numerator reaches 2^252, so
     nothing overflows. Terms outside them cannot be agreed to by an honest node; here they pay nothing, so that they
     lock nothing.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

CALL: constant(uint256) = 0
PUT: constant(uint256) = 1
CURVE: constant(uint256) = 2
KNOTS_MAX: constant(uint256) = 16

_SCALE: constant(int256) = 10**16  # price scale times quantity scale
_PRICE_MAX: constant(uint256) = 2**63 - 1
_QUANTITY_MAX: constant(uint256) = 2**63 - 1
_UNIT_MAX: constant(uint256) = 10**18
_VALUE_MIN: constant(int256) = -2**63
_VALUE_MAX: constant(int256) = 2**63 - 1
_LOW_HALF: constant(uint256) = 2**128 - 1


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _amount(
    payoff: uint256, quantity: uint256, unit: uint256, knots: DynArray[uint256, KNOTS_MAX], price: uint256
) -> int256:
    """
    @notice Return what long receives from short in base units; negative where long pays, zero for terms out of range.
    @dev `payoff` is one of the three.
    """
    if quantity > _QUANTITY_MAX or unit > _UNIT_MAX or price > _PRICE_MAX:
        return 0
    scaled: int256 = convert(quantity * unit, int256)
    if payoff == CURVE:
        return self._curve(scaled, knots, convert(price, int256))
    if len(knots) != 1 or knots[0] > _PRICE_MAX:
        return 0
    gain: int256 = convert(price, int256) - convert(knots[0], int256)
    if payoff == PUT:
        gain = -gain
    return scaled * max(gain, 0) // _SCALE


@internal
@pure
def _curve(scaled: int256, knots: DynArray[uint256, KNOTS_MAX], price: int256) -> int256:
    """
    @dev The segment is the first that ends above the price, else the last. Every knot is checked, wherever the price
         lies: whether terms are in range must not depend on it.
    """
    if len(knots) < 2:
        return 0
    left: int256[2] = self._unknot(knots[0])
    if left[0] != 0 or not self._in_range(left[1]):
        return 0
    start: int256[2] = left
    end: int256[2] = left
    found: bool = False
    for i: uint256 in range(1, len(knots), bound=KNOTS_MAX):
        right: int256[2] = self._unknot(knots[i])
        if right[0] <= left[0] or right[0] > convert(_PRICE_MAX, int256) or not self._in_range(right[1]):
            return 0
        if not found:
            start = left
            end = right
            found = price < right[0]
        left = right
    width: int256 = end[0] - start[0]
    return scaled * (start[1] * width + (end[1] - start[1]) * (price - start[0])) // (width * _SCALE)


@internal
@pure
def _unknot(knot: uint256) -> int256[2]:
    """
    @notice Return a knot's price (its high half) and value (its low half, in two's complement).
    """
    value: int256 = convert(knot & _LOW_HALF, int256)
    if value >= 2**127:
        value -= 2**128
    return [convert(knot >> 128, int256), value]


@internal
@pure
def _in_range(y: int256) -> bool:
    return y >= _VALUE_MIN and y <= _VALUE_MAX
