"""Two linked processes: ours and py-libp2p's in turn, several rounds, and plain TCP as the floor."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
INTEROP_PYTHON = ROOT / ".venv-interop" / "bin" / "python"
OURS = (sys.executable, "-m", "bench.network.ours")
THEIRS = (str(INTEROP_PYTHON), str(ROOT / "bench" / "network" / "theirs.py"))
ROUNDS = 2
FLOOR_TRIPS = 3000


@contextmanager
def _serving(command: tuple[str, ...]) -> Iterator[str]:
    server = subprocess.Popen(
        (*command, "serve"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.communicate(timeout=20)


def _measured(command: tuple[str, ...]) -> dict[str, float]:
    with _serving(command) as address:
        done = subprocess.run(
            (*command, "measure", address), cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
        )
    results: dict[str, float] = json.loads(done.stdout)
    return results


def measure_pairs() -> dict[str, float]:
    """Return the best of a few rounds for each figure: the machine is shared, and noise only ever adds."""
    rounds: dict[str, list[dict[str, float]]] = {"": [], "py_": [], "tcp_": []}
    for _ in range(ROUNDS):
        rounds["tcp_"].append(asyncio.run(_floor()))
        rounds[""].append(_measured(OURS))
        if INTEROP_PYTHON.exists():
            rounds["py_"].append(_measured(THEIRS))
    results = {}
    for prefix, told in rounds.items():
        for name in told[0] if told else ():
            values = [each[name] for each in told]
            results[prefix + name] = max(values) if name.endswith("per_second") else min(values)
            results[f"{prefix}{name}_median"] = statistics.median(values)
    return results


async def _floor() -> dict[str, float]:
    """Return the round trip of 512 bytes over plain TCP between two processes, no encryption."""
    code = (
        "import asyncio\nclass E(asyncio.Protocol):\n def connection_made(s,t): s.t=t\n"
        " def data_received(s,d): s.t.write(d)\n"
        "async def m():\n s=await asyncio.get_running_loop().create_server(E,'127.0.0.1',0)\n"
        " print(s.sockets[0].getsockname()[1],flush=True)\n await s.serve_forever()\nasyncio.run(m())"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(await process.stdout.readline()))
        times = []
        for _ in range(FLOOR_TRIPS):
            begun = time.perf_counter()
            writer.write(b"x" * 512)
            await reader.readexactly(512)
            times.append(time.perf_counter() - begun)
        writer.close()
    finally:
        process.kill()
        await process.wait()
    times.sort()
    return {
        "request_p50_us": statistics.median(times) * 1e6,
        "request_p99_us": times[len(times) * 99 // 100] * 1e6,
    }
