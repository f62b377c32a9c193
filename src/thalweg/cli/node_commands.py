"""Commands that run or set up a process: init, up, chain, deploy, oracle."""

from pathlib import Path
from typing import Annotated

import typer

from thalweg.cli.options import AsJson, Attached, Data, Listen, PasswordFile, Verbose
from thalweg.cli.reporting import reporting, show, write_json

Signers = Annotated[
    list[str] | None, typer.Option("--signer", help="An oracle's key (`thalweg init` shows it); once each, in order.")
]
Threshold = Annotated[
    int, typer.Option("--threshold", min=0, help="Oracles that must sign (0: the least that is safe).")
]
Announce = Annotated[
    list[str] | None, typer.Option("--announce", help="An address that leads here (onion service, router's rule).")
]
Relay = Annotated[bool, typer.Option("--relay", help="Lead others to nodes that cannot be reached, within limits.")]
MapPort = Annotated[bool, typer.Option("--map-port/--no-map-port", help="Ask the router to lead the port here.")]
FindNeighbours = Annotated[
    bool, typer.Option("--neighbours/--no-neighbours", help="Find nodes on the local network, and be found.")
]
Tor = Annotated[str, typer.Option("--tor", help="Dial onion addresses through this SOCKS5 proxy, as host:port.")]
OnlyTor = Annotated[bool, typer.Option("--only-tor", help="Dial everybody through it, and announce nothing else.")]
MetricsPort = Annotated[
    int | None, typer.Option("--metrics-port", min=0, max=65_535, help="Serve Prometheus metrics on this port.")
]
Fund = Annotated[list[str] | None, typer.Option("--fund", help="Give this account coins and test tokens.")]


