"""Rounds in which ours and its peers take turns, and what comes of them."""

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

OURS = "thalweg"


class Timing(NamedTuple):
    """Seconds a call, or what `unit` of the figure says after scaling."""

    median: float
    best: float


class Bound(NamedTuple):
    """At most `ratio` times a peer's best; without a peer, at most so many units."""

    limit: float
    peer: str | None = None


class Figure(NamedTuple):
    """What was measured: timings by name, ours among them, in `unit`; bounds; errors and other facts by name."""

    name: str
    label: str
    unit: str
    timings: dict[str, Timing]
    bounds: tuple[Bound, ...]
    facts: dict[str, float]

    def verdicts(self) -> list[tuple[Bound, float, bool]]:
        """Return each bound whose peer was there, what stands against it, and whether it holds."""
        found = []
        for bound in self.bounds:
            if bound.peer is None:
                value = self.timings[OURS].best
            elif bound.peer in self.timings:
                value = self.timings[OURS].best / self.timings[bound.peer].best
            else:
                continue
            found.append((bound, value, value <= bound.limit))
        return found


def alternate(cases: dict[str, Callable[[], Any]], scale: float, rounds: int = 9, slow: int = 3) -> dict[str, Timing]:
    """Time each case once a round, in an order that rotates; `scale` turns seconds into the figure's unit.

    A case that takes over a second is timed in `slow` rounds only.
    """
    spent: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for name in names:
        cases[name]()
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if len(spent[name]) >= slow and min(spent[name]) > 1.0:
                continue
            begin = time.perf_counter()
            cases[name]()
            spent[name].append(time.perf_counter() - begin)
    return {name: Timing(statistics.median(times) * scale, min(times) * scale) for name, times in spent.items()}


def peer(module: str) -> Any:
    """Return a peer's module; None where it is not installed (`make bench-pricing` installs them)."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
