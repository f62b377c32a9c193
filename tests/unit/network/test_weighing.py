import pytest

from thalweg.errors import Reason, ThalwegError, Unavailable
from thalweg.network.limits import MIB, Limits
from thalweg.network.weighing import Scale

LIMITS = Limits(memory_bytes_max=100, send_bytes_max=MIB)


class Link:
    """A link of a weight, which is its own streams."""

    def __init__(self, held: int = 0, queued: int = 0) -> None:
        self.held, self.queued = held, queued
        self.dropped: ThalwegError | None = None

    @property
    def streams(self) -> "Link":
        return self

    @property
    def is_closed(self) -> bool:
        return self.dropped is not None

    def drop(self, error: ThalwegError) -> None:
        self.dropped = error


def test_one_over_what_all_may_hold_drops_the_heaviest() -> None:
    scale, light, heavy = Scale(LIMITS), Link(held=40), Link(held=60)
    scale.add(light, 40, (light, heavy))
    scale.add(heavy, 60, (light, heavy))
    assert heavy.dropped is None
    light.held += 1
    scale.add(light, 1, (light, heavy))
    assert heavy.dropped is not None
    assert heavy.dropped.reason is Reason.LIMIT
    assert light.dropped is None


def test_the_heaviest_is_told_itself_and_what_was_read_counts_no_more() -> None:
    scale, light, heavy = Scale(LIMITS), Link(held=40), Link(held=61)
    scale.add(light, 40, (light, heavy))
    with pytest.raises(Unavailable) as caught:
        scale.add(heavy, 61, (light, heavy))
    assert caught.value.reason is Reason.LIMIT
    scale.add(heavy, -61, (light, heavy))
    assert scale.held == 40


def test_what_waits_to_be_sent_counts_when_time_passes() -> None:
    scale = Scale(LIMITS)
    links = [Link(held=10, queued=size) for size in (10, 30, 50)]
    scale.check(links)
    assert [link.is_closed for link in links] == [False, False, True]
    scale.check(links)
    assert [link.is_closed for link in links] == [False, False, True]


def test_one_link_alone_may_queue_so_much_and_no_more() -> None:
    scale = Scale(Limits(send_bytes_max=MIB))
    links = [Link(queued=2 * MIB), Link(queued=2 * MIB + 1)]
    scale.check(links)
    assert [link.is_closed for link in links] == [False, True]
