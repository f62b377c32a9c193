"""Implied volatility: the one a price of fifty digits came from, in books and in corners; what has none says why."""

from typing import Any

import mpmath
import numba
import numpy as np
import pytest
from mpmath import mpf
from tests.unit.pricing import reference

from thalweg.errors import UserFault
from thalweg.pricing import warm
from thalweg.pricing.deviations import deviation
from thalweg.pricing.european import black76
from thalweg.pricing.implied import Verdict, implied_one, implied_volatility

PRECISION = 2e-12
HALF_ULP = 2.0**-53


@pytest.fixture(autouse=True, scope="module")
def kernels() -> None:
    assert warm.kernels(warm.PYTHON_MAX + 1) is not None


def quotes(count: int) -> dict[str, Any]:
    """Out-of-the-money quotes from an hour to two years, 5 % to 200 %, priced to fifty digits and rounded once."""
    rng = np.random.default_rng(4)
    years = np.exp(rng.uniform(np.log(1 / 8766), np.log(2.0), count))
    volatility = np.exp(rng.uniform(np.log(0.05), np.log(2.0), count))
    strike = 60_000.0 * np.exp(rng.uniform(-5, 5, count) * volatility * np.sqrt(years))
    is_call = strike > 60_000.0
    price = np.array(
        [
            float(reference.lognormal(bool(c), mpf(60_000), mpf(k), mpf(v), mpf(t), 0, 0))
            for c, k, v, t in zip(is_call, strike, volatility, years, strict=True)
        ]
    )
    return {"is_call": is_call, "price": price, "strike": strike, "years": years, "volatility": volatility}


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_a_book_gets_the_volatilities_its_prices_came_from(inverse: bool, alone: bool) -> None:
    book = quotes(600)
    price = book["price"] / 60_000.0 if inverse else book["price"]
    if alone:
        rows = zip(book["is_call"], price, book["strike"], book["years"], strict=True)
        found = np.array([implied_one(bool(c), p, 60_000.0, k, t, inverse=inverse).volatility for c, p, k, t in rows])
    else:
        result = implied_volatility(book["is_call"], price, 60_000.0, book["strike"], book["years"], inverse=inverse)
        assert not result.verdict.any()
        found = result.volatility
    np.testing.assert_allclose(found, book["volatility"], rtol=PRECISION)


CORNERS = [(x, 2.0**k) for x in (0.0, -1e-6, -1e-3, *(-(2.0**j) for j in range(-6, 8))) for k in range(-9, 10)]


@pytest.mark.parametrize("compiled", [False, True])
def test_corners_are_solved_as_far_as_the_price_determines_them(compiled: bool) -> None:
    """x = ln(F/K), s = volatility sqrt(T), over the whole range of doubles; what half a unit in the last place of the
    price would move s by is granted, and where that is above 1e-12 or the price underflows nothing is asked."""
    solver = warm.kernels(warm.PYTHON_MAX + 1).implied.deviation if compiled else deviation  # type: ignore[union-attr]
    asked = 0
    with mpmath.workdps(120):
        for x, s in CORNERS:
            bound = mpmath.exp(mpf(x) / 2)
            d1, d2 = mpf(x) / s + mpf(s) / 2, mpf(x) / s - mpf(s) / 2
            b = float(bound * mpmath.ncdf(d1) - mpmath.ncdf(d2) / bound)
            rest = float(bound - mpf(b))
            if b < 1e-307 or rest <= 0.0:
                continue
            slack = float(b * HALF_ULP / (mpmath.npdf(mpf(x) / s) * mpmath.exp(-(mpf(s) ** 2) / 8) * s))
            if slack > 1e-12:
                continue
            asked += 1
            assert solver(x, b, rest) == pytest.approx(s, rel=PRECISION + 3.0 * slack), (x, s)
    assert asked >= 130


def test_prices_in_the_money_imply_what_their_time_value_does() -> None:
    strikes = np.linspace(70.0, 130.0, 13)
    for is_call in (True, False):
        price = black76(is_call, 100.0, strikes, 0.45, 0.3, 0.04, outputs=["price"])["price"]
        found = implied_volatility(is_call, price, 100.0, strikes, 0.3, 0.04)
        np.testing.assert_allclose(found.volatility, 0.45, rtol=1e-11)


@pytest.mark.parametrize("size", [1, 2000])
@pytest.mark.parametrize(
    ("changed", "verdict", "volatility"),
    [
        ({"price": 9.99}, Verdict.BELOW_INTRINSIC, np.nan),
        ({"price": 10.0}, Verdict.NO_TIME_VALUE, 0.0),
        ({"price": 100.0}, Verdict.ABOVE_BOUND, np.nan),
        ({"is_call": False, "price": 90.0}, Verdict.ABOVE_BOUND, np.nan),
        ({"is_call": False, "price": 0.0}, Verdict.NO_TIME_VALUE, 0.0),
        ({"price": -1.0}, Verdict.MALFORMED, np.nan),
        ({"price": np.nan}, Verdict.MALFORMED, np.nan),
        ({"forward": 0.0}, Verdict.MALFORMED, np.nan),
        ({"forward": np.inf}, Verdict.MALFORMED, np.nan),
        ({"strike": -90.0}, Verdict.MALFORMED, np.nan),
        ({"years": 0.0}, Verdict.MALFORMED, np.nan),
        ({"rate": np.nan}, Verdict.MALFORMED, np.nan),
    ],
)
def test_what_has_no_volatility_says_why(
    size: int, changed: dict[str, Any], verdict: Verdict, volatility: float
) -> None:
    arguments: dict[str, Any] = {
        "is_call": True, "price": 15.0, "forward": 100.0, "strike": 90.0, "years": 0.5, "rate": 0.0
    } | changed  # fmt: skip
    result = implied_volatility(**arguments | {"strike": np.full(size, arguments["strike"])})
    assert set(result.verdict.tolist()) == {verdict}
    np.testing.assert_array_equal(result.volatility, volatility)
    one = implied_one(**arguments)
    assert one.verdict == verdict
    np.testing.assert_equal(one.volatility, volatility)


def test_one_bad_quote_leaves_the_others_alone() -> None:
    book = quotes(40)
    price = np.concatenate([book["price"]] * 100)
    price[77] = np.nan
    tiled = {name: np.concatenate([book[name]] * 100) for name in ("is_call", "strike", "years")}
    result = implied_volatility(tiled["is_call"], price, 60_000.0, tiled["strike"], tiled["years"])
    assert np.flatnonzero(result.verdict).tolist() == [77]
    assert np.flatnonzero(np.isnan(result.volatility)).tolist() == [77]


def test_shapes_that_do_not_broadcast_and_texts_are_refused() -> None:
    with pytest.raises(UserFault, match="do not broadcast"):
        implied_volatility(True, [1.0, 2.0], 100.0, [1.0, 2.0, 3.0], 1.0)
    with pytest.raises(UserFault, match="price is not an array of real numbers"):
        implied_volatility(True, "dear", 100.0, 100.0, 1.0)


def test_one_thread_and_two_imply_the_same_bits() -> None:
    book = quotes(100)
    tiled = [np.concatenate([book[name]] * 100) for name in ("is_call", "price", "strike", "years")]
    threads = numba.get_num_threads()

    def solved() -> bytes:
        is_call, price, strike, years = tiled
        return implied_volatility(is_call, price, 60_000.0, strike, years).volatility.tobytes()

    both = solved()
    numba.set_num_threads(1)
    try:
        assert solved() == both
    finally:
        numba.set_num_threads(threads)
