"""Calibration of whole chains: no arbitrage, whatever is quoted; what is left out and why; refits; real days."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.pricing import days
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import UserFault
from thalweg.market.chains import load_chain
from thalweg.pricing.european import black76
from thalweg.pricing.quotes import Flaw, Quotes, quotes_of
from thalweg.pricing.ssvi import Ssvi
from thalweg.pricing.surface_fit import Calibration, calibrate, refit

CHAINS = next(
    (
        folder
        for folder in (
            Path(os.environ.get("THALWEG_CHAINS", "missing")),
            *(parent / "shared/data/option-chain" for parent in Path(__file__).resolve().parents[3:6]),
        )
        if folder.is_dir()
    ),
    None,
)
EXPIRIES = ((0.02, 100.5), (0.08, 101.0), (0.25, 102.0), (0.7, 104.0))
TICK = 0.0005


def chain(seed: int = 1, noise: float = 0.0, spread: float = 2.0) -> dict[str, Any]:
    """Quotes in coin around SSVI smiles: mids off by `noise` of a tick, `spread` ticks wide."""
    rng = np.random.default_rng(seed)
    parts: dict[str, list[Any]] = {name: [] for name in ("is_call", "strike", "years", "bid", "ask", "forward")}
    for years, forward in EXPIRIES:
        theta = 0.36 * years
        smile = Ssvi(theta, -0.3, 0.9 * np.sqrt(theta)).raw()
        width = np.sqrt(theta)
        strikes = np.round(forward * np.exp(np.linspace(-2.2 * width, 2.2 * width, 25)), 2)
        for is_call in (True, False):
            w = np.array([smile.total_variance(float(k)) for k in np.log(strikes / forward)])
            price = black76(is_call, 1.0, strikes / forward, np.sqrt(w / years), years, outputs=["price"])["price"]
            mid = price / TICK + noise * rng.uniform(-1, 1, price.size)
            for name, values in (
                ("is_call", np.full(25, is_call)), ("strike", strikes), ("years", np.full(25, years)),
                ("bid", TICK * np.maximum(np.floor(mid - spread / 2), 0)), ("ask", TICK * np.ceil(mid + spread / 2)),
                ("forward", np.full(25, forward)),
            ):  # fmt: skip
                parts[name].append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def quotes(inverse: bool = True, **changes: Any) -> Quotes:
    parts = {**chain(), **changes}
    return quotes_of(
        parts["is_call"], parts["strike"], parts["years"], parts["bid"], parts["ask"],
        **{name: parts[name] for name in ("forward", "age_s") if name in parts}, inverse=inverse,
    )  # fmt: skip


def assert_holds(found: Calibration) -> None:
    assert not found.surface.arbitrages()
    assert all(0.0 <= report.inside <= 1.0 and np.isfinite(report.rmse) for report in found.reports)


def test_a_clean_chain_is_fitted_within_its_spreads() -> None:
    found = calibrate(quotes())
    assert_holds(found)
    assert [report.years for report in found.reports] == [years for years, _ in EXPIRIES]
    assert all(report.inside == 1.0 for report in found.reports)
    assert {finding.flaw for finding in found.findings} <= {Flaw.IN_THE_MONEY, Flaw.ONE_SIDED, Flaw.NO_VOLATILITY}
    assert [forward for _, forward, _ in found.surface.marks()] == [forward for _, forward in EXPIRIES]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 12.0), st.floats(0.3, 6.0), st.floats(0.7, 1.4))
def test_noise_and_crossing_expiries_never_make_arbitrage(seed: int, noise: float, spread: float, lift: float) -> None:
    parts = chain(seed, noise, spread)
    early = parts["years"] == EXPIRIES[1][0]
    for side in ("bid", "ask"):
        parts[side] = np.where(early, parts[side] * lift, parts[side])
    assert_holds(calibrate(quotes(**parts)))


def test_forwards_are_implied_where_none_is_given() -> None:
    parts = chain(spread=0.5)
    found = calibrate(quotes(**{**parts, "forward": np.nan}))
    for (_, forward, _), (_, true) in zip(found.surface.marks(), EXPIRIES, strict=True):
        assert forward == pytest.approx(true, rel=1e-3)


def test_each_quote_left_out_has_its_reason() -> None:
    parts = chain()
    outside = np.flatnonzero((parts["strike"] >= parts["forward"]) == parts["is_call"])
    of_third = outside[parts["years"][outside] == EXPIRIES[2][0]]
    crossed, bare, odd, old, broken = of_third[[3, 6, 9, 12, 15]]
    bid, ask, age, strike = (
        parts["bid"].copy(),
        parts["ask"].copy(),
        np.zeros(parts["bid"].size),
        parts["strike"].copy(),
    )
    bid[crossed] = ask[crossed] + TICK
    bid[bare] = 0.0
    bid[odd], ask[odd] = 3.0 * ask[odd] + 0.05, 3.0 * ask[odd] + 0.051
    age[old] = 3600.0
    strike[broken] = -1.0
    found = calibrate(quotes(**{**parts, "bid": bid, "ask": ask, "age_s": age, "strike": strike}))
    reasons = {finding.quote: finding.flaw for finding in found.findings}
    expected = {crossed: Flaw.CROSSED, bare: Flaw.ONE_SIDED, odd: Flaw.OUTLIER, old: Flaw.STALE, broken: Flaw.MALFORMED}
    assert {quote: reasons.get(quote) for quote in expected} == expected
    assert_holds(found)


def test_linear_quotes_give_the_same_surface() -> None:
    parts = chain()
    linear = {**parts, "bid": parts["bid"] * parts["forward"], "ask": parts["ask"] * parts["forward"]}
    coin, quote = calibrate(quotes()), calibrate(quotes(inverse=False, **linear))
    for a, b in zip(coin.surface.slices, quote.surface.slices, strict=True):
        assert float(a.smile.total_variance(0.1)) == pytest.approx(float(b.smile.total_variance(0.1)), rel=1e-6)


def test_a_refit_keeps_what_has_not_changed_and_moves_what_has() -> None:
    parts = chain()
    before = calibrate(quotes())
    same = refit(before, quotes())
    assert same.surface == before.surface
    moved = parts["years"] == EXPIRIES[1][0]
    dearer = {**parts, **{side: np.where(moved, parts[side] + 2 * TICK, parts[side]) for side in ("bid", "ask")}}
    after = refit(before, quotes(**dearer))
    assert_holds(after)
    assert after.surface.slices[2:] == before.surface.slices[2:]
    assert float(after.surface.slices[1].smile.total_variance(0.0)) > float(
        before.surface.slices[1].smile.total_variance(0.0)
    )
    whole = calibrate(quotes(**dearer))
    for a, b in zip(after.reports, whole.reports, strict=True):
        assert a.inside == pytest.approx(b.inside, abs=0.1)


def test_chains_that_say_nothing_are_refused_with_the_reasons() -> None:
    empty = np.empty(0)
    with pytest.raises(UserFault, match="the chain is empty"):
        calibrate(quotes_of(np.empty(0, bool), empty, empty, empty, empty))
    parts = chain()
    with pytest.raises(UserFault, match="200 bid above ask"):
        calibrate(quotes(**{**parts, "bid": parts["ask"] + 1.0}))
    one = np.array([0, 25 + 50, 100])
    few = {name: values[one] for name, values in parts.items()}
    with pytest.raises(UserFault, match="too few quotes at this expiry"):
        calibrate(quotes(**{**few, "is_call": few["strike"] >= few["forward"], "bid": [0.01] * 3, "ask": [0.02] * 3}))
    with pytest.raises(UserFault, match="200 not finite or not positive"):
        calibrate(quotes(**{**parts, "forward": 0.0}))
    with pytest.raises(UserFault, match="shapes do not broadcast"):
        quotes_of([True, False], [1.0, 2.0, 3.0], 0.1, 0.1, 0.1)


@pytest.mark.skipif(CHAINS is None, reason="no real chains here: set THALWEG_CHAINS to their folder")
@pytest.mark.parametrize(("day", "bar"), [("20260206", 0.93), ("20260320", 0.97), ("20260626", 0.97)])
def test_real_days_are_priced_between_bid_and_ask(day: str, bar: float) -> None:
    assert CHAINS is not None
    (path,) = CHAINS.glob(f"{day}*.csv.gz")
    for currency in ("BTC", "ETH"):
        quotes = load_chain(path, currency)
        found, market = calibrate(quotes), days.counted(quotes)
        assert_holds(found)
        ours = days.score(market, days.on_surface(found, market))
        assert ours.inside >= bar
        assert ours.narrow <= (0.65 if bar < 0.97 else 0.35)
