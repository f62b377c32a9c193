"""The `thalweg` command: which commands there are. What they do is imported when they are called."""

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from thalweg.cli import channel_commands as channel
from thalweg.cli import demo_command, store_commands
from thalweg.cli import net_commands as net
from thalweg.cli import node_commands as node
from thalweg.cli import pricing_commands as pricing
from thalweg.cli.reporting import STATUS_INTERRUPTED, STATUS_MISTAKE, write_json
from thalweg.errors import Reason


class Spoken(TyperGroup):
    """The commands. With `--json` one object is printed for wrong usage too, before any command has begun."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command, and exit with its status."""
        given: Sequence[str] | None = args[0] if args else options.get("args")
        if "--json" not in (sys.argv[1:] if given is None else given):
            return super().main(*args, **options)
        try:
            status = super().main(*args, **{**options, "standalone_mode": False})
        except TyperException as wrong:
            why = wrong.format_message() if hasattr(wrong, "format_message") else str(wrong)
            write_json({"ok": False, "error": {"reason": str(Reason.MALFORMED), "detail": f"{why} See --help"}})
            status = STATUS_MISTAKE
        except typer.Abort:
            write_json({"ok": False, "error": {"reason": "interrupted", "detail": ""}})
            status = STATUS_INTERRUPTED
        sys.exit(status if isinstance(status, int) else 0)


def application() -> typer.Typer:
    """Return the command with all its parts."""
    app = typer.Typer(
        name="thalweg",
        cls=Spoken,
        help="Trade options directly with each other, over channels on an EVM chain.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command("demo", rich_help_panel="Start here")(demo_command.demo)
    for name, run in (
        ("init", node.init), ("up", node.up), ("chain", node.chain), ("deploy", node.deploy), ("oracle", node.oracle),
    ):  # fmt: skip
        app.command(name, rich_help_panel="Run")(run)
    for name, ask in (
        ("status", channel.status), ("peers", channel.peers), ("connect", channel.connect),
        ("ban", channel.ban), ("pardon", channel.pardon),
        ("reports", channel.reports), ("counters", channel.counters),
    ):  # fmt: skip
        app.command(name, rich_help_panel="Look at a running node")(ask)
    app.add_typer(_net(), name="net", rich_help_panel="Look at a running node")
    for name, act in (
        ("open", channel.open_channel), ("proposals", channel.proposals), ("accept", channel.accept),
        ("decline", channel.decline), ("channels", channel.channels), ("pay", channel.pay),
        ("deposit", channel.deposit), ("withdraw", channel.withdraw), ("resume", channel.resume),
        ("close", channel.close),
    ):  # fmt: skip
        app.command(name, rich_help_panel="Channels")(act)
    for name, deal in (
        ("trade", channel.trade), ("offers", channel.offers), ("take", channel.take), ("positions", channel.positions),
    ):  # fmt: skip
        app.command(name, rich_help_panel="Trades")(deal)
    for name, value in (("price", pricing.price), ("surface", pricing.surface), ("calibrate", pricing.calibrate)):
        app.command(name, rich_help_panel="Pricing")(value)
    # a number below zero is a number that is refused, not an option that there is not
    numbers = {"ignore_unknown_options": True}
    app.command("iv", rich_help_panel="Pricing", context_settings=numbers)(pricing.iv)
    for name, store in (
        ("backup", store_commands.backup), ("restore", store_commands.restore), ("version", store_commands.version),
    ):  # fmt: skip
        app.command(name, rich_help_panel="Files")(store)
    return app


def _net() -> typer.Typer:
    group = typer.Typer(help="The network around a running node.", no_args_is_help=True)
    group.command("doctor")(net.doctor)
    group.command("graph")(net.graph)
    group.command("metrics")(net.metrics)
    return group


def main() -> None:
    """Run the command that the arguments name."""
    application()()