def init(
    data: Data,
    deployment: Annotated[
        Path | None, typer.Option("--deployment", help="File that says where Thalweg is on a chain.")
    ] = None,
    mnemonic_file: Annotated[
        Path | None, typer.Option("--mnemonic-file", help="Use the words in this file instead of new ones.")
    ] = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Create a data folder with new keys, or give an existing one its deployment."""
    with reporting(as_json):
        from thalweg.cli.initialising import initialise

        result = initialise(data, deployment, mnemonic_file, password_file)
        if as_json:
            write_json({"ok": True, "result": result})
            return
        from thalweg.cli.tables import facts

        words = result.pop("mnemonic", None)
        show(False, result, facts(f"Data folder {data}", dict(result)))
        if words:
            from thalweg.cli.reporting import console

            console().print(f"\nWrite these words down: they are your money, and are not shown again.\n\n  {words}\n")


def up(
    data: Data,
    listen: Listen = "127.0.0.1:0",
    api_port: Annotated[int, typer.Option("--api-port", min=0, max=65_535, help="0 takes a free one.")] = 0,
    peer: Annotated[list[str] | None, typer.Option("--peer", help="Stay connected to this peer; remembered.")] = None,
    oracle: Annotated[list[str] | None, typer.Option("--oracle", help="Ask this oracle; remembered.")] = None,
    bootstrap: Annotated[
        list[str] | None, typer.Option("--bootstrap", help="Find others through this node; remembered.")
    ] = None,
    accept_channels_max: Annotated[
        str | None, typer.Option("--accept-channels-max", help="Accept channels that ask at most this deposit.")
    ] = None,
    accept_trades: Annotated[
        bool, typer.Option("--accept-trades", help="Take offers at least as good as the market's model price.")
    ] = False,
    edge: Annotated[float, typer.Option("--edge", min=0, max=1, help="... less this share of it.")] = 0.0,
    market: Annotated[Path | None, typer.Option("--market", help="Option-chain snapshot, or fitted market.")] = None,
    answer: Annotated[int, typer.Option("--answer", min=1, help="Seconds a peer has to sign a state.")] = 60,
    challenge: Annotated[int, typer.Option("--challenge", min=1, help="Seconds more until the chain is asked.")] = 60,
    challenge_period_min: Annotated[
        int | None,
        typer.Option("--challenge-period-min", min=1, help="Join no channel with less (default: as deployed)."),
    ] = None,
    undecided_max: Annotated[
        str | None,
        typer.Option("--undecided-max", help="At stake in a channel's unagreed states (default: a tenth of it)."),
    ] = None,
    announce: Announce = None,
    relay: Relay = False,
    map_port: MapPort = True,
    neighbours: FindNeighbours = True,
    tor: Tor = "",
    only_tor: OnlyTor = False,
    metrics_port: MetricsPort = None,
    password_file: PasswordFile = None,
    attached: Attached = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Run a node until it is told to stop."""
    with reporting(as_json):
        from thalweg.app.peering import Ways
        from thalweg.cli.running import UpOptions, up_node

        ways = Ways(tuple(announce or ()), relay, map_port, tor, only_tor, neighbours)
        options = UpOptions(
            data, listen, api_port, tuple(peer or ()), tuple(oracle or ()), tuple(bootstrap or ()),
            accept_channels_max, accept_trades, edge, market, answer, challenge, challenge_period_min,
            undecided_max, ways, metrics_port, password_file, attached, verbose, as_json,
        )  # fmt: skip
        up_node(options)


def chain(
    listen: Listen = "127.0.0.1:8545",
    deployment: Annotated[
        Path | None, typer.Option("--deployment", help="Deploy the contracts too, and say in this file where.")
    ] = None,
    signer: Signers = None,
    threshold: Threshold = 0,
    fund: Fund = None,
    block_time: Annotated[
        float | None, typer.Option("--block-time", min=0.05, help="Also mine a block every so many seconds.")
    ] = None,
    attached: Attached = False,
    as_json: AsJson = False,
) -> None:
    """Run a development chain on this machine."""
    with reporting(as_json):
        from thalweg.cli.chains import run_chain

        run_chain(listen, deployment, tuple(signer or ()), threshold, tuple(fund or ()), block_time, attached, as_json)


def deploy(
    rpc: Annotated[str, typer.Argument(help="RPC of the chain.")],
    deployment: Annotated[Path, typer.Argument(help="File to write: where everything is.")],
    signer: Signers = None,
    threshold: Threshold = 0,
    oracle: Annotated[str | None, typer.Option("--oracle", help="Use this oracle contract, not a new quorum.")] = None,
    token: Annotated[
        list[str] | None, typer.Option("--token", help="Deal in this token; the first one is settled in.")
    ] = None,
    test_token: Annotated[
        bool, typer.Option("--test-token", help="Deploy a token that anybody can mint (development chains: always).")
    ] = False,
    pyth: Annotated[str | None, typer.Option("--pyth", help="Make an adapter for this Pyth-style oracle.")] = None,
    keystore: Annotated[
        Path | None, typer.Option("--keystore", help="Pay from this key: an Ethereum keystore.")
    ] = None,
    password_file: PasswordFile = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="Pay from this key: hexadecimal, in a file nobody else can read.")
    ] = None,
    account: Annotated[str | None, typer.Option("--account", help="Pay from this account of the chain's node.")] = None,
    fund: Fund = None,
    sources: Annotated[
        Path | None, typer.Option("--sources", help="Write what explorers verify the code by into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Deploy the contracts, at the same addresses as on every chain; run it again if it was interrupted.

    Without --keystore, --key-file, --account or THALWEG_DEPLOY_KEY a development account pays.
    """
    with reporting(as_json):
        from thalweg.app.paying import Paying
        from thalweg.cli.chains import Order, deploy_on
        from thalweg.contracts.sources import export_sources

        order = Order(
            signers=tuple(signer or ()), threshold=threshold, oracle=oracle, tokens=tuple(token or ()),
            test_token=test_token, pyth=pyth, accounts=tuple(fund or ()),
        )  # fmt: skip
        paying = Paying(keystore=keystore, password_file=password_file, key_file=key_file, account=account)
        if sources is not None:
            export_sources(sources)
        result = deploy_on(rpc, deployment, order, paying)
        where = "the same addresses as everywhere" if result["same_everywhere"] else "addresses of this chain's own"
        show(as_json, result, f"deployed at {where}; wrote {deployment}")


def oracle(
    data: Data,
    path: Annotated[Path, typer.Option("--path", help="Price path to report: JSON with seed and points.")],
    listen: Listen = "127.0.0.1:0",
    peer: Annotated[list[str] | None, typer.Option("--peer", help="Another oracle's address; remembered.")] = None,
    password_file: PasswordFile = None,
    attached: Attached = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Run one oracle of a quorum until it is told to stop."""
    with reporting(as_json):
        from thalweg.cli.running import up_oracle

        up_oracle(data, path, listen, tuple(peer or ()), password_file, attached, verbose, as_json)
