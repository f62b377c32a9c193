import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer import Exit

from thalweg.app.driver import Driver
from thalweg.app.stopping import Stop, plain_errors
from thalweg.cli.reporting import STATUS_FAILURE, reporting
from thalweg.errors import InvariantBroken
from thalweg.node.engine import GROUP_MAX


def ending(break_it: Callable[[Stop], object]) -> None:
    """Run until something ends it, as processes do."""

    async def work() -> None:
        stop = Stop()
        with plain_errors():
            async with asyncio.timeout(10), asyncio.TaskGroup():
                break_it(stop)
                await stop.wait()

    asyncio.run(work())


def broken(*_: object) -> None:
    raise InvariantBroken("two and two are five")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda stop: asyncio.get_running_loop().call_soon(broken),
        lambda stop: asyncio.get_running_loop().call_later(0, broken),
        lambda stop: _done(broken),
    ],
)  # fmt: skip
def test_what_a_callback_raises_ends_the_process(break_it: Callable[[Stop], object]) -> None:
    with pytest.raises(InvariantBroken, match="five"):
        ending(break_it)


def _done(callback: Callable[..., None]) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.add_done_callback(callback)
    future.set_result(None)


def test_what_befalls_a_transport_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def befall(stop: Stop) -> None:
        context = {"message": "Fatal error on transport", "exception": OSError("cable cut"), "transport": None}
        asyncio.get_running_loop().call_exception_handler(context)
        asyncio.get_running_loop().call_soon(stop.request)

    ending(befall)
    assert "cable cut" in caplog.text


def test_the_first_error_counts() -> None:
    def twice(stop: Stop) -> None:
        stop.crash(InvariantBroken("first"))
        asyncio.get_running_loop().call_soon(broken)

    with pytest.raises(InvariantBroken, match="first"):
        ending(twice)


@pytest.mark.parametrize("error", [InvariantBroken("five"), OverflowError("five"), KeyError("five")])
def test_a_broken_process_says_why_and_exits_with_1(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit) as ended, reporting(as_json=False):
        ending(lambda stop: stop.crash(error))
    assert ended.value.exit_code == STATUS_FAILURE == 1
    said = capsys.readouterr().err
    assert "stopped: " in said
    assert "five" in said
    assert "start again" in said
    with pytest.raises(Exit), reporting(as_json=True):
        ending(lambda stop: stop.crash(error))
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "stopped"


class Engine:
    """An engine whose invariants break when it works."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    def receive(self, event: Any) -> None:
        self.received.append(event)

    receive_message = receive

    def pump(self) -> None:
        raise OverflowError("pumped")

    def wake(self) -> None:
        raise OverflowError("woken")


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (lambda driver: driver.receive(object()), "pumped"),
        (lambda driver: [driver.receive(object()) for _ in range(GROUP_MAX)], "pumped"),
        (lambda driver: driver.wake(), "woken"),
    ],
)  # fmt: skip
def test_an_engine_that_breaks_ends_the_process(work: Callable[[Driver], object], why: str) -> None:
    def drive(stop: Stop) -> None:
        driver = Driver(stop.crash)
        driver.drive(Engine())  # type: ignore[arg-type]
        work(driver)

    with pytest.raises(InvariantBroken, match=f"OverflowError: {why}"):
        ending(drive)
