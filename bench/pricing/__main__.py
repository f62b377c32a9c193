"""Measure all figures, or those named on the command line; 1 where a bound is not kept."""

import json
import pkgutil
import platform
import sys
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

import bench.pricing
from bench.pricing.rounds import OURS, Figure
from thalweg.pricing import warm

RESULTS = Path(__file__).parents[1] / "results" / "pricing.json"


def modules() -> list[str]:
    """Return the files that measure a figure."""
    names = [found.name for found in pkgutil.iter_modules(bench.pricing.__path__)]
    return [name for name in names if name not in ("__main__", "rounds", "options", "days")]


def show(figures: list[Figure]) -> None:
    """Print a line a timing and one a bound."""
    table = Table(title="Prices, measured: median (best)", title_justify="left")
    for heading in ("figure", "who", "median", "best", "bound"):
        table.add_column(heading, justify="left" if heading in ("figure", "who") else "right")
    for figure in figures:
        for name, timing in sorted(figure.timings.items(), key=lambda item: (item[0] != OURS, item[1].best)):
            table.add_row(
                figure.label if name == OURS else "", name, f"{timing.median:,.4g} {figure.unit}",
                f"{timing.best:,.4g}", "",
            )  # fmt: skip
        for bound, value, holds in figure.verdicts():
            against = f"{value:.3g}x {bound.peer}" if bound.peer else f"{value:,.3g} {figure.unit}"
            limit = f"<= {bound.limit:g}{'x' if bound.peer else ''}"
            table.add_row("", "", "", against, limit + ("" if holds else "  !"))
        table.add_section()
    Console().print(table)


def main() -> int:
    """Measure, print, write."""
    chosen = sys.argv[1:] or modules()
    warm.kernels(1 << 20)
    figures: list[Figure] = []
    for name in chosen:
        measured = import_module(f"bench.pricing.{name}").measure()
        figures += measured if isinstance(measured, list) else [measured]
        print(f"  {name} done", file=sys.stderr)
    show(figures)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    for figure in figures:
        results[figure.name] = {
            "unit": figure.unit,
            "timings": {name: {"median": t.median, "best": t.best} for name, t in figure.timings.items()},
            "bounds": [
                {"peer": bound.peer, "limit": bound.limit, "value": value, "holds": holds}
                for bound, value, holds in figure.verdicts()
            ],
            "facts": figure.facts,
        }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    return int(not all(holds for figure in figures for _, _, holds in figure.verdicts()))


if __name__ == "__main__":
    sys.exit(main())
