# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title What a position pays
@license Apache-2.0
@notice The exact twin of thalweg/instruments/payoff.py: one multiplication chain, one truncation toward zero.

            linear    quantity * y * unit / 1e16             y, the payoff at price S, scaled by 1e8:
            inverse   quantity * y * unit / (S * 1e8)
                                                             call, put       max(S - K, 0), max(K - S, 0)
                                                             digital         1e8 where S >= K; where S < K
                                                             forward         S - K
                                                             curve           y0 + (y1 - y0) * (S - x0) / (x1 - x0)

@dev Prices, values and quantities are scaled by 1e8 each. Within the limits below no numerator reaches 2^252, so
     nothing overflows. Terms outside them cannot be agreed to by an honest node; here they pay nothing, so that they
     lock nothing.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

CALL: constant(uint256) = 0
PUT: constant(uint256) = 1
CURVE: constant(uint256) = 2
DIGITAL_CALL: constant(uint256) = 3
DIGITAL_PUT: constant(uint256) = 4
FORWARD: constant(uint256) = 5
LINEAR: constant(uint256) = 0
INVERSE: constant(uint256) = 1
PHYSICAL: constant(uint256) = 2
KNOTS_MAX: constant(uint256) = 16
SCALE: constant(int256) = 10**8
PRICE_MAX: constant(uint256) = 2**63 - 1

_PAYOFF_SCALE: constant(int256) = 10**16  # price scale times quantity scale
_QUANTITY_MAX: constant(uint256) = 2**63 - 1
_UNIT_MAX: constant(uint256) = 10**18
_VALUE_MIN: constant(int256) = -2**63
_VALUE_MAX: constant(int256) = 2**63 - 1
_LOW_HALF: constant(uint256) = 2**128 - 1


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _amount(
    payoff: uint256,
    style: uint256,
    quantity: uint256,
    unit: uint256,
    knots: DynArray[uint256, KNOTS_MAX],
    price: uint256,
) -> int256:
    """
    @notice Return what long receives from short in base units; negative where long pays, zero for terms out of range.
    @dev A price of zero divides as the least price above it: the payoff's limit is out of reach anyway.
    """
    if price > PRICE_MAX or not self._are_payable(payoff, style, quantity, unit, knots):
        return 0
    scaled: int256 = convert(unsafe_mul(quantity, unit), int256)
    y: int256 = 0
    width: int256 = 1
    y, width = self._value(payoff, knots, convert(price, int256))
    if style == INVERSE:
        return scaled * y // (width * convert(max(price, 1), int256) * SCALE)
    return scaled * y // (width * _PAYOFF_SCALE)


@internal
@pure
def _vanilla(is_call: bool, quantity: uint256, unit: uint256, strike: uint256, price: uint256) -> int256:
    """
    @notice Return what `_amount` does for a linear call or put, the common case, in less gas.
    """
    if quantity > _QUANTITY_MAX or unit > _UNIT_MAX or strike > PRICE_MAX or price > PRICE_MAX:
        return 0
    if is_call == (price < strike):
        return 0
    gain: uint256 = unsafe_sub(price, strike) if is_call else unsafe_sub(strike, price)
    return convert(unsafe_div(unsafe_mul(unsafe_mul(quantity, unit), gain), convert(_PAYOFF_SCALE, uint256)), int256)


@internal
@pure
def _are_payable(
    payoff: uint256, style: uint256, quantity: uint256, unit: uint256, knots: DynArray[uint256, KNOTS_MAX]
) -> bool:
    """
    @notice Say whether terms that settle in money are within the limits; whether they are must not depend on a price.
    """
    if quantity > _QUANTITY_MAX or unit > _UNIT_MAX or style > INVERSE or payoff > FORWARD:
        return False
    if payoff == CURVE:
        return self._is_curve(knots)
    return len(knots) == 1 and knots[0] <= PRICE_MAX


@internal
@pure
def _value(payoff: uint256, knots: DynArray[uint256, KNOTS_MAX], price: int256) -> (int256, int256):
    """
    @notice Return the payoff at a price as a fraction; terms are payable.
    """
    if payoff == CURVE:
        return self._on_curve(knots, price)
    gain: int256 = price - convert(knots[0], int256)
    if payoff == CALL:
        return (max(gain, 0), 1)
    if payoff == PUT:
        return (max(-gain, 0), 1)
    if payoff == FORWARD:
        return (gain, 1)
    return (SCALE if (gain >= 0) == (payoff == DIGITAL_CALL) else 0, 1)


@internal
@pure
def _on_curve(knots: DynArray[uint256, KNOTS_MAX], price: int256) -> (int256, int256):
    """
    @dev The segment is the first that ends above the price, else the last.
    """
    start: int256[2] = self._unknot(knots[0])
    end: int256[2] = self._unknot(knots[1])
    for i: uint256 in range(2, len(knots), bound=KNOTS_MAX):
        if price < end[0]:
            break
        start = end
        end = self._unknot(knots[i])
    width: int256 = end[0] - start[0]
    return (start[1] * width + (end[1] - start[1]) * (price - start[0]), width)


@internal
@pure
def _is_curve(knots: DynArray[uint256, KNOTS_MAX]) -> bool:
    """
    @notice Say whether these are a curve's: at least two, from price 0 on, strictly increasing, values in range.
    """
    if len(knots) < 2 or knots[0] >> 128 != 0:
        return False
    last: int256 = -1
    for knot: uint256 in knots:
        point: int256[2] = self._unknot(knot)
        if point[0] <= last or knot >> 128 > PRICE_MAX or point[1] < _VALUE_MIN or point[1] > _VALUE_MAX:
            return False
        last = point[0]
    return True


@internal
@pure
def _unknot(knot: uint256) -> int256[2]:
    """
    @notice Return a knot's price (its high half) and value (its low half, in two's complement).
    """
    y: int256 = convert(knot & _LOW_HALF, int256)
    if y >= 2**127:
        y -= 2**128
    return [convert(knot >> 128, int256), y]


@internal
@pure
def _is_price(price: uint256) -> bool:
    """
    @notice Say whether a price can be divided by.
    """
    return price != 0 and price <= PRICE_MAX


@internal
@pure
def _is_exercised(payoff: uint256, strike: uint256, price: uint256) -> bool:
    """
    @notice Say whether the two sides of a physical position exchange what they have in escrow.
    """
    if payoff == FORWARD:
        return True
    return price > strike if payoff == CALL else price < strike


@internal
@pure
def _delivery(
    payoff: uint256, quantity: uint256, unit: uint256, knots: DynArray[uint256, KNOTS_MAX]
) -> (uint256, uint256):
    """
    @notice Return what a physical position has in escrow: the strike in the settlement asset, and what is delivered, in
            base units. Its knots are the strike and the base units delivered a contract. Zeros for terms out of range.
    """
    is_deliverable: bool = payoff == CALL or payoff == PUT or payoff == FORWARD
    if not is_deliverable or quantity > _QUANTITY_MAX or unit > _UNIT_MAX or len(knots) != 2:
        return (0, 0)
    if knots[0] > PRICE_MAX or knots[1] > _UNIT_MAX:
        return (0, 0)
    return (quantity * knots[0] * unit // convert(_PAYOFF_SCALE, uint256), quantity * knots[1] // convert(SCALE, uint256))
