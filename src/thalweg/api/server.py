"""The API over HTTP: POST /api/v1, JSON-RPC 2.0, bearer token, on this machine only.

Limits: body size, requests at once. A web page cannot call it: no token, and no cross-origin headers are ever sent.
"""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from thalweg.api import framing
from thalweg.api.endpoint import PATH
from thalweg.api.framing import Fault, Request
from thalweg.errors import InvariantBroken, Reason, ThalwegError

BODY_BYTES_MAX: Final = 4 * 2**20
REQUESTS_MAX: Final = 256  # at once; most of them wait for an outcome
_SHUTDOWN_S: Final = 0.5
_log: Final = logging.getLogger(__name__)

Dispatch = Callable[[Request], Awaitable[object]]


@asynccontextmanager
async def serve_api(
    dispatch: Dispatch, token: str, crash: Callable[[BaseException], None], host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve until the context ends; yield the URL.

    Args:
        dispatch: runs a method; raises ThalwegError for a refusal.
        token: what callers must bear.
        crash: told of any other exception: a bug, and the node must stop.
        host: the address to listen on.
        port: 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(
        _application(dispatch, token, crash), access_log=None, shutdown_timeout=_SHUTDOWN_S, handle_signals=False
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        address = runner.addresses[0]
        yield f"http://{address[0]}:{address[1]}"
    finally:
        await runner.cleanup()


def _application(dispatch: Dispatch, token: str, crash: Callable[[BaseException], None]) -> web.Application:
    room = asyncio.Semaphore(REQUESTS_MAX)
    expected = f"Bearer {token}".encode()

    async def handle(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            return _failed(None, Fault(401, framing.INVALID_REQUEST, "unauthorized: bear the token in api.json"))
        if room.locked():
            return _failed(None, Fault(429, framing.UNAVAILABLE, f"{REQUESTS_MAX} requests wait already"))
        async with room:
            parsed = framing.parse(await request.read())
            if isinstance(parsed, Fault):
                return _failed(None, parsed)
            return await _answered(dispatch, parsed, crash)

    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_post(PATH, handle)
    return application


async def _answered(dispatch: Dispatch, request: Request, crash: Callable[[BaseException], None]) -> web.Response:
    try:
        result = await dispatch(request)
    except ThalwegError as error:
        _log.info("refused %s: %s", request.method, error)
        return _failed(request.id, framing.fault_of(error))
    except Exception as error:  # a bug, or an invariant: the node stops, whoever called is told
        crash(error)
        kind = "an invariant is broken" if isinstance(error, InvariantBroken) else "a bug"
        return _failed(request.id, Fault(500, framing.INTERNAL, f"{kind}; the node stops: see its log", Reason.CORRUPT))
    return web.Response(body=framing.answer(request.id, result), content_type="application/json")


def _failed(identity: int | str | None, fault: Fault) -> web.Response:
    return web.Response(status=fault.status, body=framing.failure(identity, fault), content_type="application/json")
