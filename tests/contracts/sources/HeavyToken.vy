# pragma version 0.4.3
# pragma evm-version cancun
"""
@title HeavyToken
@license Apache-2.0
@notice An honest token whose every transfer costs more than a payout may: 265,000 gas of notes on it.
"""

balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
_notes: DynArray[uint256, 100_000]


@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(payer: address, to: address, amount: uint256) -> bool:
    self.allowance[payer][msg.sender] -= amount
    self._move(payer, to, amount)
    return True


@internal
def _move(payer: address, to: address, amount: uint256):
    self.balanceOf[payer] -= amount
    self.balanceOf[to] += amount
    for _: uint256 in range(11):
        self._notes.append(block.timestamp)
