"""An RPC that lies, stutters or dies: the adapter says so once, believes nothing, and goes on when it is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from thalweg.chain import wire
from thalweg.channel.onchain import BlockObserved, OpenChannel, Pull, View
from thalweg.channel.terms import CloseOut, Terms
from thalweg.errors import Reason
from thalweg.units import Address, Amount, AssetIndex, ChannelId, Hash, Signature, UnixSeconds

CHANNEL = ChannelId(bytes(31) + b"\x07")
OPENED = View(opened=True, deposited=(Amount(5), Amount(6)), withdrawn=(Amount(0), Amount(0)))


@asynccontextmanager
async def over(benches: Any, proxy: Any, **changes: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Run an adapter that speaks to a fresh chain through the proxy."""
    async with (
        benches() as bench,
        proxy.before(bench.url) as url,
        bench.adapter(bench.profile(url, **changes)) as chain,
    ):
        yield bench, chain


async def silence(method: str, params: list[Any]) -> None:
    await asyncio.Event().wait()


async def server_error(method: str, params: list[Any]) -> web.Response:
    return web.Response(status=500, text="Internal Server Error")


async def not_json(method: str, params: list[Any]) -> web.Response:
    return web.Response(text="<html>hello</html>")


async def cut_short(method: str, params: list[Any]) -> web.Response:
    return web.Response(text='{"jsonrpc": "2.0", "id"')


async def another_id(method: str, params: list[Any]) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": -1, "result": "0x7a69"})


async def wrong_types(method: str, params: list[Any]) -> dict[str, Any]:
    return {"result": {"number": 7}}


async def nonsense_numbers(method: str, params: list[Any]) -> dict[str, Any]:
    if method == "eth_getBlockByNumber":
        return {"result": {"number": "0xzz", "hash": "0x", "parentHash": "0x", "timestamp": "0x"}}
    return {"result": "0x" + "f" * 500}


async def nothing(method: str, params: list[Any]) -> dict[str, Any]:
    return {"result": None}


async def rate_limited(method: str, params: list[Any]) -> dict[str, Any]:
    return {"error": {"code": -32005, "message": "daily request count exceeded"}}


async def unknown_method(method: str, params: list[Any]) -> dict[str, Any]:
    return {"error": {"code": -32601, "message": "the method does not exist"}}


@pytest.mark.parametrize(
    "fault",
    [
        silence, server_error, not_json, cut_short, another_id, wrong_types, nonsense_numbers, nothing, rate_limited,
        unknown_method,
    ],
)  # fmt: skip
def test_a_fault_is_reported_once_and_work_goes_on_when_it_is_over(
    embedded_benches: Any, proxy: Any, fault: Any
) -> None:
    async def story() -> None:
        async with over(embedded_benches, proxy, timeout_s=0.1) as (bench, chain):
            chain.watch(CHANNEL)
            await bench.until(lambda: len(bench.events) == 2)
            proxy.seen.clear()
            proxy.rule = fault
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            await bench.until(lambda: bool(bench.statuses) and len(proxy.seen) > 6)
            assert len(bench.events) == 2
            assert len(bench.statuses) == 1
            proxy.rule = None
            assert (await bench.outcome("open")).error == ""
            await bench.until(lambda: bench.views(CHANNEL)[-1].final == OPENED)
            await bench.until(lambda: bench.statuses[1:] == [None])

    asyncio.run(story())


def test_a_block_of_an_absurd_time_is_not_believed(embedded_benches: Any, proxy: Any) -> None:
    async def story() -> None:
        async with over(embedded_benches, proxy) as (bench, _):
            await bench.until(lambda: len(bench.events) == 1)

            async def far_future(method: str, params: list[Any]) -> Any:
                if method != "eth_getBlockByNumber":
                    return None
                return {"result": {**await bench.dev(method, *params), "timestamp": hex(2**70)}}

            proxy.rule = far_future
            await bench.dev("evm_mine")
            await bench.until(lambda: bool(bench.statuses))
            assert bench.statuses[0].reason is Reason.MALFORMED
            assert len(bench.events) == 1
            proxy.rule = None
            await bench.until(lambda: len(bench.events) == 2)
            assert isinstance(bench.events[1], BlockObserved)

    asyncio.run(story())


def test_a_call_that_cannot_be_encoded_fails_like_one_that_the_contract_refuses(embedded_benches: Any) -> None:
    junk = Pull(UnixSeconds(1), Signature(b"x" * 100))
    terms = Terms(
        (Address(b"a" * 20), Address(b"b" * 20)), (Address(b"a" * 20), Address(b"b" * 20)), (Address(b"t" * 20),),
        AssetIndex(0), 600, CloseOut.EXPIRY, 0, Address(b"o" * 20), Hash(bytes(32)), 1,
    )  # fmt: skip
    opening = OpenChannel(
        terms, (Amount(1), Amount(1)), terms.payouts, UnixSeconds(2**40), (Signature(bytes(64)),) * 2, (junk, junk)
    )

    async def story() -> None:
        async with embedded_benches() as bench, bench.adapter() as chain:
            chain.submit("open", opening)
            chain.submit("late", msgspec.structs.replace(opening, pulls=(), deadline=UnixSeconds(2**70)))
            for tag in ("open", "late"):
                answer = await bench.outcome(tag)
                assert "OpenChannel cannot be encoded" in answer.error
                assert not answer.transaction

    asyncio.run(story())


