"""Blocks, transactions, receipts and logs as JSON-RPC shows them, and the reading of parameters.

Quantities are minimal hex, data is whole bytes: https://ethereum.org/en/developers/docs/apis/json-rpc/#conventions
"""

from collections.abc import Iterator
from typing import Any, Final

import rlp
from eth.abc import LogAPI, SignedTransactionAPI
from eth_utils import int_to_big_endian

from thalweg.chain.embedded.engine import Mined
from thalweg.chain.embedded.errors import INVALID_PARAMS, RpcError
from thalweg.crypto import keccak

Json = Any  # what the json module makes of text: JSON-RPC leaves its shape to each method
_QUANTITY_DIGITS_MAX: Final = 66
_DYNAMIC_FEE_TYPE: Final = 2


def quantity(value: int) -> str:
    """Return a number's form."""
    return hex(value)


def data(value: bytes) -> str:
    """Return the form of bytes."""
    return "0x" + value.hex()


def read_quantity(value: Json) -> int:
    """Parse a quantity; plain JSON numbers are taken too, as development tools send them.

    Raises:
        RpcError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value[:2] == "0x" and len(value) <= _QUANTITY_DIGITS_MAX:
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise RpcError(INVALID_PARAMS, f"not a quantity: {str(value)[:80]}")


def read_data(value: Json, size: int | None = None) -> bytes:
    """Parse bytes, `size` of them where given.

    Raises:
        RpcError: it is not hex with 0x before it, or of another size.
    """
    if isinstance(value, str) and value[:2] == "0x":
        try:
            found = bytes.fromhex(value[2:])
        except ValueError:
            found = None
        if found is not None and (size is None or len(found) == size):
            return found
    wanted = "hex data" if size is None else f"{size} bytes of hex data"
    raise RpcError(INVALID_PARAMS, f"not {wanted}: {str(value)[:80]}")


def block_form(mined: Mined, *, whole: bool) -> dict[str, Json]:
    """Return a block, with its transactions `whole` or as hashes."""
    header = mined.header
    transactions = mined.block.transactions
    return {
        "number": quantity(header.block_number),
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "nonce": data(header.nonce),
        "sha3Uncles": data(header.uncles_hash),
        "logsBloom": data(header.bloom.to_bytes(256)),
        "transactionsRoot": data(header.transaction_root),
        "stateRoot": data(header.state_root),
        "receiptsRoot": data(header.receipt_root),
        "miner": data(header.coinbase),
        "difficulty": quantity(header.difficulty),
        "totalDifficulty": quantity(0),
        "mixHash": data(header.mix_hash),
        "extraData": data(header.extra_data),
        "size": quantity(len(rlp.encode(mined.block))),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "baseFeePerGas": quantity(header.base_fee_per_gas),
        "blobGasUsed": quantity(header.blob_gas_used),
        "excessBlobGas": quantity(header.excess_blob_gas),
        "withdrawals": [],
        "withdrawalsRoot": data(header.withdrawals_root),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "uncles": [],
        "transactions": [
            transaction_form(transaction, mined, index) if whole else data(transaction.hash)
            for index, transaction in enumerate(transactions)
        ],
    }


def transaction_form(transaction: SignedTransactionAPI, mined: Mined | None, index: int) -> dict[str, Json]:
    """Return a transaction; `mined` is its block, None while it is pending."""
    kind = transaction.type_id or 0
    price = transaction.max_fee_per_gas if mined is None else _price(transaction, mined)
    form: dict[str, Json] = {
        "type": quantity(kind),
        "hash": data(transaction.hash),
        "nonce": quantity(transaction.nonce),
        "blockHash": None if mined is None else data(mined.header.hash),
        "blockNumber": None if mined is None else quantity(mined.header.block_number),
        "transactionIndex": None if mined is None else quantity(index),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to else None,
        "value": quantity(transaction.value),
        "gas": quantity(transaction.gas),
        "gasPrice": quantity(price),
        "input": data(transaction.data),
        "chainId": quantity(transaction.chain_id or 0),
        "v": quantity(transaction.y_parity),
        "r": quantity(transaction.r),
        "s": quantity(transaction.s),
    }
    if kind:
        form["accessList"] = [
            {"address": data(address), "storageKeys": [data(key.to_bytes(32)) for key in keys]}
            for address, keys in transaction.access_list
        ]
        form["yParity"] = quantity(transaction.y_parity)
    if kind >= _DYNAMIC_FEE_TYPE:
        form["maxFeePerGas"] = quantity(transaction.max_fee_per_gas)
        form["maxPriorityFeePerGas"] = quantity(transaction.max_priority_fee_per_gas)
    return form


def receipt_form(mined: Mined, index: int) -> dict[str, Json]:
    """Return the receipt of a block's transaction."""
    transaction, receipt = mined.block.transactions[index], mined.receipts[index]
    before = mined.receipts[index - 1].gas_used if index else 0
    return {
        "type": quantity(transaction.type_id or 0),
        "transactionHash": data(transaction.hash),
        "transactionIndex": quantity(index),
        "blockHash": data(mined.header.hash),
        "blockNumber": quantity(mined.header.block_number),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to else None,
        "contractAddress": None if transaction.to else data(_created(transaction)),
        "cumulativeGasUsed": quantity(receipt.gas_used),
        "gasUsed": quantity(receipt.gas_used - before),
        "effectiveGasPrice": quantity(_price(transaction, mined)),
        "logs": [form for place, form in _log_forms(mined) if place == index],
        "logsBloom": data(receipt.bloom.to_bytes(256)),
        "status": quantity(1 if receipt.state_root == b"\x01" else 0),
    }


