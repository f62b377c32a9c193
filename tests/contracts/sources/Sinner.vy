# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Sinner
@license Apache-2.0
@notice Does everything wrong that `detectors` looks for, so that a test can tell whether it would notice.
"""

interface Other:
    def touch() -> bool: nonpayable


OWNER: immutable(address)

owed: HashMap[address, uint256]


@deploy
def __init__(owner: address):
    OWNER = owner


@external
def pay(payee: address):
    self._touch(payee)
    self.owed[payee] = 0


@external
def pay_in_order(payee: address):
    self.owed[payee] = 0
    self._touch(payee)


@internal
def _touch(payee: address):
    extcall Other(payee).touch()


@external
@payable
def spend(payees: DynArray[address, 4], code: address) -> uint256:
    assert tx.origin == OWNER
    assert block.timestamp != 7
    luck: uint256 = convert(block.prevrandao, uint256)
    for payee: address in payees:
        success: bool = raw_call(payee, b"", value=msg.value, revert_on_failure=False)
    raw_call(code, b"", is_delegate_call=True)
    copy: address = create_minimal_proxy_to(code)
    return unsafe_add(luck // 3 * 2, 1)
