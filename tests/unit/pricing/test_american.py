"""American options: published figures, QuantLib over a random grid, laws of exercise, twins, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import UserFault
from thalweg.pricing import warm
from thalweg.pricing.american import american, american_one
from thalweg.pricing.bulk import Verdict
from thalweg.pricing.european import OUTPUTS, black_scholes

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "american.json").read_text())


@pytest.fixture(autouse=True, scope="module")
def kernels() -> None:
    assert warm.american(1000) is not None


def book(count: int, seed: int = 7) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "is_call": rng.random(count) < 0.5, "spot": rng.uniform(70.0, 140.0, count), "strike": np.full(count, 100.0),
        "volatility": rng.uniform(0.1, 0.9, count), "years": rng.uniform(0.02, 3.0, count),
        "rate": rng.uniform(-0.02, 0.12, count), "dividend": rng.uniform(-0.02, 0.12, count),
    }  # fmt: skip


def value(**changes: Any) -> float:
    terms: dict[str, Any] = {
        "is_call": False,
        "spot": 100.0,
        "strike": 100.0,
        "volatility": 0.3,
        "years": 1.0,
        "rate": 0.05,
    }
    return float(american(**{**terms, **changes}, outputs=["price"])["price"])


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["where"])
def test_published_premiums_are_met(case: dict[str, Any]) -> None:
    european = black_scholes(**case["arguments"], outputs=["price"])["price"]
    premium = american(**case["arguments"], outputs=["price"])["price"] - european
    assert abs(float(premium) - case["premium"]) <= case["tolerance"]


def test_prices_agree_with_quantlib_to_a_millionth() -> None:
    ql = pytest.importorskip("QuantLib", reason="QuantLib is a development dependency")
    rng = np.random.default_rng(11)
    count = 120
    days = rng.integers(8, 1000, count)
    terms: dict[str, Any] = {
        "is_call": rng.random(count) < 0.5, "spot": rng.uniform(75.0, 130.0, count), "strike": np.full(count, 100.0),
        "volatility": rng.uniform(0.15, 0.8, count), "years": days / 365.0, "rate": rng.uniform(0.005, 0.1, count),
        "dividend": rng.uniform(0.005, 0.1, count),
    }  # fmt: skip
    ours = american(**terms, outputs=["price", "delta", "gamma"])
    today = ql.Date(1, 6, 2026)
    ql.Settings.instance().evaluationDate = today
    counter = ql.Actual365Fixed()
    for i in range(count):
        process = ql.BlackScholesMertonProcess(
            ql.QuoteHandle(ql.SimpleQuote(float(terms["spot"][i]))),
            *(
                ql.YieldTermStructureHandle(ql.FlatForward(today, float(terms[name][i]), counter))
                for name in ("dividend", "rate")
            ),
            ql.BlackVolTermStructureHandle(
                ql.BlackConstantVol(today, ql.NullCalendar(), float(terms["volatility"][i]), counter)
            ),
        )
        kind = ql.Option.Call if terms["is_call"][i] else ql.Option.Put
        option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, 100.0), ql.AmericanExercise(today, today + int(days[i])))
        option.setPricingEngine(ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.highPrecisionScheme()))
        assert ours["price"][i] == pytest.approx(option.NPV(), abs=1e-6), {k: v[i] for k, v in terms.items()}


@settings(max_examples=150, deadline=None)
@given(
    st.booleans(), st.floats(50.0, 200.0), st.floats(0.08, 1.2), st.floats(0.01, 4.0), st.floats(-0.05, 0.15),
    st.floats(-0.05, 0.15),
)  # fmt: skip
def test_an_american_option_is_worth_exercise_and_the_european_one_at_least(
    is_call: bool, spot: float, volatility: float, years: float, rate: float, dividend: float
) -> None:
    terms: dict[str, Any] = {
        "is_call": is_call, "spot": spot, "strike": 100.0, "volatility": volatility, "years": years, "rate": rate,
        "dividend": dividend,
    }  # fmt: skip
    result = american(**terms, outputs=["price", "delta"], invalid="nan")
    price, slack = float(result["price"]), 2e-3 if result["verdict"] == Verdict.APPROXIMATE else 1e-6
    assert price >= max(spot - 100.0 if is_call else 100.0 - spot, 0.0) - slack
    assert price >= float(black_scholes(**terms, outputs=["price"])["price"]) - slack
    bound = max(spot, spot * np.exp(-dividend * years)) if is_call else max(100.0, 100.0 * np.exp(-rate * years))
    assert price <= bound + slack
    assert price == pytest.approx(
        3.0 * value(**{**terms, "spot": spot / 3.0, "strike": 100.0 / 3.0}), rel=1e-9, abs=1e-9
    )
    swapped = {"spot": 100.0, "strike": spot, "rate": dividend, "dividend": rate, "is_call": not is_call}
    assert price == pytest.approx(value(**{**terms, **swapped}), rel=1e-9, abs=1e-9)
    later = value(**{**terms, "years": years * 1.05})
    assert later >= price - slack


@pytest.mark.parametrize("is_call", [True, False])
def test_sensitivities_are_differences_of_the_price(is_call: bool) -> None:
    base: dict[str, Any] = {
        "is_call": is_call,
        "spot": 104.0,
        "volatility": 0.4,
        "years": 0.8,
        "rate": 0.06,
        "dividend": 0.045,
    }
    exact = american(**base, strike=100.0, outputs=OUTPUTS, units="raw")

    def moved(name: str, step: float, output: str = "price") -> tuple[float, float, float]:
        up, here, down = (
            float(
                american(**{**base, name: base[name] + s}, strike=100.0, outputs=[output, "vega"], units="raw")[output]
            )
            for s in (step, 0.0, -step)
        )
        return (up - down) / (2 * step), (up - 2 * here + down) / step**2, here

    pairs = {
        "delta": moved("spot", 0.01)[0], "gamma": moved("spot", 0.05)[1], "vega": moved("volatility", 2e-3)[0],
        "theta": -moved("years", 1e-3)[0], "rho": moved("rate", 5e-4)[0],
        "vanna": moved("volatility", 2e-3, "delta")[0],
        "volga": moved("volatility", 4e-3)[1], "charm": -moved("years", 1e-3, "delta")[0],
        "speed": moved("spot", 0.2, "gamma")[0], "zomma": moved("volatility", 2e-3, "gamma")[0],
        "color": -moved("years", 1e-3, "gamma")[0],
    }  # fmt: skip
    for name, approximate in pairs.items():
        assert float(exact[name]) == pytest.approx(approximate, rel=2e-3, abs=1e-6), name


def test_what_should_be_exercised_is_worth_its_payoff() -> None:
    result = american(False, 40.0, 100.0, 0.2, 1.0, 0.05, outputs=OUTPUTS)
    assert result["price"] == 60.0
    assert result["delta"] == -1.0
    assert all(result[name] == 0.0 for name in OUTPUTS[2:])


def test_without_interest_or_dividends_nothing_is_gained_by_exercise() -> None:
    for is_call, rate, dividend in ((True, 0.05, 0.0), (True, 0.03, -0.02), (False, -0.02, 0.01), (False, 0.0, 0.0)):
        terms = (is_call, 95.0, 100.0, 0.4, 1.5, rate, dividend)
        ours = american(*terms, outputs=["price"])["price"]
        assert float(ours) == pytest.approx(float(black_scholes(*terms, outputs=["price"])["price"]), abs=1e-11)


def test_two_boundaries_are_priced_by_a_tree_that_says_so() -> None:
    """A. Battauz, M. De Donno and A. Sbuelz, Management Science 61, 2015: negative rates open a second boundary."""
    result = american(False, 95.0, 100.0, 0.15, 5.0, -0.02, -0.06, outputs=["price"], invalid="nan")
    assert result["verdict"] == Verdict.APPROXIMATE
    fine = _plain_tree(95.0, 100.0, 0.15, 5.0, -0.02, -0.06, 4000)
    assert float(result["price"]) == pytest.approx(fine, abs=2e-3)


def _plain_tree(
    spot: float, strike: float, volatility: float, years: float, rate: float, dividend: float, steps: int
) -> float:
    """Cox, Ross and Rubinstein's tree of a put, step by step."""
    dt = years / steps
    up = np.exp(volatility * np.sqrt(dt))
    p = (np.exp((rate - dividend) * dt) - 1 / up) / (up - 1 / up)
    nodes = spot * up ** np.arange(-steps, steps + 1, 2.0)
    values = np.maximum(strike - nodes, 0.0)
    for level in range(steps - 1, -1, -1):
        nodes = spot * up ** np.arange(-level, level + 1, 2.0)
        values = np.maximum(np.exp(-rate * dt) * (p * values[1:] + (1 - p) * values[:-1]), strike - nodes)
    return float(values[0])


