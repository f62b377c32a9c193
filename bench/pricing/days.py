"""How real chains fit: `python -m bench.pricing.days` prints a table, a row a snapshot and currency.

What counts are the quotes out of the money with a bid and an ask, over one day to expiry, as an outsider picks them
from the file: also those a calibration leaves out. "narrow" are those whose bid and ask are at most five volatility
points apart; the others are priced at a few ticks, so that their mids by themselves can be arbitraged. Beside it plain
raw SVI, an expiry at a time, by spread-weighted least squares, arbitrage not excluded.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from thalweg.market.chains import load_chain
from thalweg.pricing.fit import QUOTES_MIN, VolQuote, fit_svi
from thalweg.pricing.implied import Verdict, implied_volatility
from thalweg.pricing.quotes import Quotes
from thalweg.pricing.surface_fit import Calibration, calibrate

DAY_YEARS = 1.0 / 365.25
NARROW = 0.05


class Market(NamedTuple):
    """The quotes that count, with the volatilities of bid, mid and ask."""

    strike: Any
    years: Any
    forward: Any
    bid: Any
    mid: Any
    ask: Any


class Score(NamedTuple):
    """Share of quotes inside, and the errors to mids in volatility points: of all, and of narrow quotes."""

    inside: float
    error: float
    narrow: float


def counted(quotes: Quotes) -> Market:
    """Return the quotes that count."""
    chosen = (quotes.bid > 0.0) & (quotes.ask > 0.0) & (quotes.years > DAY_YEARS)
    chosen &= (quotes.strike >= quotes.forward) == quotes.is_call
    strike, years, forward = quotes.strike[chosen], quotes.years[chosen], quotes.forward[chosen]
    bid, ask = quotes.bid[chosen], quotes.ask[chosen]
    prices = np.stack([bid, 0.5 * (bid + ask), ask])
    found = implied_volatility(quotes.is_call[chosen], prices, forward, strike, years, inverse=True)
    sides = np.where(found.verdict == Verdict.OK, found.volatility, np.nan)
    priced = np.isfinite(sides[1])
    low, high = np.where(np.isnan(sides[0]), 0.0, sides[0]), np.where(np.isnan(sides[2]), np.inf, sides[2])
    return Market(strike[priced], years[priced], forward[priced], low[priced], sides[1][priced], high[priced])


def score(market: Market, fitted: Any) -> Score:
    """Return how volatilities fit; those that are not numbers are misses, and have no error."""
    known = np.isfinite(fitted)
    inside = (fitted >= market.bid - 1e-12) & (fitted <= market.ask + 1e-12) & known
    off = 100.0 * (fitted - market.mid)
    narrow = known & (market.ask - market.bid <= NARROW)
    errors = [float(np.sqrt((off[some] ** 2).mean())) for some in (known, narrow)]
    return Score(float(inside.mean()), errors[0], errors[1])


def on_surface(found: Calibration, market: Market) -> Any:
    """Return the surface's volatilities."""
    fitted = np.empty(market.strike.size)
    for years in np.unique(market.years):
        chosen = market.years == years
        fitted[chosen] = found.surface.volatility(market.strike[chosen], float(years))
    return fitted


def on_raw_svi(market: Market) -> Any:
    """Return plain raw SVI's volatilities; not a number at expiries with too few quotes."""
    fitted = np.full(market.strike.size, np.nan)
    for years in np.unique(market.years):
        chosen = np.flatnonzero(market.years == years)
        if chosen.size < QUOTES_MIN:
            continue
        k = np.log(market.strike[chosen] / market.forward[chosen])
        half = np.clip(0.5 * (market.ask[chosen] - market.bid[chosen]), 0.002, 1.0)
        rows = zip(k, market.mid[chosen], half, strict=True)
        svi = fit_svi([VolQuote(*map(float, row)) for row in rows], float(years)).svi
        w = np.array([svi.total_variance(float(x)) for x in k])
        fitted[chosen] = np.sqrt(np.maximum(w, 0.0) / years)
    return fitted


def main() -> int:
    """Print the table of the snapshots in a folder, or of those beside the project."""
    from bench.pricing.surface import folder

    chains = Path(sys.argv[1]) if len(sys.argv) > 1 else folder()
    if chains is None:
        print("no snapshots: name their folder, or set THALWEG_CHAINS")
        return 2
    print("| day | | quotes | inside | error | narrow | raw SVI: inside | error | narrow |")
    print("|---|---|---|---|---|---|---|---|---|")
    for path in sorted(chains.glob("*.csv.gz")):
        for currency in ("BTC", "ETH"):
            quotes = load_chain(path, currency)
            found, market = calibrate(quotes), counted(quotes)
            assert not found.surface.arbitrages()
            ours, raw = score(market, on_surface(found, market)), score(market, on_raw_svi(market))
            cells = [f"{one.inside:.1%} | {one.error:.2f} | {one.narrow:.2f}" for one in (ours, raw)]
            print(f"| {path.name[:8]} | {currency} | {market.mid.size} | {cells[0]} | {cells[1]} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
