"""A token bucket: how much of something a peer may do a second, and at once. Pure: the time comes with the call."""

from typing import Final

BURST_SECONDS: Final = 2


class Bucket:
    """Holds up to two seconds of its rate, full at first."""

    __slots__ = ("_level", "_level_max", "_rate", "_time")

    def __init__(self, per_second: int, now: float) -> None:
        self._rate = per_second
        self._level_max = per_second * BURST_SECONDS
        self._level: float = self._level_max
        self._time = now

    def take(self, amount: int, now: float) -> bool:
        """Take `amount` at time `now` (seconds, never going back); False where the bucket does not hold that much."""
        level = self._filled(now) - amount
        self._level, self._time = level, now
        return level >= 0

    def take_if_held(self, amount: int, now: float) -> bool:
        """As `take`, but what is refused costs nothing: for what is dropped, not for what cuts a peer off."""
        level = self._filled(now) - amount
        if level < 0:
            return False
        self._level, self._time = level, now
        return True

    def holds(self, amount: int, now: float) -> bool:
        """Say whether the bucket holds that much."""
        return self._filled(now) >= amount

    def _filled(self, now: float) -> float:
        level = self._level + (now - self._time) * self._rate
        return level if level < self._level_max else self._level_max
