"""Commands that price: they need no node. What they do is in `thalweg.cli.pricing`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from thalweg.cli.options import AsJson
from thalweg.cli.reporting import reporting, show

Currency = Annotated[str, typer.Option("--currency", help="Whose rows of the snapshot.")]
Snapshot = Annotated[Path, typer.Argument(help="Option chain: a CSV of quotes, gzipped or not.")]
Rate = Annotated[float, typer.Option("--rate", help="Interest a year, continuously compounded.")]
PATHS: Final = 1 << 16


def price(
    product: Annotated[str, typer.Argument(help="european, american, barrier, asian, twap, ... (quote two words).")],
    fields: Annotated[
        list[str] | None,
        typer.Argument(help="call or put, up or down, in or out, and NAME=VALUE: strike=60000 days=30 level=70000."),
    ] = None,
    spot: Annotated[float | None, typer.Option("--spot", help="Price of the underlying (or --chain).")] = None,
    volatility: Annotated[float | None, typer.Option("--vol", help="Black-Scholes volatility: 0.6 is 60 %.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Another model: 'heston v0=0.3 kappa=2 theta=0.3 sigma=1 rho=-0.5'.")
    ] = None,
    chain: Annotated[Path | None, typer.Option("--chain", help="Price from this snapshot's surface.")] = None,
    currency: Currency = "BTC",
    rate: Rate = 0.0,
    dividend: Annotated[float, typer.Option("--dividend", help="What holding the underlying earns a year.")] = 0.0,
    paths: Annotated[int, typer.Option("--paths", min=64, help="Monte Carlo paths.")] = PATHS,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes what is random.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Price a product: thalweg price european call strike=60000 days=30 --spot 61000 --vol 0.6"""
    with reporting(as_json):
        from thalweg.cli.pricing.asking import market_of, model_of, product_of
        from thalweg.cli.pricing.tables import value_facts
        from thalweg.pricing.interface import Wish
        from thalweg.pricing.interface import price as priced

        terms = product_of(product, fields or [])
        market = market_of(spot, chain, currency, rate, dividend, quiet=as_json)
        value = priced(terms, model_of(model, volatility, chain is not None), market, Wish(paths=paths, seed=seed))
        show(as_json, {"terms": terms, "value": value}, value_facts(product, value))


def iv(
    side: Annotated[str, typer.Argument(help="call or put.")],
    premium: Annotated[float, typer.Argument(help="Its price: quote currency, or coin with --inverse.")],
    forward: Annotated[float, typer.Argument(help="Forward price for the expiry.")],
    strike: Annotated[float, typer.Argument(help="Strike.")],
    years: Annotated[float, typer.Argument(help="Years to expiry.")],
    rate: Rate = 0.0,
    inverse: Annotated[bool, typer.Option("--inverse", help="The price is in coin.")] = False,
    as_json: AsJson = False,
) -> None:
    """The volatility that a price implies (Black-76), to the last digit the price determines."""
    with reporting(as_json):
        from thalweg.cli.pricing.asking import implied
        from thalweg.cli.tables import facts

        found = implied(side, premium, forward, strike, years, rate, inverse)
        show(as_json, found, facts("Implied volatility", {"volatility": f"{found['volatility']:.15g}"}))


def surface(
    file: Snapshot,
    currency: Currency = "BTC",
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw it: a file that ends in .png or .html.")] = None,
    family: Annotated[str, typer.Option("--family", help="svi, or with fewer numbers essvi or ssvi.")] = "svi",
    as_json: AsJson = False,
) -> None:
    """Fit a volatility surface that cannot be arbitraged to a chain, say how well, and draw it."""
    with reporting(as_json):
        from thalweg.cli.pricing.asking import check_plot, fitted
        from thalweg.cli.pricing.tables import surface_result, surface_table

        draw = None if plot is None else check_plot(plot)
        found = fitted(file, currency, family=family, quiet=as_json)
        if plot is not None and draw is not None:
            draw(found, f"{currency} · {file.name}", plot)
        result = surface_result(found) | ({} if plot is None else {"plot": str(plot)})
        show(as_json, result, surface_table(found, None if plot is None else str(plot)))


def calibrate(
    file: Snapshot,
    kind: Annotated[str, typer.Option("--model", help="heston, bates, merton, kou or variancegamma.")] = "heston",
    currency: Currency = "BTC",
    as_json: AsJson = False,
) -> None:
    """Calibrate a model to a chain's surface: parameters, errors, and what to think of them."""
    with reporting(as_json):
        from thalweg.cli.pricing.asking import calibrated
        from thalweg.cli.pricing.tables import calibration_facts, calibration_result

        found = calibrated(file, kind, currency, quiet=as_json)
        show(as_json, calibration_result(found), calibration_facts(found))
