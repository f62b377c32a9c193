"""Waiting for what becomes of a request: whoever asked hears the engine's notices until one settles it."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from thalweg.channel.effects import Notify
from thalweg.errors import Reason, ThalwegError, UserFault

_T = TypeVar("_T")

LISTENERS_MAX: Final = 1024

Judge = Callable[[Notify], _T | None]
"""Looks at a notice: returns the outcome, or None to wait on; raises ThalwegError where it is refused."""


class Outcomes:
    """Those who wait."""

    def __init__(self) -> None:
        self._listeners: set[Callable[[Notify], None]] = set()

    def tell(self, notice: Notify) -> None:
        """Pass a notice to all who wait."""
        for listener in tuple(self._listeners):
            listener(notice)

    async def settle(self, start: Callable[[], None], judge: Judge[_T], timeout_s: float) -> _T | None:
        """Run `start`, and return what `judge` makes of the notices that follow; None when the time is up.

        Raises:
            UserFault: LIMIT, when too many wait already; what `start` raises.
            ThalwegError: what `judge` raises.
        """
        if len(self._listeners) >= LISTENERS_MAX:
            raise UserFault(Reason.LIMIT, f"{LISTENERS_MAX} requests wait already")
        outcome: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

        def listen(notice: Notify) -> None:
            if outcome.done():
                return
            try:
                result = judge(notice)
            except ThalwegError as error:
                outcome.set_exception(error)
            else:
                if result is not None:
                    outcome.set_result(result)

        self._listeners.add(listen)
        try:
            start()
            return await asyncio.wait_for(outcome, timeout_s)
        except TimeoutError:
            return None
        finally:
            self._listeners.discard(listen)
            if outcome.done() and not outcome.cancelled():
                outcome.exception()  # retrieved: a refusal that came while `start` raised is not reported twice
