"""Products: exact sensitivities, parities between them, limits, QuantLib over random grids, and what is refused."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import UserFault
from thalweg.pricing.bulk import Verdict
from thalweg.pricing.european import black_scholes
from thalweg.pricing.formula import SINGLE, Request
from thalweg.pricing.products.approximations import american_approximation
from thalweg.pricing.products.averages import asian, continuous_asian
from thalweg.pricing.products.barriers import barrier, binary_barrier, double_barrier, touch
from thalweg.pricing.products.binaries import (
    asset_or_nothing,
    cash_or_nothing,
    gap,
    piecewise,
    supershare,
)
from thalweg.pricing.products.lookbacks import fixed_lookback, floating_lookback
from thalweg.pricing.products.partial import partial_fixed_lookback, partial_floating_lookback

PRICE = Request(outputs=("price",))
Product = Callable[..., Any]
# each as a function of (spot, volatility, years, rate) alone
PRODUCTS: dict[str, Product] = {
    "Barone-Adesi and Whaley": lambda s, v, t, r, q: american_approximation(False, s, 104.0, v, t, r, 0.02, request=q),
    "Bjerksund and Stensland": lambda s, v, t, r, q: american_approximation(
        True, s, 104.0, v, t, r, 0.02, method="bjerksund-stensland", request=q
    ),
    "down-and-out call": lambda s, v, t, r, q: barrier(
        True, False, False, s, 95.0, 90.0, v, t, r, 0.02, 2.0, request=q
    ),
    "up-and-in put": lambda s, v, t, r, q: barrier(
        False, True, True, s, 105.0, 120.0, v, t, r, 0.02, 2.0, 0.004, request=q
    ),
    "touch": lambda s, v, t, r, q: touch(True, s, 118.0, v, t, r, 0.02, request=q),
    "no touch": lambda s, v, t, r, q: touch(False, s, 88.0, v, t, r, 0.02, 0.002, is_no_touch=True, request=q),
    "binary barrier": lambda s, v, t, r, q: binary_barrier(
        False, True, False, s, 101.0, 125.0, v, t, r, 0.02, pays_asset=True, request=q
    ),
    "double": lambda s, v, t, r, q: double_barrier(True, False, s, 99.0, 80.0, 130.0, v, t, r, 0.02, request=q),
    "cash": lambda s, v, t, r, q: cash_or_nothing(True, s, 97.0, v, t, r, 0.02, request=q),
    "asset": lambda s, v, t, r, q: asset_or_nothing(False, s, 104.0, v, t, r, 0.02, request=q),
    "gap": lambda s, v, t, r, q: gap(True, s, 100.0, 96.0, v, t, r, 0.02, request=q),
    "supershare": lambda s, v, t, r, q: supershare(s, 90.0, 112.0, v, t, r, 0.02, request=q),
    "curve": lambda s, v, t, r, q: piecewise([(80.0, 0.0), (95.0, 10.0), (120.0, 3.0)], s, v, t, r, 0.02, request=q),
    "fixed lookback": lambda s, v, t, r, q: fixed_lookback(True, s, 103.0, 107.0, v, t, r, 0.02, 0.01, request=q),
    "floating lookback": lambda s, v, t, r, q: floating_lookback(True, s, 93.0, v, t, r, 0.02, request=q),
    "geometric": lambda s, v, t, r, q: asian(
        True, s, 99.0, v, t, r, 0.02, count=12, first=0.05, seen=2, seen_average=98.0, average="geometric", request=q
    ),
    "curran": lambda s, v, t, r, q: asian(
        True, s, 103.0, v, t, r, 0.02, count=12, seen=3, seen_average=97.0, request=q
    ),
    "moments": lambda s, v, t, r, q: asian(False, s, 103.0, v, t, r, 0.02, count=12, method="moments", request=q),
    "continuous": lambda s, v, t, r, q: continuous_asian(True, s, 99.0, v, t, r, 0.02, window=0.3, request=q),
    "continuous curran": lambda s, v, t, r, q: continuous_asian(
        True, s, 99.0, v, t, r, 0.02, window=0.5, method="curran", request=q
    ),
    "partial floating": lambda s, v, t, r, q: partial_floating_lookback(
        False, s, 104.0, 0.3, v, t, r, 0.02, factor=0.97, request=q
    ),
    "partial fixed": lambda s, v, t, r, q: partial_fixed_lookback(True, s, 103.0, 0.25, v, t, r, 0.02, request=q),
    "two boundaries": lambda s, v, t, r, q: american_approximation(
        True, s, 103.0, v, t, r, 0.04, method="bjerksund-stensland-2002", request=q
    ),
    "continuous geometric": lambda s, v, t, r, q: continuous_asian(
        True, s, 99.0, v, t, r, 0.02, window=0.2, average="geometric", request=q
    ),
}
POINT = {"spot": 101.0, "volatility": 0.35, "years": 0.7, "rate": 0.05}
STEPS = {"spot": 0.02, "volatility": 2e-4, "years": 2e-4, "rate": 1e-4}


def at(product: Product, request: Request, **changes: float) -> Any:
    return product(*{**POINT, **changes}.values(), request)


@pytest.mark.parametrize("name", PRODUCTS)
def test_sensitivities_are_those_of_the_price(name: str) -> None:
    """Each output is the difference, in one more variable, of an output of one order less: exact ones agree."""
    product = PRODUCTS[name]
    exact = at(product, Request(outputs=tuple(SINGLE), units="raw"))
    for output, meaning in SINGLE.items():
        if not meaning.variables:
            continue
        *rest, last = meaning.variables
        lower = next(key for key, other in SINGLE.items() if other.variables == tuple(rest))
        sides = [
            float(at(product, Request(outputs=(lower,), units="raw"), **{last: POINT[last] + step})[lower])
            for step in (STEPS[last], -STEPS[last])
        ]
        slope = meaning.sign / SINGLE[lower].sign * (sides[0] - sides[1]) / (2.0 * STEPS[last])
        assert float(exact[output]) == pytest.approx(slope, rel=2e-5, abs=1e-7), output


@settings(max_examples=60, deadline=None)
@given(
    st.booleans(), st.booleans(), st.floats(60.0, 150.0), st.floats(60.0, 150.0), st.floats(0.05, 1.2),
    st.floats(0.01, 2.0), st.floats(-0.05, 0.12), st.floats(-0.05, 0.12),
)  # fmt: skip
def test_what_starts_and_what_ends_at_a_barrier_add_up(
    is_call: bool, is_up: bool, strike: float, level: float, vol: float, years: float, rate: float, dividend: float
) -> None:
    terms = (100.0, strike, level, vol, years, rate, dividend)
    inside = barrier(is_call, is_up, True, *terms, request=PRICE)["price"]
    outside = barrier(is_call, is_up, False, *terms, request=PRICE)["price"]
    whole = black_scholes(is_call, 100.0, strike, vol, years, rate, dividend, outputs=["price"])["price"]
    assert float(inside + outside) == pytest.approx(float(whole), abs=1e-10)
    assert -1e-11 <= float(outside) <= float(whole) + 1e-10
    sure = np.exp(-rate * years)
    paid = touch(is_up, 100.0, level, vol, years, rate, dividend, at_hit=False, request=PRICE)["price"]
    unpaid = touch(is_up, 100.0, level, vol, years, rate, dividend, is_no_touch=True, request=PRICE)["price"]
    assert float(paid + unpaid) == pytest.approx(sure, abs=1e-12)


def test_a_double_barrier_far_away_is_a_single_one() -> None:
    single = barrier(True, False, False, 100.0, 95.0, 85.0, 0.3, 0.5, 0.05, 0.01, request=PRICE)["price"]
    double = double_barrier(True, False, 100.0, 95.0, 85.0, 1e6, 0.3, 0.5, 0.05, 0.01, request=PRICE)["price"]
    assert float(double) == pytest.approx(float(single), abs=1e-12)


def test_binaries_build_what_they_are_parts_of() -> None:
    terms = (100.0, 96.0, 0.4, 0.6, 0.03, 0.01)
    whole = float(black_scholes(True, *terms, outputs=["price"])["price"])
    own = float(asset_or_nothing(True, *terms, request=PRICE)["price"])
    cash = float(cash_or_nothing(True, *terms, cash=96.0, request=PRICE)["price"])
    assert own - cash == pytest.approx(whole, abs=1e-12)
    curve = piecewise([(90.0, 0.0), (96.0, 0.0), (200.0, 104.0)], 100.0, 0.4, 0.6, 0.03, 0.01, request=PRICE)
    assert float(curve["price"]) == pytest.approx(whole, abs=1e-12)
    forward = piecewise([(0.0, -96.0), (96.0, 0.0)], 100.0, 0.4, 0.6, 0.03, 0.01, request=PRICE)["price"]
    assert float(forward) == pytest.approx(100.0 * np.exp(-0.006) - 96.0 * np.exp(-0.018), abs=1e-12)


def test_an_average_of_one_fixing_is_a_european_option() -> None:
    whole = float(black_scholes(False, 100.0, 96.0, 0.4, 0.6, 0.03, 0.01, outputs=["price"])["price"])
    for words in ({}, {"method": "moments"}, {"average": "geometric"}):
        one = asian(False, 100.0, 96.0, 0.4, 0.6, 0.03, 0.01, count=1, request=PRICE, **words)["price"]  # type: ignore[arg-type]
        assert float(one) == pytest.approx(whole, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(70.0, 140.0), st.floats(0.1, 1.0), st.floats(0.05, 1.5), st.integers(0, 5), st.floats(-0.03, 0.1))
def test_averages_obey_parity_and_lie_above_the_geometric_one(
    strike: float, vol: float, years: float, seen: int, rate: float
) -> None:
    terms: dict[str, Any] = {"count": 9, "seen": seen, "seen_average": 104.0, "request": PRICE}
    times = np.linspace(0.0, years, 9)
    mean = (seen * 104.0 + (100.0 * np.exp((rate - 0.01) * times)).sum()) / (9 + seen)
    methods: list[dict[str, Any]] = [{}, {"method": "moments"}]
    for words in methods:
        call, put = (
            float(asian(is_call, 100.0, strike, vol, years, rate, 0.01, **words, **terms)["price"])
            for is_call in (True, False)
        )
        assert call - put == pytest.approx(np.exp(-rate * years) * (mean - strike), abs=1e-9)
    geometric = asian(True, 100.0, strike, vol, years, rate, 0.01, average="geometric", **terms)["price"]
    bound = asian(True, 100.0, strike, vol, years, rate, 0.01, **terms)["price"]
    assert float(bound) >= float(geometric) - 1e-10


def test_the_bound_on_an_average_is_as_close_as_it_says() -> None:
    """Monte Carlo with the geometric average as control: 400,000 paths, antithetic, five standard errors."""
    rng = np.random.default_rng(3)
    count, vol, years, rate, strike = 30, 0.6, 1.0 / 12, 0.04, 101.0
    draws = rng.standard_normal((100_000, count))
    times = np.linspace(years / count, years, count)
    walk = np.cumsum(np.concatenate([draws, -draws]) * np.sqrt(years / count), axis=1)
    paths = 100.0 * np.exp((rate - 0.5 * vol * vol) * times + vol * walk)
    discount = np.exp(-rate * years)
    plain = discount * np.maximum(paths.mean(axis=1) - strike, 0.0)
    control = discount * np.maximum(np.exp(np.log(paths).mean(axis=1)) - strike, 0.0)
    terms: dict[str, Any] = {"count": count, "first": years / count, "request": PRICE}
    exact = float(asian(True, 100.0, strike, vol, years, rate, average="geometric", **terms)["price"])
    ours = float(asian(True, 100.0, strike, vol, years, rate, **terms)["price"])
    differences = plain - control
    error = differences.std() / np.sqrt(differences.size)
    assert ours == pytest.approx(exact + differences.mean(), abs=5.0 * error + 1e-5 * ours)


def test_lookbacks_have_no_step_where_the_cost_of_carry_vanishes() -> None:
    carries = np.array([-1e-3, -1e-6, -1e-9, 0.0, 1e-9, 1e-6, 1e-3])
    prices = fixed_lookback(True, 100.0, 95.0, 100.0, 0.3, 0.5, 0.05, 0.05 - carries, request=PRICE)["price"]
    slopes = np.diff(prices) / np.diff(carries)
    assert slopes == pytest.approx(np.full(6, slopes[0]), rel=2e-3)


def test_quantlib_agrees_on_barriers_lookbacks_and_averages() -> None:
    ql = pytest.importorskip("QuantLib", reason="QuantLib is a development dependency")
    rng = np.random.default_rng(5)
    today, counter = ql.Date(1, 6, 2026), ql.Actual365Fixed()
    ql.Settings.instance().evaluationDate = today
    for _ in range(60):
        spot, strike, vol = 100.0, float(rng.uniform(80, 120)), float(rng.uniform(0.15, 0.9))
        days, rate, dividend = int(rng.integers(20, 500)), float(rng.uniform(0.0, 0.1)), float(rng.uniform(0.0, 0.1))
        years, is_call, is_up = days / 365.0, bool(rng.random() < 0.5), bool(rng.random() < 0.5)
        level, rebate = float(rng.uniform(102, 130) if is_up else rng.uniform(70, 98)), float(rng.uniform(0.0, 4.0))
        process = ql.BlackScholesMertonProcess(
            ql.QuoteHandle(ql.SimpleQuote(spot)),
            ql.YieldTermStructureHandle(ql.FlatForward(today, dividend, counter)),
            ql.YieldTermStructureHandle(ql.FlatForward(today, rate, counter)),
            ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), vol, counter)),
        )
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if is_call else ql.Option.Put, strike)
        exercise = ql.EuropeanExercise(today + days)
        for is_in, kind in ((False, "Out"), (True, "In")):
            theirs = ql.BarrierOption(
                getattr(ql.Barrier, ("Up" if is_up else "Down") + kind), level, rebate, payoff, exercise
            )
            theirs.setPricingEngine(ql.AnalyticBarrierEngine(process))
            ours = barrier(
                is_call, is_up, is_in, spot, strike, level, vol, years, rate, dividend, rebate, request=PRICE
            )
            assert float(ours["price"]) == pytest.approx(theirs.NPV(), abs=1e-9)
        look = ql.ContinuousFixedLookbackOption(104.0 if is_call else 97.0, payoff, exercise)
        look.setPricingEngine(ql.AnalyticContinuousFixedLookbackEngine(process))
        mine = fixed_lookback(
            is_call, spot, strike, 104.0 if is_call else 97.0, vol, years, rate, dividend, request=PRICE
        )
        assert float(mine["price"]) == pytest.approx(look.NPV(), abs=1e-7)
        average = ql.ContinuousAveragingAsianOption(ql.Average.Geometric, payoff, exercise)
        average.setPricingEngine(ql.AnalyticContinuousGeometricAveragePriceAsianEngine(process))
        geometric = continuous_asian(
            is_call, spot, strike, vol, years, rate, dividend, average="geometric", request=PRICE
        )
        assert float(geometric["price"]) == pytest.approx(average.NPV(), abs=1e-9)


def test_touch_prices_survive_extreme_drift_and_distance() -> None:
    spots = np.array([1.0, 60.0, 99.999, 100.0, 100.001, 1e5])
    prices = touch(True, spots, 100.0, 0.02, 3.0, 0.3, -0.2, request=PRICE)["price"]
    assert np.all((prices >= 0.0) & (prices <= 1.0 + 1e-9))
    assert prices[3:].tolist() == [1.0, 1.0, 1.0]
    assert np.all(np.diff(prices) >= -1e-12)


def test_products_broadcast_and_write_where_told() -> None:
    strikes, levels = np.linspace(80.0, 120.0, 7), np.array([[80.0], [90.0]])
    place = np.empty((2, 7))
    result = barrier(
        True, False, False, 100.0, strikes, levels, 0.3, 0.5, request=Request(outputs=("price",), out={"price": place})
    )
    assert result["price"] is place
    one = barrier(True, False, False, 100.0, strikes[2], 90.0, 0.3, 0.5, request=PRICE)["price"]
    assert place[1, 2] == one


def test_bad_terms_are_named_or_marked() -> None:
    with pytest.raises(UserFault, match=r"level\[1\] is -3.0: it must be finite and above zero"):
        barrier(True, True, True, 100.0, 100.0, np.array([110.0, -3.0]), 0.3, 1.0)
    marked = barrier(True, True, True, 100.0, 100.0, np.array([110.0, -3.0]), 0.3, 1.0, request=Request(invalid="nan"))
    assert marked["verdict"].tolist() == [Verdict.OK, Verdict.MALFORMED]
    assert np.isnan(marked["delta"]).tolist() == [False, True]
    with pytest.raises(UserFault, match=r"rate is -0.3: it must be at least"):
        touch(True, 100.0, 110.0, 0.3, 1.0, -0.3, -0.3)
    outside = touch(True, 100.0, 110.0, 0.3, 1.0, -0.3, -0.3, request=Request(invalid="nan"))
    assert outside["verdict"] == Verdict.OUTSIDE
    with pytest.raises(UserFault, match=r"extreme is 90.0: it must be at least the spot"):
        floating_lookback(False, 100.0, 90.0, 0.3, 1.0)
    with pytest.raises(UserFault, match=r"low is 120.0: it must be below high"):
        double_barrier(True, False, 100.0, 100.0, 120.0, 110.0, 0.3, 1.0)
    with pytest.raises(UserFault, match=r"count is 1"):
        asian(True, 100.0, 100.0, 0.3, 1.0, count=0)
    with pytest.raises(UserFault, match=r"first is 2.0: it must be at most"):
        asian(True, 100.0, 100.0, 0.3, 1.0, count=3, first=2.0)
    with pytest.raises(UserFault, match="'median'"):
        asian(True, 100.0, 100.0, 0.3, 1.0, count=3, average="median")
    with pytest.raises(UserFault, match=r"knots are 2"):
        piecewise([(100.0, 0.0), (90.0, 1.0)], 100.0, 0.3, 1.0)


def test_what_is_paid_in_coin_is_worth_the_other_over_the_spot() -> None:
    """A call less K digitals of the coin; every sensitivity as the compiled inverse option has it."""
    from thalweg.pricing.european import OUTPUTS

    coin = Request(outputs=OUTPUTS, units="raw", inverse=True)
    terms = (101.0, 97.0, 0.4, 0.6, 0.03, 0.01)
    whole = black_scholes(True, *terms, outputs=OUTPUTS, inverse=True, units="raw")
    own = asset_or_nothing(True, *terms, request=coin)
    cash = cash_or_nothing(True, *terms, cash=97.0, request=coin)
    for name in OUTPUTS:
        assert float(own[name] - cash[name]) == pytest.approx(float(whole[name]), rel=1e-9, abs=1e-13), name
    curve = piecewise([(90.0, 0.0), (97.0, 0.0), (200.0, 103.0)], 101.0, 0.4, 0.6, 0.03, 0.01, request=coin)
    for name in OUTPUTS:
        assert float(curve[name]) == pytest.approx(float(whole[name]), rel=1e-9, abs=1e-13), name


SCRIPT = """
import hashlib, numpy as np
from thalweg.pricing.formula import SINGLE, Request
from thalweg.pricing.products.barriers import barrier
from thalweg.pricing.products.averages import asian
rng = np.random.default_rng(1)
s, v = rng.uniform(80, 120, 3000), rng.uniform(0.1, 1.0, 3000)
every = Request(outputs=tuple(SINGLE))
found = barrier(True, False, False, s, 100.0, 85.0, v, 0.5, 0.03, 0.01, 2.0, request=every)
one = Request(outputs=("price",))
found |= {m: asian(True, s, 100.0, v, 0.5, count=4, method=m, request=one)["price"] for m in ("curran", "moments")}
print(hashlib.sha256(b"".join(found[name].tobytes() for name in sorted(found))).hexdigest())
"""


def test_every_processor_gives_the_same_bits() -> None:
    """numpy with and without its wider instructions: what differs between processors is not used."""
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": ""}
    names = subprocess.run(
        [sys.executable, "-c", "import numpy as n; print(*n.__config__.show('dicts')['SIMD Extensions']['found'])"],
        capture_output=True, text=True, check=True, env=plain,
    ).stdout.split()  # fmt: skip
    hashes = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, check=True,
            env={**plain, "NPY_DISABLE_CPU_FEATURES": off},
        ).stdout
        for off in ("", " ".join(names))
    }  # fmt: skip
    assert len(hashes) == 1
