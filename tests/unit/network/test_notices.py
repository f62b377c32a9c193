import asyncio

import pytest

from thalweg.errors import PeerFault, Reason, ThalwegError
from thalweg.network.notices import Notices


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
