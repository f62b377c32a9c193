"""How often a peer behind a relay may have us dial what it names."""

import asyncio
from collections.abc import Callable

import pytest

from thalweg.errors import Reason, Unavailable
from thalweg.network import Host, Limits, PeerId
from thalweg.network.holes import BEGUN_MAX, TRIES, Holes


def peer(number: int) -> PeerId:
    return PeerId.of_key(number.to_bytes(32))


def refused(count: Callable[[PeerId], None], who: PeerId) -> bool:
    try:
        count(who)
    except Unavailable as refusal:
        return refusal.reason is Reason.FLOOD
    return False


@pytest.fixture
def host() -> Host:
    return Host(
        bytes(32),
        agent="thalweg/test",
        limits=Limits(),
        on_link_up=lambda peer: None,
        on_link_down=lambda peer, reason: None,
        on_message=lambda peer, message: None,
    )


def test_a_peer_has_its_tries_and_all_together_have_theirs(host: Host) -> None:
    async def scenario() -> None:
        holes = Holes(host, lambda: ())
        assert [refused(holes._count, peer(0)) for _ in range(TRIES + 1)] == [False] * TRIES + [True]
        others = [refused(holes._count, peer(1 + number)) for number in range(BEGUN_MAX)]
        assert others == [False] * (BEGUN_MAX - TRIES) + [True] * TRIES

    asyncio.run(scenario())
