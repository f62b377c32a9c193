"""One of two processes that are linked: serves echo, or measures the other.

python -m bench.network.ours serve              prints its address, and serves until standard input ends
python -m bench.network.ours measure ADDRESS    prints one JSON object
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from thalweg.network import Host, Limits, Multiaddr, PeerId, Stream

ECHO, SINK, CPU = "/bench/echo/1", "/bench/sink/1", "/bench/cpu/1"
SIZE = 512
DIALS, TRIPS, FRESH, PIPELINED, DEEP = 60, 3000, 600, 30_000, 64
BULK_BYTES, CHUNK_BYTES = 256 * 2**20, 256 * 1024
IDLE_LINKS = 200


def cpu_seconds() -> float:
    """Return the CPU time this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_kb() -> float:
    """Return the memory it holds."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def host(seed: bytes = b"") -> Host:
    """Return a host that takes many links from one address."""
    limits = Limits(links_per_address_max=2000, half_open_per_address_max=2000, links_max=4000)
    return Host(
        seed or os.urandom(32), agent="bench", limits=limits, on_link_up=lambda peer: None,
        on_link_down=lambda peer, reason: None, on_message=lambda peer, message: None,
    )  # fmt: skip


async def echo(stream: Stream) -> None:
    """Send back every message."""
    while (message := await stream.read_message()) is not None:
        await stream.write_message(message)


async def sink(stream: Stream) -> None:
    """Swallow everything and say how much it was."""
    size = 0
    while data := await stream.read_some():
        size += len(data)
    await stream.write_message(str(size).encode())


async def tell_cpu(stream: Stream) -> None:
    """Say CPU seconds and memory whenever asked."""
    while await stream.read_message() is not None:
        await stream.write_message(json.dumps([cpu_seconds(), resident_kb()]).encode())


async def serve() -> None:
    """Serve until standard input ends."""
    server = host()
    for protocol, handler in ((ECHO, echo), (SINK, sink), (CPU, tell_cpu)):
        server.handle(protocol, handler)
    address = await server.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run())
        await asyncio.sleep(0.05)
        print(address, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await server.aclose()


class Meter:
    """Measures a server."""

    def __init__(self, client: Host, address: Multiaddr) -> None:
        self.client = client
        self.address = address
        self.results: dict[str, float] = {}

    async def server(self) -> tuple[float, float]:
        """Return the server's CPU seconds and memory."""
        stream = await self.client.open(await self.client.dial(self.address), CPU)
        await stream.write_message(b"?")
        cpu, kb = json.loads(await stream.read_message() or b"[0, 0]")
        stream.close()
        return cpu, kb

    async def both_cpu(self) -> float:
        """Return the CPU seconds of both ends."""
        return cpu_seconds() + (await self.server())[0]

    async def run(self) -> dict[str, float]:
        """Measure everything on one link."""
        peer = await self.client.dial(self.address)
        await self.trips(peer)
        await self.fresh(peer)
        await self.pipelined(peer)
        await self.bulk(peer)
        await self.late(peer)
        return self.results

    async def trips(self, peer: PeerId) -> None:
        """Round trips on an open stream."""
        stream = await self.client.open(peer, ECHO)
        message = os.urandom(SIZE)
        times = await repeat(TRIPS, lambda: trip(stream, message))
        self.results["request_p50_us"] = statistics.median(times) * 1e6
        self.results["request_p99_us"] = times[len(times) * 99 // 100] * 1e6
        stream.close()

    async def fresh(self, peer: PeerId) -> None:
        """A new stream for each request."""

        async def once() -> None:
            stream = await self.client.open(peer, ECHO)
            await trip(stream, b"x" * SIZE)
            stream.close()

        self.results["fresh_stream_p50_us"] = statistics.median(await repeat(FRESH, once)) * 1e6

    async def pipelined(self, peer: PeerId) -> None:
        """Requests with 64 outstanding."""
        stream = await self.client.open(peer, ECHO)
        message = os.urandom(SIZE)
        before, begun = await self.both_cpu(), time.perf_counter()
        for _ in range(DEEP):
            await stream.write_message(message)
        for number in range(PIPELINED):
            await stream.read_message()
            if number < PIPELINED - DEEP:
                await stream.write_message(message)
        self.results["pipelined_per_second"] = PIPELINED / (time.perf_counter() - begun)
        self.results["pipelined_cpu_us"] = (await self.both_cpu() - before) / PIPELINED * 1e6
        stream.close()

    async def bulk(self, peer: PeerId) -> None:
        """One stream, as much as it carries."""
        stream = await self.client.open(peer, SINK)
        chunk, begun = os.urandom(CHUNK_BYTES), time.perf_counter()
        for _ in range(BULK_BYTES // CHUNK_BYTES):
            await stream.write(chunk)
        stream.close()
        assert int(await stream.read_message() or b"0") == BULK_BYTES
        self.results["bulk_mb_per_second"] = BULK_BYTES / 1e6 / (time.perf_counter() - begun)

    async def late(self, peer: PeerId) -> None:
        """How late a 1 ms timer fires while 64 requests are always outstanding."""
        lateness: list[float] = []
        clock = asyncio.get_running_loop().time
        busy = True

        async def tick() -> None:
            while busy:
                due = clock() + 0.001
                await asyncio.sleep(0.001)
                lateness.append(clock() - due)

        async with asyncio.TaskGroup() as group:
            group.create_task(tick())
            await self.pipelined(peer)
            busy = False
        self.results["lateness_p99_ms"] = sorted(lateness)[len(lateness) * 99 // 100] * 1e3


async def trip(stream: Stream, message: bytes) -> None:
    """Send a message and wait for its echo."""
    await stream.write_message(message)
    await stream.read_message()


async def repeat(count: int, once: Callable[[], Awaitable[None]]) -> list[float]:
    """Return how long each of so many calls took, in order of length."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        await once()
        times.append(time.perf_counter() - begun)
    return sorted(times)


async def dials(address: Multiaddr) -> float:
    """Return the median time from a dial to the first reply, in milliseconds."""
    times = []
    for _ in range(DIALS):
        client = host()
        async with asyncio.TaskGroup() as group:
            group.create_task(client.run())
            await asyncio.sleep(0)
            begun = time.perf_counter()
            stream = await client.open(await client.dial(address), ECHO)
            await trip(stream, b"first")
            times.append(time.perf_counter() - begun)
            await client.aclose()
    return statistics.median(times) * 1e3


async def idle(meter: Meter) -> float:
    """Return what an idle link costs a server, in KB."""
    _, before = await meter.server()
    clients = [host() for _ in range(IDLE_LINKS)]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run())
        await asyncio.sleep(0)
        for client in clients:
            await client.dial(meter.address)
        await asyncio.sleep(1.0)
        _, after = await meter.server()
        for client in clients:
            await client.aclose()
    return (after - before) / IDLE_LINKS


async def measure(address: Multiaddr) -> None:
    """Print what a server does."""
    client = host()
    async with asyncio.TaskGroup() as group:
        group.create_task(client.run())
        await asyncio.sleep(0)
        meter = Meter(client, address)
        base_kb = (await meter.server())[1]
        results = await meter.run()
        results["base_mb"] = base_kb / 1024
        results["idle_link_kb"] = await idle(meter)
        results["dial_p50_ms"] = await dials(address)
        print(json.dumps(results), flush=True)
        await client.aclose()


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1] == "serve" else measure(Multiaddr.parse(sys.argv[2])))
