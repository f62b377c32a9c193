# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title The modules of the model price, callable
@license Apache-2.0
"""

import black
import fixed
import svi


@external
@pure
def log_ratio(greater: uint256, lesser: uint256) -> uint256:
    return fixed._log_ratio(greater, lesser)


@external
@pure
def exp_minus(z: uint256) -> uint256:
    return fixed._exp_minus(z)


@external
@pure
def mills(y: uint256) -> int256:
    return fixed._mills(y)


@external
@pure
def variance(smile: svi.Smile, k: int256) -> uint256:
    return svi._variance(smile, k)


@external
@view
def call_value(smile: svi.Smile, strike: uint256) -> (uint256, uint256):
    """
    @notice Return a call's value, and the gas it took to find.
    """
    before: uint256 = msg.gas
    value: uint256 = black._call(smile, strike)
    return (value, before - msg.gas)
