"""Two honest hosts over real sockets."""

import asyncio
from itertools import count

import pytest
from tests.integration.network.peers import ALICE, BOB, ECHO, MALLORY, Party, join, running, until

from thalweg.errors import PeerFault, Reason, Unavailable, UserFault
from thalweg.network import Limits, Multiaddr, PeerId, Stream

MIB = 2**20
NOWHERE = Multiaddr.of("127.0.0.1", 1)  # a port nobody listens on


def test_messages_arrive_in_order_both_ways_whatever_their_size() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            assert alice.host.peers() == (bob.id,)
            messages = [b"", b"a", bytes(512), bytes(100_000), bytes(4 * MIB), *(b"%d" % index for index in range(500))]
            for message in messages:
                alice.host.send(bob.id, message)
            for message in messages:
                assert await bob.next("message") == message
            bob.host.send(bytes(alice.id), b"answer")
            assert await alice.next("message") == b"answer"

    asyncio.run(scenario())


def test_a_message_without_a_link_is_dropped_and_one_too_big_is_refused() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            alice.host.send(bob.id, b"lost")
            await join(alice, bob)
            with pytest.raises(UserFault) as caught:
                alice.host.send(bob.id, bytes(4 * MIB + 1))
            assert caught.value.reason is Reason.OVERSIZED
            alice.host.send(bob.id, b"first")
            assert await bob.next("message") == b"first"

    asyncio.run(scenario())


def test_streams_of_other_protocols_share_the_link() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            streams = [await bob.host.open(alice.id, ECHO) for _ in range(5)]
            for index, stream in enumerate(streams):
                await stream.write_message(b"%d" % index * 100_000)
            for index, stream in enumerate(streams):
                assert await stream.read_message() == b"%d" % index * 100_000
                stream.close()
                assert await stream.read_message() is None
                with pytest.raises(Unavailable, match="closed here"):
                    await stream.write_message(b"late")

    asyncio.run(scenario())


def test_many_streams_one_after_another_leave_nothing_behind() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            for _ in range(3 * Limits().streams_inbound_max):  # each side would refuse more than that at once
                stream = await alice.host.open(bob.id, ECHO)
                await stream.write_message(b"x")
                assert await stream.read_message() == b"x"
                stream.close()
                assert await stream.read_message() is None

    asyncio.run(scenario())


def test_an_unknown_protocol_is_refused_by_name_and_the_link_lives() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            with pytest.raises(Unavailable, match="/thalweg/unheard-of/1") as caught:
                await alice.host.open(bob.id, "/thalweg/unheard-of/1")
            assert caught.value.reason is Reason.UNKNOWN_FEATURE
            assert await alice.host.ping(bob.id) > 0

    asyncio.run(scenario())


