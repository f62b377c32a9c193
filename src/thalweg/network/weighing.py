"""What links keep waiting, received or to be sent, bounded one by one and all together: the heaviest link goes."""

from collections.abc import Iterable
from typing import Protocol

from thalweg.errors import Reason, ThalwegError, Unavailable
from thalweg.network.limits import MIB, Limits


class Load(Protocol):
    """The streams of a link."""

    held: int  # bytes received and not read

    @property
    def queued(self) -> int:
        """Return how many bytes wait to be sent."""


class Heavy(Protocol):
    """A link."""

    @property
    def streams(self) -> Load:
        """Return its streams."""

    @property
    def is_closed(self) -> bool:
        """Say whether it was dropped."""

    def drop(self, error: ThalwegError) -> None:
        """Drop it."""


class Scale:
    """Weighs links: what is received at once, what is to be sent when time has passed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held = 0  # bytes received and not read, all links together

    def add(self, link: Heavy, size: int, links: Iterable[Heavy]) -> None:
        """Count bytes that a link received (negative: read); where all hold too much, drop the heaviest of `links`.

        Raises:
            Unavailable: LIMIT, `link` itself is the heaviest.
        """
        self.held += size
        if size > 0 and self.held > self._limits.memory_bytes_max:
            heaviest = max(links, key=_weight)
            if heaviest is link:
                raise Unavailable(Reason.LIMIT, f"all links hold {self.held} bytes, this one most")
            _relieve(heaviest)

    def check(self, links: Iterable[Heavy]) -> None:
        """Drop links that keep too much waiting, by themselves or together."""
        for link in links:
            queued = link.streams.queued
            if not link.is_closed and queued > self._limits.send_bytes_max + MIB:  # `Host.send` keeps to the limit
                link.drop(Unavailable(Reason.LIMIT, f"{queued} bytes wait: the peer is too slow"))
        by_weight = sorted((link for link in links if not link.is_closed), key=_weight)
        total = sum(map(_weight, by_weight))
        while total > self._limits.memory_bytes_max:
            heaviest = by_weight.pop()
            total -= _weight(heaviest)
            _relieve(heaviest)


def _weight(link: Heavy) -> int:
    return link.streams.held + link.streams.queued


def _relieve(heaviest: Heavy) -> None:
    heaviest.drop(Unavailable(Reason.LIMIT, f"{_weight(heaviest)} bytes of it wait, and too many of all links"))
