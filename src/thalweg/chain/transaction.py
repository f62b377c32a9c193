"""EIP-1559 transactions: their bytes, their signature, their hash.

Twenty lines of RLP instead of eth-account, whose import costs a node half its start-up (docs/decisions/0040).
https://eips.ethereum.org/EIPS/eip-1559, https://ethereum.org/en/developers/docs/data-structures-and-encoding/rlp/
"""

from typing import Final

import coincurve
import msgspec

from thalweg.crypto import keccak
from thalweg.units import Address, Hash

_TYPE: Final = b"\x02"
_SHORT_MAX: Final = 55  # longer payloads state the length of their length

RlpItem = int | bytes | list["RlpItem"]


class Fees(msgspec.Struct, frozen=True):
    """What a unit of gas may cost in wei: `fee_wei` in all, of which `tip_wei` to whoever makes the block."""

    fee_wei: int
    tip_wei: int


class Transaction(msgspec.Struct, frozen=True):
    """A transaction before its signature. `to` None creates a contract."""

    chain_id: int
    nonce: int
    fees: Fees
    gas: int
    to: Address | None
    value_wei: int
    data: bytes

    def signed(self, key: coincurve.PrivateKey) -> "SignedTransaction":
        """Return it signed (RFC 6979: the same transaction always has the same signature)."""
        fields = self._fields()
        raw = key.sign_recoverable(keccak(_TYPE + rlp(fields)), hasher=None)
        body = rlp([*fields, raw[64], int.from_bytes(raw[:32]), int.from_bytes(raw[32:64])])
        return SignedTransaction(keccak(_TYPE + body), _TYPE + body)

    def _fields(self) -> list[RlpItem]:
        return [
            self.chain_id, self.nonce, self.fees.tip_wei, self.fees.fee_wei, self.gas,
            self.to or b"", self.value_wei, self.data, [],
        ]  # fmt: skip


class SignedTransaction(msgspec.Struct, frozen=True):
    """What is broadcast, and its name."""

    hash: Hash
    raw: bytes


def rlp(item: RlpItem) -> bytes:
    """Return an item's recursive length prefix form; integers are big-endian without leading zeros."""
    if isinstance(item, int):
        return rlp(item.to_bytes((item.bit_length() + 7) // 8))
    if isinstance(item, list):
        return _prefixed(0xC0, b"".join(map(rlp, item)))
    if len(item) == 1 and item[0] < 0x80:
        return item
    return _prefixed(0x80, item)


def _prefixed(offset: int, payload: bytes) -> bytes:
    size = len(payload)
    if size <= _SHORT_MAX:
        return bytes((offset + size,)) + payload
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((offset + _SHORT_MAX + len(length),)) + length + payload
