# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Pricer
@license Apache-2.0
@notice What positions are worth before their expiry, by a mark's smile. It keeps nothing; see valuation.vy.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IPricer
import payoffs
import svi
import valuation


# -- module state ------------------------------------------------------------------------------------------------------

implements: IPricer


# -- external ----------------------------------------------------------------------------------------------------------

@external
@view
def worth(
    payoff: uint256,
    style: uint256,
    quantity: uint256,
    unit: uint256,
    knots: DynArray[uint256, payoffs.KNOTS_MAX],
    smile: svi.Smile,
) -> int256:
    """
    @notice Return what a position that settles in money is worth to long, in base units; negative where it costs him.
    @param payoff The shape of its payoff.
    @param style Linear or inverse.
    @param quantity How many contracts, scaled by 1e8.
    @param unit Base units of a whole token.
    @param knots The payoff's knots.
    @param smile What a mark says of its expiry.
    """
    return valuation._amount(payoff, style, quantity, unit, knots, smile)


@external
@view
def contract_value(payoff: uint256, strike: uint256, smile: svi.Smile) -> int256:
    """
    @notice Return the value of a vanilla's or forward's payoff, a price scaled by 1e8 and by 2^64.
    @param payoff The shape of its payoff: not a curve.
    @param strike Its strike, in the range of prices.
    @param smile What a mark says of its expiry.
    """
    if not valuation._is_usable(smile):
        return 0
    return valuation._value(payoff, [strike], smile)
