"""What an EVM node's answers mean: blocks, receipts and logs, parsed and checked. Nothing of theirs is taken on trust.

Quantities are hex without leading zeros, data is whole bytes:
https://ethereum.org/en/developers/docs/apis/json-rpc/#conventions
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from thalweg.chain.calls import TIME_MAX, Log
from thalweg.chain.rpc import Rpc
from thalweg.errors import Reason, Unavailable
from thalweg.units import Address, Hash, UnixSeconds

TOPICS_MAX: Final = 4
_QUANTITY_CHARACTERS_MAX: Final = 66


class Block(msgspec.Struct, frozen=True):
    """A block's header, as far as we look at it. `base_fee_wei` is a unit of gas's."""

    number: int
    hash: Hash
    parent: Hash
    time: UnixSeconds
    base_fee_wei: int


class Receipt(msgspec.Struct, frozen=True):
    """What a transaction did. `created` is the contract's address where it made one."""

    transaction: Hash
    block_number: int
    block_hash: Hash
    succeeded: bool
    gas_used: int
    created: Address | None


class PlacedLog(msgspec.Struct, frozen=True):
    """A log and where it is."""

    block_number: int
    block_hash: Hash
    index: int
    log: Log


class _BlockForm(msgspec.Struct, rename="camel"):
    number: str
    hash: str
    parent_hash: str
    timestamp: str
    base_fee_per_gas: str = "0x0"


class _ReceiptForm(msgspec.Struct, rename="camel"):
    transaction_hash: str
    block_number: str
    block_hash: str
    status: str
    gas_used: str
    contract_address: str | None = None


class _LogForm(msgspec.Struct, rename="camel"):
    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    log_index: str
    removed: bool = False


def number(text: str) -> int:
    """Parse a quantity.

    Raises:
        Unavailable: MALFORMED.
    """
    try:
        if text[:2] == "0x" and len(text) <= _QUANTITY_CHARACTERS_MAX:
            return int(text[2:], 16)
    except ValueError:
        pass
    raise Unavailable(Reason.MALFORMED, f"the chain's RPC sent {text[:80]!r} for a number")


def octets(text: str, size: int | None = None) -> bytes:
    """Parse data, of `size` bytes where given.

    Raises:
        Unavailable: MALFORMED.
    """
    try:
        found = bytes.fromhex(text[2:]) if text[:2] == "0x" else None
    except ValueError:
        found = None
    if found is None or (size is not None and len(found) != size):
        raise Unavailable(Reason.MALFORMED, f"the chain's RPC sent {text[:80]!r} for {size or 'some'} bytes")
    return found


def hexed(value: bytes) -> str:
    """Return bytes as JSON-RPC takes them."""
    return "0x" + value.hex()


async def chain_id(rpc: Rpc) -> int:
    """Return the chain's id."""
    return number(await rpc.request("eth_chainId", (), str))


async def block(rpc: Rpc, which: int | str) -> Block | None:
    """Return a block by its number or tag ("latest"), or None where there is none yet."""
    tag = hex(which) if isinstance(which, int) else which
    form = await rpc.maybe("eth_getBlockByNumber", (tag, False), _BlockForm)
    return None if form is None else _block(form)


async def head(rpc: Rpc) -> Block:
    """Return the newest block.

    Raises:
        Unavailable: the node has none, or does not answer.
    """
    newest = await block(rpc, "latest")
    if newest is None:
        raise Unavailable(Reason.MALFORMED, "the chain's RPC has no newest block")
    return newest


async def block_of(rpc: Rpc, block_hash: Hash) -> Block | None:
    """Return a block by its hash."""
    form = await rpc.maybe("eth_getBlockByHash", (hexed(block_hash), False), _BlockForm)
    return None if form is None else _block(form)


async def receipt(rpc: Rpc, transaction: Hash) -> Receipt | None:
    """Return a mined transaction's receipt."""
    form = await rpc.maybe("eth_getTransactionReceipt", (hexed(transaction),), _ReceiptForm)
    if form is None:
        return None
    created = form.contract_address
    return Receipt(
        transaction=Hash(octets(form.transaction_hash, 32)),
        block_number=number(form.block_number),
        block_hash=Hash(octets(form.block_hash, 32)),
        succeeded=number(form.status) == 1,
        gas_used=number(form.gas_used),
        created=None if created is None else Address(octets(created, 20)),
    )


async def logs(rpc: Rpc, where: dict[str, str], contract: Address, first_topics: Sequence[bytes]) -> list[PlacedLog]:
    """Return a contract's logs whose first topic is one of `first_topics` (they have a second), in chain order.

    `where` is {"blockHash": ...} or {"fromBlock": ..., "toBlock": ...}, in hex.

    Raises:
        Unavailable: a log is not what was asked for.
    """
    wanted = {**where, "address": hexed(contract), "topics": [[hexed(topic) for topic in first_topics]]}
    found = [_log(form) for form in await rpc.request("eth_getLogs", (wanted,), list[_LogForm])]
    known = frozenset(first_topics)
    for placed in found:
        if placed.log.address != contract or len(placed.log.topics) < 2 or placed.log.topics[0] not in known:
            raise Unavailable(Reason.MALFORMED, "the chain's RPC sent a log nobody asked for")
    return sorted(found, key=lambda placed: (placed.block_number, placed.index))


async def transaction_count(rpc: Rpc, account: Address) -> int:
    """Return how many transactions of an account are in blocks: its next nonce."""
    return number(await rpc.request("eth_getTransactionCount", (hexed(account), "latest"), str))


async def balance(rpc: Rpc, account: Address) -> int:
    """Return an account's coins, in wei."""
    return number(await rpc.request("eth_getBalance", (hexed(account), "latest"), str))


async def has_code(rpc: Rpc, account: Address) -> bool:
    """Say whether there is a contract at an address."""
    return bool(octets(await rpc.request("eth_getCode", (hexed(account), "latest"), str)))


async def read(rpc: Rpc, contract: Address, data: bytes) -> bytes:
    """Call a contract without a transaction, as of the newest block; return what it returned.

    Raises:
        Refused: it reverted.
    """
    message = {"to": hexed(contract), "data": hexed(data)}
    return octets(await rpc.request("eth_call", (message, "latest"), str))


def _block(form: _BlockForm) -> Block:
    time = number(form.timestamp)
    if time > TIME_MAX:
        raise Unavailable(Reason.MALFORMED, f"the chain's RPC sent a block of the time {time}; check the RPC")
    return Block(
        number=number(form.number),
        hash=Hash(octets(form.hash, 32)),
        parent=Hash(octets(form.parent_hash, 32)),
        time=UnixSeconds(time),
        base_fee_wei=number(form.base_fee_per_gas),
    )


def _log(form: _LogForm) -> PlacedLog:
    if form.removed or len(form.topics) > TOPICS_MAX:
        raise Unavailable(Reason.MALFORMED, "the chain's RPC sent a log that is not on the chain")
    log = Log(
        address=Address(octets(form.address, 20)),
        topics=tuple(octets(topic, 32) for topic in form.topics),
        data=octets(form.data),
    )
    return PlacedLog(number(form.block_number), Hash(octets(form.block_hash, 32)), number(form.log_index), log)