def log_forms(mined: Mined, addresses: frozenset[bytes], topics: tuple[frozenset[bytes], ...]) -> Iterator[Json]:
    """Yield a block's logs from any of `addresses` (empty: all) whose topics are among `topics`, place by place."""
    for _, form in _log_forms(mined, addresses, topics):
        yield form


def _log_forms(
    mined: Mined, addresses: frozenset[bytes] = frozenset(), topics: tuple[frozenset[bytes], ...] = ()
) -> Iterator[tuple[int, dict[str, Json]]]:
    log_index = 0
    for index, (transaction, receipt) in enumerate(zip(mined.block.transactions, mined.receipts, strict=True)):
        for log in receipt.logs:
            words = tuple(topic.to_bytes(32) for topic in log.topics)
            if _matches(log, words, addresses, topics):
                yield (
                    index,
                    {
                        "address": data(log.address),
                        "topics": [data(word) for word in words],
                        "data": data(log.data),
                        "blockHash": data(mined.header.hash),
                        "blockNumber": quantity(mined.header.block_number),
                        "blockTimestamp": quantity(mined.header.timestamp),
                        "transactionHash": data(transaction.hash),
                        "transactionIndex": quantity(index),
                        "logIndex": quantity(log_index),
                        "removed": False,
                    },
                )
            log_index += 1


def _matches(
    log: LogAPI, words: tuple[bytes, ...], addresses: frozenset[bytes], topics: tuple[frozenset[bytes], ...]
) -> bool:
    if addresses and log.address not in addresses:
        return False
    if len(topics) > len(words):
        return False
    return all(not wanted or word in wanted for wanted, word in zip(topics, words, strict=False))


def _price(transaction: SignedTransactionAPI, mined: Mined) -> int:
    base = mined.header.base_fee_per_gas
    return int(min(transaction.max_fee_per_gas, base + transaction.max_priority_fee_per_gas))


def _created(transaction: SignedTransactionAPI) -> bytes:
    encoded = rlp.encode([transaction.sender, int_to_big_endian(transaction.nonce) if transaction.nonce else b""])
    return keccak(encoded)[12:]
