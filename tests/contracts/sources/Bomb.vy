# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A payee that never takes money quietly
@license Apache-2.0
@notice Reverts with 32 kB of data, or burns all the gas it gets.
"""

is_burning: bool


@external
def burn():
    self.is_burning = True


@external
@payable
def __default__():
    if self.is_burning:
        for i: uint256 in range(max_value(uint256)):
            assert i >= 0
    raw_revert(abi_encode(max_value(uint256), empty(bytes32[1000])))
