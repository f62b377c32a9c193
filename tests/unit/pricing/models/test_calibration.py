"""Calibration: what made the prices is found again, and what cannot be found is said."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import UserFault
from thalweg.pricing.implied import implied_volatility
from thalweg.pricing.models import Bates, BlackScholes, Heston, Kou, Merton, Model, VarianceGamma
from thalweg.pricing.models.calibration import Search, calibrate
from thalweg.pricing.models.fourier import price_slice
from thalweg.pricing.models.targets import Targets, targets_from, targets_of
from thalweg.pricing.smile import Smile
from thalweg.pricing.surface import Slice, Surface
from thalweg.pricing.svi import Svi

TIMES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


def made_by(model: Model, times: tuple[float, ...] = TIMES, strikes: int = 11) -> dict[str, Any]:
    columns: list[list[Any]] = [[], [], []]
    for years in times:
        strike = 100.0 * np.exp(np.linspace(-1.5, 1.5, strikes) * 0.3 * years**0.5)
        price = price_slice(model, strike > 100.0, 100.0, strike, years, tolerance=1e-14, nodes_max=1 << 16).price
        columns[0].append(np.full(strikes, years))
        columns[1].append(strike)
        columns[2].append(implied_volatility(strike > 100.0, price, 100.0, strike, years).volatility)
    years_, strike_, volatility = map(np.concatenate, columns)
    return {"years": years_, "forward": 100.0, "strike": strike_, "volatility": volatility}


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        (BlackScholes(0.45), 1e-9), (Heston(0.09, 1.8, 0.12, 0.7, -0.55), 1e-6),
        (Heston(0.04, 1.5, 0.04, 0.5, -0.7), 1e-6),
        (Bates(0.09, 2.0, 0.12, 0.6, -0.5, 0.8, -0.1, 0.12), 1e-6), (Merton(0.2, 0.5, -0.1, 0.2), 1e-6),
        (Kou(0.2, 1.0, 0.4, 10.0, 5.0), 1e-6), (VarianceGamma(0.25, 0.1, -0.1), 1e-5),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_the_parameters_that_made_the_prices_are_recovered(model: Model, precision: float) -> None:
    found = calibrate(type(model), targets_of(**made_by(model)))
    assert found.settled
    assert found.rmse <= 1e-4
    assert np.allclose(found.model.values(), model.values(), rtol=precision)
    assert found.at_bounds == ()
    assert found.feller == getattr(model, "feller", None)


def test_a_warm_start_takes_fewer_steps() -> None:
    targets = targets_of(**made_by(Heston(0.09, 1.8, 0.12, 0.7, -0.55)))
    warm = calibrate(Heston, targets, start=Heston(0.0905, 1.81, 0.121, 0.7, -0.55))
    cold = calibrate(Heston, targets, start=Heston(0.5, 9.0, 0.5, 3.0, 0.5))
    assert warm.steps < cold.steps
    assert np.allclose(warm.model.values(), cold.model.values(), rtol=1e-6)


def test_quotes_that_do_not_hold_a_parameter_are_told_apart() -> None:
    """Flat volatility: neither jumps nor correlation mean anything, and the misses are none."""
    quotes = made_by(BlackScholes(0.5))
    found = calibrate(Heston, targets_of(**quotes))
    assert found.rmse <= 0.01
    assert "sigma" in found.at_bounds or "kappa" in found.at_bounds


def test_weights_say_which_quotes_matter() -> None:
    quotes = made_by(Heston(0.09, 1.8, 0.12, 0.7, -0.55))
    quotes["volatility"] = quotes["volatility"].copy()
    quotes["volatility"][::11] += 0.1  # the lowest strike of each expiry is nonsense
    weight = np.where(np.arange(quotes["strike"].size) % 11 == 0, 1e-9, 1.0)
    found = calibrate(Heston, targets_of(**quotes, weight=weight))
    assert np.allclose(found.model.values(), (0.09, 1.8, 0.12, 0.7, -0.55), rtol=1e-3)
    assert found.worst > 5.0


def test_a_surface_is_a_target() -> None:
    svi = [Svi(0.02 * t, 0.1 * t**0.5, -0.4, 0.0, 0.2) for t in (0.1, 0.5, 1.0)]
    surface = Surface(tuple(Slice(t, 100.0 + t, Smile(one)) for t, one in zip((0.1, 0.5, 1.0), svi, strict=True)))
    targets = targets_from(surface)
    assert targets.years.tolist() == [0.1, 0.5, 1.0]
    assert targets.forwards.tolist() == [100.1, 100.5, 101.0]
    found = calibrate(Bates, targets)
    assert found.rmse < 1.5


@given(st.lists(st.floats(-8.0, 8.0), min_size=8, max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_searched_variables_stand_for_parameters_inside_the_box(y: list[float]) -> None:
    search = _search(Bates)
    values, slope = search.parameters(np.array(y))
    assert Bates.of(values)
    assert np.allclose(search.place(tuple(values)), y, atol=1e-6)
    moved, _ = search.parameters(np.array(y) + 1e-6)
    assert np.allclose((moved - values) / 1e-6, slope, rtol=1e-4, atol=1e-9)


def _search(kind: type[Model]) -> Search:
    return Search(kind, targets_of(0.5, 100.0, [90.0, 100.0], 0.5))


def test_the_jacobian_is_that_of_the_misses() -> None:
    quotes = made_by(Heston(0.09, 1.8, 0.12, 0.7, -0.55))
    for kind, start in ((Heston, Heston(0.1, 2.0, 0.1, 0.9, -0.3)), (Kou, Kou(0.3, 1.0, 0.4, 10.0, 8.0))):
        search = Search(kind, targets_of(**quotes))
        y = search.place(start.values())
        here = search(y)
        assert here is not None
        for i in range(y.size):
            step = np.zeros(y.size)
            step[i] = 1e-5
            up, down = search(y + step), search(y - step)
            assert up is not None
            assert down is not None
            assert np.allclose((up[0] - down[0]) / 2e-5, here[1][:, i], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: targets_of([0.5, -1.0], 100.0, 100.0, 0.5), r"years\[1\] is -1"),
        (lambda: targets_of(0.5, 0.0, 100.0, 0.5), r"forward\[0\] is 0"),
        (lambda: targets_of(0.5, 100.0, [100.0, float("nan")], 0.5), r"strike\[1\] is nan"),
        (lambda: targets_of(0.5, 100.0, [100.0, 90.0], [0.5, 0.4, 0.3]), "do not broadcast"),
        (lambda: targets_of([], [], [], []), "no quotes"),
        (lambda: targets_of(np.ones((2, 2)), 100.0, 100.0, 0.5), "one dimension"),
        (lambda: calibrate(Heston, targets_of(0.5, 100.0, [90.0, 110.0], 0.5)), "2 quotes cannot fix the 5 parameters"),
        (lambda: calibrate(Heston, _wide(), start=BlackScholes(0.2)), "the start is a BlackScholes"),
        (lambda: targets_of(0.5, 100.0, np.full(20_001, 100.0), 0.5), "more than 20000"),
    ],
)
def test_bad_targets_are_refused_by_name(make: Any, names: str) -> None:
    with pytest.raises(UserFault, match=names):
        make()


def _wide() -> Targets:
    return targets_of(0.5, 100.0, np.linspace(80, 120, 9), 0.5)
