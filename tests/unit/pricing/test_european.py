"""European options in bulk: digits, vectors, shapes, bad input, and the same bits whatever computes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.pricing import reference

from thalweg.errors import Reason, UserFault
from thalweg.pricing import european, scalar, warm
from thalweg.pricing.european import FIRST_ORDER, OUTPUTS, bachelier, black76, black_scholes

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "haug_european.json").read_text())
EPSILON = 2e-15  # of spot


@pytest.fixture(autouse=True, scope="module")
def kernels() -> None:
    assert warm.kernels(warm.PYTHON_MAX + 1) is not None


def book(count: int, seed: int = 5) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    spot = rng.choice([1.0, 100.0, 60_000.0], count)
    volatility, years = rng.uniform(0.05, 1.5, count), rng.uniform(0.003, 2.0, count)
    strike = spot * np.exp(volatility * np.sqrt(years) * rng.uniform(-4, 4, count))
    return {
        "is_call": rng.random(count) < 0.5, "spot": spot, "strike": strike, "volatility": volatility, "years": years,
        "rate": rng.uniform(-0.02, 0.1, count), "dividend": rng.uniform(-0.02, 0.1, count),
    }  # fmt: skip


def scale_of(output: str, row: dict[str, float]) -> float:
    """What an output is naturally measured in: spot to the power that its dimension has, over s, vol and time."""
    spot, s = row["spot"], row["volatility"] * row["years"] ** 0.5
    powers = {"delta": 1, "vanna": 1, "charm": 1, "gamma": 2, "zomma": 2, "color": 2, "speed": 3}
    per = {
        "gamma": s, "vanna": row["volatility"], "volga": row["volatility"], "charm": row["years"], "speed": s * s,
        "zomma": s * row["volatility"], "color": s * row["years"],
    }  # fmt: skip
    wide = max(1.0, row["strike"] / spot)
    return float(wide * spot ** (1 - powers.get(output, 0)) / min(1.0, per.get(output, 1.0)))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["where"])
def test_published_figures_are_met(case: dict[str, Any]) -> None:
    result = getattr(european, case["function"])(**case["arguments"], outputs=[case["output"]], units="raw")
    assert abs(result[case["output"]] - case["value"]) <= case["tolerance"]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("inverse", [False, True])
def test_every_output_has_the_digits_of_fifty_digit_arithmetic(output: str, inverse: bool) -> None:
    options = book(150)
    result = black_scholes(**options, outputs=[output], inverse=inverse, units="raw")[output]
    for i, found in enumerate(result):
        row = {name: values[i].item() for name, values in options.items()}

        def price(s: Any, v: Any, t: Any, r: Any, row: dict[str, Any] = row) -> Any:
            value = reference.lognormal(row["is_call"], s, row["strike"], v, t, r, row["dividend"])
            return value / s if inverse else value

        exact = reference.derivative(price, output, (row["spot"], row["volatility"], row["years"], row["rate"]))
        scale = scale_of(output, row) / (row["spot"] if inverse else 1.0)
        tolerance = EPSILON if output in FIRST_ORDER and not inverse else 10 * EPSILON
        assert abs(found - exact) <= tolerance * scale, row


@pytest.mark.parametrize("output", OUTPUTS)
def test_bachelier_has_the_digits_of_fifty_digit_arithmetic(output: str) -> None:
    rng = np.random.default_rng(2)
    options: dict[str, Any] = {
        "is_call": rng.random(60) < 0.5, "forward": rng.uniform(-100, 100, 60), "strike": rng.uniform(-100, 100, 60),
        "volatility": rng.uniform(20, 100, 60), "years": rng.uniform(0.1, 2.0, 60), "rate": rng.uniform(-0.02, 0.1, 60),
    }  # fmt: skip
    result = bachelier(**options, outputs=[output], units="raw")[output]
    for i, found in enumerate(result):
        call, forward, strike, volatility, years, rate = (values[i].item() for values in options.values())
        exact = reference.derivative(
            lambda f, v, t, r, call=call, strike=strike: reference.normal(call, f, strike, v, t, r),
            output,
            (forward, volatility, years, rate),
        )
        assert abs(found - exact) <= 1e-13 * max(1.0, 1.0 / years)


def test_rho_of_an_option_on_a_forward_keeps_the_forward() -> None:
    up, down = (black76(True, 100.0, 110.0, 0.5, 0.7, r, outputs=["price"])["price"] for r in (0.0301, 0.0299))
    assert black76(True, 100.0, 110.0, 0.5, 0.7, 0.03)["rho"] == pytest.approx((up - down) / 0.02, rel=1e-7)


def test_units_are_points_and_days() -> None:
    arguments = (True, 100.0, 105.0, 0.6, 0.5, 0.03, 0.01)
    raw = black_scholes(*arguments, outputs=OUTPUTS, units="raw")
    trader = black_scholes(*arguments, outputs=OUTPUTS)
    factors = {"vega": 0.01, "rho": 0.01, "vanna": 0.01, "zomma": 0.01, "volga": 1e-4}
    factors |= dict.fromkeys(("theta", "charm", "color"), 1 / 365.25)
    for output in OUTPUTS:
        assert trader[output] == pytest.approx(raw[output] * factors.get(output, 1.0), rel=1e-15)


@pytest.mark.parametrize("inverse", [False, True])
def test_pure_python_and_kernels_agree(inverse: bool) -> None:
    options = book(300)
    result = black_scholes(**options, outputs=OUTPUTS, inverse=inverse, units="raw")
    for i in range(300):
        row = {name: values[i].item() for name, values in options.items()}
        alone = scalar.black_scholes(*row.values(), inverse=inverse)
        for output, value in alone._asdict().items():
            tolerance = 20 * EPSILON * scale_of(output, row) / (row["spot"] if inverse else 1.0)
            assert result[output][i] == pytest.approx(value, rel=1e-11, abs=tolerance)


def test_without_numba_the_same_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    options = book(50)
    fast = black_scholes(**options, outputs=OUTPUTS)
    monkeypatch.setattr(warm._warmth, "kernels", None)
    monkeypatch.setattr(warm._warmth, "available", False)
    slow = black_scholes(**options, outputs=OUTPUTS)
    assert not warm.ready()
    for output in OUTPUTS:
        np.testing.assert_allclose(slow[output], fast[output], rtol=1e-10, atol=1e-9)


def test_arguments_broadcast_and_strided_arrays_are_read_where_they_are() -> None:
    rng = np.random.default_rng(1)
    strikes, years = rng.uniform(50, 150, (7, 1, 5)), rng.uniform(0.1, 2, (1, 3, 1))
    volatility = rng.uniform(0.1, 1.0, (14, 3, 10))[::2, :, ::-2]
    result = black_scholes(True, 100.0, strikes, volatility, years, 0.02)
    assert result["price"].shape == (7, 3, 5)
    for index in np.ndindex(7, 3, 5):
        i, j, k = index
        alone = black_scholes(True, 100.0, strikes[i, 0, k], volatility[index], years[0, j, 0], 0.02)
        assert all(alone[name] == result[name][index] for name in FIRST_ORDER)


def test_results_are_written_where_the_caller_says() -> None:
    strikes = np.linspace(50, 150, 11)
    grid = np.zeros((11, 4))
    result = black_scholes(True, 100.0, strikes, 0.5, 1.0, outputs=["price", "delta"], out={"delta": grid[:, 1]})
    assert result["delta"].base is grid
    assert np.array_equal(grid[:, 1], black_scholes(True, 100.0, strikes, 0.5, 1.0)["delta"])
    assert not grid[:, [0, 2, 3]].any()


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros(11, np.float32), [0.0] * 11])
def test_an_output_that_does_not_fit_is_refused(wrong: Any) -> None:
    with pytest.raises(UserFault, match=r"out\['price'\]"):
        black_scholes(True, 100.0, np.linspace(50, 150, 11), 0.5, 1.0, out={"price": wrong})


@pytest.mark.parametrize("field", ["spot", "strike", "volatility", "years", "rate", "dividend"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0])
@pytest.mark.parametrize("size", [40, 3000])
def test_bad_input_is_named_with_its_index_or_becomes_nan(field: str, value: float, size: int) -> None:
    if value == -1.0 and field in ("rate", "dividend"):
        value = np.nan  # negative rates are fine
    options = book(size)
    options[field] = options[field].copy()
    options[field][17] = value
    with pytest.raises(UserFault) as refusal:
        black_scholes(**options)
    assert refusal.value.reason == Reason.MALFORMED
    assert f"{field}[17]" in refusal.value.detail
    result = black_scholes(**options, outputs=OUTPUTS, invalid="nan")
    for output in OUTPUTS:
        assert np.flatnonzero(np.isnan(result[output])).tolist() == [17]


def test_shapes_that_do_not_broadcast_are_named() -> None:
    with pytest.raises(UserFault, match=r"spot \(2,\), strike \(3,\)"):
        black_scholes(True, [100.0, 101.0], [1.0, 2.0, 3.0], 0.5, 1.0)


@pytest.mark.parametrize("call", ["c", 1, None])
def test_what_is_a_call_is_said_by_a_boolean(call: Any) -> None:
    with pytest.raises(UserFault, match="is_call"):
        black_scholes(call, 100.0, 100.0, 0.5, 1.0)


def test_no_options_are_no_prices() -> None:
    assert black_scholes(True, np.zeros((0, 3)), 100.0, 0.5, 1.0)["price"].shape == (0, 3)


def test_an_inverse_option_on_nothing_has_no_price() -> None:
    with pytest.raises(UserFault, match="no inverse price"):
        black76(False, 0.0, 100.0, 0.5, 1.0, inverse=True)
