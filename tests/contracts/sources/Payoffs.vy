# pragma version 0.4.3
# pragma evm-version cancun
"""
@title The modules of payoffs and their values, callable
@license Apache-2.0
"""

import payoffs
import svi
import valuation


@external
@pure
def amount(
    payoff: uint256,
    style: uint256,
    quantity: uint256,
    unit: uint256,
    knots: DynArray[uint256, payoffs.KNOTS_MAX],
    price: uint256,
) -> int256:
    found: int256 = payoffs._amount(payoff, style, quantity, unit, knots, price)
    if payoff <= payoffs.PUT and style == payoffs.LINEAR and len(knots) == 1:
        assert payoffs._vanilla(payoff == payoffs.CALL, quantity, unit, knots[0], price) == found
    return found


@external
@pure
def worth(
    payoff: uint256,
    style: uint256,
    quantity: uint256,
    unit: uint256,
    knots: DynArray[uint256, payoffs.KNOTS_MAX],
    smile: svi.Smile,
) -> int256:
    return valuation._amount(payoff, style, quantity, unit, knots, smile)


@external
@pure
def delivery(
    payoff: uint256, quantity: uint256, unit: uint256, knots: DynArray[uint256, payoffs.KNOTS_MAX]
) -> (uint256, uint256):
    return payoffs._delivery(payoff, quantity, unit, knots)
