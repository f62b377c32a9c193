import asyncio
import io
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from thalweg.api.endpoint import PATH
from thalweg.api.framing import Request
from thalweg.api.server import BODY_BYTES_MAX, REQUESTS_MAX, serve_api
from thalweg.errors import InvariantBroken, Reason, UserFault

TOKEN = "token"


async def _dispatch(request: Request) -> object:
    match request.method:
        case "echo":
            return request.params
        case "refuse":
            raise UserFault(Reason.INSUFFICIENT, "10 is there")
        case _:
            raise InvariantBroken("money appeared")


def serve(
    use: Callable[[aiohttp.ClientSession, str], Awaitable[None]],
    dispatch: Callable[[Request], Awaitable[object]] = _dispatch,
) -> list[BaseException]:
    """Serve the API while `use` runs; return what would have stopped the node."""
    crashes: list[BaseException] = []

    async def work() -> None:
        async with serve_api(dispatch, TOKEN, crashes.append) as url, aiohttp.ClientSession() as session:
            await use(session, url + PATH)

    asyncio.run(work())
    return crashes


async def ask(
    session: aiohttp.ClientSession, url: str, body: bytes, token: str = TOKEN
) -> tuple[int, dict[str, object]]:
    async with session.post(url, data=body, headers={"Authorization": f"Bearer {token}"}) as response:
        return response.status, await response.json()


def body_of(method: str, **params: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def test_a_method_is_run_and_answered() -> None:
    async def use(session: aiohttp.ClientSession, url: str) -> None:
        status, answer = await ask(session, url, body_of("echo", amount="1"))
        assert (status, answer["result"]) == (200, {"amount": "1"})

    assert not serve(use)


@pytest.mark.parametrize("token", ["", "tokem", "token2", "tökén"])
def test_without_the_token_nothing_is_run(token: str) -> None:
    async def use(session: aiohttp.ClientSession, url: str) -> None:
        status, answer = await ask(session, url, body_of("crash"), token)
        assert status == 401
        assert "result" not in answer

    assert not serve(use)


def test_a_refusal_has_its_reason_and_the_node_goes_on() -> None:
    async def use(session: aiohttp.ClientSession, url: str) -> None:
        status, answer = await ask(session, url, body_of("refuse"))
        error = answer["error"]
        assert isinstance(error, dict)
        assert (status, error["data"]["reason"]) == (400, "insufficient balance")

    assert not serve(use)


def test_a_broken_invariant_stops_the_node_and_is_not_told_in_detail() -> None:
    async def use(session: aiohttp.ClientSession, url: str) -> None:
        status, answer = await ask(session, url, body_of("crash"))
        assert status == 500
        assert "money" not in json.dumps(answer)

    crashes = serve(use)
    assert [str(crash) for crash in crashes] == ["money appeared"]


def test_an_oversized_body_is_refused() -> None:
    async def use(session: aiohttp.ClientSession, url: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.post(url, data=io.BytesIO(b" " * (BODY_BYTES_MAX + 1)), headers=headers) as response:
            assert response.status == 413

    assert not serve(use)


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_only_post_is_served(method: str) -> None:
    async def use(session: aiohttp.ClientSession, url: str) -> None:
        async with session.request(method, url) as response:
            assert response.status == 405

    assert not serve(use)


def test_more_requests_than_may_wait_are_turned_away() -> None:
    release = asyncio.Event()

    async def hold(request: Request) -> object:
        await release.wait()
        return True

    async def use(session: aiohttp.ClientSession, url: str) -> None:
        async with asyncio.TaskGroup() as tasks:
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector) as many:
                held = [tasks.create_task(ask(many, url, body_of("echo"))) for _ in range(REQUESTS_MAX + 1)]
                first, _ = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
                assert [task.result()[0] for task in first] == [429]
                release.set()
                assert sorted([(await task)[0] for task in held]) == [200] * REQUESTS_MAX + [429]

    assert not serve(use, hold)
