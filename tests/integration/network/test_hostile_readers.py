"""Peers that do not read, fall silent or flood: what they cost is bounded, and others are answered meanwhile."""

import asyncio
import socket

import pytest
from tests.integration.network.hostile import data, opening, tight
from tests.integration.network.peers import (
    ALICE,
    BOB,
    PATIENCE_SECONDS,
    QUICK,
    Party,
    RawPeer,
    join,
    running,
    until,
)

from thalweg.network import Stream
from thalweg.network.framing import frame
from thalweg.network.yamux_frames import DATA, WINDOW_UPDATE, header


def test_a_peer_that_does_not_read_costs_a_bounded_queue_and_is_dropped() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(send_bytes_max=2**20))
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            peer = alice.host.peers()[0]
            sent = 0
            while alice.host.peers():
                alice.host.send(peer, bytes(100_000))
                sent += 1
                assert sent < 1000
                await asyncio.sleep(0)
            assert "too slow" in await alice.down()
            mallory.close()

    asyncio.run(scenario())


def test_windows_that_are_never_widened_cost_a_bounded_queue_and_the_link() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(send_bytes_max=500_000))

        async def push(stream: Stream) -> None:
            while True:
                await stream.write_message(bytes(50_000))

        alice.host.handle("/push/1", push)
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            (link,) = alice.host._switch.links.all()
            most = 0

            async def watch() -> None:
                nonlocal most
                while not link.is_closed:
                    most = max(most, link.streams.queued)
                    await asyncio.sleep(0.005)

            async with asyncio.TaskGroup() as group:
                group.create_task(watch())
                for stream_id in (3, 5, 7):  # each waits with a mebibyte
                    mallory.send(opening("/push/1", stream_id))
                assert "too slow" in await alice.down()
            assert 500_000 < most <= 3 * (2**20 + 100_000)
            mallory.close()

    asyncio.run(scenario())


def test_a_peer_that_falls_silent_is_dropped_though_its_socket_is_open() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(ping_after_seconds=0.1, silent_seconds_max=0.4))
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            assert "silent" in await alice.down()
            mallory.close()

    asyncio.run(scenario())


def test_a_peer_that_keeps_its_socket_open_cannot_keep_a_host_from_closing() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(linger_seconds=0.2))
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            await alice.host.aclose()
            mallory.close()

    asyncio.run(scenario())


def test_a_flooded_host_goes_on_answering_others() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE, tight(messages_per_second=1_000)), Party(BOB, QUICK)
        async with running(alice, bob):
            await join(bob, alice)
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            for _ in range(50):  # fifty times what is taken a second
                mallory.send(data(frame(b"flood") * 1_000))
            await until(lambda: len(alice.host.peers()) == 1)
            assert await bob.host.ping(alice.id) > 0
            bob.host.send(alice.id, b"honest")
            heard = []
            while (event := await alice.events.get())[2] != b"honest":
                heard.append(event)
            assert [event for event in heard if event[0] == "down"]
            assert len(heard) <= 2_001  # the burst of two seconds, and the notice
            mallory.close()

    asyncio.run(scenario())


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the system keeps what it likes")
def test_a_message_overtakes_bulk_that_was_queued_before_it() -> None:
    """Counted in bytes: what a slow peer still gets before the message is what the system had taken, not the queue."""

    async def scenario() -> None:
        alice = Party(ALICE)
        pushed = asyncio.Event()

        async def push(stream: Stream) -> None:
            for _ in range(150):
                stream._carrier.write(stream._id, frame(bytes(50_000)))
            pushed.set()
            await asyncio.sleep(PATIENCE_SECONDS)

        alice.host.handle("/push/1", push)
        async with running(alice):
            mallory = await RawPeer.connect(alice.address, receive_bytes=64 * 1024)
            mallory.send(opening())
            await alice.next("up")
            mallory.send(opening("/push/1", 3) + header(WINDOW_UPDATE, 0, 3, 2**24))
            await pushed.wait()
            await asyncio.sleep(0.2)  # the system takes what it takes
            alice.host.send(alice.host.peers()[0], b"urgent")
            before = 0
            async for found in mallory.frames():
                if found.kind == DATA and found.stream_id == 1 and found.length == len(frame(b"urgent")):
                    break
                before += found.length
            assert before < 1_000_000
            mallory.close()

    asyncio.run(scenario())