def test_a_writer_waits_while_the_reader_does_not_read() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        read_on = asyncio.Event()
        total = asyncio.get_running_loop().create_future()

        async def slow(stream: Stream) -> None:
            await read_on.wait()
            size = 0
            while (message := await stream.read_message()) is not None:
                size += len(message)
            total.set_result(size)

        bob.host.handle("/slow/1", slow)
        async with running(alice, bob):
            await join(alice, bob)
            stream = await alice.host.open(bob.id, "/slow/1")
            for written in count(1):  # the window and the queue fill up, then a write has to wait
                try:
                    async with asyncio.timeout(0.2):
                        await stream.write_message(bytes(MIB // 4))
                except TimeoutError:
                    break
                assert written < 100
            read_on.set()
            stream.close()
            assert await total == written * MIB // 4

    asyncio.run(scenario())


def test_peers_know_each_others_software_and_protocols() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            await until(lambda: (found := alice.host.info(bob.id)) is not None and found.agent != "")
            info = alice.host.info(bob.id)
            assert info is not None
            assert info.agent == "thalweg/test"
            assert info.dialled
            assert {"/thalweg/channel/1", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", ECHO} <= set(info.protocols)
            assert str(info.address) == str(bob.address).partition("/p2p")[0]
            assert alice.host.info(PeerId.of_key(bytes(32))) is None

    asyncio.run(scenario())


def test_when_both_dial_at_once_exactly_one_link_survives() -> None:
    async def scenario() -> None:
        for _ in range(5):
            alice, bob = Party(ALICE), Party(BOB)
            async with running(alice, bob):
                alice.host.keep(bob.id, bob.address)
                bob.host.keep(alice.id, alice.address)
                for turn in range(20):
                    alice.host.send(bob.id, b"%d" % turn)
                    bob.host.send(alice.id, b"%d" % turn)
                    await asyncio.sleep(0.005)
                await until(lambda: bool(alice.host.peers() and bob.host.peers()))  # noqa: B023
                ours, theirs = alice.host.info(bob.id), bob.host.info(alice.id)
                assert ours is not None
                assert theirs is not None
                assert ours.dialled != theirs.dialled  # it is the same link
                for party in (alice, bob):
                    kinds = [party.events.get_nowait()[0] for _ in range(party.events.qsize())]
                    assert kinds.count("up") == 1
                    assert "down" not in kinds

    asyncio.run(scenario())


def test_a_kept_peer_is_found_again_after_it_was_away() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice):
            async with running(bob):
                await join(alice, bob)
                port = bob.address.port
            assert "closed" in await alice.down()
            again = Party(BOB)
            async with asyncio.TaskGroup() as group:
                again.address = await again.host.listen("127.0.0.1", port)
                group.create_task(again.host.run())
                await alice.next("up")
                alice.host.send(bob.id, b"welcome back")
                await again.next("up")
                assert await again.next("message") == b"welcome back"
                await again.host.aclose()
            await alice.down()
            alice.host.release(bob.id)

    asyncio.run(scenario())


def test_a_kept_peer_that_moved_is_found_at_its_new_address() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE, Limits(retry_seconds_min=1000, retry_seconds_max=1000)), Party(BOB)
        async with running(alice, bob):
            alice.host.keep(bob.id, NOWHERE)
            await asyncio.sleep(0.05)
            alice.host.keep(bob.id, bob.address)
            await alice.next("up")

    asyncio.run(scenario())


def test_a_stream_to_a_kept_peer_waits_for_the_link() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            alice.host.keep(bob.id, bob.address)
            stream = await alice.host.open(bob.id, ECHO)
            await stream.write_message(b"hello")
            assert await stream.read_message() == b"hello"

    asyncio.run(scenario())


def test_dialling_nobody_somebody_else_or_oneself_says_so() -> None:
    async def scenario() -> None:
        alice, bob, mallory = Party(ALICE), Party(BOB), Party(MALLORY)
        async with running(alice, mallory):
            with pytest.raises(UserFault, match="append /p2p/"):
                await alice.host.dial(NOWHERE)
            with pytest.raises(Unavailable, match="does not answer"):
                await alice.host.dial(Multiaddr.of("127.0.0.1", 1, bob.id))
            with pytest.raises(Unavailable, match=f"dialled {bob.id}, but {mallory.id} answered"):
                await alice.host.dial(Multiaddr.of("127.0.0.1", mallory.address.port, bob.id))
            with pytest.raises(Unavailable, match="itself"):
                await alice.host.dial(alice.address)
            with pytest.raises(UserFault):
                alice.host.keep(alice.id, alice.address)
            with pytest.raises(UserFault):
                alice.host.keep(bob.id, mallory.address)
            with pytest.raises(Unavailable, match="dial it or keep it"):
                await alice.host.open(bob.id, ECHO)

    asyncio.run(scenario())


def test_a_disconnect_sends_what_is_queued_and_names_its_reason() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            assert await alice.host.dial(bob.address) == bob.id
            await alice.next("up")
            await bob.next("up")
            last = bytes(3 * MIB)
            alice.host.send(bob.id, last)
            alice.host.disconnect(bob.id, "wrong chain")
            assert await alice.down() == "wrong chain"
            assert await bob.next("message") == last
            assert "closed the link" in await bob.down()
            assert alice.host.peers() == ()

    asyncio.run(scenario())


def test_a_peer_at_fault_is_cut_off_by_the_node_and_refused_for_a_while() -> None:
    async def scenario() -> None:
        alice, mallory = Party(ALICE), Party(MALLORY)

        def refuse(peer: PeerId, message: bytes) -> None:
            raise PeerFault(Reason.WRONG_SIGNER, "not yours")

        alice.on_message = refuse  # type: ignore[method-assign]
        async with running(alice, mallory):
            await join(mallory, alice)
            mallory.host.send(alice.id, b"forged")
            mallory.host.send(alice.id, b"never heard")
            assert await alice.down() == "wrong signer: not yours"
            assert "code 1" in await mallory.down()
            mallory.host.release(alice.id)
            with pytest.raises(Unavailable):
                await mallory.host.dial(alice.address)
            assert alice.events.empty()

    asyncio.run(scenario())


def test_a_bug_in_a_callback_ends_the_host_and_is_raised() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)

        def stumble(peer: PeerId, message: bytes) -> None:
            raise ZeroDivisionError("a bug")

        alice.on_message = stumble  # type: ignore[method-assign]
        async with running(bob):
            alice.address = await alice.host.listen("127.0.0.1", 0)
            bob.host.keep(alice.id, alice.address)

            async def provoke() -> None:
                await bob.next("up")
                bob.host.send(alice.id, b"x")

            with pytest.raises(ExceptionGroup, match="unhandled") as caught:
                await asyncio.gather(alice.host.run(), provoke())
            assert caught.group_contains(ZeroDivisionError, match="a bug")
            await bob.down()
            bob.host.release(alice.id)
            await alice.host.aclose()

    asyncio.run(scenario())


