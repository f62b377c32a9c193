"""From a command's options to a running process: `thalweg up` and `thalweg oracle`."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import msgspec

from thalweg import __version__
from thalweg.app.node import NodeOptions, Ready, run_node
from thalweg.app.peering import Ways
from thalweg.app.settings import folder_deployment
from thalweg.app.strategy import PPM, Strategy
from thalweg.cli.initialising import ask_password
from thalweg.cli.reporting import write_json
from thalweg.errors import Reason, UserFault
from thalweg.units import Amount

PORT_MAX: Final = 65_535


class UpOptions(msgspec.Struct, frozen=True):
    """What `thalweg up` was told."""

    data: Path
    listen: str
    api_port: int
    peers: tuple[str, ...]
    oracles: tuple[str, ...]
    bootstrap: tuple[str, ...]
    accept_channels_max: str | None
    accept_trades: bool
    edge: float
    market: Path | None
    answer_s: int
    challenge_s: int
    challenge_period_s_min: int | None
    undecided_max: str | None
    ways: Ways
    metrics_port: int | None
    password_file: Path | None
    attached: bool
    verbose: bool
    as_json: bool


def split_listen(text: str) -> tuple[str, int]:
    """Return host and port.

    Raises:
        UserFault: MALFORMED.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > PORT_MAX:
        raise UserFault(Reason.MALFORMED, f"{text!r} is not an address and a port such as 127.0.0.1:4001")
    return host.strip("[]"), int(port)


def up_node(options: UpOptions) -> None:
    """Run a node; returns when it was told to stop.

    Raises:
        UserFault, Unavailable, InvariantBroken: as `run_node`.
    """
    host, port = split_listen(options.listen)
    node = NodeOptions(
        folder=options.data,
        password=ask_password(options.password_file),
        version=__version__,
        host=host,
        port=port,
        api_port=options.api_port,
        peers=options.peers,
        oracles=options.oracles,
        bootstrap=options.bootstrap,
        answer_s=options.answer_s,
        challenge_s=options.challenge_s,
        challenge_period_s_min=options.challenge_period_s_min,
        undecided_max=_amount(options, options.undecided_max),
        strategy=_strategy(options),
        ways=options.ways,
        metrics_port=options.metrics_port,
        attached=options.attached,
        verbose=options.verbose,
    )

    def tell(ready: Ready) -> None:
        if options.as_json:
            write_json({"ok": True, "ready": True, "peer": ready.peer, "api": ready.api})
            return
        sys.stdout.write(f"ready at {ready.peer}\n")
        if ready.recovering:
            sys.stdout.write("the journal is a restored one: resume each channel (`thalweg resume`) or close it\n")
        sys.stdout.flush()

    asyncio.run(run_node(node, tell))


def _amount(options: UpOptions, text: str | None) -> Amount | None:
    """Return an amount of the settlement asset, if one was given."""
    if text is None:
        return None
    amount = folder_deployment(options.data).tokens()[0].parse(text)
    if amount < 0:
        raise UserFault(Reason.NEGATIVE, f"{text} is negative: give an amount from 0 on")
    return Amount(amount)


def _strategy(options: UpOptions) -> Strategy:
    channels_max = _amount(options, options.accept_channels_max)
    if not options.accept_trades:
        return Strategy(channels_max=channels_max)
    from thalweg.market.smiles import default_market
    from thalweg.market.snapshot import load_market

    market = default_market() if options.market is None else load_market(options.market)
    return Strategy(channels_max=channels_max, market=market, edge_ppm=round(options.edge * PPM))


def up_oracle(
    data: Path,
    path: Path,
    listen: str,
    peers: tuple[str, ...],
    password_file: Path | None,
    attached: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run an oracle; returns when it was told to stop.

    Raises:
        UserFault, Unavailable, InvariantBroken: as `run_oracle`.
    """
    from thalweg.app.oracle_node import OracleOptions, run_oracle

    host, port = split_listen(listen)
    options = OracleOptions(
        folder=data,
        password=ask_password(password_file),
        version=__version__,
        path=path,
        host=host,
        port=port,
        peers=peers,
        attached=attached,
        verbose=verbose,
    )

    def tell(ready: Ready) -> None:
        if as_json:
            write_json({"ok": True, "ready": True, "peer": ready.peer, "api": ready.api})
        else:
            sys.stdout.write(f"ready at {ready.peer}\n")
            sys.stdout.flush()

    asyncio.run(run_oracle(options, tell))
