"""Least squares under inequalities: feasible, optimal, and honest where there is no solution."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.pricing.inequalities import nearest


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 25))
@settings(deadline=None, max_examples=150)
def test_nothing_that_is_allowed_is_closer(seed: int, count: int, rules: int) -> None:
    rng = np.random.default_rng(seed)
    design, target = rng.normal(size=(count + 4, count)), 3.0 * rng.normal(size=count + 4)
    sides, inside = rng.normal(size=(rules, count)), rng.normal(size=count)
    bounds = sides @ inside - rng.exponential(0.3, rules) * rng.integers(0, 2, rules)
    found = nearest(design, target, sides, bounds)
    assert found is not None
    assert np.all(sides @ found >= bounds - 1e-8 * (1.0 + np.abs(bounds)))
    # the set is convex: no way from the solution to an allowed point may lead downhill
    downhill = 2.0 * design.T @ (design @ found - target)
    for other in (inside, *(nearest(design, rng.normal(size=count + 4), sides, bounds) for _ in range(5))):
        assert other is not None
        assert downhill @ (other - found) >= -1e-6 * (1.0 + np.abs(downhill).max())


def test_inequalities_that_exclude_each_other_have_no_solution() -> None:
    sides = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert nearest(np.eye(2), np.zeros(2), sides, np.array([1.0, 1.0])) is None
    met = nearest(np.eye(2), np.zeros(2), sides, np.array([1.0, -2.0]))
    assert met is not None
    assert np.allclose(met, [1.0, 0.0])
