"""Metrics over HTTP: GET /metrics, on this machine only, for whoever scrapes them."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from thalweg.api.metrics import CONTENT_TYPE, Sample, exposition
from thalweg.errors import Reason, UserFault

PATH: Final = "/metrics"
_SHUTDOWN_S: Final = 0.5


@asynccontextmanager
async def serve_metrics(
    samples: Callable[[], Iterable[Sample]], port: int | None, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """Serve until the context ends; yield the URL, or nothing where there is no port.

    Raises:
        UserFault: the port is taken.
    """
    if port is None:
        yield ""
        return

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=exposition(samples()).encode(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.router.add_get(PATH, handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_S, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise UserFault(Reason.UNREACHABLE, f"metrics cannot be served on port {port} ({error})") from error
        address = runner.addresses[0]
        yield f"http://{address[0]}:{address[1]}{PATH}"
    finally:
        await runner.cleanup()
