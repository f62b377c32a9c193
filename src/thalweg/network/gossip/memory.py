"""What is remembered of messages: which ones were seen, and the newest in full for who asks by IWANT. Bounded."""

from collections import deque
from itertools import islice
from typing import Final

from thalweg.network.gossip.parameters import Caps, Times

_GENERATIONS: Final = 2
_BAD_SHARE: Final = 8  # of what is remembered, one part is for bad messages: they cost nothing to make


class _Ids:
    """Ids that live between one and two times so many seconds; at most so many."""

    __slots__ = ("_begun", "_newer", "_newer_max", "_older", "_seconds")

    def __init__(self, seconds: float, ids_max: int, now: float) -> None:
        self._seconds = seconds
        self._newer_max = max(1, ids_max // _GENERATIONS)
        self._newer: set[bytes] = set()
        self._older: set[bytes] = set()
        self._begun = now

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def __contains__(self, message_id: bytes) -> bool:
        return message_id in self._newer or message_id in self._older

    def add(self, message_id: bytes, now: float) -> None:
        if len(self._newer) >= self._newer_max:
            self._turn(now)
        self._newer.add(message_id)

    def age(self, now: float) -> None:
        if now - self._begun >= self._seconds:
            self._turn(now)

    def _turn(self, now: float) -> None:
        self._older, self._newer, self._begun = self._newer, set(), now


class Seen:
    """Ids of a topic's messages, and whether each was good. What was ignored may be taken later, so it is not here.

    Bad messages have a room of their own: however many come, they make nobody forget a good one.
    """

    __slots__ = ("_bad", "_good")

    def __init__(self, times: Times, caps: Caps, now: float) -> None:
        bad_max = caps.seen_max // _BAD_SHARE
        self._good = _Ids(times.seen_seconds, caps.seen_max - bad_max, now)
        self._bad = _Ids(times.seen_seconds, bad_max, now)

    def __len__(self) -> int:
        return len(self._good) + len(self._bad)

    def get(self, message_id: bytes) -> bool | None:
        """Say whether a message was good; None where it was not seen."""
        if message_id in self._good:
            return True
        return False if message_id in self._bad else None

    def add(self, message_id: bytes, *, is_good: bool, now: float) -> None:
        """Remember a message."""
        self._good.age(now)
        self._bad.age(now)
        (self._good if is_good else self._bad).add(message_id, now)


class Kept:
    """A message kept for IWANT: its encoded form in each topic it came in, and how often each peer got it that way."""

    __slots__ = ("fields", "served")

    def __init__(self) -> None:
        self.fields: dict[str, bytes] = {}
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
        kept = self._kept.get(message_id)
        if kept is None:
            kept = self._kept[message_id] = Kept()
        if topic in kept.fields:
            return
        kept.fields[topic] = field  # the same payload may count in another topic: neither takes the other's place
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
        for topic, ids in window.items():
            for message_id in ids:
                kept = self._kept[message_id]
                self._bytes -= len(kept.fields.pop(topic))
                if not kept.fields:
                    del self._kept[message_id]
