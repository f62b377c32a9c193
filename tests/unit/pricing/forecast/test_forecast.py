"""Forecasts of variance: what a model made is found again, nothing looks ahead, luck is told from skill."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import Reason, UserFault
from thalweg.pricing.forecast import (
    Ewma,
    Forecaster,
    Har,
    Learned,
    compare,
    diebold_mariano,
    garman_klass,
    qlike,
    walk_forward,
)


def autoregressive(days: int, seed: int = 1, leverage: float = 0.0) -> tuple[Any, Any]:
    """Log variance on its own day, week and month means, as HAR says."""
    rng = np.random.default_rng(seed)
    variance, returns = np.full(days, 1e-4), np.zeros(days)
    for t in range(22, days):
        week, month = variance[t - 5 : t].mean(), variance[t - 22 : t].mean()
        level = -0.4 + 0.4 * np.log(variance[t - 1]) + 0.3 * np.log(week) + 0.26 * np.log(month)
        level += leverage * max(-returns[t - 1] / variance[t - 1] ** 0.5, 0.0)
        variance[t] = np.exp(level + 0.4 * rng.standard_normal())
        returns[t] = variance[t] ** 0.5 * rng.standard_normal()
    return variance[22:], returns[22:]


def forecasters() -> list[Forecaster]:
    return [Ewma(), Har(), Har(leverage=True), Learned(rounds=60)]


def test_har_recovers_the_coefficients_that_made_the_series() -> None:
    har = Har()
    har.fit(*autoregressive(20_000))
    assert np.allclose(har.coefficients, [-0.4, 0.4, 0.3, 0.26], atol=0.12)
    assert abs(har.correction - 0.08) < 0.005


def test_ewma_is_its_recursion() -> None:
    found = Ewma(decay=0.5).predict(np.array([4.0, 2.0, 8.0]), np.zeros(3))
    assert found.tolist() == [4.0, 3.0, 5.5]


@pytest.mark.parametrize("forecaster", forecasters(), ids=lambda one: f"{one.name}{getattr(one, 'leverage', '')}")
def test_no_forecast_changes_when_the_future_does(forecaster: Forecaster) -> None:
    variance, returns = autoregressive(700)
    forecaster.fit(variance[:400], returns[:400])
    before = forecaster.predict(variance, returns)
    changed, moved = variance.copy(), returns.copy()
    changed[500:], moved[500:] = 7.0, -3.0
    after = forecaster.predict(changed, moved)
    assert np.allclose(before[:500], after[:500], rtol=1e-9)
    assert not np.allclose(before[500:], after[500:])


def test_walking_forward_uses_the_day_before_and_nothing_later() -> None:
    variance, returns = autoregressive(600)
    found = walk_forward(Ewma(), variance, returns, warm_up=500, refit=30)
    assert np.allclose(found, Ewma().predict(variance, returns)[499:-1])


@given(st.lists(st.tuples(st.floats(1e-8, 1.0), st.floats(1e-8, 1.0)), min_size=1, max_size=20))
@settings(deadline=None)
def test_qlike_is_least_where_the_forecast_is_right(pairs: list[tuple[float, float]]) -> None:
    variance, forecast = np.array(pairs).T
    assert np.all(qlike(variance, forecast) >= 0.0)
    assert np.all(qlike(variance, variance) == 0.0)


def test_diebold_mariano_finds_skill_and_no_skill_in_luck() -> None:
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shared = rng.standard_normal(300)
        rejected += diebold_mariano(shared + rng.standard_normal(300), shared + rng.standard_normal(300))[1] < 0.05
    assert 2 <= rejected <= 24  # of 200, ten expected
    rng = np.random.default_rng(1)
    statistic, p_value = diebold_mariano(rng.standard_normal(300) - 0.5, rng.standard_normal(300))
    assert statistic < -3.0
    assert p_value < 0.001
    assert diebold_mariano(np.ones(20), np.ones(20)) == (0.0, 1.0)


def test_the_simplest_is_used_unless_another_is_significantly_better() -> None:
    plain = compare([Ewma(), Har(), Learned(rounds=60)], *autoregressive(1500))
    assert plain.chosen == "HAR"
    assert plain.scores[1].statistic < -3.0
    assert plain.scores[0].p_value == 1.0
    fallen = compare([Ewma(), Har(), Har(name="leverage", leverage=True)], *autoregressive(2500, leverage=0.5))
    assert fallen.chosen == "leverage"


def test_garman_and_klass_are_unbiased_for_brownian_motion() -> None:
    rng = np.random.default_rng(3)
    walks = np.cumsum(rng.standard_normal((2000, 1000)) * (1e-4 / 1000) ** 0.5, axis=1)
    walks = np.concatenate([np.zeros((2000, 1)), walks], axis=1)
    prices = np.exp(walks)
    found = np.array([garman_klass(p[:1], p.max(keepdims=True), p.min(keepdims=True), p[-1:])[0] for p in prices])
    assert abs(found.mean() / 1e-4 - 1.0) < 0.08  # extremes of a walk fall short of those of the motion


def test_a_gap_overnight_counts() -> None:
    flat = np.ones(2)
    assert np.allclose(garman_klass(flat, flat, flat, flat), 1e-12)
    jumped = np.array([1.0, 1.1])
    assert np.allclose(garman_klass(jumped, jumped, jumped, jumped)[1], np.log(1.1) ** 2)


@pytest.mark.parametrize(
    ("make", "reason", "names"),
    [
        (lambda: garman_klass([1.0], [0.9], [0.8], [0.85]), Reason.MALFORMED, "day 0"),
        (lambda: garman_klass([1.0, 1.0], [1.0, np.nan], [1.0, 1.0], [1.0, 1.0]), Reason.MALFORMED, "day 1"),
        (lambda: garman_klass([], [], [], []), Reason.MALFORMED, "series"),
        (lambda: Har().predict(np.ones(3), np.ones(3)), Reason.NOT_YET, "fitted"),
        (lambda: Learned().predict(np.ones(3), np.ones(3)), Reason.NOT_YET, "fitted"),
        (lambda: Har().fit(np.ones(50), np.ones(50)), Reason.MALFORMED, "at least 100"),
        (lambda: Ewma().predict(np.array([1.0, -1.0]), np.zeros(2)), Reason.MALFORMED, "positive"),
        (lambda: walk_forward(Ewma(), np.ones(10), np.zeros(10)), Reason.MALFORMED, "warm-up of 500"),
        (lambda: qlike(np.ones(2), np.array([1.0, 0.0])), Reason.MALFORMED, "positive"),
        (lambda: diebold_mariano(np.ones(5), np.ones(5)), Reason.MALFORMED, "at least 10"),
    ],
)
def test_bad_input_is_refused_by_name(make: Any, reason: Reason, names: str) -> None:
    with pytest.raises(UserFault, match=names) as refused:
        make()
    assert refused.value.reason is reason
