"""The node's time: the wall's, moved forward where the chain's is ahead (a development chain that was warped).

Never goes back while the process lives. Deadlines on chain are judged by block times, so a node that followed the
wall alone would sleep through them on such a chain; on a real one the two differ by seconds.
"""

import asyncio
import time
from collections.abc import Callable

from thalweg.units import UnixSeconds


class NodeClock:
    """Implements `thalweg.node.ports.Clock`, in a running event loop; `on_alarm` is called when it rings."""

    def __init__(self, on_alarm: Callable[[], None], wall: Callable[[], float] = time.time) -> None:
        self._on_alarm = on_alarm
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._ahead_s = 0.0
        self._latest = 0
        self._wanted: UnixSeconds | None = None
        self._handle: asyncio.TimerHandle | None = None

    def now(self) -> UnixSeconds:
        """Return the time."""
        self._latest = max(self._latest, int(self._wall() + self._ahead_s))
        return UnixSeconds(self._latest)

    def observe_block(self, block_time: UnixSeconds) -> None:
        """Take note of the newest block's time."""
        ahead_s = max(0.0, block_time - self._wall())
        moved = abs(ahead_s - self._ahead_s) >= 1
        self._ahead_s = ahead_s
        if moved:
            self._set()

    def wake_at(self, time: UnixSeconds) -> None:
        """Have the alarm ring at or soon after `time`; a later call replaces an earlier one."""
        self._wanted = time
        self._set()

    def close(self) -> None:
        """Ring no more."""
        self._wanted = None
        self._set()

    def _set(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._wanted is not None:
            delay_s = self._wanted - (self._wall() + self._ahead_s)
            self._handle = self._loop.call_later(max(0.0, delay_s), self._ring)

    def _ring(self) -> None:
        self._handle = None
        wanted = self._wanted
        if wanted is None:
            return
        if self.now() < wanted:
            self._set()
            return
        self._wanted = None
        self._on_alarm()
