# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Test token
@license Apache-2.0
@notice A six-decimal dollar for development chains and tests. ANYBODY MAY MINT IT: it is worth nothing anywhere.
@dev ERC-20 with EIP-2612 permits and EIP-3009 receiveWithAuthorization, the two ways of paying without an approval.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

from ethereum.ercs import IERC20

import eip712


# -- module state ------------------------------------------------------------------------------------------------------

implements: IERC20

initializes: eip712

exports: eip712.eip712Domain


# -- constants ---------------------------------------------------------------------------------------------------------

name: public(constant(String[32])) = "Thalweg Test Dollar"
symbol: public(constant(String[8])) = "TTD"
decimals: public(constant(uint8)) = 6

_PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)
_RECEIVE_TYPE: constant(bytes32) = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)


# -- storage -----------------------------------------------------------------------------------------------------------

balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
totalSupply: public(uint256)
nonces: public(HashMap[address, uint256])
authorizationState: public(HashMap[address, HashMap[bytes32, bool]])


# -- construction ------------------------------------------------------------------------------------------------------

@deploy
def __init__():
    eip712.__init__(name, "1")


# -- external ----------------------------------------------------------------------------------------------------------

@external
def mint(to: address, amount: uint256):
    """
    @notice Make money out of nothing.
    """
    self.totalSupply += amount
    self.balanceOf[to] = unsafe_add(self.balanceOf[to], amount)
    log IERC20.Transfer(sender=empty(address), receiver=to, value=amount)


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Pay from the sender's balance.
    """
    self._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    """
    @notice Pay from an owner's balance what he allowed the sender.
    """
    allowed: uint256 = self.allowance[owner][msg.sender]
    assert allowed >= amount, "token: allowance"
    if allowed != max_value(uint256):
        self.allowance[owner][msg.sender] = unsafe_sub(allowed, amount)
    self._transfer(owner, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Allow a spender to take up to an amount.
    """
    self._approve(msg.sender, spender, amount)
    return True


@external
def permit(
    owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice Approve by signature (EIP-2612).
    """
    assert block.timestamp <= deadline, "token: expired"
    nonce: uint256 = self.nonces[owner]
    digest: bytes32 = eip712._digest(keccak256(abi_encode(_PERMIT_TYPE, owner, spender, amount, nonce, deadline)))
    assert owner != empty(address) and ecrecover(digest, v, r, s) == owner, "token: wrong signer"
    self.nonces[owner] = nonce + 1
    self._approve(owner, spender, amount)


@external
def receiveWithAuthorization(
    owner: address,
    to: address,
    amount: uint256,
    valid_after: uint256,
    valid_before: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Take by signature (EIP-3009); only the receiver may call.
    """
    assert to == msg.sender, "token: receiver"
    assert block.timestamp > valid_after and block.timestamp < valid_before, "token: expired"
    assert not self.authorizationState[owner][nonce], "token: used"
    digest: bytes32 = eip712._digest(
        keccak256(abi_encode(_RECEIVE_TYPE, owner, to, amount, valid_after, valid_before, nonce))
    )
    assert owner != empty(address) and ecrecover(digest, v, r, s) == owner, "token: wrong signer"
    self.authorizationState[owner][nonce] = True
    self._transfer(owner, to, amount)


@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice Return the domain of permits and authorizations.
    """
    return eip712._separator()


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
def _transfer(owner: address, to: address, amount: uint256):
    balance: uint256 = self.balanceOf[owner]
    assert balance >= amount, "token: balance"
    self.balanceOf[owner] = unsafe_sub(balance, amount)
    self.balanceOf[to] = unsafe_add(self.balanceOf[to], amount)  # no balance exceeds the supply
    log IERC20.Transfer(sender=owner, receiver=to, value=amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self.allowance[owner][spender] = amount
    log IERC20.Approval(owner=owner, spender=spender, value=amount)
