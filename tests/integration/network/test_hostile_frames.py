"""Frames that break the rules of Noise, yamux or a protocol: the link is cut with the reason, others are served."""

import asyncio
from collections.abc import Callable

import pytest
from tests.integration.network.hostile import data, opening, still_serves, tight
from tests.integration.network.peers import (
    ALICE,
    Party,
    RawPeer,
    running,
)

from thalweg.errors import Reason
from thalweg.network import varint
from thalweg.network.framing import frame
from thalweg.network.limits import YAMUX_WINDOW_BYTES as WINDOW
from thalweg.network.multistream import HEADER, line
from thalweg.network.yamux_frames import ACK, DATA, FIN, PING, RST, SYN, WINDOW_UPDATE, Code, header

ATTACKS: dict[str, tuple[Callable[[], bytes], Reason]] = {
    "message one byte too long": (lambda: data(varint.encode(4 * 2**20 + 1)), Reason.OVERSIZED),
    "endless varint": (lambda: data(b"\xff" * 12), Reason.MALFORMED),
    "message flood": (lambda: data(frame(b"") * 60_000), Reason.FLOOD),
    "byte flood": (lambda: b"".join(data(frame(bytes(30_000))) for _ in range(8)), Reason.FLOOD),
    "second message stream": (lambda: opening(stream_id=3), Reason.LIMIT),
    "window exceeded": (lambda: header(DATA, 0, 1, WINDOW + 1), Reason.OVERSIZED),
    "window overflow": (lambda: header(WINDOW_UPDATE, 0, 1, 2**32 - 1), Reason.OVERFLOW),
    "unknown frame": (lambda: b"\0\x09" + bytes(10), Reason.MALFORMED),
    "stream of ours": (lambda: header(DATA, SYN, 2, 0), Reason.MALFORMED),
    "ping flood": (lambda: header(PING, ACK, 0, 0) * 5_000, Reason.FLOOD),
    "tiny frames": (lambda: data(varint.encode(10_000)) + data(b"x") * 5_000, Reason.FLOOD),
    "streams opened and reset at once": (
        lambda: b"".join(
            header(WINDOW_UPDATE, SYN, stream_id, 0) + header(WINDOW_UPDATE, RST, stream_id, 0)
            for stream_id in range(3, 203, 2)
        ),
        Reason.FLOOD,
    ),
    "streams opened again and again": (
        lambda: b"".join(
            opening("/ipfs/id/1.0.0", stream_id) + header(DATA, FIN, stream_id, 0) for stream_id in range(3, 803, 2)
        ),
        Reason.FLOOD,
    ),
    "data for streams that were refused": (
        lambda: (
            b"".join(header(WINDOW_UPDATE, SYN, stream_id, 0) for stream_id in range(3, 403, 2))
            + data(bytes(60_000), 399) * 400
        ),
        Reason.FLOOD,
    ),
    "ten protocols and more": (lambda: data(line(HEADER) + line("/x") * 100, 3, SYN), Reason.LIMIT),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_linked_peer_that_breaks_the_rules_is_cut_off_with_the_reason(name: str) -> None:
    attack, reason = ATTACKS[name]

    async def scenario() -> None:
        alice = Party(
            ALICE,
            tight(
                messages_per_second=1_000,
                message_bytes_per_second=100_000,
                frames_per_second=2_000,
                streams_per_second=150,
                resets_per_second=20,
            ),
        )
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            mallory.send(attack())
            while (event := await alice.events.get())[0] == "message":
                pass
            assert event[0] == "down"
            assert str(event[2]).startswith(f"{reason}: ")
            assert await mallory.farewell() == Code.PROTOCOL_ERROR
            with pytest.raises(ConnectionResetError):  # refused for a while
                await RawPeer.connect(alice.address)
            await still_serves(alice)

    asyncio.run(scenario())


def test_bytes_past_the_encryption_are_cut_off() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        async with running(alice):
            mallory = await RawPeer.connect(alice.address)
            mallory.send(opening())
            await alice.next("up")
            mallory.send_raw(b"\x00\x20" + bytes(32))
            assert "does not authenticate" in await alice.down()
            await mallory.farewell()

    asyncio.run(scenario())
