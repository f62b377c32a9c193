# pragma version 0.4.3
# pragma evm-version cancun
"""
@title An oracle that burns nearly all gas it is given, and says that every price is void
@license Apache-2.0
"""


@external
@view
def settlement(feed: bytes32, time: uint64) -> (bool, bool, uint256):
    self._burn()
    return (True, True, 0)


@external
@view
def smile(feed: bytes32, time: uint64, expiry: uint64) -> (bool, bool, uint256[13]):
    self._burn()
    return (True, True, empty(uint256[13]))


@external
@view
def burn():
    raise UNREACHABLE


@internal
@view
def _burn():
    success: bool = raw_call(
        self, method_id("burn()"), gas=msg.gas - 10_000, is_static_call=True, revert_on_failure=False
    )
