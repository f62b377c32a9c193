"""EIP-712: how the things we sign become 32 bytes. Also the one JSON codec of journals and wires.

A struct's hash is keccak(typehash | each member as one word); arrays and bytes enter as the keccak of their words.
What is signed is keccak(0x19 0x01 | domain separator | struct hash), so wallets can show it and nothing replays on
another chain, contract or protocol version. https://eips.ethereum.org/EIPS/eip-712
"""

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from thalweg.crypto import keccak
from thalweg.errors import PeerFault, Reason, RuleBroken
from thalweg.units import Address, Hash

_T = TypeVar("_T")

PROTOCOL_NAME: Final = "Thalweg"
PROTOCOL_VERSION: Final = "1"
ORACLE_NAME: Final = "Thalweg Oracle"


def word(value: int | bytes) -> bytes:
    """Return one 32-byte word: integers in two's complement, bytes (addresses, hashes) padded on the left.

    Raises:
        RuleBroken: OVERFLOW, for an integer of more than 256 bits.
    """
    return words((value,))


def words(values: Iterable[int | bytes]) -> bytes:
    """Return the concatenation of the words of `values`.

    Raises:
        RuleBroken: OVERFLOW, for an integer of more than 256 bits.
    """
    try:
        return b"".join(
            [
                value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, signed=value < 0)
                for value in values
            ]
        )
    except OverflowError as error:
        raise RuleBroken(Reason.OVERFLOW, "a number has more than 256 bits") from error


def array_hash(values: Iterable[int | bytes]) -> Hash:
    """Return an array's place in a struct: the keccak of its words."""
    return keccak(words(values))


def type_hash(type_string: str) -> Hash:
    """Return the keccak of an EIP-712 type string (referenced types appended, sorted by name)."""
    return keccak(type_string.encode())


_DOMAIN_TYPE: Final = type_hash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")


class Domain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a signature is valid: one chain, one contract."""

    chain_id: int
    contract: Address
    name: str = PROTOCOL_NAME
    version: str = PROTOCOL_VERSION

    def separator(self) -> Hash:
        """Return the EIP-712 domain separator."""
        name, version = keccak(self.name.encode()), keccak(self.version.encode())
        return keccak(words((_DOMAIN_TYPE, name, version, self.chain_id, self.contract)))


def digest(separator: bytes, struct_hash: bytes) -> Hash:
    """Return the 32 bytes that are signed."""
    return keccak(b"\x19\x01" + separator + struct_hash)


def encode(value: object) -> bytes:
    """Return `value` as JSON, the same bytes for equal values (structs keep their field order)."""
    return _ENCODER.encode(value)


def decode(data: bytes, kind: type[_T]) -> _T:
    """Parse JSON into `kind`, checking every field.

    Raises:
        PeerFault: MALFORMED, naming the field that is wrong.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerFault(Reason.MALFORMED, str(error)) from error


_ENCODER: Final = msgspec.json.Encoder(order=None)
