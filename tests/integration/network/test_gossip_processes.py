"""Gossip between operating-system processes, ours and py-libp2p's."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process

from tests.integration.network.peers import ALICE, PATIENCE_SECONDS, Party, running, until
from tests.integration.network.test_processes import INTEROP_PYTHON, ROOT, needs_py_libp2p, start, stop

from thalweg.network import Multiaddr
from thalweg.network.gossip import ACCEPTED, Judgement
from thalweg.network.pubsub import Gossip

NODES = 6
INTEROP_GOSSIP = ROOT / "tests" / "interop" / "py_libp2p_gossip.py"
INTEROP_TOPIC = "interop"
MESSAGES = 200


async def ask(process: Process, publish: int) -> tuple[int, int]:
    """Let a process publish; return how much it has read, and how many peers read the topic."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"%d\n" % publish)
    read, peers = (await process.stdout.readline()).split()
    return int(read), int(peers)


async def all_say(processes: list[Process], read: int, peers: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        for process in processes:
            while not ((said := await ask(process, 0))[0] >= read and said[1] >= peers):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert said[0] == read


def test_processes_in_a_chain_gossip_and_go_on_when_the_middle_is_killed() -> None:
    processes: list[Process] = []

    async def scenario() -> None:
        addresses: list[Multiaddr] = []
        for number in range(NODES):
            seed = f"process {number}".ljust(32).encode().hex()
            dialled = [str(address) for address in addresses[-2:]]  # a chain with one link to spare
            process, address = await start(
                sys.executable, "-m", "tests.integration.network.gossip_process", seed, *dialled
            )
            processes.append(process)
            addresses.append(address)
        await all_say(processes, read=0, peers=2)
        for process in processes:
            await ask(process, 20)
        await all_say(processes, read=20 * (NODES - 1), peers=2)
        processes.pop(2).kill()
        await asyncio.sleep(0.2)
        await ask(processes[0], 5)
        await all_say(processes[1:], read=20 * (NODES - 1) + 5, peers=1)
        for process in processes:
            await stop(process)

    async def killed_in_the_end() -> None:
        try:
            await scenario()
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()

    asyncio.run(killed_in_the_end())


class Open:
    """Takes everything: the other side signs nothing."""

    payload_bytes_max = 1024

    def glance(self, payload: bytes) -> bytes | Judgement:
        return payload

    def verify(self, payload: bytes) -> Judgement:
        return ACCEPTED


async def converse(alice: Party, gossip: Gossip, read: set[bytes]) -> None:
    await until(lambda: bool(gossip.peers(INTEROP_TOPIC)))
    await until(lambda: bool(gossip.mesh(INTEROP_TOPIC)))
    for number in range(MESSAGES):
        gossip.publish(INTEROP_TOPIC, b"ours %d" % number)
        await asyncio.sleep(0.01)
    await until(lambda: len(read) == MESSAGES)


async def heard_all(process: Process, read: set[bytes]) -> None:
    """Both sides have every message of the other."""
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline()) == {"received": MESSAGES}
    assert read == {b"theirs %d" % number for number in range(MESSAGES)}
    await stop(process)


def reading(alice: Party) -> tuple[Gossip, set[bytes]]:
    gossip, read = Gossip(alice.host), set[bytes]()
    gossip.subscribe(INTEROP_TOPIC, Open(), lambda payload, peer: read.add(payload))
    return gossip, read


@needs_py_libp2p
def test_all_gossip_passes_both_ways_when_we_dial_py_libp2p() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        process, address = await start(str(INTEROP_PYTHON), str(INTEROP_GOSSIP), "listen")
        async with running(alice):
            gossip, read = reading(alice)
            await alice.host.dial(address)
            await converse(alice, gossip, read)
            await heard_all(process, read)

    asyncio.run(scenario())


@needs_py_libp2p
def test_all_gossip_passes_both_ways_when_py_libp2p_dials_us() -> None:
    async def scenario() -> None:
        alice = Party(ALICE)
        async with running(alice):
            gossip, read = reading(alice)
            process = await asyncio.create_subprocess_exec(
                INTEROP_PYTHON, INTEROP_GOSSIP, "dial", str(alice.address), stdin=PIPE, stdout=PIPE
            )
            await converse(alice, gossip, read)
            await heard_all(process, read)

    asyncio.run(scenario())
