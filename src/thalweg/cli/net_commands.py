"""Commands about the network around a running node: can others reach it, who is linked to whom, what it counts."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg.cli.options import AsJson, Data
from thalweg.cli.reporting import reporting, show

Plot = Annotated[Path | None, typer.Option("--plot", help="Draw it: a file that ends in .html or .png.")]
Also = Annotated[list[Path] | None, typer.Option("--also", help="Data folder of another node that runs here.")]


def _call(data: Path, method: str) -> Any:
    from thalweg.api.client import Client

    return Client.of_folder(data).call(method)


def doctor(data: Data, as_json: AsJson = False) -> None:
    """Whether others can reach this node, and if not, what to do."""
    with reporting(as_json):
        result = _call(data, "net_doctor")
        from thalweg.cli.net_tables import doctor_facts

        show(as_json, result, doctor_facts(result))


def graph(data: Data, also: Also = None, plot: Plot = None, as_json: AsJson = False) -> None:
    """Who is linked to whom, as this node sees it, and others here."""
    with reporting(as_json):
        from thalweg.cli.net_tables import graph_table
        from thalweg.cli.topology import merged

        result = merged([_call(folder, "net_graph") for folder in (data, *(also or ()))])
        if plot is not None:
            from thalweg.cli.topology_plot import draw

            draw(result, plot)
        show(as_json, result, graph_table(result) if plot is None else f"wrote {plot}")


def metrics(data: Data) -> None:
    """Everything the node counts, as Prometheus reads it."""
    with reporting(False):
        sys.stdout.write(_call(data, "net_metrics"))
