"""Benchmarks of a channel: `make bench-channel` prints the table and writes bench/results/channel.json.

Every figure comes from production parts. The ceilings are the project's own; a figure above one makes the run fail.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.at_rest import measure_memory, measure_replay
from bench.node import measure_node
from bench.updates import measure_updates

RESULTS = Path(__file__).parent / "results" / "channel.json"


class Figure(NamedTuple):
    """One line of the table: a result's name, what it is, and its bound."""

    name: str
    label: str
    unit: str
    bound: float
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Say whether the bound is kept."""
        return value >= self.bound if self.at_least else value <= self.bound


FIGURES = (
    Figure("serial_p50_ms", "serial durable update, p50", "ms", 2.5),
    Figure("serial_floor_ratio", "  as a multiple of its floor", "x", 4.0),
    Figure("batched_per_second", "batched operations, both sides durable", "/s", 20_000, at_least=True),
    Figure("start_s", "node: start to ready", "s", 1.5),
    Figure("idle_mb", "node: resident memory, idle", "MB", 120),
    Figure("channel_kb", "node: each further open channel", "KB", 30),
    Figure("replay_s", "replay of 100,000 operations", "s", 5.0),
)


def measure() -> dict[str, float]:
    """Return all results."""
    with tempfile.TemporaryDirectory(prefix="thalweg-bench-") as name:
        folder = Path(name)
        results = asyncio.run(measure_updates(folder))
        results["serial_floor_ratio"] = results["serial_p50_ms"] * 1e3 / results["floor_us"]
        results |= measure_node(folder)
        results |= measure_memory(folder)
        results |= measure_replay(folder)
    return results


def main() -> int:
    """Measure, print, write; 1 where a bound is not kept."""
    results = measure()
    table = Table(title="A channel, measured", title_justify="left")
    for heading in ("figure", "measured", "bound", "ratio"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for figure in FIGURES:
        value = results[figure.name]
        mark = "" if figure.holds(value) else "  !"
        sign = ">=" if figure.at_least else "<="
        ratio = value / figure.bound if figure.at_least else figure.bound / value
        table.add_row(
            figure.label,
            f"{value:,.2f} {figure.unit}{mark}",
            f"{sign} {figure.bound:,g} {figure.unit}",
            f"{ratio:.1f}x",
        )
    Console().print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({key: round(value, 4) for key, value in results.items()}, indent=2) + "\n")
    return int(not all(figure.holds(results[figure.name]) for figure in FIGURES))


if __name__ == "__main__":
    sys.exit(main())
