"""A node process as a user starts it: from `thalweg up` to its ready line, and what it holds in memory when idle."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

STARTS = 7
SETTLE_S = 3.0  # idle, after it is ready and has looked at the chain


def measure_node(folder: Path) -> dict[str, float]:
    """Return the median time from start to ready in seconds, and the resident memory of an idle node in megabytes."""
    environment = {**os.environ, "THALWEG_PASSWORD": "bench", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # pip compiles what it installs; the first starts do so here
    deployment = folder / "deployment.json"
    signers = [_run(environment, "init", "--data", str(folder / f"oracle{n}"))["oracle_key"] for n in range(4)]
    arguments = [part for signer in signers for part in ("--signer", str(signer))]
    chain = _start(environment, "chain", "--listen", "127.0.0.1:0", "--deployment", str(deployment), *arguments)
    try:
        data = str(folder / "node")
        _run(environment, "init", "--data", data, "--deployment", str(deployment))
        spent, resident = [], 0.0
        for _ in range(STARTS):
            begin = time.perf_counter()
            node = _start(environment, "up", "--data", data)
            spent.append(time.perf_counter() - begin)
            if len(spent) == STARTS:
                time.sleep(SETTLE_S)
                resident = _resident_mb(node.pid)
            _stop(node)
    finally:
        _stop(chain)
    return {"start_s": statistics.median(spent), "idle_mb": resident}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "thalweg.cli", *arguments, "--json"]


def _run(environment: dict[str, str], *arguments: str) -> dict[str, object]:
    done = subprocess.run(_command(*arguments), env=environment, capture_output=True, check=True)
    answer: dict[str, object] = json.loads(done.stdout)["result"]
    return answer


def _start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    """Start a process and return when it says that it is ready."""
    process = subprocess.Popen(
        [*_command(*arguments), "--attached"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    answer = json.loads(process.stdout.readline() or b"{}")
    if not answer.get("ready"):
        raise RuntimeError(f"{arguments[0]} did not start: {answer}")
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=10)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")
