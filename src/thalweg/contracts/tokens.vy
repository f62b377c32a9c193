# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Money in and money out
@license Apache-2.0
@notice Pulls tokens by allowance, EIP-2612 permit or EIP-3009 authorization; sends tokens and the native coin with
        bounded gas and bounded returned data, so that no payee can make a call of ours fail.
@dev The native coin is the zero address.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

from ethereum.ercs import IERC20

import signatures


# -- constants ---------------------------------------------------------------------------------------------------------

NATIVE: constant(address) = empty(address)
PAYOUT_GAS: constant(uint256) = 200_000
_GAS_LEFT_MIN: constant(uint256) = 250_000  # PAYOUT_GAS, the 64th that a call leaves behind, and the call's own cost

_PERMIT: constant(uint8) = 1
_AUTHORIZATION: constant(uint8) = 2


# -- structs -----------------------------------------------------------------------------------------------------------

# How a payer lets his tokens be taken. kind 0: an allowance; 1: an EIP-2612 permit; 2: an EIP-3009 authorization.
struct Pull:
    kind: uint8
    deadline: uint256
    signature: signatures.Signature


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _held(token: address) -> uint256:
    """
    @notice Return this contract's balance of a token.
    """
    return staticcall IERC20(token).balanceOf(self)


@internal
def _pull(token: address, payer: address, amount: uint256, pull: Pull, nonce: bytes32):
    """
    @notice Take tokens from a payer; the caller measures what arrived.
    @dev A permit that fails is ignored: anybody may have used it already, and transferFrom decides. `nonce` is the
         digest of what the payer pays for, so an authorization serves nothing else.
    """
    v: uint256 = 0
    r: uint256 = 0
    s: uint256 = 0
    if pull.kind != 0:
        v, r, s = signatures._split(pull.signature)
    if pull.kind == _AUTHORIZATION:
        raw_call(
            token,
            abi_encode(
                payer, self, amount, empty(uint256), pull.deadline, nonce, v, r, s,
                method_id=method_id(
                    "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)"
                ),
            ),
        )
        return
    if pull.kind == _PERMIT:
        success: bool = raw_call(
            token,
            abi_encode(
                payer, self, amount, pull.deadline, v, r, s,
                method_id=method_id("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"),
            ),
            revert_on_failure=False,
        )
    assert extcall IERC20(token).transferFrom(payer, self, amount, default_return_value=True), "tokens: refused"


@internal
def _send(token: address, payee: address, amount: uint256) -> bool:
    """
    @notice Pay, and say whether it worked. Never reverts for what the payee or the token does.
    @dev Were too little gas left, the call would fail for want of it and be booked as the payee's fault.
    """
    assert msg.gas > _GAS_LEFT_MIN, "tokens: more gas needed"
    return self._send_with(token, payee, amount, PAYOUT_GAS)


@internal
def _send_with(token: address, payee: address, amount: uint256, gas_max: uint256) -> bool:
    """
    @notice Pay with at most so much gas, and say whether it worked.
    """
    if token == NATIVE:
        return raw_call(payee, b"", value=amount, gas=gas_max, revert_on_failure=False)
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        token,
        abi_encode(payee, amount, method_id=method_id("transfer(address,uint256)")),
        max_outsize=32,
        gas=gas_max,
        revert_on_failure=False,
    )
    return success and (len(answer) == 0 or convert(answer, uint256) == 1)
