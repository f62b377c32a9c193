"""What is remembered of messages: which ones were seen, and the newest in full for who asks by IWANT. Bounded."""

from collections import deque
from itertools import islice
from typing import Final

from thalweg.network.gossip.parameters import Caps, Times

_GENERATIONS: Final = 2


class Seen:
    """Ids of a topic's messages, and whether each was good. Lives between one and two times `seen_seconds`."""

    __slots__ = ("_begun", "_newer", "_newer_max", "_older", "_seconds")

    def __init__(self, times: Times, caps: Caps, now: float) -> None:
        self._seconds = times.seen_seconds
        self._newer_max = caps.seen_max // _GENERATIONS
        self._newer: dict[bytes, bool] = {}
        self._older: dict[bytes, bool] = {}
        self._begun = now

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def get(self, message_id: bytes) -> bool | None:
        """Say whether a message was good; None where it was not seen."""
        known = self._newer.get(message_id)
        return known if known is not None else self._older.get(message_id)

    def add(self, message_id: bytes, *, is_good: bool, now: float) -> None:
        """Remember a message."""
        if now - self._begun >= self._seconds or len(self._newer) >= self._newer_max:
            self._older, self._newer, self._begun = self._newer, {}, now
        self._newer[message_id] = is_good


class Kept:
    """A message kept for IWANT: its encoded form, and how often each peer got it that way."""

    __slots__ = ("field", "served")

    def __init__(self, field: bytes) -> None:
        self.field = field
        self.served: dict[bytes, int] = {}


class History:
    """The messages of the last heartbeats, newest window first. Past the byte limit the oldest windows go early."""

    __slots__ = ("_bytes", "_bytes_max", "_kept", "_told", "_windows")

    def __init__(self, times: Times, caps: Caps) -> None:
        self._told = times.told_heartbeats
        self._windows: deque[dict[str, list[bytes]]] = deque({} for _ in range(times.history_heartbeats))
        self._kept: dict[bytes, Kept] = {}
        self._bytes = 0
        self._bytes_max = caps.cached_bytes_max

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, message_id: bytes, topic: str, field: bytes) -> None:
        """Keep a message."""
        if message_id in self._kept:
            return
        self._kept[message_id] = Kept(field)
        self._windows[0].setdefault(topic, []).append(message_id)
        self._bytes += len(field)
        if self._bytes > self._bytes_max:
            self._drop_oldest()

    def get(self, message_id: bytes) -> Kept | None:
        """Return a message that is still kept."""
        return self._kept.get(message_id)

    def told(self, topic: str) -> list[bytes]:
        """Return the ids of a topic that IHAVE tells of."""
        return [each for window in islice(self._windows, self._told) for each in window.get(topic, ())]

    def shift(self) -> None:
        """Begin a new window; the oldest is forgotten."""
        self._forget(self._windows.pop())
        self._windows.appendleft({})

    def _drop_oldest(self) -> None:
        window = next(window for window in reversed(self._windows) if window)
        self._forget(window)
        window.clear()

    def _forget(self, window: dict[str, list[bytes]]) -> None:
        for ids in window.values():
            for message_id in ids:
                self._bytes -= len(self._kept.pop(message_id).field)