def test_a_callback_may_use_the_host_freely() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)

        heard = []

        def answer(peer: PeerId, message: bytes) -> None:
            heard.append(message)
            bob.host.send(peer, message + b"!")
            bob.host.disconnect(peer, "enough")
            bob.host.send(peer, b"dropped")

        bob.on_message = answer  # type: ignore[method-assign]
        async with running(alice, bob):
            await alice.host.dial(bob.address)
            await alice.next("up")
            for _ in range(3):  # the first answer ends the link: the others are not heard
                alice.host.send(bob.id, b"hello")
            assert await alice.next("message") == b"hello!"
            await alice.down()
            await bob.next("up")
            assert await bob.down() == "enough"
            assert bob.events.empty()
            assert heard == [b"hello"]

    asyncio.run(scenario())


def test_closing_sends_what_is_queued_and_ends_every_link() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            last = bytes(3 * MIB)
            alice.host.send(bob.id, last)
            await alice.host.aclose()
            await alice.host.aclose()
            assert await bob.next("message") == last
            await bob.down()
            assert await alice.down() == "this node stops"

    asyncio.run(scenario())


def test_a_host_that_is_stopped_while_it_starts_ends_quietly() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        await alice.host.listen("127.0.0.1", 0)
        await alice.host.aclose()  # told to stop before `run` had its turn
        async with asyncio.timeout(5):
            await alice.host.run()
            await alice.host.aclose()

    asyncio.run(scenario())


def test_a_port_in_use_is_the_users_fault() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice):
            with pytest.raises(UserFault, match="choose another port"):
                await bob.host.listen("127.0.0.1", alice.address.port)
            second = await alice.host.listen("127.0.0.1", 0)  # while it runs
            assert alice.host.addresses == (alice.address, second)
            await bob.host.aclose()  # it never ran

    asyncio.run(scenario())


def test_keeping_too_many_peers_is_refused() -> None:
    async def scenario() -> None:
        alice = Party(ALICE, Limits(kept_max=1))
        async with running(alice):
            alice.host.keep(PeerId.of_key(b"1" * 32), NOWHERE)
            with pytest.raises(UserFault) as caught:
                alice.host.keep(PeerId.of_key(b"2" * 32), NOWHERE)
            assert caught.value.reason is Reason.LIMIT

    asyncio.run(scenario())


def test_a_quiet_link_is_asked_for_a_sign_of_life_and_lives() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE, Limits(ping_after_seconds=0.1, silent_seconds_max=10)), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            await until(lambda: (info := alice.host.info(bob.id)) is not None and info.rtt_seconds is not None)
            assert alice.events.empty()

    asyncio.run(scenario())


def test_a_stream_of_what_the_peer_says_it_serves_is_written_to_before_it_agreed() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            await until(lambda: ECHO in alice.host.linked()[0].protocols)
            stream = await alice.host.open(bob.id, ECHO)
            await stream.write_message(b"first")
            stream.close()
            assert await stream.read_message() == b"first"
            assert await stream.read_message() is None

    asyncio.run(scenario())


def test_a_peer_that_does_not_serve_what_it_said_ends_the_stream() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        async with running(alice, bob):
            await join(alice, bob)
            await until(lambda: ECHO in alice.host.linked()[0].protocols)
            del bob.host._switch._handlers[ECHO]
            stream = await alice.host.open(bob.id, ECHO)
            await stream.write_message(b"first")
            with pytest.raises(Unavailable) as caught:
                await stream.read_message()
            assert caught.value.reason is Reason.UNREACHABLE
            assert await alice.host.ping(bob.id) > 0

    asyncio.run(scenario())
