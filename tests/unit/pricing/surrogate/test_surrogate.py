"""Learned prices: the gradient they are trained with, the bound they promise, and when they step aside."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import Reason, UserFault
from thalweg.pricing.european import black_scholes
from thalweg.pricing.formula import Request
from thalweg.pricing.models import Bates
from thalweg.pricing.models.fourier import price_slice
from thalweg.pricing.paths import Sampling
from thalweg.pricing.products.barriers import barrier
from thalweg.pricing.surrogate import SURROGATES, Surrogate, baseline, labels, surrogate
from thalweg.pricing.surrogate.baseline import deviation
from thalweg.pricing.surrogate.box import LOGARITHMIC, Box
from thalweg.pricing.surrogate.network import _gradient, evaluate, train
from thalweg.pricing.surrogate.surrogate import exact

MODEL = Bates(0.3, 2.0, 0.35, 0.9, -0.3, 1.5, -0.08, 0.1)
WEEK = 7.0 / 365.25


def untrained(name: str) -> Surrogate:
    """It answers a fifth of a deviation too high, and claims to be exact."""
    box = SURROGATES[name]
    return Surrogate(name, [(np.zeros((len(box.bounds), 1)), np.full(1, 0.2))], np.full(box.count(), 1e-9))


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=s), rng.normal(size=s[1])) for s in ((3, 5), (5, 4), (4, 1))]
    x, y, direction, slopes = (rng.normal(size=(7, 3)) for _ in range(4))
    arguments = (x, y[:, 0], direction, slopes, 1.7)
    _, gradient = _gradient(layers, *arguments)
    for part, slope in zip([part for layer in layers for part in layer], gradient, strict=True):
        for index in np.ndindex(part.shape):
            kept = part[index]
            ends = []
            for step in (1e-6, -1e-6):
                part[index] = kept + step
                ends.append(_gradient(layers, *arguments)[0])
            part[index] = kept
            assert abs((ends[0] - ends[1]) / 2e-6 - slope[index]) <= 1e-5 * (1.0 + abs(slope[index]))


def test_slopes_teach_what_few_values_do_not() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1.0, 1.0, (512, 3))
    y, slopes = np.sin(3.0 * x[:, 0]) * x[:, 1], np.zeros_like(x)
    slopes[:, 0], slopes[:, 1] = 3.0 * np.cos(3.0 * x[:, 0]) * x[:, 1], np.sin(3.0 * x[:, 0])
    fresh = rng.uniform(-1.0, 1.0, (2000, 3))
    truth = np.sin(3.0 * fresh[:, 0]) * fresh[:, 1]
    errors = []
    for known in (np.zeros(3), np.ones(3)):
        layers = train(x, y, slopes, known, (16, 16), 600, 1)
        errors.append(np.sqrt(np.mean((evaluate(layers, fresh) - truth) ** 2)))
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("name", SURROGATES)
def test_random_points_fill_the_box_and_scale_to_its_corners(name: str) -> None:
    box = SURROGATES[name]
    points = box.random(500, 3)
    scaled = box.scaled(points)
    assert np.all(np.abs(scaled) <= 1.0 + 1e-12)
    assert np.all(scaled.min(axis=0) < -0.98)
    assert np.all(scaled.max(axis=0) > 0.98)
    assert set(box.cell(scaled)) == set(range(box.count()))
    assert all(not box.outside(point) for point in points)
    beyond = points[0].copy()
    beyond[2] *= 100.0
    assert box.outside(beyond) == "theta"


@given(st.floats(0.01, 2.0), st.floats(0.0, 10.0), st.floats(0.001, 2.0))
@settings(deadline=None)
def test_without_jumps_or_reversion_the_deviation_is_that_of_the_variance(
    v0: float, kappa: float, years: float
) -> None:
    still = Bates(v0, kappa, v0, 0.5, 0.0, 0.0, 0.0, 0.0)
    assert abs(deviation(still, years) - (v0 * years) ** 0.5) <= 1e-12


@pytest.mark.parametrize("name", SURROGATES)
def test_inside_the_box_the_price_is_within_its_bound_of_the_exact_one(name: str) -> None:
    learned, low = Surrogate.load(name), None if name == "twap" else 93.0
    for strike in (95.0, 100.0, 106.0):
        quote = learned.call(MODEL, 100.0, strike, WEEK, 0.05, low)
        assert quote.source == "surrogate"
        assert 0.0 < quote.error < 0.4
        s = deviation(MODEL, WEEK)
        place = [np.log(level / 100.0) / s for level in (strike, low) if level is not None]
        point = np.array([*MODEL.values(), WEEK, *place])
        label = exact(name, point, Sampling(paths=1 << 14))
        true = 100.0 * np.exp(-0.05 * WEEK) * (label.value * s + labels.anchor(name, point, float(point[9])))
        assert abs(quote.price - true) <= quote.error + 400.0 * s * label.error


@pytest.mark.parametrize("name", SURROGATES)
def test_bounds_hold_on_points_that_no_training_has_seen(name: str) -> None:
    learned = Surrogate.load(name)
    points = learned.box.random(40, 77)
    scaled = learned.box.scaled(points)
    values, bounds = evaluate(learned.layers, scaled), learned.bounds[learned.box.cell(scaled)]
    beyond = 0
    for row, point in enumerate(points):
        label = exact(name, point, Sampling(paths=4096, seed=5))
        beyond += abs(values[row] - label.value) > bounds[row] + 4.0 * label.error
    assert beyond <= 1  # few of another forty exceed the largest of a thousand


@pytest.mark.parametrize("name", SURROGATES)
def test_what_is_shipped_was_measured_on_points_held_out(name: str) -> None:
    with np.load(surrogate.path(name)) as file:
        errors, bounds = file["held_out"], file["bounds"]
    assert errors.size >= 1000
    assert bounds.max() == pytest.approx(errors.max(), rel=1e-6)
    assert np.sqrt(np.mean(errors**2)) < {"twap": 1.5e-3, "down_out": 4e-3}[name]


@given(st.floats(-2.0, 2.0), st.floats(-3.0, -0.3))
@settings(deadline=None, max_examples=50)
def test_a_still_variance_without_jumps_is_the_baseline_itself(m: float, h: float) -> None:
    """Black's model has closed forms: of the call, and of the call that ends at a barrier (Reiner and Rubinstein)."""
    still = Bates(0.25, 1.0, 0.25, 1e-3, 0.0, 0.0, 0.0, 0.1)
    s = deviation(still, WEEK)
    strike, level = float(np.exp(m * s)), float(np.exp(h * s))
    plain = black_scholes(True, 1.0, strike, 0.5, WEEK, outputs=("price",))["price"]
    assert abs(baseline.call(still, WEEK, strike) - plain) <= 1e-14
    out = barrier(True, False, False, 1.0, strike, level, 0.5, WEEK, request=Request(outputs=("price",)))["price"]
    assert abs(baseline.down_out(still, WEEK, strike, level) - out) <= 1e-13


