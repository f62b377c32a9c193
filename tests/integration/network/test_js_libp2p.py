"""js-libp2p, both ways: ping, identify, gossip, and connections through a relay, its own and ours."""

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from tests.integration.network.peers import ALICE, BOB, PATIENCE_SECONDS, Party, running, until
from tests.integration.network.test_gossip_processes import MESSAGES, converse, reading
from tests.integration.network.test_processes import ROOT

from thalweg.network import Multiaddr
from thalweg.network.relay import Caps
from thalweg.network.relaying import Relaying

FOLDER: Final = ROOT / "tests" / "interop" / "js"
pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules").is_dir(),
    reason="js-libp2p is not installed: run `make interop-js` (needs npm)",
)


@asynccontextmanager
async def peer(*arguments: str) -> AsyncIterator[Process]:
    """Run a js-libp2p peer."""
    process = await asyncio.create_subprocess_exec(
        "node", "--import", "./shim.mjs", "peer.mjs", *arguments, cwd=FOLDER, stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    try:
        yield process
        process.stdin.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await process.stdout.readline()).decode().strip()


async def said(process: Process) -> dict[str, Any]:
    told = json.loads(await line(process))
    assert isinstance(told, dict)
    return told


def test_we_dial_js_libp2p_and_all_gossip_passes_both_ways() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        async with peer("listen") as process, running(alice):
            gossip, read = reading(alice)
            theirs = await alice.host.dial(Multiaddr.parse(await line(process)))
            assert await alice.host.ping(theirs) > 0
            await converse(alice, gossip, read)
            assert await said(process) == {"received": MESSAGES}
            assert read == {b"theirs %d" % number for number in range(MESSAGES)}
            info = alice.host.info(theirs)
            assert info is not None
            assert "libp2p" in info.agent
            assert "/ipfs/ping/1.0.0" in info.protocols

    asyncio.run(scenario())


def test_js_libp2p_dials_us_and_all_gossip_passes_both_ways() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        async with running(alice):
            gossip, read = reading(alice)
            async with peer("dial", str(alice.address)) as process:
                told = await said(process)
                assert told["agent"] == "thalweg/test"
                assert told["ping"] >= 0
                assert "/ipfs/id/1.0.0" in told["protocols"]
                await converse(alice, gossip, read)
                assert await said(process) == {"received": MESSAGES}
                assert read == {b"theirs %d" % number for number in range(MESSAGES)}

    asyncio.run(scenario())


def test_two_of_us_are_joined_by_a_js_libp2p_relay() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        inner = Relaying(alice.host)
        Relaying(bob.host)
        async with peer("relay") as process, running(alice, bob):
            at = Multiaddr.parse(await line(process))
            relay = await alice.host.dial(at)
            await inner.reserve(relay)
            await bob.host.dial(at.via().to(alice.id))
            await until(lambda: alice.id in bob.host.peers())
            bob.host.send(alice.id, b"through js")
            await alice.next("up")
            assert await alice.next("message") == b"through js"

    asyncio.run(scenario())


def test_js_libp2p_listens_and_dials_through_our_relay() -> None:
    async def scenario() -> None:
        alice, bob = Party(ALICE), Party(BOB)
        Relaying(alice.host, serves=Caps())
        inner = Relaying(bob.host)
        async with running(alice, bob):
            async with peer("hidden", str(alice.address)) as hidden:
                relayed = Multiaddr.parse(await line(hidden))
                assert relayed.relay is not None
                theirs = await bob.host.dial(relayed)
                assert bob.host.is_relayed(theirs)
                assert await bob.host.ping(theirs) > 0
            await bob.host.dial(alice.address)
            await inner.reserve(alice.id)
            async with peer("ping", str(alice.address.via().to(bob.id))) as dialler:
                told = await said(dialler)
                assert told["relayed"]
                assert told["agent"] == "thalweg/test"

    asyncio.run(scenario())
