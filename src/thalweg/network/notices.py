"""Calls into the application, in order and never one inside another.

What happens on links is posted while their bytes are parsed, and called when that is done: a callback may use the host
freely. A `PeerFault` from a callback drops the link it was about; anything else is a bug, and ends the host. Calls take
a few milliseconds a turn of the event loop; what is left waits for the next, and peers that send more wait with it.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from thalweg.errors import PeerFault, ThalwegError

TURN_SECONDS: Final = 0.004
WAITING_MAX: Final = 4096  # calls; beyond it links are not read


class Droppable(Protocol):
    """A link, as far as its notices are concerned."""

    def drop(self, error: ThalwegError) -> None:
        """Drop the link."""


_Notice = tuple[Droppable, Callable[[], None]]


class Notices:
    """The queue of calls. It is worked off at the end of every turn of the event loop that filled it."""

    def __init__(
        self,
        crash: Callable[[BaseException], None],
        *,
        settled: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settled` is called when nothing is left of what was too much for one turn."""
        self._crash = crash
        self._settled = settled
        self._clock = clock
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

    @property
    def is_behind(self) -> bool:
        """Say whether so much waits that nobody should add to it."""
        return len(self._queue) > WAITING_MAX

    def settle(self) -> None:
        """Make the calls that wait, unless this is called from one of them; what takes too long follows later."""
        if not self._queue:
            return
        self._call(self._clock() + TURN_SECONDS)
        if self._queue and not self._settling:
            self.soon()

    def finish(self) -> None:
        """Make every call that waits."""
        self._call(math.inf)

    def _call(self, until: float) -> None:
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
                if self._clock() >= until:
                    break
        except Exception as error:  # a callback's bug: asyncio would only log it; `Host.run` raises it
            self._queue.clear()
            self._crash(error)
        finally:
            self._settling = False

    def _on_turn(self) -> None:
        self._scheduled = False
        self.settle()
        if not self._queue:
            self._settled()
