"""A newcomer's snapshot over real links, and what a rejoin costs in bytes and CPU."""

import asyncio
import os
import random
import subprocess
import sys
import time

from bench.network.ours import host
from bench.network.pairs import ROOT
from thalweg.network import Multiaddr
from thalweg.network.items import ItemRules, is_signed, sign
from thalweg.network.peer_id import Identity
from thalweg.network.pubsub import Gossip
from thalweg.network.sync import Caps, Give, Items, Shelf, answer, rejoin
from thalweg.network.sync.messages import encode, read_answer, read_request
from thalweg.network.synchroniser import Synchroniser

TOPIC = "bench"
ITEMS, AUTHORS, PEERS, DIFFERENCES = 10_000, 50, 3, 200


def items(count: int) -> list[bytes]:
    """Return signed items of 200 bytes."""
    authors = [Identity(f"author {number}".ljust(32).encode()) for number in range(AUTHORS)]
    until = 1_900_000_000.0 if time.time() > 1_899_000_000 else float(int(time.time() / 86_400 + 3) * 86_400)
    return [sign(authors[n % AUTHORS], TOPIC, n.to_bytes(96), until + n % 1000) for n in range(count)]


async def serve() -> None:
    """Keep them all and serve until standard input ends."""
    own = host()
    gossip = Gossip(own)
    synchroniser = Synchroniser(own, gossip)
    shelf = synchroniser.keep(TOPIC, ItemRules(TOPIC, time.time))
    for payload in items(ITEMS):
        shelf.add(payload)
    assert len(shelf.index) == ITEMS
    address = await own.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(own.run())
        await asyncio.sleep(0.05)
        print(address, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await own.aclose()


def _checks() -> float:
    """Return the CPU seconds that checking every signature takes, and nothing else."""
    payloads = items(ITEMS)
    begun = time.process_time()
    assert all(is_signed(TOPIC, payload) for payload in payloads)
    return time.process_time() - begun


async def _join(addresses: list[Multiaddr]) -> tuple[float, float]:
    """Return the seconds a newcomer takes, and its CPU seconds."""
    own = host(os.urandom(32))
    synchroniser = Synchroniser(own, Gossip(own))
    shelf = synchroniser.keep(TOPIC, ItemRules(TOPIC, time.time))
    async with asyncio.TaskGroup() as group:
        group.create_task(own.run())
        await asyncio.sleep(0)
        peers = [await own.dial(address) for address in addresses]
        begun, cpu = time.perf_counter(), time.process_time()
        await synchroniser.meet(peers)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        assert len(shelf) == ITEMS
        await own.aclose()
    return seconds, cpu


def _rejoin() -> tuple[float, float, float]:
    """Return bytes both ways, items included; and milliseconds of CPU of both sides, and of the asker alone."""
    payloads = items(ITEMS)
    gone = random.Random(1).sample(range(ITEMS), DIFFERENCES)
    caps = Caps(author_items_max=ITEMS)
    mine, theirs = Shelf(caps), Shelf(caps)
    for shelf, lacks in ((mine, set(gone[: DIFFERENCES // 2])), (theirs, set(gone[DIFFERENCES // 2 :]))):
        for number, payload in enumerate(payloads):
            if number not in lacks:
                shelf.add(payload)
        assert len(shelf.index)
    size, answering, begun = 0, 0.0, time.process_time()
    session = rejoin(mine, TOPIC, 0, b"saltsalt")
    request = next(session)
    try:
        while True:
            asked = encode(request)
            mark = time.process_time()
            read = read_request(asked)
            if isinstance(read, Give):
                for payload in read.payloads:
                    theirs.add(payload)
            told = encode(answer({TOPIC: theirs}, read))
            answering += time.process_time() - mark
            size += len(asked) + len(told)
            heard = read_answer(told)
            if isinstance(heard, Items):
                for payload in heard.payloads:
                    mine.add(payload)
            request = session.send(heard)
    except StopIteration:
        both = time.process_time() - begun
    assert mine.fingerprint((0, b"")) == theirs.fingerprint((0, b""))
    return size, both * 1e3, (both - answering) * 1e3


def measure_shelves() -> dict[str, float]:
    """Return seconds of a newcomer, and bytes and CPU of a rejoin."""
    servers = [
        subprocess.Popen(
            (sys.executable, "-m", "bench.network.shelves"), cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(PEERS)
    ]  # fmt: skip
    try:
        addresses = [Multiaddr.parse((server.stdout.readline() if server.stdout else "").strip()) for server in servers]
        joins = [asyncio.run(_join(addresses)) for _ in range(3)]
    finally:
        for server in servers:
            server.communicate(timeout=20)
    size, both, asker = min(_rejoin() for _ in range(3))
    return {
        "snapshot_s": min(seconds for seconds, _ in joins),
        "snapshot_cpu_s": min(cpu for _, cpu in joins),
        "snapshot_checks_cpu_s": min(_checks() for _ in range(2)),
        "rejoin_kb": size / 1000,
        "rejoin_cpu_ms": both,
        "rejoin_asker_cpu_ms": asker,
    }


if __name__ == "__main__":
    asyncio.run(serve())
