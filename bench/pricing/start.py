"""What importing costs, and how long until the kernels are there: fresh processes, caches filled."""

import subprocess
import sys

from bench.pricing.rounds import OURS, Bound, Figure, alternate

IMPORT = "import time; t = time.perf_counter(); import thalweg.pricing.european; print(time.perf_counter() - t)"
WARM = (
    "import time; from thalweg.pricing import warm; t = time.perf_counter(); warm.kernels(10**6); "
    "print(time.perf_counter() - t)"
)


def seconds(program: str) -> float:
    """Return what a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure() -> list[Figure]:
    """Return seconds."""
    figures = []
    for name, label, program, limit in (
        ("import", "import thalweg.pricing", IMPORT, 0.25),
        ("warm", "kernels from their cache", WARM, 1.5),
    ):
        times = sorted(seconds(program) for _ in range(5))
        timing = alternate({OURS: lambda: None}, 1.0, rounds=1)[OURS]._replace(median=times[2], best=times[0])
        figures.append(Figure(name, label, "s", {OURS: timing}, (Bound(limit),), {}))
    return figures
