# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Signatures
@license Apache-2.0
@notice Compact ECDSA, EIP-2098: `r`, then `s` with the recovery bit in its top bit. Only the low `s` counts, so a signature has one
        form.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

_LOW_BITS: constant(uint256) = 2**255 - 1
# @dev Of secp256k1, whose order is about 2^256.
_HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

_VALID: constant(bytes4) = 0x1626ba7e  # what a wallet contract that agrees answers


# -- structs -----------------------------------------------------------------------------------------------------------

struct Signature:
    r: bytes32
    vs: bytes32


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _split(signature: Signature) -> (uint256, uint256, uint256):
    """
    @notice Return (v, r, s), the long form that tokens take.
    """
    vs: uint256 = convert(signature.vs, uint256)
    return (27 + (vs >> 255), convert(signature.r, uint256), vs & _LOW_BITS)


@internal
@view
def _signed_by(digest: bytes32, signature: Signature, signer: address) -> bool:
    """
    @notice Say whether `signer` made this signature; nobody is the zero address.
    """
    v: uint256 = 0
    r: uint256 = 0
    s: uint256 = 0
    v, r, s = self._split(signature)
    if s > _HALF_ORDER or signer == empty(address):
        return False
    return ecrecover(digest, v, r, s) == signer


@internal
@view
def _agreed_by(digest: bytes32, signature: Signature, payer: address) -> bool:
    """
    @notice Say whether a payer agrees: by his key or, where he is a contract, by his own word (EIP-1271).
    @dev A wallet contract is shown the signature in its long form, r, s, v, or nothing where it is zero: several owners
         agree beforehand, on chain. https://eips.ethereum.org/EIPS/eip-1271
    """
    if self._signed_by(digest, signature, payer):
        return True
    if not payer.is_contract:
        return False
    shown: Bytes[65] = b""
    if signature.vs != empty(bytes32):
        v: uint256 = 0
        r: uint256 = 0
        s: uint256 = 0
        v, r, s = self._split(signature)
        shown = concat(convert(r, bytes32), convert(s, bytes32), convert(convert(v, uint8), bytes1))
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        payer,
        abi_encode(digest, shown, method_id=method_id("isValidSignature(bytes32,bytes)")),
        max_outsize=32,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, bytes32) == convert(_VALID, bytes32)
