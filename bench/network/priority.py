"""Channel messages beside a gossip burst on the same link: how much later they come."""

import asyncio
import os
import sys
import time

from bench.network.pairs import ROOT
from thalweg.network import Host, Limits, Multiaddr, PeerId
from thalweg.network.gossip import ACCEPTED, Judgement
from thalweg.network.pubsub import Gossip

TOPIC, UPDATES, BURST_BYTES, BURST_PER_SECOND = "bench", 800, 200, 500


class _Open:
    payload_bytes_max = 4096

    def glance(self, payload: bytes) -> bytes | Judgement:
        """Take anything."""
        return payload[:8]

    def verify(self, payload: bytes) -> Judgement:
        """Take anything."""
        return ACCEPTED


def _party(on_message: "asyncio.Queue[bytes] | None") -> tuple[Host, Gossip]:
    def heard(peer: PeerId, message: bytes) -> None:
        if on_message is None:
            made.send(peer, message)
        else:
            on_message.put_nowait(message)

    made = Host(
        os.urandom(32), agent="bench", limits=Limits(), on_link_up=lambda peer: None,
        on_link_down=lambda peer, reason: None, on_message=heard,
    )  # fmt: skip
    gossip = Gossip(made)
    gossip.subscribe(TOPIC, _Open(), lambda payload, peer: None)
    return made, gossip


async def _serve() -> None:
    own, gossip = _party(None)
    address = await own.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(own.run())
        await asyncio.sleep(0.05)
        print(address, flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        bursting: asyncio.Task[None] | None = None
        while await reader.readline():
            bursting = group.create_task(_burst(gossip))
        if bursting is not None:
            bursting.cancel()
        await own.aclose()


async def _burst(gossip: Gossip) -> None:
    while True:
        for _ in range(BURST_PER_SECOND // 20):
            gossip.publish(TOPIC, os.urandom(BURST_BYTES))
        await asyncio.sleep(0.05)


async def _updates(own: Host, peer: PeerId, answers: "asyncio.Queue[bytes]") -> float:
    times = []
    for _ in range(UPDATES):
        begun = time.perf_counter()
        own.send(peer, b"u" * 400)
        await answers.get()
        times.append(time.perf_counter() - begun)
        await asyncio.sleep(0.002)
    return sorted(times)[UPDATES * 99 // 100] * 1e3


async def _measure() -> dict[str, float]:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.network.priority", cwd=ROOT, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    assert server.stdin is not None
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    own, gossip = _party(answers)
    async with asyncio.TaskGroup() as group:
        group.create_task(own.run())
        await asyncio.sleep(0)
        peer = await own.dial(Multiaddr.parse((await server.stdout.readline()).decode().strip()))
        while peer not in own.peers() or not gossip.mesh(TOPIC):
            await asyncio.sleep(0.05)
        calm = await _updates(own, peer, answers)
        server.stdin.write(b"\n")
        own_burst = group.create_task(_burst(gossip))
        burst = await _updates(own, peer, answers)
        own_burst.cancel()
        await own.aclose()
    server.stdin.close()
    await server.wait()
    return {"update_calm_p99_ms": calm, "update_burst_p99_ms": burst, "update_burst_ratio": burst / calm}


def measure_priority() -> dict[str, float]:
    """Return the p99 of channel messages alone, and beside 500 gossiped messages a second each way."""
    return min((asyncio.run(_measure()) for _ in range(3)), key=lambda each: each["update_burst_ratio"])


if __name__ == "__main__":
    asyncio.run(_serve())
