"""The node's time: the wall's, moved forward where the chain's is ahead (a development chain that was warped).

Never goes back while the process lives. Deadlines on chain are judged by block times, so a node that followed the
wall alone would sleep through them on such a chain; on a real one the two differ by seconds. So a block from further
ahead than that moves the clock of a declared development chain only: one lie of an RPC must not run every deadline out.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from thalweg.units import UnixSeconds

AHEAD_S_MAX: Final = 120.0  # a real chain's blocks are refused by its own nodes long before this
ALARM_S_MAX: Final = 86_400.0  # of one timer of the event loop; a later alarm is set again
_log: Final = logging.getLogger(__name__)


class NodeClock:
    """Implements `thalweg.node.ports.Clock`, in a running event loop; `on_alarm` is called when it rings.

    `development`: the chain's clock is moved on purpose, follow it however far.
    """

    def __init__(
        self, on_alarm: Callable[[], None], wall: Callable[[], float] = time.time, *, development: bool = False
    ) -> None:
        self._on_alarm = on_alarm
        self._wall = wall
        self._development = development
        self._doubtful = False  # the newest block is from too far ahead
        self._loop = asyncio.get_running_loop()
        self._ahead_s = 0.0
        self._latest = 0
        self._block_time = UnixSeconds(0)
        self._wanted: UnixSeconds | None = None
        self._handle: asyncio.TimerHandle | None = None

    def now(self) -> UnixSeconds:
        """Return the time."""
        self._latest = max(self._latest, int(self._wall() + self._ahead_s))
        return UnixSeconds(self._latest)

    @property
    def block_time(self) -> UnixSeconds:
        """The time of the newest block; 0: none since the start."""
        return self._block_time

    def observe_block(self, block_time: UnixSeconds) -> None:
        """Take note of the newest block's time, unless it cannot be."""
        ahead_s = max(0.0, block_time - self._wall())
        if self._doubts(block_time, ahead_s):
            return
        moved = abs(ahead_s - self._ahead_s) >= 1
        self._ahead_s = ahead_s
        self._block_time = block_time
        if moved:
            self._set()

    def _doubts(self, block_time: UnixSeconds, ahead_s: float) -> bool:
        doubtful = ahead_s > AHEAD_S_MAX and not self._development
        if doubtful and not self._doubtful:
            _log.error(
                "a block of the time %d is %.0f s ahead of this machine's clock and not followed: "
                "set the clock right, or use another RPC",
                block_time,
                ahead_s,
            )
        self._doubtful = doubtful
        return doubtful

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
            there = self._wall() + self._ahead_s
            delay_s = ALARM_S_MAX if self._wanted > there + ALARM_S_MAX else max(0.0, self._wanted - there)
            self._handle = self._loop.call_later(delay_s, self._ring)

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
