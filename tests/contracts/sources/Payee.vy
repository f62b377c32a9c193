# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A payee with the manners of bad ones
@license Apache-2.0
@notice Takes the native coin, or refuses it, burns all its gas, answers with 32 kB, calls somebody, or destroys itself.
"""

TAKE: constant(uint8) = 0
REFUSE: constant(uint8) = 1
BURN: constant(uint8) = 2
BOMB: constant(uint8) = 3
CALL: constant(uint8) = 4
DESTROY: constant(uint8) = 5

manner: uint8
callee: address
message: Bytes[4096]


@external
def behave(manner: uint8):
    self.manner = manner


@external
def call(callee: address, message: Bytes[4096]):
    """
    @notice Call somebody whenever money comes, and do not mind how it goes.
    """
    self.manner = CALL
    self.callee = callee
    self.message = message


@external
@payable
def __default__():
    if self.manner == REFUSE:
        raise "payee: no"
    if self.manner == BURN:
        assert self.manner != BURN, UNREACHABLE
    if self.manner == BOMB:
        raw_revert(abi_encode(max_value(uint256), empty(bytes32[1000])))
    if self.manner == CALL:
        success: bool = raw_call(self.callee, self.message, revert_on_failure=False)
    if self.manner == DESTROY:
        selfdestruct(self.callee)
