import asyncio
from collections.abc import Callable

import pytest

from thalweg.app.clock import AHEAD_S_MAX, NodeClock
from thalweg.units import UnixSeconds


class Wall:
    """A wall clock that tests set."""

    def __init__(self, time: float) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


def with_clock(use: Callable[[NodeClock, Wall], None], *, development: bool = True) -> None:
    async def work() -> None:
        wall = Wall(1_000.5)
        clock = NodeClock(lambda: None, wall, development=development)
        use(clock, wall)
        clock.close()

    asyncio.run(work())


def test_time_is_the_walls_while_the_chain_is_behind() -> None:
    def use(clock: NodeClock, wall: Wall) -> None:
        assert clock.block_time == 0
        clock.observe_block(UnixSeconds(900))
        assert clock.now() == 1_000
        assert clock.block_time == 900

    with_clock(use)


def test_a_warped_chain_takes_the_node_along_and_time_goes_on_from_there() -> None:
    def use(clock: NodeClock, wall: Wall) -> None:
        clock.observe_block(UnixSeconds(500_000))
        assert clock.now() == 500_000
        wall.time += 10
        assert clock.now() == 500_010

    with_clock(use)


def test_on_a_real_chain_a_block_from_far_ahead_moves_nothing_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def use(clock: NodeClock, wall: Wall) -> None:
        clock.observe_block(UnixSeconds(2**70))
        clock.observe_block(UnixSeconds(2**40))
        assert clock.now() == 1_000
        assert clock.block_time == 0
        assert len(caplog.records) == 1
        clock.observe_block(UnixSeconds(1_030))
        assert clock.now() == 1_030
        clock.observe_block(UnixSeconds(1_030 + 2 * int(AHEAD_S_MAX)))
        assert clock.now() == 1_030
        assert len(caplog.records) == 2

    with_clock(use, development=False)


def test_an_alarm_for_the_far_future_is_set_in_steps_and_rings_then() -> None:
    async def work() -> UnixSeconds:
        rung: asyncio.Future[UnixSeconds] = asyncio.get_running_loop().create_future()
        wall = Wall(1_000.0)
        clock = NodeClock(lambda: rung.set_result(clock.now()), wall)
        for far in (2**5_000, 2**70):
            clock.wake_at(UnixSeconds(far))
        clock.wake_at(UnixSeconds(10**9))
        clock._ring()  # one step is over
        assert not rung.done()
        wall.time = 10.0**9
        clock._ring()
        return await asyncio.wait_for(rung, 10)

    assert asyncio.run(work()) == 10**9


def test_time_never_goes_back_when_the_chain_does() -> None:
    def use(clock: NodeClock, wall: Wall) -> None:
        clock.observe_block(UnixSeconds(500_000))
        assert clock.now() == 500_000
        clock.observe_block(UnixSeconds(1_000))
        assert clock.now() == 500_000

    with_clock(use)


def test_the_alarm_rings_at_once_when_the_chain_jumps_over_its_time() -> None:
    async def work() -> UnixSeconds:
        rung: asyncio.Future[UnixSeconds] = asyncio.get_running_loop().create_future()
        wall = Wall(1_000.0)
        clock = NodeClock(lambda: rung.set_result(clock.now()), wall, development=True)
        clock.wake_at(UnixSeconds(90_000))
        clock.observe_block(UnixSeconds(90_001))
        return await asyncio.wait_for(rung, 10)

    assert asyncio.run(work()) >= 90_000


def test_a_later_alarm_replaces_an_earlier_one() -> None:
    async def work() -> list[int]:
        rung: list[int] = []
        done = asyncio.Event()

        def ring() -> None:
            rung.append(clock.now())
            done.set()

        clock = NodeClock(ring, Wall(1_000.0), development=True)
        clock.wake_at(UnixSeconds(2_000))
        clock.wake_at(UnixSeconds(3_000))
        clock.observe_block(UnixSeconds(2_500))
        await asyncio.sleep(0)
        clock.observe_block(UnixSeconds(3_500))
        await asyncio.wait_for(done.wait(), 10)
        return rung

    assert asyncio.run(work()) == [3_500]
