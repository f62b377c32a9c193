"""JSON-RPC over HTTP: batches, errors, limits."""

import asyncio
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from thalweg.chain.embedded import EmbeddedChain, serve_chain
from thalweg.chain.embedded.server import BATCH_MAX, BODY_BYTES_MAX
from thalweg.chain.rpc import Refused, Rpc


def post(body: Any = None, **arguments: Any) -> Any:
    """Return what a fresh chain answers to one HTTP request."""

    async def story() -> Any:
        async with serve_chain() as url, aiohttp.ClientSession() as session:
            kind = {} if body is None else {"json": body}
            async with session.post(url, **kind, **arguments) as response:
                return response.status, await response.json(content_type=None) if response.status == 200 else None

    return asyncio.run(story())


def ask(method: str, *params: object) -> Any:
    """Return a fresh chain's answer to one request."""

    async def story() -> Any:
        async with serve_chain() as url, Rpc((url,)) as rpc:
            return await rpc.request(method, params, object)

    return asyncio.run(story())


def test_a_batch_is_answered_in_order_with_each_id() -> None:
    batch = [{"jsonrpc": "2.0", "id": name, "method": "eth_chainId"} for name in ("a", "b")]
    assert post(batch) == (200, [{"jsonrpc": "2.0", "id": name, "result": "0x7a69"} for name in ("a", "b")])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], -32600),
        ([{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}] * (BATCH_MAX + 1), -32600),
        (7, -32600),
        ({"id": 1}, -32600),
        ({"id": 1, "method": "eth_chainId", "params": {}}, -32602),
        ({"id": 1, "method": "eth_nothing"}, -32601),
    ],
)
def test_a_request_that_is_none_is_refused_with_the_codes_of_the_specification(body: Any, code: int) -> None:
    status, answer = post(body)
    assert (status, answer["error"]["code"]) == (200, code)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff"])
def test_what_is_not_json_is_refused(text: str) -> None:
    status, answer = post(data=text.encode("latin-1"))
    assert (status, answer["error"]["code"]) == (200, -32700)


def test_a_body_beyond_the_limit_is_refused() -> None:
    assert post(data=BytesIO(b" " * (BODY_BYTES_MAX + 1)))[0] == 413


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", []),
        ("eth_getBalance", ["0x01"]),
        ("eth_getBalance", [7]),
        ("eth_getBalance", ["0x" + "00" * 20, "0x" + "f" * 70]),
        ("eth_getBalance", ["0x" + "00" * 20, "0x5"]),
        ("eth_getBlockByHash", ["0x12"]),
        ("eth_call", ["0x"]),
        ("eth_sendRawTransaction", ["0xzz"]),
        ("eth_getLogs", [{"topics": [None] * 5}]),
        ("eth_getLogs", [{"blockHash": "0x" + "00" * 32}]),
        ("eth_getLogs", [{"address": ["0x" + "00" * 20] * 1025}]),
        ("eth_feeHistory", ["0x0", "latest", []]),
        ("evm_mine", [0]),
        ("anvil_mine", [1025]),
        ("evm_setAutomine", ["yes"]),
        ("eth_chainId", [0] * 9),
    ],
)
def test_wrong_parameters_are_refused_by_name(method: str, params: list[Any]) -> None:
    with pytest.raises(Refused) as refusal:
        ask(method, *params)
    assert refusal.value.code in (-32602, -32005)
    assert refusal.value.message


def test_a_block_that_is_not_there_yet_is_null() -> None:
    assert ask("eth_getBlockByNumber", "0x5", False) is None
    assert ask("eth_getTransactionReceipt", "0x" + "00" * 32) is None
    assert ask("eth_getTransactionByHash", "0x" + "00" * 32) is None


def test_blocks_are_mined_at_an_interval_where_asked() -> None:
    async def story() -> None:
        chain = EmbeddedChain(automine=False)
        async with serve_chain(chain, block_time_s=0.01), asyncio.timeout(30):
            while chain.head.header.block_number < 3:  # noqa: ASYNC110  the chain has no event to wait for
                await asyncio.sleep(0.01)
        reached = chain.head.header.block_number
        await asyncio.sleep(0.05)
        assert chain.head.header.block_number == reached

    asyncio.run(story())


def test_a_taken_port_is_an_error_of_the_system() -> None:
    async def story() -> None:
        async with serve_chain() as url:
            with pytest.raises(OSError, match="address already in use"):
                async with serve_chain(port=int(url.rpartition(":")[2])):
                    pass

    asyncio.run(story())
