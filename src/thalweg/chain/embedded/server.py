"""The embedded chain behind JSON-RPC over HTTP, on this machine only.

Single requests and batches (https://www.jsonrpc.org/specification); a limit on the body and on a batch.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import msgspec
from aiohttp import web

from thalweg.chain.embedded.engine import EmbeddedChain
from thalweg.chain.embedded.errors import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, RpcError
from thalweg.chain.embedded.forms import Json, data
from thalweg.chain.embedded.methods import Methods

BODY_BYTES_MAX: Final = 4 * 2**20
BATCH_MAX: Final = 256
_SHUTDOWN_S: Final = 1.0


@asynccontextmanager
async def serve_chain(
    chain: EmbeddedChain | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    block_time_s: float | None = None,
) -> AsyncIterator[str]:
    """Serve a chain; yield its URL. Port 0 takes a free one.

    Args:
        chain: the chain, a fresh one where None.
        host: the address to listen on.
        port: the port to listen on.
        block_time_s: mine a block every so often, besides what `chain.automine` says.

    Raises:
        OSError: the port is taken.
    """
    served = EmbeddedChain() if chain is None else chain
    runner = web.AppRunner(application(served), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        address = runner.addresses[0]
        with _mining(served, block_time_s):
            yield f"http://{address[0]}:{address[1]}"
    finally:
        await runner.cleanup()


def application(chain: EmbeddedChain) -> web.Application:
    """Return the HTTP application: POST / answers JSON-RPC."""
    methods = Methods(chain)

    async def answer(request: web.Request) -> web.Response:
        try:
            body = msgspec.json.decode(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return web.json_response(_error(None, RpcError(PARSE_ERROR, "not JSON")))
        if not isinstance(body, list):
            return web.json_response(_reply(methods, body))
        if not 1 <= len(body) <= BATCH_MAX:
            return web.json_response(_error(None, RpcError(INVALID_REQUEST, f"a batch is 1 to {BATCH_MAX} requests")))
        return web.json_response([_reply(methods, item) for item in body])

    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_post("/", answer)
    return app


@contextmanager
def _mining(chain: EmbeddedChain, block_time_s: float | None) -> Iterator[None]:
    if block_time_s is None:
        yield
        return
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def mine() -> None:
        timers[:] = [loop.call_later(block_time_s, mine)]
        chain.mine()

    timers.append(loop.call_later(block_time_s, mine))
    try:
        yield
    finally:
        timers[0].cancel()


def _reply(methods: Methods, request: Json) -> Json:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _error(None, RpcError(INVALID_REQUEST, "not a request"))
    identity = request.get("id")
    params = request.get("params", [])
    try:
        if not isinstance(params, list):
            raise RpcError(INVALID_PARAMS, "params must be a list")
        return {"jsonrpc": "2.0", "id": identity, "result": methods.dispatch(request["method"], params)}
    except RpcError as error:
        return _error(identity, error)


def _error(identity: Json, error: RpcError) -> Json:
    body: dict[str, Json] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = data(error.data)
    return {"jsonrpc": "2.0", "id": identity, "error": body}
