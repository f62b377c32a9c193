"""The same as `ours.py` with py-libp2p, in its own environment. And a gossip node: see `gossip.py`.

python theirs.py serve | python theirs.py measure ADDRESS | python theirs.py gossip COUNT RATE ADDRESS...
"""
# mypy: ignore-errors
# (its imports are not installed where mypy runs)

import hashlib
import json
import os
import resource
import statistics
import sys
import time

import multiaddr
import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.gossipsub import PROTOCOL_ID_V11, GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.tools.anyio_service import background_trio_service
from libp2p.utils.varint import encode_uvarint, read_length_prefixed_protobuf

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


async def echo(stream):
    """Send back every message."""
    while True:
        try:
            message = await read_length_prefixed_protobuf(stream)
        except Exception:  # the stream's end, for which py-libp2p has many names
            await stream.close()
            return
        await stream.write(encode_uvarint(len(message)) + message)


async def serve():
    """Serve until standard input ends."""
    host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
    host.set_stream_handler(ECHO, echo)
    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        print(host.get_addrs()[0], flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)


async def trip(stream, message):
    """Send a message and wait for its echo."""
    await stream.write(encode_uvarint(len(message)) + message)
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
        host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
        async with host.run(listen_addrs=[]):
            begun = time.perf_counter()
            await host.connect(peer)
            await trip(await host.new_stream(peer.peer_id, [ECHO]), b"first")
            times.append(time.perf_counter() - begun)
    results["dial_p50_ms"] = statistics.median(times) * 1e3
    host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
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
                await stream.write(encode_uvarint(len(message)) + message)

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
    host = new_host(key_pair=create_new_key_pair(os.urandom(32)))
    latencies = []

    def good(_, message):
        try:
            Ed25519PublicKey.from_public_bytes(message.data[:32]).verify(message.data[-64:], message.data[:-64])
        except (InvalidSignature, ValueError):
            return False
        return True

    router = GossipSub(
        protocols=[PROTOCOL_ID_V11],
        degree=6,
        degree_low=4,
        degree_high=12,
        heartbeat_interval=1,
        max_messages_per_topic_per_second=1_000_000.0,
        spam_protection_enabled=False,
        eclipse_protection_enabled=False,
    )
    router._check_equivocation = lambda message: True  # 0.8.1 takes any two anonymous messages for an equivocation
    pubsub = Pubsub(
        host, router, strict_signing=False, msg_id_constructor=lambda message: hashlib.sha256(message.data).digest()
    )
    listening = host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")])
    async with listening, background_trio_service(pubsub), background_trio_service(router):
        await pubsub.wait_until_ready()
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
