# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title EIP-712 domain and digests
@license Apache-2.0
@notice Where a signature is valid: one name, one chain, one contract. https://eips.ethereum.org/EIPS/eip-712
@dev The separator is computed at deployment and again whenever the chain id (a fork) or the address (a delegate call)
     is another one, so a signature never follows the code to where it was not given.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_FIELDS: constant(bytes1) = 0x0f  # EIP-5267: name, version, chainId and verifyingContract are in use


# -- immutables --------------------------------------------------------------------------------------------------------

_NAME: immutable(String[32])
_VERSION: immutable(String[8])
_NAME_HASH: immutable(bytes32)
_VERSION_HASH: immutable(bytes32)
_CHAIN: immutable(uint256)
_HOME: immutable(address)
_SEPARATOR: immutable(bytes32)


# -- construction ------------------------------------------------------------------------------------------------------

@deploy
@payable
def __init__(name: String[32], version: String[8]):
    """
    @notice Fix the domain's name and version.
    """
    _NAME = name
    _VERSION = version
    _NAME_HASH = keccak256(name)
    _VERSION_HASH = keccak256(version)
    _CHAIN = chain.id
    _HOME = self
    _SEPARATOR = keccak256(abi_encode(_DOMAIN_TYPE, keccak256(name), keccak256(version), chain.id, self))


# -- external ----------------------------------------------------------------------------------------------------------

@external
@view
def eip712Domain() -> (bytes1, String[32], String[8], uint256, address, bytes32, DynArray[uint256, 1]):
    """
    @notice Return the domain as EIP-5267 has it: fields, name, version, chain id, contract, salt, extensions.
    """
    return (_FIELDS, _NAME, _VERSION, chain.id, self, empty(bytes32), [])


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _separator() -> bytes32:
    if chain.id == _CHAIN and self == _HOME:
        return _SEPARATOR
    return keccak256(abi_encode(_DOMAIN_TYPE, _NAME_HASH, _VERSION_HASH, chain.id, self))


@internal
@view
def _digest(struct_hash: bytes32) -> bytes32:
    """
    @notice Return the 32 bytes that are signed for a struct.
    """
    return keccak256(concat(b"\x19\x01", self._separator(), struct_hash))
