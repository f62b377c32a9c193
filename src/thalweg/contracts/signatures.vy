# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Compact ECDSA signatures
@license Apache-2.0
@notice EIP-2098: `r`, then `s` with the recovery bit in its top bit. Only the low `s` counts, so a signature has one
        form.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

_LOW_BITS: constant(uint256) = 2**255 - 1
# @dev Of secp256k1, whose order is about 2^256.
_HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168


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
