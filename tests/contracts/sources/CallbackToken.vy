# pragma version 0.4.3
# pragma evm-version cancun
"""
@title CallbackToken
@license Apache-2.0
@notice A worthless token that makes calls of its owner's choice while it is pulled.
"""

struct Step:
    callee: address
    message: Bytes[4096]

balanceOf: public(HashMap[address, uint256])
_steps: DynArray[Step, 4]


@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount


@external
def add(callee: address, message: Bytes[4096]):
    self._steps.append(Step(callee=callee, message=message))


@external
def transfer(to: address, amount: uint256) -> bool:
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
    return True


@external
def transferFrom(payer: address, to: address, amount: uint256) -> bool:
    steps: DynArray[Step, 4] = self._steps
    self._steps = []
    for step: Step in steps:
        raw_call(step.callee, step.message)
    self.balanceOf[payer] -= amount
    self.balanceOf[to] += amount
    return True