@pytest.mark.parametrize(
    ("vol", "rate", "dividend"), [(0.25, 0.1, 0.03), (0.25, 10.0, 0.1), (1.5, 0.02, 0.0), (30.0, 0.05, 0.01)]
)
def test_in_the_end_options_are_perpetual(vol: float, rate: float, dividend: float) -> None:
    """R. Merton, Bell Journal 4, 1973: a perpetual put is worth (K - B) (B/S)^-g, exercised at B = K g/(g - 1)."""
    half = (rate - dividend) / vol**2 - 0.5
    power = -half - np.sqrt(half * half + 2.0 * rate / vol**2)
    edge = 100.0 * power / (power - 1.0)
    for spot in (1.05 * edge, 2.0 * edge):
        perpetual = (100.0 - edge) * (spot / edge) ** power
        ours = value(spot=spot, volatility=vol, years=5000.0, rate=rate, dividend=dividend)
        assert ours == pytest.approx(perpetual, abs=2e-5 * 100.0)


def test_hardly_any_volatility_is_none() -> None:
    terms = {"spot": 100.0, "strike": 120.0, "years": 40.0, "rate": 0.01, "dividend": 0.5}
    assert value(volatility=1e-6, **terms) == pytest.approx(value(volatility=0.0, **terms), abs=1e-3)


