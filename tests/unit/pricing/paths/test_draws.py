"""Random numbers: known answers, the laws they should follow, quasi-random points that fill the cube."""

import json
import math
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from numba import njit

from thalweg.errors import Reason, UserFault
from thalweg.pricing.kernels import draws
from thalweg.pricing.kernels.arithmetic import exp_pair
from thalweg.pricing.kernels.philox import normal_of, philox
from thalweg.pricing.paths import sobol

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "philox4x32_10.json").read_text())


words: Any = njit(lambda c0, c1, c2, c3, k0, k1: philox(c0, c1, c2, c3, k0, k1))
pair: Any = njit(lambda x: exp_pair(x))
quantile: Any = njit(lambda probability: normal_of(probability))


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_philox_gives_the_published_words(case: dict[str, list[str]]) -> None:
    given = [int(word, 16) for word in case["counter"] + case["key"]]
    assert list(words(*given)) == [int(word, 16) for word in case["words"]]


def test_the_inverse_normal_has_the_digits_of_fifty_digit_arithmetic() -> None:
    for p in [2.0**-33, 1e-9, 3e-6, 0.004, 0.0749, 0.0751, 0.31, 0.5, 0.66, 0.9249, 0.9251, 1 - 1e-9]:
        with mpmath.mp.workdps(50):
            exact = float(mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(p) - 1))
        assert abs(quantile(p) - exact) <= 2e-15 * max(abs(exact), 1e-3)


def test_a_pair_of_exponentials_has_the_digits_of_both() -> None:
    for x in [0.0, 1e-9, 0.3, -0.347, 0.999, 2.5, -17.25, 300.1, -700.0]:
        for found, way in zip(pair(x), (1.0, -1.0), strict=True):
            assert abs(found - math.exp(way * x)) <= 4e-16 * math.exp(way * x)
    assert pair(1e4) == pair(708.0)


def test_normals_have_the_moments_of_normals_and_no_correlation() -> None:
    blocks = []
    for first in range(0, 64 * 400, 64):
        z = np.empty((8, draws.LANES))
        draws.fill_pseudo(12345, first, 8, z)
        blocks.append(z)
    z = np.concatenate(blocks, axis=1)
    count = z.size
    for power, moment, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        assert abs((z**power).mean() - moment) <= 4.5 * (variance / count) ** 0.5
    correlation = np.corrcoef(z) - np.eye(8)
    assert np.abs(correlation).max() <= 4.5 / z.shape[1] ** 0.5
    assert abs(np.mean(z[:, 1:] * z[:, :-1])) <= 4.5 / count**0.5
    tail = np.mean(np.abs(z) > 2.5758293035489)
    assert abs(tail - 0.01) <= 4.5 * (0.01 / count) ** 0.5


def test_every_draw_is_a_function_of_seed_path_and_dimension() -> None:
    z, again, other = (np.empty((4, draws.LANES)) for _ in range(3))
    draws.fill_pseudo(7, 640, 4, z)
    draws.fill_pseudo(7, 640 - 32, 4, again)
    draws.fill_pseudo(8, 640, 4, other)
    assert np.array_equal(z[:, :32], again[:, 32:])
    assert not np.any(z == other)


def test_each_sobol_dimension_puts_one_point_into_each_interval() -> None:
    numbers = sobol.directions(600)
    points = np.zeros((600, 256), np.int64)
    for bit in range(8):
        points ^= np.where((np.arange(256) >> bit) & 1, numbers[:, bit : bit + 1], 0)
    for row in points >> 24:
        assert np.array_equal(np.sort(row), np.arange(256))


def test_the_first_sobol_points_are_the_known_ones() -> None:
    """S. Joe and F. Kuo's own listing of the first ten points, in Gray code order, of three dimensions."""
    numbers = sobol.directions(3)
    known = [(0, 0, 0), (0.5, 0.5, 0.5), (0.75, 0.25, 0.25), (0.25, 0.75, 0.75), (0.375, 0.375, 0.625)]
    for i, expected in enumerate(known):
        gray = i ^ (i >> 1)
        point = np.zeros(3, np.int64)
        for bit in range(32):
            point ^= numbers[:, bit] if gray >> bit & 1 else 0
        assert tuple(point / 2.0**32) == expected


def test_more_dimensions_than_the_table_has_are_refused() -> None:
    with pytest.raises(UserFault, match="at most 600") as refused:
        sobol.directions(601)
    assert refused.value.reason is Reason.OVERSIZED


def test_the_bridge_builds_brownian_motion() -> None:
    """Its increments are an orthogonal transformation of the normals: independent again."""
    times = np.array([0.1, 0.15, 0.4, 0.7, 0.75, 1.0, 3.0])
    plan = sobol.bridge_plan(times)
    columns = np.zeros((times.size, draws.LANES))
    columns[np.arange(times.size), np.arange(times.size)] = 1.0
    draws.bridge(*plan, columns, np.empty_like(columns))
    matrix = columns[:, : times.size]
    assert np.allclose(matrix @ matrix.T, np.eye(times.size), atol=1e-13)


@pytest.mark.parametrize("shape", [0.02, 0.3, 1.0, 4.5])
def test_gamma_variates_have_the_moments_of_gamma(shape: float) -> None:
    x = np.array([draws.gamma(shape, path, 3, 17, 4) for path in range(20_000)])
    assert np.all(x >= 0.0)
    assert abs(x.mean() - shape) <= 4.5 * (shape / x.size) ** 0.5
    assert abs(x.var() - shape) <= 4.5 * (shape * (2 * shape + 6) / x.size) ** 0.5
