import asyncio
from functools import partial

import pytest

from thalweg.errors import PeerFault, Reason, ThalwegError
from thalweg.network.notices import TURN_SECONDS, WAITING_MAX, Notices


class Target:
    """Stands for a link."""

    def __init__(self) -> None:
        self.dropped: list[ThalwegError] = []

    def drop(self, error: ThalwegError) -> None:
        self.dropped.append(error)


@pytest.fixture
def crashes() -> list[BaseException]:
    return []


def test_a_call_made_from_a_call_waits_its_turn(crashes: list[BaseException]) -> None:
    notices, link, order = Notices(crashes.append), Target(), []

    def first() -> None:
        notices.post(link, lambda: order.append("second"))
        notices.settle()
        order.append("first")

    notices.post(link, first)
    notices.settle()
    assert order == ["first", "second"]
    assert not crashes


def test_a_peers_fault_drops_its_link_and_the_others_are_still_heard(crashes: list[BaseException]) -> None:
    notices, mallory, bob, heard = Notices(crashes.append), Target(), Target(), []
    fault = PeerFault(Reason.MALFORMED)

    def refuse() -> None:
        raise fault

    notices.post(mallory, refuse)
    notices.post(bob, lambda: heard.append("bob"))
    notices.settle()
    assert mallory.dropped == [fault]
    assert heard == ["bob"]
    assert not bob.dropped


def test_a_bug_is_handed_on_and_nothing_else_is_called(crashes: list[BaseException]) -> None:
    notices, link, heard = Notices(crashes.append), Target(), []

    def stumble() -> None:
        raise ZeroDivisionError

    notices.post(link, stumble)
    notices.post(link, lambda: heard.append("later"))
    notices.settle()
    assert [type(error) for error in crashes] == [ZeroDivisionError]
    assert not heard


def test_what_waits_about_a_link_can_be_forgotten(crashes: list[BaseException]) -> None:
    notices, mallory, bob, heard = Notices(crashes.append), Target(), Target(), []
    notices.post(mallory, lambda: heard.append("mallory"))
    notices.post(bob, lambda: heard.append("bob"))
    notices.forget(mallory)
    notices.settle()
    assert heard == ["bob"]


def test_many_calls_take_turns_with_the_event_loop_and_all_are_made_in_order(crashes: list[BaseException]) -> None:
    async def scenario() -> None:
        now, heard, settled = [0.0], list[int](), list[int]()
        notices = Notices(crashes.append, settled=lambda: settled.append(len(heard)), clock=lambda: now[0])

        def take(number: int) -> None:
            now[0] += TURN_SECONDS / 2
            heard.append(number)

        for number in range(WAITING_MAX + 2):
            notices.post(Target(), partial(take, number))
        assert notices.is_behind
        notices.settle()
        assert heard == [0, 1]
        await asyncio.sleep(0)
        assert heard == [0, 1, 2, 3]
        assert not notices.is_behind
        notices.finish()
        assert heard == list(range(WAITING_MAX + 2))
        await asyncio.sleep(0)
        assert settled == [WAITING_MAX + 2]

    asyncio.run(scenario())
    assert not crashes


def test_calls_posted_outside_of_a_turn_are_made_in_the_next(crashes: list[BaseException]) -> None:
    async def scenario() -> list[str]:
        notices, link, heard = Notices(crashes.append), Target(), []
        notices.post(link, lambda: heard.append("now"))
        notices.soon()
        notices.soon()
        assert heard == []
        await asyncio.sleep(0)
        return heard

    assert asyncio.run(scenario()) == ["now"]
