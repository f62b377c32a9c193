# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A judge of children that says of each seat what it was told, and fails for others
@license Apache-2.0
"""

_statuses: HashMap[address, HashMap[uint256, uint256]]
_shares: HashMap[address, HashMap[uint256, uint256]]


@external
def say(asset: address, seat: uint256, status: uint256, share: uint256):
    self._statuses[asset][seat] = status
    self._shares[asset][seat] = share


@external
@view
def share(child: bytes32, asset: address, seat: uint256) -> (uint256, uint256):
    assert self._statuses[asset][seat] != 0, "judge: no"
    return (self._statuses[asset][seat], self._shares[asset][seat])
