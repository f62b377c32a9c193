"""Strangers at the door: handshakes that never come, drip, lie, or are too many; peers that do not answer."""

import asyncio
from itertools import cycle

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.integration.network.hostile import data, opening, still_serves, tight
from tests.integration.network.peers import (
    ALICE,
    BOB,
    MALLORY,
    Party,
    RawPeer,
    gone,
    join,
    running,
)

from thalweg.errors import Unavailable
from thalweg.network.framing import frame
from thalweg.network.multistream import HEADER, line
from thalweg.network.peer_id import Identity
from thalweg.network.secure import Credentials, identity_payload
from thalweg.network.yamux_frames import Code


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