def test_an_rpc_that_turns_to_another_chain_is_believed_nothing_until_it_turns_back(
    embedded_benches: Any, proxy: Any
) -> None:
    async def other_chain(method: str, params: list[Any]) -> Any:
        return {"result": "0x1"} if method == "eth_chainId" else None

    async def story() -> None:
        async with over(embedded_benches, proxy) as (bench, chain):
            await bench.until(lambda: len(bench.events) == 1)
            proxy.rule = other_chain
            chain.send("call", bench.once())
            await bench.dev("evm_mine")
            await bench.until(lambda: bool(bench.statuses))
            assert bench.statuses[0].reason is Reason.WRONG_CHAIN
            assert len(bench.events) == 1
            assert proxy.count("eth_sendRawTransaction") == 0
            proxy.rule = None
            assert (await bench.outcome("call")).error == ""
            await bench.until(lambda: any(isinstance(event, BlockObserved) for event in bench.events[1:]))

    asyncio.run(story())


def test_a_node_that_limits_the_range_of_logs_is_asked_for_fewer_blocks(embedded_benches: Any, proxy: Any) -> None:
    async def two_at_most(method: str, params: list[Any]) -> Any:
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) > 1:
            return {"error": {"code": -32005, "message": "query returned more than 10000 results"}}
        return None

    async def story() -> None:
        async with embedded_benches() as bench, proxy.before(bench.url) as url:
            async with bench.adapter() as chain:
                chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
                await bench.outcome("open")
            await bench.dev("anvil_mine", hex(20))
            proxy.rule = two_at_most
            async with bench.adapter(bench.profile(url), resume_block=0) as chain:
                chain.watch(CHANNEL)
                await bench.until(lambda: bool(bench.views(CHANNEL)))
                assert bench.views(CHANNEL)[0].final == OPENED

    asyncio.run(story())


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0x" + "11" * 20},
        {"topics": ["0x" + "22" * 32, "0x" + "00" * 32]},
        {"topics": []},
        {"removed": True},
        {"blockNumber": "0xffff"},
        {"data": "0x01"},
        {"data": "0x" + (32).to_bytes(32).hex() + bytes(32).hex()},  # no deposits
    ],
)
def test_logs_that_cannot_be_are_not_believed(embedded_benches: Any, proxy: Any, change: dict[str, Any]) -> None:
    async def story() -> None:
        async with embedded_benches() as bench, proxy.before(bench.url) as url:

            async def forge(method: str, params: list[Any]) -> Any:
                if method != "eth_getLogs":
                    return None
                return {"result": [{**log, **change} for log in await bench.dev(method, *params)]}

            async with bench.adapter() as chain:
                chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
                await bench.outcome("open")
            bench.events.clear()
            proxy.rule = forge
            async with bench.adapter(bench.profile(url)) as chain:
                chain.watch(CHANNEL)
                await bench.until(lambda: bool(bench.statuses))
                assert bench.statuses[0].reason is Reason.MALFORMED
                assert bench.events == []
                proxy.rule = None
                await bench.until(lambda: bool(bench.views(CHANNEL)))
                assert bench.views(CHANNEL)[0].final == OPENED

    asyncio.run(story())


def test_a_log_that_does_not_follow_from_those_before_is_read_again_later(embedded_benches: Any, proxy: Any) -> None:
    async def story() -> None:
        async with embedded_benches() as bench, proxy.before(bench.url) as url:

            async def hide_openings(method: str, params: list[Any]) -> Any:
                if method != "eth_getLogs":
                    return None
                return {"result": (await bench.dev(method, *params))[1:]}

            async with bench.adapter() as chain:
                for tag, call in (("open", ("Opened", (5, 1))), ("top up", ("Deposited", 1, 5))):
                    chain.send(tag, bench.ring(call[0], CHANNEL, *call[1:]))
                    await bench.outcome(tag)
            bench.events.clear()
            proxy.rule = hide_openings
            async with bench.adapter(bench.profile(url)) as chain:
                chain.watch(CHANNEL)
                await bench.until(lambda: bool(bench.statuses))
                assert bench.events == []
                proxy.rule = None
                await bench.until(lambda: bool(bench.views(CHANNEL)))
                assert bench.views(CHANNEL)[0].head == OPENED

    asyncio.run(story())


def test_a_node_that_lags_a_block_behind_for_a_moment_unobserves_nothing(embedded_benches: Any, proxy: Any) -> None:
    async def story() -> None:
        async with over(embedded_benches, proxy, final_depth=8) as (bench, chain):
            chain.watch(CHANNEL)
            chain.send("open", bench.ring("Opened", CHANNEL, (5, 6)))
            await bench.until(lambda: bool(bench.views(CHANNEL)) and bench.views(CHANNEL)[-1].head == OPENED)
            head = await wire.head(bench.rpc)
            lagged = 0

            async def lag_twice(method: str, params: list[Any]) -> Any:
                nonlocal lagged
                if method != "eth_getBlockByNumber" or params[0] != "latest" or lagged == 2:
                    return None
                lagged += 1
                return {"result": await bench.dev(method, hex(head.number - 1), False)}

            told = len(bench.views(CHANNEL))
            proxy.rule = lag_twice
            await bench.until(lambda: lagged == 2)
            await bench.dev("evm_mine")
            await bench.until(lambda: BlockObserved in map(type, bench.events[told:]))
            await bench.until(lambda: chain._scanner.ledger.tip.number == head.number + 1)
            assert len(bench.views(CHANNEL)) == told

    asyncio.run(story())
