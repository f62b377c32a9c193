"""Names that do not resolve: the system's resolver stands still, and everything else goes on."""

import asyncio
import socket
import threading

import pytest

from thalweg.errors import Reason, Unavailable
from thalweg.network.resolving import AT_ONCE_MAX, Resolver

Answers = list[tuple[int, int, int, str, tuple[str, int]]]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the resolver answer: until then it blocks."""
    opened = threading.Event()

    def getaddrinfo(name: str, port: int, *, type: int) -> Answers:
        opened.wait(30)
        if name == "nowhere.example":
            raise socket.gaierror
        return [(0, type, 0, "", (address, port)) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return opened


def test_names_that_hang_block_nothing_and_the_next_one_is_refused(gate: threading.Event) -> None:
    async def scenario() -> None:
        resolver = Resolver()
        async with asyncio.TaskGroup() as group:
            hanging = [group.create_task(resolver.resolve("slow.example", 1)) for _ in range(AT_ONCE_MAX)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable) as caught:
                await resolver.resolve("other.example", 1)
            assert caught.value.reason is Reason.LIMIT
            assert await asyncio.to_thread(lambda: "the loop's own threads are free") is not None
            gate.set()
        assert [task.result() for task in hanging] == [["192.0.2.1", "192.0.2.2"]] * AT_ONCE_MAX
        assert await resolver.resolve("other.example", 1) == ["192.0.2.1", "192.0.2.2"]

    asyncio.run(scenario())


def test_who_gave_up_waiting_still_occupies_a_lookup_until_it_ends(gate: threading.Event) -> None:
    async def scenario() -> None:
        resolver = Resolver()
        for _ in range(AT_ONCE_MAX):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await resolver.resolve("slow.example", 1)
        with pytest.raises(Unavailable) as caught:
            await resolver.resolve("slow.example", 1)
        assert caught.value.reason is Reason.LIMIT
        gate.set()
        while True:
            try:
                assert await resolver.resolve("slow.example", 1)
                break
            except Unavailable:
                await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_a_name_without_an_address_is_unreachable(gate: threading.Event) -> None:
    gate.set()
    with pytest.raises(Unavailable) as caught:
        asyncio.run(Resolver().resolve("nowhere.example", 1))
    assert caught.value.reason is Reason.UNREACHABLE
