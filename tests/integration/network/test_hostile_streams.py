"""Streams that are too many, say nothing, never end, or fill up: they are reset, and messages still flow."""

import asyncio

import pytest
from tests.integration.network.hostile import data, opening, tight
from tests.integration.network.peers import (
    ALICE,
    Party,
    RawPeer,
    running,
)

from thalweg.errors import Reason
from thalweg.network.framing import frame
from thalweg.network.multistream import HEADER, line
from thalweg.network.yamux_frames import DATA, FIN, RST, SYN, WINDOW_UPDATE, header


def test_a_flood_of_streams_is_reset_one_by_one_and_messages_still_flow() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(streams_inbound_max=4))
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            mallory.send(b"".join(header(WINDOW_UPDATE, SYN, stream, 0) for stream in range(3, 43, 2)))
            mallory.send(data(frame(b"still here")))
            assert await alice.next("message") == b"still here"
            resets = 0
            async for found in mallory.frames():
                resets += bool(found.flags & RST)
                if resets == 17:  # twenty, less the three that fit
                    break
            mallory.close()
            await alice.down()

    asyncio.run(scenario())


def test_a_stream_that_never_says_its_protocol_is_reset() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(negotiation_seconds=0.2))
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(header(DATA, SYN, 1, 3) + line(HEADER)[:3])
            async for found in mallory.frames():
                if found.stream_id == 1 and found.flags & RST:
                    break
            else:
                pytest.fail("the link dropped")
            mallory.close()

    asyncio.run(scenario())


def test_a_served_stream_that_its_peer_never_ends_is_reset() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(negotiation_seconds=0.2))
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening("/ipfs/id/1.0.0"))
            seen = 0
            async for found in mallory.frames():
                if found.stream_id == 1:
                    seen |= found.flags
                if seen & RST:
                    break
            assert seen & FIN  # it was answered in full before
            mallory.close()

    asyncio.run(scenario())


def test_pings_without_end_end_their_stream_and_nothing_else() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            mallory.send(opening("/ipfs/ping/1.0.0", 3))
            mallory.send(data(bytes(32 * 1_000), 3))
            answered = 0
            async for found in mallory.frames():
                if found.stream_id == 3 and found.kind == DATA:
                    answered += found.length
                if found.stream_id == 3 and found.flags & RST:
                    break
            assert answered < 32 * 300
            mallory.send(data(frame(b"still here")))
            assert await alice.next("message") == b"still here"
            mallory.close()

    asyncio.run(scenario())


def test_unread_streams_cost_a_bounded_memory_and_the_link() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(receive_bytes_max=500_000))
        never = asyncio.Event()

        async def ignore(stream: object) -> None:
            await never.wait()

        alice.host.handle("/ignored/1", ignore)
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            for stream_id in (3, 5, 7):
                mallory.send(opening("/ignored/1", stream_id))
                mallory.send(b"".join(data(bytes(50_000), stream_id) for _ in range(4)))
            assert (await alice.down()).startswith(f"{Reason.LIMIT}: ")
            mallory.close()

    asyncio.run(scenario())
