"""Benchmarks of the network: `make bench-net` prints the table and writes bench/results/net.json and the picture.

`python -m bench.net gossip growth` measures those parts only. Ours and py-libp2p's take turns in the same run (`make
interop` installs it). Ratios and CPU figures hold on a shared machine; absolute times drift with what else it does, so
the load is written down beside them.
"""

import json
import math
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.network.gossip import measure_gossip
from bench.network.growth import draw, measure_growth
from bench.network.pairs import measure_pairs
from bench.network.priority import measure_priority
from bench.network.shelves import measure_shelves

RESULTS = Path(__file__).parent / "results" / "net.json"
PICTURE = Path(__file__).parents[1] / "docs" / "network-cost.svg"


class Figure(NamedTuple):
    """One line of the table: a result's name, what it is, its bound, and py-libp2p's result to compare with."""

    name: str
    label: str
    unit: str
    bound: float
    at_least: bool = False
    peer: str = ""

    def holds(self, value: float) -> bool:
        """Say whether the bound is kept."""
        return value >= self.bound if self.at_least else value <= self.bound


FIGURES = (
    Figure("dial_p50_ms", "dial to first reply, p50", "ms", 5, peer="py_dial_p50_ms"),
    Figure("request_p50_us", "512-byte request on an open stream, p50", "us", 200, peer="py_request_p50_us"),
    Figure("request_p99_us", "  p99", "us", 500, peer="py_request_p99_us"),
    Figure("fresh_stream_p50_us", "new stream and request, p50", "us", 400, peer="py_fresh_stream_p50_us"),
    Figure("pipelined_per_second", "pipelined requests, 64 outstanding", "/s", 20_000, True, "py_pipelined_per_second"),
    Figure("pipelined_cpu_us", "  CPU of both ends", "us", 50),
    Figure("bulk_mb_per_second", "bulk, one stream", "MB/s", 150, True),
    Figure("lateness_p99_ms", "loop lateness under a 64-deep burst, p99", "ms", 5),
    Figure("base_mb", "memory of the network alone", "MB", 60, peer="py_base_mb"),
    Figure("idle_link_kb", "  each idle link", "KB", 20),
    Figure("gossip20_cpu_us", "gossip, 20 nodes, 100/s: CPU a node a message", "us", 700, peer="py_gossip_cpu_us"),
    Figure("gossip20_shared_cpu_us", "  ..., ten nodes a process", "us", 700),
    Figure("gossip20_dense_cpu_us", "  ..., with the fourteen neighbours of twenty nodes left alone", "us", math.inf),
    Figure("gossip_cpu_ratio", "  as a multiple of py-libp2p's (10 nodes, 10/s)", "x", 0.15),
    Figure("gossip20_delivered", "  delivered", "", 0.999, True),
    Figure("gossip20_p99_ms", "  p99", "ms", 150, peer="py_gossip_p99_ms"),
    Figure("gossip10_delivered", "gossip, 10 nodes, 500/s: delivered", "", 1.0, True),
    Figure("gossip10_p99_ms", "  p99", "ms", 300),
    Figure("update_burst_ratio", "p99 of channel messages beside a gossip burst", "x", 2),
    Figure("snapshot_s", "snapshot of 10,000 items to a newcomer, checked", "s", 1.5),
    Figure("snapshot_cpu_s", "  CPU of the newcomer, signature checks included", "s", 1.5),
    Figure("rejoin_kb", "rejoin, 200 of 10,000 differ, items included", "KB", 100),
    Figure("rejoin_cpu_ms", "  CPU of both sides", "ms", 50),
)


PARTS = {
    "shelves": measure_shelves,
    "pairs": measure_pairs,
    "priority": measure_priority,
    "gossip": measure_gossip,
    "growth": measure_growth,
}


def measure(parts: Collection[str]) -> dict[str, float]:
    """Return all results, those of other parts as written before; a run that is cut short has written what it had."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() and set(parts) != set(PARTS) else {}
    results: dict[str, float] = known | {"cores": float(os.cpu_count() or 1), "load_before": os.getloadavg()[0]}
    for part in parts:
        results |= PARTS[part]()
        results["load_after"] = os.getloadavg()[0]
        RESULTS.write_text(json.dumps({name: round(value, 4) for name, value in results.items()}, indent=2) + "\n")
    return results


def main() -> int:
    """Measure, print, write; return 1 where a bound is not kept."""
    results = measure(sys.argv[1:] or list(PARTS))
    table = Table(title="The network", title_justify="left")
    for column in ("figure", "measured", "bound", "py-libp2p", ""):
        table.add_column(column, justify="left" if column in ("figure", "") else "right")
    missed = 0
    for figure in FIGURES:
        value = results.get(figure.name)
        if value is None:
            continue
        holds = figure.holds(value)
        missed += not holds
        peer = results.get(figure.peer)
        table.add_row(
            figure.label,
            f"{value:,.3g} {figure.unit}" if value < 1000 else f"{value:,.0f} {figure.unit}",
            "" if math.isinf(figure.bound) else f"{'≥' if figure.at_least else '≤'} {figure.bound:,g}",
            "" if peer is None else f"{peer:,.4g}",
            "" if holds else "NOT MET",
        )
    Console(width=120).print(table)
    if "peers1000_cpu_us" in results:
        draw(results, PICTURE)
    print(f"load {results['load_before']:.1f} to {results['load_after']:.1f} on {results['cores']:.0f} cores")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
