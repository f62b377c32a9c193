"""Forecasts of volatility, walked forward: `make bench-forecast` prints tables, writes bench/results/forecast.json.

Arguments are CSV files of daily prices with columns Date, Open, High, Low, Close. Without any, markets are simulated,
whose truth is known: Heston's, and rough Bergomi's.
"""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from thalweg.pricing.forecast import Comparison, Ewma, Har, Learned, compare, garman_klass
from thalweg.pricing.models import Heston, RoughBergomi
from thalweg.pricing.paths import Sampling, Scene, simulate

RESULTS = Path(__file__).parent / "results" / "forecast.json"
PATHS, DAYS, TICKS = 40, 60, 8  # simulated: days a path, observations a day


def read(path: Path) -> tuple[Any, Any]:
    """Return daily variances and returns."""
    with path.open(newline="") as lines:
        rows = [[float(row[name]) for name in ("Open", "High", "Low", "Close")] for row in csv.DictReader(lines)]
    o, h, low, c = np.array(rows).T
    return garman_klass(o, h, low, c), np.diff(np.log(c), prepend=np.log(o[0]))


def simulated(name: str) -> tuple[Any, Any]:
    """Return realised variances and returns of a simulated market, path after path of some months."""
    model: Any = Heston(0.16, 3.0, 0.16, 1.0, -0.6) if name == "Heston" else RoughBergomi(0.16, 1.9, -0.7, 0.1)
    moves = _moves(model, PATHS)
    return (moves**2).sum(axis=1), moves.sum(axis=1)


def _moves(model: Any, paths: int) -> Any:
    """Return log returns, a row a day, of paths joined end to end: read off one dated price after the other."""
    times = np.arange(1, DAYS * TICKS + 1) / (252.0 * TICKS)
    logs = np.zeros((paths, times.size + 1))
    for step in range(times.size):
        weights = np.zeros(times.size)
        weights[step] = 1.0
        scene = Scene(1.0, times[: step + 1], np.ones(step + 1), weights[: step + 1], np.zeros(step + 1, np.bool_))
        logs[:, step + 1] = simulate(model, scene, Sampling(paths=64, antithetic=False), ("log_average",)).log_average[
            :paths
        ]
    return np.diff(logs, axis=1).reshape(-1, TICKS)


def show(name: str, found: Comparison) -> None:
    """Print one market's table."""
    table = Table(title=f"{name}: {found.days:,} days, walked forward", title_justify="left")
    for heading in ("forecaster", "QLIKE", "Diebold-Mariano", "p"):
        table.add_column(heading, justify="left" if heading == "forecaster" else "right")
    for score in found.scores:
        mark = " <- used" if score.name == found.chosen else ""
        table.add_row(score.name + mark, f"{score.loss:.4f}", f"{score.statistic:+.2f}", f"{score.p_value:.3f}")
    Console().print(table)


def main() -> int:
    """Compare on every market, print and write."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    markets = {Path(name).stem: read(Path(name)) for name in sys.argv[1:]}
    for name in () if markets else ("Heston", "rough Bergomi"):
        markets[f"simulated {name}"] = simulated(name)
    for name, (variance, returns) in markets.items():
        found = compare([Ewma(), Har(), Har(name="HAR with leverage", leverage=True), Learned()], variance, returns)
        show(name, found)
        results[name] = {
            "days": found.days,
            "used": found.chosen,
            "scores": [score._asdict() for score in found.scores],
        }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
