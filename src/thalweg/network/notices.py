"""Calls into the application, in order and never one inside another.

What happens on links is posted while their bytes are parsed, and called when that is done: a callback may use the host
freely. A `PeerFault` from a callback drops the link it was about; anything else is a bug, and ends the host.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from thalweg.errors import PeerFault, ThalwegError


class Droppable(Protocol):
    """A link, as far as its notices are concerned."""

    def drop(self, error: ThalwegError) -> None:
        """Drop the link."""


_Notice = tuple[Droppable, Callable[[], None]]


class Notices:
    """The queue of calls. It is emptied at the end of every turn of the event loop that filled it."""

    def __init__(self, crash: Callable[[BaseException], None]) -> None:
        self._crash = crash
        self._queue: deque[_Notice] = deque()
        self._settling = False
        self._scheduled = False

    def post(self, about: Droppable, call: Callable[[], None]) -> None:
        """Queue a call about a link; `settle` or `soon` must follow."""
        self._queue.append((about, call))

    def forget(self, about: Droppable) -> None:
        """Drop the calls that wait about a link: we closed it, so what it had still to say is moot."""
        self._queue = deque(notice for notice in self._queue if notice[0] is not about)

    def soon(self) -> None:
        """Have the queue emptied in the next turn of the event loop."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._on_turn)

    def settle(self) -> None:
        """Make every call that waits, unless this is called from one of them."""
        if self._settling:
            return
        self._settling = True
        try:
            while self._queue:
                about, call = self._queue.popleft()
                try:
                    call()
                except PeerFault as fault:
                    about.drop(fault)
        except Exception as error:  # a callback's bug: asyncio would only log it; `Host.run` raises it
            self._queue.clear()
            self._crash(error)
        finally:
            self._settling = False

    def _on_turn(self) -> None:
        self._scheduled = False
        self.settle()
