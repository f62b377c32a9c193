"""When a process ends: a signal, its parent gone (where it was asked to follow it), or something broken.

Crash-only: whatever breaks where nobody awaits it ends the process, for going on could lose money.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from thalweg.errors import InvariantBroken, ThalwegError

_READ_BYTES: Final = 4096
_log: Final = logging.getLogger(__name__)


class Stop:
    """Waits for the end. `crash` ends it with an error, which `wait` raises. Make it inside a running event loop.

    What a callback of the loop raises, which asyncio would only print, is such an error too.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_exception)
        self._end: asyncio.Future[None] = self._loop.create_future()

    def request(self) -> None:
        """End in good order."""
        if not self._end.done():
            self._end.set_result(None)

    def crash(self, error: BaseException) -> None:
        """End because of `error`; the first one counts."""
        if not self._end.done():
            self._end.set_exception(error)

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Crash where a callback failed (it has a handle); what a peer can do to a transport is only told."""
        error = context.get("exception")
        if error is not None and "handle" in context:
            self.crash(error)
        loop.default_exception_handler(context)

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
    """Raise what a task group's first failure was, instead of the group.

    Raises:
        InvariantBroken: for whatever nobody expected; the log has its story.
    """
    try:
        yield
    except (Exception, BaseExceptionGroup) as raised:
        error: BaseException = raised
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, Exception) and not isinstance(error, ThalwegError | InvariantBroken):
            _log.critical("stopped by what nobody expected", exc_info=error)
            error = InvariantBroken(f"{type(error).__name__}: {error}")
        if error is raised:
            raise
        raise error from raised