def test_very_low_volatility_is_priced_too() -> None:
    for volatility in (0.03, 0.05, 0.08):
        ours = value(spot=101.0, volatility=volatility, rate=0.1, dividend=-0.02)
        assert ours == pytest.approx(_plain_tree(101.0, 100.0, volatility, 1.0, 0.1, -0.02, 3000), abs=2e-3)
    assert value(spot=100.0, volatility=0.0, rate=0.05, dividend=0.1) == pytest.approx(
        100.0 * (np.exp(-0.05) - np.exp(-0.1))
    )


def test_pure_python_says_what_the_kernel_says() -> None:
    terms = book(12)
    ours = american(**terms, outputs=OUTPUTS, units="raw", invalid="nan")
    for i in range(12):
        results = [0.0] * 12
        verdict = american_one(*(terms[name][i].item() for name in terms), 1, results)
        assert verdict == ours["verdict"][i]
        for name, one in zip(OUTPUTS, results, strict=True):
            scale = max(abs(one), 1.0)
            assert float(ours[name][i]) == pytest.approx(one, abs=1e-5 * scale), name


def test_one_thread_gives_the_bits_of_two() -> None:
    terms, threads = book(500), numba.get_num_threads()
    many = american(**terms)
    try:
        numba.set_num_threads(1)
        one = american(**terms)
    finally:
        numba.set_num_threads(threads)
    for name in many:
        assert many[name].tobytes() == one[name].tobytes()


def test_arguments_broadcast_and_outputs_may_be_given() -> None:
    strikes = np.linspace(80.0, 120.0, 9)
    spots = np.array([[90.0], [100.0]])
    place = np.empty((2, 9))
    result = american(False, spots, strikes, 0.3, 1.0, 0.05, outputs=["price"], out={"price": place})
    assert result["price"] is place
    assert place[1, 4] == pytest.approx(value())
    with pytest.raises(UserFault, match="writable float64 array of shape"):
        american(False, spots, strikes, 0.3, 1.0, out={"price": np.empty(9)})


def test_bad_elements_are_named_or_marked() -> None:
    strikes = np.array([100.0, np.nan, 90.0])
    with pytest.raises(UserFault, match=r"strike\[1\] is nan: it must be finite and not negative"):
        american(True, 100.0, strikes, 0.3, 1.0)
    result = american(True, 100.0, strikes, 0.3, 1.0, invalid="nan")
    assert np.isnan(result["price"]).tolist() == [False, True, False]
    assert result["verdict"].tolist() == [Verdict.OK, Verdict.MALFORMED, Verdict.OK]
    with pytest.raises(UserFault, match="shapes do not broadcast"):
        american(True, np.ones(2), np.ones(3), 0.3, 1.0)
    with pytest.raises(UserFault, match="outputs are some of"):
        american(True, 1.0, 1.0, 0.3, 1.0, outputs=["omega"])
    with pytest.raises(UserFault, match="units"):
        american(True, 1.0, 1.0, 0.3, 1.0, units="lots")  # type: ignore[arg-type]


def test_dust_and_emptiness() -> None:
    assert american(True, np.empty(0), 1.0, 0.3, 1.0)["price"].shape == (0,)
    assert value(years=0.0, spot=90.0) == 10.0
    assert value(spot=0.0) == 100.0
    assert value(is_call=True, strike=0.0, dividend=0.1) == 100.0
