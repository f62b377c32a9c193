"""Many processes that gossip signed 200-byte messages: ours and py-libp2p's, each dialling a few others."""

import asyncio
import json
import random
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.network.crowd import Crowds
from bench.network.pairs import INTEROP_PYTHON, ROOT, THEIRS
from thalweg.cli.demo.network.figures import quantile
from thalweg.network.discovery.plan import OUTBOUND

SECONDS = 8.0
SETTLE_SECONDS = 2.0
PY_NODES, PY_PER_SECOND = 10, 10  # more than that and it saturates two cores
DIALLED = 3  # by each node, so that it has six neighbours on average, all in its mesh: degree 6
RUNS = (  # nodes, messages a second, processes, dialled by each
    ("gossip20", 20, 100, 20, DIALLED),
    ("gossip20_dense", 20, 100, 20, OUTBOUND),  # as a node does by itself: fourteen neighbours, eight in the mesh
    ("gossip20_shared", 20, 100, 2, DIALLED),  # one for each of two cores: twenty evict each other's caches
    ("gossip10", 10, 500, 10, OUTBOUND),
    ("gossip_slow", 10, PY_PER_SECOND, 10, DIALLED),
)


async def _ours(nodes: int, per_second: int, processes: int, dialled: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="thalweg-bench-") as folder:
        crowds = Crowds(Path(folder), nodes // processes, dialled)
        try:
            first = await crowds.start(1)
            for number in range(2, processes + 1):
                await crowds.start(number, first.address)
            while not all(state["known"] == nodes - 1 for state in await crowds.ask_nodes("state")):
                await asyncio.sleep(0.25)
            await asyncio.sleep(SETTLE_SECONDS)
            before = await crowds.ask_nodes("state")
            each = round(per_second * SECONDS / nodes)
            await crowds.ask_nodes("publish", phase="bench", count=each, per_second=per_second / nodes)
            await asyncio.sleep(SECONDS + SETTLE_SECONDS)
            after = await crowds.ask_nodes("state")
            latencies = [value for told in await crowds.ask_nodes("heard", phase="bench") for value in told]
        finally:
            await crowds.stop()
    sent = each * nodes
    # a process's CPU is that of all its nodes
    cpu = [
        (two["cpu_s"] - one["cpu_s"]) / sent * processes / nodes * 1e6 for one, two in zip(before, after, strict=True)
    ]
    return {
        "delivered": len(latencies) / (sent * (nodes - 1)),
        "p50_ms": quantile(latencies, 0.5),
        "p99_ms": quantile(latencies, 0.99),
        "cpu_us": statistics.mean(cpu) / _reached(len(latencies), sent, nodes),
        "rss_mb": max(state["rss_mb"] for state in after),
        "copies": 1 + sum(state["gossip"].get("duplicate", 0) for state in after) / (sent * nodes),
    }


def _theirs(nodes: int, per_second: int) -> dict[str, float]:
    each = round(per_second * SECONDS / nodes)
    chance = random.Random(1)
    processes: list[subprocess.Popen[str]] = []
    addresses: list[str] = []
    try:
        for _ in range(nodes):
            dialled = chance.sample(addresses, min(DIALLED, len(addresses)))
            process = subprocess.Popen(
                (*THEIRS, "gossip", str(each), str(per_second / nodes), *dialled), cwd=ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            processes.append(process)
            assert process.stdout is not None
            addresses.append(process.stdout.readline().strip())
        _pause(3 * SETTLE_SECONDS)
        _tell(processes)
        _pause(SECONDS + 2 * SETTLE_SECONDS)
        _tell(processes)
        told: list[dict[str, Any]] = []
        for process in processes:
            assert process.stdout is not None
            told.append(json.loads(process.stdout.readline()))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    sent = each * nodes
    latencies = [value for one in told for value in one["latencies"]]
    return {
        "delivered": len(latencies) / (sent * (nodes - 1)),
        "p99_ms": quantile(latencies, 0.99),
        "cpu_us": statistics.mean(one["cpu_s"] for one in told) / sent * 1e6 / _reached(len(latencies), sent, nodes),
        "rss_mb": max(one["rss_mb"] for one in told),
    }


def _reached(heard: int, sent: int, nodes: int) -> float:
    """Return the share of messages that a node had to do with: who loses some does less for it."""
    return (heard + sent) / (sent * nodes)


def _tell(processes: "list[subprocess.Popen[str]]") -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def _pause(seconds: float) -> None:
    asyncio.run(asyncio.sleep(seconds))


def measure_gossip() -> dict[str, float]:
    """Return what a message costs each node, how many arrive, and how soon."""
    results = {}
    for name, *setting in RUNS:
        for key, value in asyncio.run(_ours(*setting)).items():
            results[f"{name}_{key}"] = value
    if INTEROP_PYTHON.exists():
        for key, value in _theirs(PY_NODES, PY_PER_SECOND).items():
            results[f"py_gossip_{key}"] = value
        results["gossip_cpu_ratio"] = results["gossip20_cpu_us"] / results["py_gossip_cpu_us"]
    return results
