"""Simulated time: one timeline for the whole world, and a skewed clock a node. Nothing here looks at the real time."""

import heapq
from collections.abc import Callable
from typing import Final

from thalweg.units import UnixSeconds

START_S: Final = 1_800_000_000
_MS: Final = 1000


class Timeline:
    """What is due when, in milliseconds. Things due at one time happen in the order they were planned."""

    def __init__(self) -> None:
        self.now_ms = START_S * _MS
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    @property
    def now_s(self) -> UnixSeconds:
        """Return the true time in whole seconds."""
        return UnixSeconds(self.now_ms // _MS)

    def at(self, time_ms: int, action: Callable[[], None]) -> None:
        """Plan `action` for a time; one in the past happens next."""
        self._count += 1
        heapq.heappush(self._due, (max(time_ms, self.now_ms), self._count, action))

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Plan `action` for later."""
        self.at(self.now_ms + delay_ms, action)

    def run_until(self, time_ms: int) -> None:
        """Let everything happen that is due up to a time."""
        while self._due and self._due[0][0] <= time_ms:
            self.now_ms, _, action = heapq.heappop(self._due)
            action()
        self.now_ms = max(self.now_ms, time_ms)


class SimClock:
    """A node's clock: the true time and an error, never behind the newest block the node has seen, nor going back."""

    def __init__(self, timeline: Timeline, skew_s: int, wake: Callable[[], None]) -> None:
        self._timeline = timeline
        self._skew_s = skew_s
        self._wake = wake
        self._wanted = UnixSeconds(0)
        self._latest = UnixSeconds(0)
        self.block_time = UnixSeconds(0)
        self.stopped = False

    def now(self) -> UnixSeconds:
        """Return the later of the wall's time and the chain's."""
        self._latest = max(self._latest, UnixSeconds(self._timeline.now_s + self._skew_s), self.block_time)
        return self._latest

    def jump(self, skew_s: int) -> None:
        """Be wrong by another amount from now on."""
        self._skew_s = skew_s
        if self._wanted:
            self.wake_at(self._wanted)

    def see_block(self, time: UnixSeconds) -> None:
        """Learn of a block; its time may be past the alarm's."""
        self.block_time = max(self.block_time, time)
        if self._wanted and self._wanted <= self.block_time:
            self._ring(self._wanted)

    def wake_at(self, time: UnixSeconds) -> None:
        """Plan to wake the engine; a later call replaces an earlier one."""
        self._wanted = time
        self._timeline.at((time - self._skew_s) * _MS, lambda: self._ring(time))

    def _ring(self, time: UnixSeconds) -> None:
        if self._wanted == time and not self.stopped:
            self._wanted = UnixSeconds(0)
            self._wake()
