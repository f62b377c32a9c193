"""Mallory at the other end of a real socket. Alice stays up, says why she cut the link, and serves Bob meanwhile."""

import asyncio
import socket
from collections.abc import Callable
from itertools import cycle

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.integration.network.peers import (
    ALICE,
    BOB,
    MALLORY,
    PATIENCE_SECONDS,
    QUICK,
    Party,
    RawPeer,
    gone,
    join,
    running,
    until,
)

from thalweg.errors import Reason, Unavailable
from thalweg.network import MESSAGES_PROTOCOL, Limits, Stream, varint
from thalweg.network.framing import frame
from thalweg.network.limits import YAMUX_WINDOW_BYTES as WINDOW
from thalweg.network.multistream import HEADER, line
from thalweg.network.peer_id import Identity
from thalweg.network.secure import Credentials, identity_payload
from thalweg.network.yamux_frames import ACK, DATA, FIN, PING, RST, SYN, WINDOW_UPDATE, Code, header


def opening(protocol: str = MESSAGES_PROTOCOL, stream_id: int = 1) -> bytes:
    """Frames that open a stream of a protocol."""
    return data(line(HEADER) + line(protocol), stream_id, SYN)


def data(body: bytes, stream_id: int = 1, flags: int = 0) -> bytes:
    return header(DATA, flags, stream_id, len(body)) + body


def tight(**changes: float) -> Limits:
    return Limits(**{"retry_seconds_min": 0.01, "retry_seconds_max": 0.05, **changes})  # type: ignore[arg-type]


async def still_serves(alice: Party) -> None:
    """An honest peer gets through and is heard."""
    bob = Party(BOB)
    async with running(bob):
        assert await bob.host.dial(alice.address) == alice.id
        await bob.next("up")
        await alice.next("up")
        bob.host.send(alice.id, b"honest")
        assert await alice.next("message") == b"honest"
    await alice.down()


def test_a_handshake_that_never_comes_or_drips_is_cut_off() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(handshake_seconds=0.3))
        async with running(alice):
            sockets = [await asyncio.open_connection("127.0.0.1", alice.address.port) for _ in range(2)]
            (silent, _), (dripped_at, dripping) = sockets
            ended = asyncio.Event()

            async def drip() -> None:
                for byte in cycle(line(HEADER) + line("/noise")):
                    dripping.write(bytes((byte,)))
                    await asyncio.sleep(0.01)
                    if ended.is_set():
                        return

            async with asyncio.TaskGroup() as group:
                group.create_task(drip())
                await gone(dripped_at)
                ended.set()
            await gone(silent)
            for _, writer in sockets:
                writer.close()
            await still_serves(alice)

    asyncio.run(scenario())


def test_connections_without_handshake_are_limited_per_address_and_give_way_in_time() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(half_open_per_address_max=3, handshake_seconds=0.3))
        async with running(alice):
            sockets = [await asyncio.open_connection("127.0.0.1", alice.address.port) for _ in range(6)]
            for reader, _ in sockets[3:]:
                await gone(reader)  # at once: one over the limit
            for reader, _ in sockets[:3]:
                await gone(reader)  # when their time is over
            for _, writer in sockets:
                writer.close()
            await still_serves(alice)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n" * 20, bytes(1000), b"\xff" * 1000, b"\x13/multistream/1.0.0\n" + b"\x80" * 9],
    ids=["http", "zeros", "ones", "endless varint"],
)  # fmt: skip
def test_garbage_instead_of_a_handshake_is_cut_off(garbage: bytes) -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        async with running(alice):
            reader, writer = await asyncio.open_connection("127.0.0.1", alice.address.port)
            writer.write(garbage)
            await gone(reader)
            writer.close()
            await still_serves(alice)

    asyncio.run(scenario())


def test_an_identity_that_was_not_proven_gets_no_link() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        forged = Credentials(Identity(MALLORY), X25519PrivateKey.generate())
        forged.payload = identity_payload(Identity(BOB).public_key, Identity(MALLORY).sign(b"anything"))
        async with running(alice):
            with pytest.raises(ConnectionResetError):
                await RawPeer.connect(alice.address, credentials=forged)
            assert alice.host.info(Identity(BOB).peer_id) is None
            await still_serves(alice)  # Bob himself is not banned for what was said in his name

    asyncio.run(scenario())


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


def test_more_links_than_a_host_takes_are_refused_and_the_others_live() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, tight(links_max=1))
        bob = Party(BOB)
        async with running(alice, bob):
            await join(bob, alice)
            with pytest.raises(ConnectionError):
                await RawPeer.connect(alice.address)
            assert await bob.host.ping(alice.id) > 0

    asyncio.run(scenario())


def test_a_dialled_peer_that_never_answers_is_given_up() -> None:
    async def scenario() -> None:
        accepted: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
        alice = Party(ALICE, tight(handshake_seconds=0.2))
        target = type(alice.address).of("127.0.0.1", server.sockets[0].getsockname()[1], Identity(BOB).peer_id)
        async with running(alice):
            with pytest.raises(Unavailable, match="no handshake within"):
                await alice.host.dial(target)
        for writer in accepted:
            writer.close()
        server.close()
        await server.wait_closed()

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


def test_a_peer_that_dials_again_replaces_its_old_link() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        async with running(alice):
            old = await RawPeer.connect(alice.address)
            old.send(opening())
            await alice.next("up")
            new = await RawPeer.connect(alice.address)
            assert await alice.down() == "replaced by a newer link"
            new.send(opening() + data(frame(b"from the new one")))
            await alice.next("up")
            assert await alice.next("message") == b"from the new one"
            assert await old.farewell() == Code.NORMAL
            new.close()

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
