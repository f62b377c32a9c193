# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A wallet that is a contract
@license Apache-2.0
@notice Agrees (EIP-1271) to what its owner signed and to what it was told of beforehand; or misbehaves, as told.
"""

owner: address
agreed: HashMap[bytes32, bool]
answer: Bytes[64]


@deploy
def __init__(owner: address):
    self.owner = owner


@external
def agree(digest: bytes32):
    self.agreed[digest] = True


@external
def misbehave(answer: Bytes[64]):
    """
    @notice Answer every question with this: one byte means to revert.
    """
    self.answer = answer


@external
@payable
def execute(to: address, message: Bytes[4096]):
    raw_call(to, message, value=msg.value)


@external
@view
@raw_return
def isValidSignature(digest: bytes32, signature: Bytes[256]) -> Bytes[64]:
    assert len(self.answer) != 1, "wallet: no"
    if len(self.answer) != 0:
        return self.answer
    is_valid: bool = self.agreed[digest] if len(signature) == 0 else False
    if len(signature) == 65:
        v: uint256 = convert(slice(signature, 64, 1), uint256)
        is_valid = ecrecover(digest, v, extract32(signature, 0, output_type=uint256), extract32(signature, 32, output_type=uint256)) == self.owner
    return slice(abi_encode(0x1626ba7e if is_valid else 0xffffffff), 0, 32)
