# pragma version 0.4.3
# pragma evm-version cancun
"""
@title An oracle whose marks are all void, and that knows what one time, on the grid or off it, settles at
@license Apache-2.0
"""

time: uint64
price: uint256


@external
def settle(time: uint64, price: uint256):
    self.time = time
    self.price = price


@external
@view
def settlement(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    return (time == self.time, False, self.price)


@external
@view
def smile(feed: bytes32, time: uint64, expiry: uint64) -> (bool, bool, uint256[13]):
    return (True, True, empty(uint256[13]))
