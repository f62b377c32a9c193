"""The same as `ours.py` with py-libp2p, in its own environment. And a gossip node: see `gossip.py`.

python theirs.py serve | python theirs.py measure ADDRESS | python theirs.py gossip COUNT RATE ADDRESS...
"""
# mypy: ignore-errors
# (its imports are not installed where mypy runs)

import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

import multiaddr
import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.utils.varint import read_length_prefixed_protobuf

sys.path.append(str(Path(__file__).parents[2] / "tests" / "interop"))
from py_libp2p_node import echo, fresh_host, gossiping, write_message

ECHO = "/bench/echo/1"
SIZE = 512
DIALS, TRIPS, FRESH, PIPELINED, DEEP = 8, 500, 100, 2000, 64
TOPIC = "bench"


def cpu_seconds():
    """Return the CPU time this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_mb():
    """Return the memory it holds."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def serve():
    """Serve until standard input ends."""
    host = fresh_host()
    host.set_stream_handler(ECHO, echo)
    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        print(host.get_addrs()[0], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


async def trip(stream, message):
    """Send a message and wait for its echo."""
    await write_message(stream, message)
    await read_length_prefixed_protobuf(stream)


async def repeat(count, once):
    """Return how long each call took, in order of length."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        await once()
        times.append(time.perf_counter() - begun)
    return sorted(times)


async def measure(address):
    """Print what a server does."""
    results = {}
    message = os.urandom(SIZE)
    times = []
    peer = info_from_p2p_addr(multiaddr.Multiaddr(address))
    for _ in range(DIALS):
        host = fresh_host()
        async with host.run(listen_addrs=[]):
            begun = time.perf_counter()
            await host.connect(peer)
            await trip(await host.new_stream(peer.peer_id, [ECHO]), b"first")
            times.append(time.perf_counter() - begun)
    results["dial_p50_ms"] = statistics.median(times) * 1e3
    host = fresh_host()
    async with host.run(listen_addrs=[]):
        await host.connect(peer)
        results["base_mb"] = resident_mb()
        stream = await host.new_stream(peer.peer_id, [ECHO])
        times = await repeat(TRIPS, lambda: trip(stream, message))
        results["request_p50_us"] = statistics.median(times) * 1e6
        results["request_p99_us"] = times[len(times) * 99 // 100] * 1e6

        async def once():
            fresh = await host.new_stream(peer.peer_id, [ECHO])
            await trip(fresh, message)
            await fresh.close()

        results["fresh_stream_p50_us"] = statistics.median(await repeat(FRESH, once)) * 1e6
        begun = time.perf_counter()

        async def send():
            for _ in range(PIPELINED):
                await room.acquire()
                await write_message(stream, message)

        room = trio.Semaphore(DEEP)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            for _ in range(PIPELINED):
                await read_length_prefixed_protobuf(stream)
                room.release()
        results["pipelined_per_second"] = PIPELINED / (time.perf_counter() - begun)
        print(json.dumps(results), flush=True)


async def gossip(count, rate, addresses):
    """Publish and read signed 200-byte messages; one verification a message, as ours does."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    host = fresh_host()
    latencies = []

    def good(_, message):
        try:
            Ed25519PublicKey.from_public_bytes(message.data[:32]).verify(message.data[-64:], message.data[:-64])
        except (InvalidSignature, ValueError):
            return False
        return True

    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]), gossiping(host) as pubsub:
        pubsub.set_topic_validator(TOPIC, good, False)
        subscription = await pubsub.subscribe(TOPIC)
        print(host.get_addrs()[0], flush=True)
        for address in addresses:
            await host.connect(info_from_p2p_addr(multiaddr.Multiaddr(address)))

        async def read():
            while True:
                message = await subscription.get()
                if message.data[:32] != public:
                    latencies.append((time.time() - float(message.data[32:64])) * 1000)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.to_thread.run_sync(sys.stdin.readline)
            before = cpu_seconds()
            begun = trio.current_time()
            for number in range(count):
                await trio.sleep_until(begun + number / rate)
                head = public + f"{time.time():.6f}".encode().ljust(32)
                body = head + os.urandom(200 - len(head) - 64)
                await pubsub.publish(TOPIC, body + key.sign(body))
            await trio.to_thread.run_sync(sys.stdin.readline)
            said = {"cpu_s": cpu_seconds() - before, "rss_mb": resident_mb(), "latencies": latencies}
            print(json.dumps(said), flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)
            nursery.cancel_scope.cancel()


MODES = {
    "serve": serve,
    "measure": lambda: measure(sys.argv[2]),
    "gossip": lambda: gossip(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]),
}
trio.run(MODES[sys.argv[1]])
