"""Two chains to run against, a contract that says what it is told, and an RPC that can be made to misbehave."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import vyper
from aiohttp import web
from eth_abi import abi

from thalweg.chain import wire
from thalweg.chain.artefacts import ADJUDICATOR, entries
from thalweg.chain.calls import Invocation
from thalweg.chain.dev_accounts import DEV_KEYS
from thalweg.chain.embedded import serve_chain
from thalweg.chain.evm import EvmChain
from thalweg.chain.profile import ChainProfile
from thalweg.chain.rpc import Rpc
from thalweg.chain.wallet import wallet
from thalweg.channel.onchain import CallSettled, ChainEvent, ChannelObserved
from thalweg.codec import words
from thalweg.crypto import keccak
from thalweg.errors import ThalwegError
from thalweg.units import Address, ChannelId

HERE = Path(__file__).parent
INSTALLED = HERE / "anvil/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
ANVIL = os.environ.get("ANVIL") or (str(INSTALLED) if INSTALLED.exists() else shutil.which("anvil"))
PATIENCE_S = 30.0  # a hang is a failure; nothing else depends on it

Serve = Callable[[], AbstractAsyncContextManager[str]]
Rule = Callable[[str, list[Any]], Awaitable[Any]]


@asynccontextmanager
async def serve_anvil() -> AsyncIterator[str]:
    assert ANVIL is not None
    process = await asyncio.create_subprocess_exec(
        ANVIL, "--port", "0", "--chain-id", "31337", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            if line.startswith(b"Listening on "):
                yield "http://" + line.split()[-1].decode()
                break
    finally:
        process.kill()
        await process.communicate()


@pytest.fixture(
    params=[
        pytest.param(serve_chain, id="embedded"),
        pytest.param(
            serve_anvil,
            id="anvil",
            marks=pytest.mark.skipif(ANVIL is None, reason="anvil is not installed; `make anvil` installs it"),
        ),
    ]
)
def serve(request: pytest.FixtureRequest) -> Serve:
    """Return what starts a fresh chain: each test that takes it runs on both implementations."""
    serve: Serve = request.param
    return serve


@pytest.fixture(scope="session")
def bell_code() -> bytes:
    compiled = vyper.compile_code((HERE / "Bell.vy").read_text(), output_formats=["bytecode"])
    return bytes.fromhex(compiled["bytecode"].removeprefix("0x"))


class Proxy:
    """An RPC in front of another. `rule` answers a request in its stead, or returns None to let it pass."""

    def __init__(self) -> None:
        self.rule: Rule | None = None
        self.seen: list[tuple[str, list[Any]]] = []
        self.url = ""

    @asynccontextmanager
    async def before(self, url: str) -> AsyncIterator[str]:
        async with Rpc((url,)) as behind:
            app = web.Application()
            app.router.add_post("/", partial(self._answer, behind))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = "http://{}:{}".format(*runner.addresses[0][:2])
            try:
                yield self.url
            finally:
                await runner.cleanup()

    async def _answer(self, behind: Rpc, request: web.Request) -> web.Response:
        asked = await request.json()
        method, params = asked["method"], asked["params"]
        self.seen.append((method, params))
        answer = await self.rule(method, params) if self.rule else None
        if isinstance(answer, web.Response):
            return answer
        if answer is None:
            status, body = await behind.post(behind.url, json.dumps(asked).encode())
            return web.Response(body=body, status=status)
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], **answer})

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.seen)


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


class Bench:
    """A chain with a bell on it, and what an adapter said about both."""

    def __init__(self, url: str, rpc: Rpc, bell: Address, block: int) -> None:
        self.url, self.rpc, self.bell, self.block = url, rpc, bell, block
        self.events: list[ChainEvent] = []
        self.statuses: list[ThalwegError | None] = []
        self._changed = asyncio.Event()

    def hear(self, event: ChainEvent) -> None:
        self.events.append(event)
        self._changed.set()

    def hear_status(self, error: ThalwegError | None) -> None:
        self.statuses.append(error)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def until_asked(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if await condition():
                    return
                await asyncio.sleep(0.02)

    async def dev(self, method: str, *params: object) -> Any:
        return await self.rpc.request(method, params, object)

    def profile(self, url: str | None = None, **changes: Any) -> ChainProfile:
        plain: dict[str, Any] = {
            "chain_id": 31337, "adjudicator": self.bell, "urls": (url or self.url,), "confirmations": 1,
            "final_depth": 0, "poll_s": 0.02, "timeout_s": 5.0, "bump_after_s": 60.0,
        }  # fmt: skip
        return ChainProfile(**{**plain, **changes})

    @asynccontextmanager
    async def adapter(
        self, profile: ChainProfile | None = None, key: bytes = DEV_KEYS[1], resume_block: int | None = None
    ) -> AsyncIterator[EvmChain]:
        async with (
            EvmChain(
                profile or self.profile(),
                key,
                self.hear,
                resume_block=self.block if resume_block is None else resume_block,
                on_status=self.hear_status,
            ) as chain,
            asyncio.TaskGroup() as tasks,
        ):
            running = tasks.create_task(chain.run())
            try:
                yield chain
            finally:
                running.cancel()

    def settled(self, tag: str) -> CallSettled:
        return next(event for event in self.events if isinstance(event, CallSettled) and event.tag == tag)

    async def outcome(self, tag: str) -> CallSettled:
        await self.until(lambda: any(isinstance(event, CallSettled) and event.tag == tag for event in self.events))
        return self.settled(tag)

    def views(self, channel: ChannelId) -> list[ChannelObserved]:
        return [event for event in self.events if isinstance(event, ChannelObserved) and event.channel_id == channel]

    def ring(self, event: str, channel: bytes, *members: int | tuple[int, ...]) -> Invocation:
        """Return the transaction that makes the bell log one of the adjudicator's events."""
        return Invocation(self.bell, _call("ring(bytes32,bytes32,bytes)", event, channel, members))

    def once(self) -> Invocation:
        """Return a transaction that only the first sender succeeds with."""
        return Invocation(self.bell, keccak(b"once()")[:4])


def _call(signature: str, event: str, channel: bytes, members: tuple[int | tuple[int, ...], ...]) -> bytes:

    entry = entries(ADJUDICATOR)[event]
    plain = [kind for kind, indexed in zip(entry.inputs, entry.indexed, strict=True) if not indexed]
    body = abi.encode(plain, members)
    padded = body + bytes(-len(body) % 32)
    return keccak(signature.encode())[:4] + words((entry.hash, channel, 96, len(body))) + padded


Benches = Callable[[], AbstractAsyncContextManager[Bench]]


@asynccontextmanager
async def start_bench(serve: Serve, bell_code: bytes) -> AsyncIterator[Bench]:
    async with serve() as url, Rpc((url,)) as rpc:
        owner = await wallet(rpc, DEV_KEYS[0])
        bell = await owner.create(bell_code)
        yield Bench(url, rpc, bell, (await wire.head(rpc)).number)


@pytest.fixture
def benches(serve: Serve, bell_code: bytes) -> Benches:
    """Return what starts a chain and puts a bell on it."""
    return partial(start_bench, serve, bell_code)


@pytest.fixture
def embedded_benches(bell_code: bytes) -> Benches:
    """Return what does so on the embedded chain: for tests in which the chain's own behaviour does not matter."""
    return partial(start_bench, serve_chain, bell_code)
