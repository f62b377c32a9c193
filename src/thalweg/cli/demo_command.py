"""`thalweg demo`: options only; the show is in `thalweg.cli.demo`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from thalweg.cli.options import AsJson
from thalweg.cli.reporting import reporting


class Scenario(StrEnum):
    """What goes wrong."""

    PLAIN = "plain"
    STALE = "stale"
    VANISH = "vanish"
    CRASH = "crash"
    NETWORK = "network"


def demo(
    scenario: Annotated[Scenario, typer.Option("--scenario", help="What goes wrong.")] = Scenario.PLAIN,
    market: Annotated[
        Path | None, typer.Option("--market", help="Option-chain snapshot to price from (default: a fitted day).")
    ] = None,
    rpc: Annotated[str | None, typer.Option("--rpc", help="Use this development chain instead of our own.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes what is random.")] = 8,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Keep everybody's data folders and logs in this new folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One trade, end to end, between real processes: open, trade, settle, close. Or (network) twenty strangers meet."""
    with reporting(as_json):
        from thalweg.cli.demo.show import run_demo

        status = run_demo(scenario.value, market, rpc, seed, keep, as_json)
        if status:
            raise typer.Exit(status)