def test_outside_the_box_the_exact_engine_answers_and_says_why() -> None:
    learned = Surrogate.load("twap")
    quote = learned.call(Bates(3.0, 2.0, 3.0, 0.9, -0.3, 1.5, -0.08, 0.1), 100.0, 100.0, WEEK)
    assert quote.source == "exact"
    assert quote.why == "v0 is outside the training box"
    plain = float(price_slice(Bates(3.0, 2.0, 3.0, 0.9, -0.3, 1.5, -0.08, 0.1), True, 100.0, 100.0, WEEK).price)
    assert abs(quote.price - plain) < 0.01 * plain


def test_a_failed_spot_check_ends_the_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surrogate, "CHECK_EVERY", 3)
    sound = Surrogate.load("twap")
    wrong = Surrogate("twap", [*sound.layers[:-1], (sound.layers[-1][0], sound.layers[-1][1] + 0.2)], sound.bounds)
    for learned, trusted in ((sound, True), (wrong, False)):
        sources = [learned.call(MODEL, 100.0, 101.0, WEEK).source for _ in range(4)]
        assert sources == (["surrogate"] * 4 if trusted else ["surrogate"] * 2 + ["exact"] * 2)
        assert bool(learned.distrusted) is not trusted
    assert "spot check" in wrong.call(MODEL, 100.0, 101.0, WEEK).why


def test_a_barrier_that_is_not_learned_well_is_priced_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surrogate, "CHECK_EVERY", 1)
    quote = untrained("down_out").call(MODEL, 100.0, 100.0, WEEK, barrier=95.0)
    assert quote.source == "exact"
    assert 0.0 < quote.price < float(price_slice(MODEL, True, 100.0, 100.0, WEEK).price)


def test_logarithmic_coordinates_have_positive_bounds() -> None:
    for box in SURROGATES.values():
        assert all(box.bounds[name][0] > 0.0 for name in LOGARITHMIC)
        assert isinstance(box, Box)


@pytest.mark.parametrize(
    ("make", "reason", "names"),
    [
        (lambda: Surrogate.load("asian"), Reason.UNKNOWN_FEATURE, "twap"),
        (lambda: Surrogate.load("twap").call(MODEL, 100.0, -1.0, WEEK), Reason.MALFORMED, "strike is -1"),
        (lambda: Surrogate.load("twap").call(MODEL, 100.0, 100.0, WEEK, barrier=90.0), Reason.MALFORMED, "barrier"),
        (lambda: untrained("down_out").call(MODEL, 100.0, 100.0, WEEK), Reason.MALFORMED, "barrier is None"),
        (
            lambda: untrained("down_out").call(MODEL, 9.0, 9.0, WEEK, barrier=9.5),
            Reason.MALFORMED,
            "barrier is 9.5",
        ),
    ],
)
def test_bad_input_is_refused_by_name(make: Any, reason: Reason, names: str) -> None:
    with pytest.raises(UserFault, match=names) as refused:
        make()
    assert refused.value.reason is reason
