"""The JSON-RPC methods of the embedded chain: the standard ones wallets and web3 libraries use, and the
development ones of anvil and hardhat.

A method takes the list of parameters and returns JSON; what it cannot do it raises as `RpcError`.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from eth.abc import BlockHeaderAPI, StateAPI

from thalweg.chain.dev_accounts import DEV_ADDRESSES
from thalweg.chain.embedded.engine import BLOCK_GAS, EmbeddedChain, Mined
from thalweg.chain.embedded.errors import INVALID_PARAMS, LIMIT_EXCEEDED, METHOD_NOT_FOUND, RpcError
from thalweg.chain.embedded.execution import Message, call, estimate_gas
from thalweg.chain.embedded.forms import (
    Json,
    block_form,
    data,
    log_forms,
    quantity,
    read_data,
    read_quantity,
    receipt_form,
    transaction_form,
)
from thalweg.chain.embedded.unlocked import send_unlocked

TIP_WEI: Final = 10**9  # what eth_maxPriorityFeePerGas suggests
LOGS_MAX: Final = 10_000
FEE_HISTORY_MAX: Final = 1024
_TOPICS_MAX: Final = 4
_ALTERNATIVES_MAX: Final = 1024
_PARAMS_MAX: Final = 8


class Methods:
    """The methods, over one chain."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain = chain
        self._table: dict[str, Callable[[list[Json]], Json]] = {
            **self._standing_methods(),
            **self._block_methods(),
            **self._account_methods(),
            **self._development_methods(),
        }

    def dispatch(self, method: str, params: list[Json]) -> Json:
        """Run a method.

        Raises:
            RpcError: there is no such method, its parameters are wrong, or it refuses.
        """
        if method not in self._table:
            raise RpcError(METHOD_NOT_FOUND, f"the method {method[:80]} does not exist")
        if len(params) > _PARAMS_MAX:
            raise RpcError(INVALID_PARAMS, "too many parameters")
        return self._table[method](params)

    # -- tables -----------------------------------------------------------------------------------------------------

    def _standing_methods(self) -> dict[str, Callable[[list[Json]], Json]]:
        chain = self._chain
        return {
            "eth_chainId": lambda _: quantity(chain.chain_id),
            "net_version": lambda _: str(chain.chain_id),
            "net_listening": lambda _: True,
            "web3_clientVersion": lambda _: f"thalweg/{version('thalweg')}",
            "eth_syncing": lambda _: False,
            "eth_accounts": lambda _: [data(address) for address in DEV_ADDRESSES],
            "eth_blockNumber": lambda _: quantity(chain.head.header.block_number),
            "eth_gasPrice": lambda _: quantity(chain.pending_header().base_fee_per_gas + TIP_WEI),
            "eth_maxPriorityFeePerGas": lambda _: quantity(TIP_WEI),
            "eth_feeHistory": self._fee_history,
        }

    def _block_methods(self) -> dict[str, Callable[[list[Json]], Json]]:
        return {
            "eth_getBlockByNumber": lambda p: self._block(
                self._tagged(_at(p, 0, "latest")), whole=bool(_at(p, 1, False))
            ),
            "eth_getBlockByHash": lambda p: self._block(
                self._chain.block_of(read_data(_at(p, 0), 32)), whole=bool(_at(p, 1, False))
            ),
            "eth_getTransactionByHash": lambda p: self._transaction(read_data(_at(p, 0), 32)),
            "eth_getTransactionReceipt": lambda p: self._receipt(read_data(_at(p, 0), 32)),
            "eth_getLogs": lambda p: self._logs(_object(_at(p, 0))),
        }

    def _account_methods(self) -> dict[str, Callable[[list[Json]], Json]]:
        chain = self._chain
        return {
            "eth_getBalance": lambda p: quantity(self._state(_at(p, 1, "latest")).get_balance(_address(p))),
            "eth_getCode": lambda p: data(self._state(_at(p, 1, "latest")).get_code(_address(p))),
            "eth_getStorageAt": lambda p: data(
                self._state(_at(p, 2, "latest")).get_storage(_address(p), read_quantity(_at(p, 1))).to_bytes(32)
            ),
            "eth_getTransactionCount": lambda p: quantity(
                chain.pending_nonce(_address(p))
                if _at(p, 1, "latest") == "pending"
                else self._state(_at(p, 1, "latest")).get_nonce(_address(p))
            ),
            "eth_call": lambda p: data(call(chain, _message(_at(p, 0)), self._header(_at(p, 1, "latest")))),
            "eth_estimateGas": lambda p: quantity(
                estimate_gas(chain, _message(_at(p, 0)), self._header(_at(p, 1, "pending")))
            ),
            "eth_sendRawTransaction": lambda p: data(chain.submit(read_data(_at(p, 0)))),
            "eth_sendTransaction": lambda p: data(send_unlocked(chain, _message(_at(p, 0)))),
        }

    def _development_methods(self) -> dict[str, Callable[[list[Json]], Json]]:
        chain = self._chain
        table: dict[str, Callable[[list[Json]], Json]] = {
            "evm_increaseTime": lambda p: quantity(chain.increase_time(read_quantity(_at(p, 0)))),
            "evm_setNextBlockTimestamp": lambda p: chain.set_next_timestamp(read_quantity(_at(p, 0))),
            "evm_mine": self._mine_one,
            "evm_setAutomine": self._set_automine,
            "evm_snapshot": lambda _: quantity(chain.snapshot()),
            "evm_revert": lambda p: chain.revert(read_quantity(_at(p, 0))),
        }
        for prefix in ("anvil", "hardhat"):
            table[f"{prefix}_setBalance"] = lambda p: chain.set_balance(_address(p), read_quantity(_at(p, 1)))
            table[f"{prefix}_mine"] = lambda p: chain.mine(read_quantity(_at(p, 0, 1)))
        return table

    # -- methods ----------------------------------------------------------------------------------------------------

    def _fee_history(self, params: list[Json]) -> Json:
        count = min(read_quantity(_at(params, 0)), FEE_HISTORY_MAX)
        newest = self._tagged(_at(params, 1, "latest"))
        if newest is None or count < 1:
            raise RpcError(INVALID_PARAMS, "no such block, or no blocks asked for")
        last = newest.header.block_number
        blocks = list(self._chain.blocks(last - count + 1, last))
        following = self._chain.block_at(last + 1)
        after = following.header if following else self._chain.pending_header()
        history = {
            "oldestBlock": quantity(blocks[0].header.block_number),
            "baseFeePerGas": [quantity(mined.header.base_fee_per_gas) for mined in blocks]
            + [quantity(after.base_fee_per_gas)],
            "gasUsedRatio": [mined.header.gas_used / mined.header.gas_limit for mined in blocks],
        }
        if percentiles := _at(params, 2, None):
            history["reward"] = [[quantity(TIP_WEI)] * len(percentiles) for _ in blocks]
        return history

    def _block(self, mined: Mined | None, *, whole: bool) -> Json:
        return None if mined is None else block_form(mined, whole=whole)

    def _transaction(self, transaction_hash: bytes) -> Json:
        if place := self._chain.place(transaction_hash):
            mined, index = place
            return transaction_form(mined.block.transactions[index], mined, index)
        pending = self._chain.pool.find(transaction_hash)
        return None if pending is None else transaction_form(pending, None, 0)

    def _receipt(self, transaction_hash: bytes) -> Json:
        place = self._chain.place(transaction_hash)
        return None if place is None else receipt_form(*place)

    def _logs(self, wanted: dict[str, Json]) -> Json:
        addresses = wanted.get("address") or []
        kept = frozenset(read_data(item, 20) for item in _list(addresses))
        topics = tuple(
            frozenset(read_data(item, 32) for item in _list(place or [])) for place in wanted.get("topics") or []
        )
        if len(topics) > _TOPICS_MAX:
            raise RpcError(INVALID_PARAMS, f"a log has at most {_TOPICS_MAX} topics")
        logs: list[Json] = []
        for mined in self._log_blocks(wanted):
            logs.extend(log_forms(mined, kept, topics))
            if len(logs) > LOGS_MAX:
                raise RpcError(LIMIT_EXCEEDED, f"query returned more than {LOGS_MAX} results")
        return logs

    def _log_blocks(self, wanted: dict[str, Json]) -> list[Mined]:
        if "blockHash" in wanted:
            mined = self._chain.block_of(read_data(wanted["blockHash"], 32))
            if mined is None:
                raise RpcError(INVALID_PARAMS, "unknown block")
            return [mined]
        last = self._number(wanted.get("toBlock", "latest"))
        return list(self._chain.blocks(self._number(wanted.get("fromBlock", "latest")), last))

    def _mine_one(self, params: list[Json]) -> Json:
        timestamp = _at(params, 0, None)
        if timestamp is not None:
            self._chain.set_next_timestamp(read_quantity(timestamp))
        self._chain.mine()
        return quantity(0)

    def _set_automine(self, params: list[Json]) -> Json:
        automine = _at(params, 0)
        if not isinstance(automine, bool):
            raise RpcError(INVALID_PARAMS, "not true or false")
        self._chain.automine = automine
        return None

    # -- block tags -------------------------------------------------------------------------------------------------

    def _number(self, tag: Json) -> int:
        match tag:
            case "latest" | "pending":
                return int(self._chain.head.header.block_number)
            case "finalized" | "safe":
                return self._chain.final_number()
            case "earliest":
                return 0
            case _:
                return read_quantity(tag)

    def _tagged(self, tag: Json) -> Mined | None:
        return self._chain.block_at(self._number(tag))

    def _header(self, tag: Json) -> BlockHeaderAPI:
        if tag == "pending":
            return self._chain.pending_header()
        if isinstance(tag, dict) and "blockHash" in tag:
            mined = self._chain.block_of(read_data(tag["blockHash"], 32))
        else:
            mined = self._tagged(tag["blockNumber"] if isinstance(tag, dict) and "blockNumber" in tag else tag)
        if mined is None:
            raise RpcError(INVALID_PARAMS, "header not found")
        return mined.header

    def _state(self, tag: Json) -> StateAPI:
        return self._chain.state(self._header(tag))


def _at(params: list[Json], index: int, default: Json = ...) -> Json:
    if index < len(params) and (params[index] is not None or default is None):
        return params[index]
    if default is ...:
        raise RpcError(INVALID_PARAMS, f"missing value for required argument {index}")
    return default


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise RpcError(INVALID_PARAMS, "not an object")
    return value


def _list(value: Json) -> list[Json]:
    items = value if isinstance(value, list) else [value]
    if len(items) > _ALTERNATIVES_MAX:
        raise RpcError(INVALID_PARAMS, f"at most {_ALTERNATIVES_MAX} alternatives")
    return items


def _address(params: list[Json]) -> bytes:
    return read_data(_at(params, 0), 20)


def _message(value: Json) -> Message:
    fields = _object(value)
    body = fields.get("input") or fields.get("data") or "0x"
    gas = fields.get("gas")
    return Message(
        sender=read_data(fields.get("from") or "0x" + "00" * 20, 20),
        to=read_data(fields["to"], 20) if fields.get("to") else b"",
        data=read_data(body),
        value=read_quantity(fields.get("value") or 0),
        gas=min(BLOCK_GAS, read_quantity(gas)) if gas else BLOCK_GAS,
    )
