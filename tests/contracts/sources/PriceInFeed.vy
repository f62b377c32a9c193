# pragma version 0.4.3
# pragma evm-version cancun
"""
@title An oracle whose price is its feed
@license Apache-2.0
@notice Knows everything at once: the price of a feed is the feed. Nothing is void, but feed 0 is never known.
"""


@external
@view
def settlement(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    return (feed != empty(bytes32), False, convert(feed, uint256))


@external
@view
def mark(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    return (False, False, 0)
