"""A chain of about 900 quotes to a surface without arbitrage, cold and again after a few quotes changed."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from bench.pricing.days import counted, on_surface, score
from bench.pricing.rounds import OURS, Bound, Figure, alternate
from thalweg.market.chains import load_chain
from thalweg.pricing.european import black76
from thalweg.pricing.quotes import Quotes, quotes_of
from thalweg.pricing.ssvi import Ssvi
from thalweg.pricing.surface_fit import calibrate, refit

SHARED = Path(__file__).parents[3] / "shared" / "data" / "option-chain"


def folder() -> Path | None:
    """Return where real chains are, or None."""
    found = Path(os.environ.get("THALWEG_CHAINS", SHARED))
    return found if found.is_dir() else None


def invented() -> Quotes:
    """Return a chain of 900 quotes around arbitrage-free smiles."""
    parts: list[Any] = []
    for years in np.geomspace(0.005, 0.9, 12):
        forward, theta = 60_000.0 * np.exp(0.05 * years), 0.3 * years
        smile = Ssvi(theta, -0.2, 0.8 * np.sqrt(theta)).raw()
        k = np.linspace(-2.5, 2.5, 38) * np.sqrt(theta)
        w = np.array([smile.total_variance(float(x)) for x in k])
        for is_call in (True, False):
            price = black76(is_call, 1.0, np.exp(k), np.sqrt(w / years), years, outputs=["price"])["price"]
            bid, ask = np.maximum(price - 3e-4, 0.0), price + 3e-4
            parts.append(
                (np.full(38, is_call), forward * np.exp(k), np.full(38, years), bid, ask, np.full(38, forward))
            )
    calls, strike, years, bid, ask, forward = map(np.concatenate, zip(*parts, strict=True))
    return quotes_of(calls, strike, years, bid, ask, forward=forward, inverse=True)


def changed(quotes: Quotes) -> Quotes:
    """Return the chain with three quotes of one later expiry moved."""
    live = np.flatnonzero((quotes.bid > 0.0) & (quotes.years == np.unique(quotes.years)[-4]))[:60:20]
    bid = quotes.bid.copy()
    bid[live] *= 0.99
    return quotes._replace(bid=bid)


def measure() -> list[Figure]:
    """Return milliseconds for a cold fit and a refit, and how real days fit."""
    chains = folder()
    days = sorted(chains.glob("*.csv.gz")) if chains else []
    quotes = load_chain(days[len(days) // 2]) if days else invented()
    before, moved = calibrate(quotes), changed(quotes)
    facts: dict[str, float] = {"quotes": float(quotes.strike.size)}
    for path in days:
        for currency in ("BTC", "ETH"):
            chain = load_chain(path, currency)
            found, market = calibrate(chain), counted(chain)
            assert not found.surface.arbitrages()
            fit, name = score(market, on_surface(found, market)), f"{path.name[:8]} {currency}"
            facts |= {f"{name} inside": fit.inside, f"{name} error": fit.error, f"{name} error, narrow": fit.narrow}
    cold = alternate({OURS: lambda: calibrate(quotes)}, 1e3, rounds=15)
    again = alternate({OURS: lambda: refit(before, moved)}, 1e3, rounds=25)
    return [
        Figure("surface", "A whole chain to a surface without arbitrage", "ms", cold, (Bound(300.0),), facts),
        Figure("surface_refit", "The same after three quotes changed", "ms", again, (Bound(30.0),), {}),
    ]
