"""When a process ends: a signal, its parent gone (where it was asked to follow it), or something broken."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_READ_BYTES: Final = 4096


class Stop:
    """Waits for the end. `crash` ends it with an error, which `wait` raises. Make it inside a running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()

    def request(self) -> None:
        """End in good order."""
        if not self._end.done():
            self._end.set_result(None)

    def crash(self, error: BaseException) -> None:
        """End because of `error`; the first one counts."""
        if not self._end.done():
            self._end.set_exception(error)

    async def wait(self) -> None:
        """Return when the process is to end in good order.

        Raises:
            BaseException: what `crash` was told.
        """
        await asyncio.shield(self._end)

    @contextmanager
    def on_signals(self, *, attached: bool) -> Iterator[None]:
        """End on SIGINT and SIGTERM; where `attached`, also when standard input closes: the parent is gone."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self.request)
        if attached:
            self._loop.add_reader(sys.stdin.fileno(), self._on_input)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.remove_signal_handler(number)
            if attached:
                self._loop.remove_reader(sys.stdin.fileno())
            if self._end.done() and not self._end.cancelled():
                self._end.exception()  # raised by `wait`, or less important than what was

    def _on_input(self) -> None:
        if not os.read(sys.stdin.fileno(), _READ_BYTES):
            self._loop.remove_reader(sys.stdin.fileno())
            self.request()


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise what a task group's first failure was, instead of the group."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group
