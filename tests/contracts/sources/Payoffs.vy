# pragma version 0.4.3
# pragma evm-version cancun
"""
@title The payoffs module, callable
@license Apache-2.0
"""

import payoffs


@external
@pure
def amount(
    payoff: uint256, quantity: uint256, unit: uint256, knots: DynArray[uint256, payoffs.KNOTS_MAX], price: uint256
) -> int256:
    return payoffs._amount(payoff, quantity, unit, knots, price)
