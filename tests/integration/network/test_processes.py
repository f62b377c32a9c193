"""Hosts in separate operating-system processes: killed, restarted, and from another implementation."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest
from tests.integration.network.peers import ALICE, BOB, ECHO, PATIENCE_SECONDS, Party, running, until

from thalweg.network import Multiaddr
from thalweg.network.relay import Caps
from thalweg.network.relaying import Relaying

ROOT = Path(__file__).parents[3]
INTEROP_PYTHON = ROOT / ".venv-interop" / "bin" / "python"
INTEROP_PEER = ROOT / "tests" / "interop" / "py_libp2p_peer.py"
SIZES = (5, 512, 300_000)  # the last is more than a yamux window


async def start(*command: str) -> tuple[Process, Multiaddr]:
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    return process, Multiaddr.parse((await process.stdout.readline()).decode().strip())


async def stop(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


async def start_echo(port: int = 0) -> tuple[Process, Multiaddr]:
    return await start(sys.executable, "-m", "tests.integration.network.echo_process", BOB.hex(), str(port))


def test_a_killed_process_is_noticed_and_linked_again_when_it_is_back() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        process, address = await start_echo()
        bob = address.peer
        assert bob is not None
        async with running(alice):
            alice.host.keep(bob, address)
            await alice.next("up")
            for size in SIZES:
                message = os.urandom(size)
                alice.host.send(bob, message)
                assert await alice.next("message") == message
            process.kill()
            await process.wait()
            await alice.down()
            process, _ = await start_echo(address.port)
            await alice.next("up")
            alice.host.send(bob, b"again")
            assert await alice.next("message") == b"again"
            await stop(process)
            await alice.down()

    asyncio.run(scenario())


needs_py_libp2p = pytest.mark.skipif(not INTEROP_PYTHON.exists(), reason="no .venv-interop: run `make interop` first")


@needs_py_libp2p
def test_py_libp2p_answers_our_ping_identify_and_echo() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        process, address = await start(str(INTEROP_PYTHON), str(INTEROP_PEER), "listen")
        async with running(alice):
            peer = await alice.host.dial(address)
            assert await alice.host.ping(peer) > 0
            stream = await alice.host.open(peer, ECHO)
            for size in SIZES:
                message = os.urandom(size)
                await stream.write_message(message)
                assert await stream.read_message() == message
            stream.close()
            await until(lambda: (info := alice.host.info(peer)) is not None and info.agent != "")
            info = alice.host.info(peer)
            assert info is not None
            assert info.agent.startswith("py-libp2p/")
            assert ECHO in info.protocols
            assert alice.events.empty()  # it does not speak our messages, so the node is not told
        await stop(process)

    asyncio.run(scenario())


@needs_py_libp2p
def test_we_answer_py_libp2ps_ping_identify_and_echo() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        async with running(alice), asyncio.timeout(PATIENCE_SECONDS):
            process = await asyncio.create_subprocess_exec(
                INTEROP_PYTHON, INTEROP_PEER, "dial", str(alice.address), stdout=PIPE
            )
            said, _ = await process.communicate()
        result = json.loads(said)
        assert result["pings"] == 3
        assert result["echoed"] == [True, True, True]
        assert {"/thalweg/channel/1", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", ECHO} <= set(result["protocols"])
        assert process.returncode == 0

    asyncio.run(scenario())


@needs_py_libp2p
def test_two_of_us_are_joined_by_a_py_libp2p_relay() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        inner = Relaying(alice.host)
        Relaying(bob.host)
        process, at = await start(str(INTEROP_PYTHON), str(INTEROP_PEER), "relay")
        async with running(alice, bob):
            relay = await alice.host.dial(at)
            await inner.reserve(relay)
            await bob.host.dial(at.via().to(alice.id))
            await until(lambda: alice.id in bob.host.peers())
            bob.host.send(alice.id, b"through py")
            await alice.next("up")
            assert await alice.next("message") == b"through py"
        await stop(process)

    asyncio.run(scenario())


@needs_py_libp2p
def test_py_libp2p_listens_through_our_relay() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        Relaying(alice.host, serves=Caps())
        Relaying(bob.host)
        async with running(alice, bob):
            process, relayed = await start(str(INTEROP_PYTHON), str(INTEROP_PEER), "hidden", str(alice.address))
            theirs = await bob.host.dial(relayed)
            assert bob.host.is_relayed(theirs)
            assert await bob.host.ping(theirs) > 0
            stream = await bob.host.open(theirs, ECHO)
            for size in SIZES:
                message = os.urandom(size)
                await stream.write_message(message)
                assert await stream.read_message() == message
            stream.close()
            await stop(process)

    asyncio.run(scenario())


@needs_py_libp2p
def test_py_libp2p_dials_through_our_relay() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        Relaying(alice.host, serves=Caps())
        inner = Relaying(bob.host)
        async with running(alice, bob), asyncio.timeout(PATIENCE_SECONDS):
            await bob.host.dial(alice.address)
            await inner.reserve(alice.id)
            process = await asyncio.create_subprocess_exec(
                INTEROP_PYTHON, INTEROP_PEER, "through", str(inner.addresses()[0]), stdout=PIPE
            )
            said, _ = await process.communicate()
        result = json.loads(said)
        assert result["pings"] == 3
        assert result["echoed"] == [True, True, True]

    asyncio.run(scenario())
