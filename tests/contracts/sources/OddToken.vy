# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A token with the faults of real ones
@license Apache-2.0
@notice Keeps a fee, blocks addresses, returns false, eats gas, calls back or changes what somebody holds, as told.
"""

balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
blocked: HashMap[address, bool]
fee: uint256
is_lying: bool
is_greedy: bool
callee: address
message: Bytes[4096]
is_quiet: bool


@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
def set_fee(fee: uint256):
    self.fee = fee


@external
def block_address(who: address, is_blocked: bool):
    self.blocked[who] = is_blocked


@external
def lie(is_lying: bool):
    self.is_lying = is_lying


@external
def eat(is_greedy: bool):
    self.is_greedy = is_greedy


@external
def call_back(callee: address, message: Bytes[4096]):
    self.callee = callee
    self.message = message


@external
def echo(callee: address, message: Bytes[4096]):
    """
    @notice Call back whenever money moves, and do not mind how it goes.
    """
    self.callee = callee
    self.message = message
    self.is_quiet = True


@external
def rebase(who: address, amount: uint256):
    self.balanceOf[who] = amount


@external
def transfer(to: address, amount: uint256) -> bool:
    return self._move(msg.sender, to, amount)


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    self.allowance[owner][msg.sender] -= amount
    if self.callee != empty(address) and not self.is_quiet:
        raw_call(self.callee, self.message)
    return self._move(owner, to, amount)


@internal
def _move(owner: address, to: address, amount: uint256) -> bool:
    assert not self.blocked[to], "token: blocked"
    if self.is_greedy:
        for i: uint256 in range(max_value(uint256)):
            self.fee = i
    if self.is_lying:
        return False
    if self.callee != empty(address) and self.is_quiet:
        success: bool = raw_call(self.callee, self.message, revert_on_failure=False)
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount - self.fee
    return True
