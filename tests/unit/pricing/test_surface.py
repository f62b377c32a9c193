"""Smiles and surfaces: derivatives, arbitrage found where it is, forward and local volatility that fit a model."""

import json
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import Reason, UserFault
from thalweg.pricing.smile import Correction, Smile, spline_basis
from thalweg.pricing.ssvi import Ssvi, crossings, power_law
from thalweg.pricing.surface import Slice, Surface, grid
from thalweg.pricing.svi import Svi

PLAIN = Svi(0.01, 0.1, -0.3, 0.02, 0.15)
KNOTS = (-0.6, -0.35, -0.2, -0.05, 0.0, 0.1, 0.3, 0.55)
# Gatheral and Jacquier 2014, section 3.1: A. Vogt's raw SVI, which has butterfly arbitrage
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "gatheral_jacquier.json").read_text())
VOGT = Svi(*(VECTORS["vogt"][name] for name in ("a", "b", "rho", "m", "sigma")))
# ... example 5.1: the same smile with its wings repaired, in SVI-JW terms psi, p and v fixed, c and v~ moved
VOGT_JW = tuple(VECTORS["jw"][name] for name in ("v", "psi", "p", "c", "least"))
VOGT_REPAIRED_JW = (*VOGT_JW[:3], VECTORS["repaired"]["c"], VECTORS["repaired"]["least"])


def raw_from_jw(v: float, psi: float, p: float, c: float, least: float, years: float = 1.0) -> Svi:
    """Gatheral and Jacquier 2014, lemma 3.2."""
    w = v * years
    b = sqrt(w) / 2.0 * (c + p)
    rho = 1.0 - p * sqrt(w) / b
    beta = rho - 2.0 * psi * sqrt(w) / b
    alpha = np.sign(beta) * sqrt(1.0 / beta**2 - 1.0)
    m = (v - least) * years / (b * (-rho + np.sign(alpha) * sqrt(1.0 + alpha**2) - alpha * sqrt(1.0 - rho**2)))
    sigma = alpha * m
    return Svi(least * years - b * sigma * sqrt(1.0 - rho**2), b, rho, m, sigma)


def jw_from_raw(svi: Svi, years: float = 1.0) -> tuple[float, ...]:
    """Gatheral and Jacquier 2014, equation 3.5."""
    w = svi.total_variance(0.0)
    root = sqrt(svi.m**2 + svi.sigma**2)
    psi = svi.b / (2.0 * sqrt(w)) * (svi.rho - svi.m / root)
    p, c = (svi.b * (1.0 + side * svi.rho) / sqrt(w) for side in (-1.0, 1.0))
    return w / years, psi, p, c, svi.least() / years


def test_the_smile_of_vogt_has_the_published_parameters_in_jump_wings() -> None:
    assert jw_from_raw(VOGT) == pytest.approx(VOGT_JW, abs=VECTORS["jw"]["tolerance"])


def test_the_smile_of_vogt_has_the_arbitrage_that_was_published_and_its_repair_has_none() -> None:
    k = np.linspace(-1.5, 1.5, 3001)
    assert Smile(VOGT).durrleman(k).min() < -0.005
    found = Surface((Slice(1.0, 1.0, Smile(VOGT)),)).arbitrages()
    assert [one.kind for one in found] == ["butterfly"]
    assert 0.5 < found[0].k < 1.2
    repaired = raw_from_jw(*VOGT_REPAIRED_JW)
    assert Smile(repaired).durrleman(k).min() >= 0.0
    assert not Surface((Slice(1.0, 1.0, Smile(repaired)),)).arbitrages()


def test_derivatives_of_a_corrected_smile_are_those_of_its_total_variance() -> None:
    smile = Smile(PLAIN, Correction(KNOTS, (0.002, -0.001, 0.0015, -0.002)))
    k, step = np.linspace(-0.7, 0.7, 57), 1e-5
    w, w1, w2 = smile.terms(k)
    up, down = smile.total_variance(k + step), smile.total_variance(k - step)
    np.testing.assert_allclose(w1, (up - down) / (2 * step), atol=1e-8)
    np.testing.assert_allclose(w2, (up - 2 * w + down) / step**2, atol=1e-4)


def test_a_correction_ends_at_its_outer_knots() -> None:
    smile = Smile(PLAIN, Correction(KNOTS, (0.002, -0.001, 0.0015, -0.002)))
    outside = np.array([-5.0, KNOTS[0], KNOTS[-1], 3.0])
    for term, plain in zip(smile.terms(outside), Smile(PLAIN).terms(outside), strict=True):
        np.testing.assert_array_equal(term, plain)


def test_splines_add_up_to_one_where_four_of_them_overlap() -> None:
    k = np.linspace(-0.05, 0.0, 11)[:-1]
    basis, first, second = spline_basis(np.array(KNOTS), k)
    np.testing.assert_allclose(basis.sum(axis=1), 1.0, atol=1e-14)
    np.testing.assert_allclose(first.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(second.sum(axis=1), 0.0, atol=1e-10)


@pytest.mark.parametrize(
    ("knots", "weights"), [((0.0, 1.0, 2.0, 3.0), ()), ((0.0, 1.0, 1.0, 2.0, 3.0), (1.0,)), (KNOTS, (1.0,))]
)
def test_a_malformed_correction_is_refused(knots: tuple[float, ...], weights: tuple[float, ...]) -> None:
    with pytest.raises(UserFault):
        Correction(knots, weights)


def flat(volatility: float, years: float, forward: float = 100.0) -> Slice:
    return Slice(years, forward, Smile(Svi(volatility**2 * years, 1e-9, 0.0, 0.0, 0.1)))


def test_falling_total_variance_is_found() -> None:
    falling = Surface((flat(0.8, 0.1), flat(0.5, 0.2)))
    found = falling.arbitrages()
    assert {one.kind for one in found} == {"calendar"}
    assert np.isnan(falling.forward_volatility(0.0, 0.1, 0.2))
    assert np.isnan(falling.local_volatility(0.0, 0.15))


def test_wings_that_will_cross_are_found_beyond_the_grid() -> None:
    steep, later = Svi(0.01, 0.2, 0.0, 0.0, 0.1), Svi(5.0, 0.1, 0.0, 0.0, 0.1)
    found = Surface((Slice(0.1, 1.0, Smile(steep)), Slice(0.2, 1.0, Smile(later)))).arbitrages()
    assert [one.k for one in found] == [-np.inf, np.inf]


def test_volatility_that_grows_with_time_only_is_its_own_local_and_forward_volatility() -> None:
    surface = Surface((flat(0.4, 0.25), flat(0.5, 1.0)))
    forward = sqrt((0.25 * 1.0 - 0.16 * 0.25) / 0.75)
    assert surface.forward_volatility(0.1, 0.25, 1.0) == pytest.approx(forward, rel=1e-6)
    assert surface.local_volatility(0.1, 0.6) == pytest.approx(forward, rel=1e-6)
    assert surface.volatility(100.0, 0.05) == pytest.approx(0.4, rel=1e-6)
    assert surface.volatility(100.0, 3.0) == pytest.approx(0.5, rel=1e-6)


def test_local_volatility_reprices_options() -> None:
    """Dupire's forward equation dC/dT = sigma^2/2 K^2 d2C/dK2, in fifty steps either way of the smile's own prices."""
    from thalweg.pricing.european import black76

    surface = Surface(
        (Slice(0.25, 1.0, Smile(Ssvi(0.04, -0.3, 0.2).raw())), Slice(0.5, 1.0, Smile(Ssvi(0.09, -0.3, 0.35).raw())))
    )
    assert not surface.arbitrages()
    for k in (-0.3, 0.0, 0.25):
        years, step, width = 0.4, 1e-4, 1e-3

        def call(strike: float, time: float) -> float:
            return float(black76(True, 1.0, strike, surface.volatility(strike, time), time, outputs=["price"])["price"])

        strike = float(np.exp(k))
        passing = (call(strike, years + step) - call(strike, years - step)) / (2 * step)
        bend = (call(strike + width, years) - 2 * call(strike, years) + call(strike - width, years)) / width**2
        assert surface.local_volatility(k, years) == pytest.approx(sqrt(2 * passing / bend) / strike, rel=1e-4)


def test_forwards_are_geometric_between_expiries() -> None:
    surface = Surface((flat(0.4, 0.25, 100.0), flat(0.5, 0.75, 121.0)))
    assert surface.forward(0.5) == pytest.approx(110.0)
    assert surface.forward(0.01) == pytest.approx(100.0)
    assert surface.forward(9.0) == pytest.approx(121.0)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.001, 1.0), st.floats(-0.95, 0.95), st.floats(0.05, 0.999))
def test_every_ssvi_slice_that_is_accepted_is_free_of_butterflies(theta: float, rho: float, share: float) -> None:
    steep = 1.0 + abs(rho)
    psi = share * min(4.0 / steep, 2.0 * sqrt(theta / steep))
    one = Ssvi(theta, rho, psi)
    assert Smile(one.raw()).durrleman(grid()).min() >= -1e-12
    for k in (-1.0, 0.0, 0.7):
        assert one.raw().total_variance(k) == pytest.approx(one.total_variance(k), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.005, 0.5),
    st.floats(1.0, 3.0),
    st.floats(-0.9, 0.9),
    st.floats(-1.0, 1.0),
    st.floats(0.1, 0.9),
    st.floats(0.0, 1.0),
)
def test_slices_without_crossings_do_not_cross(
    theta: float, growth: float, rho: float, turn: float, share: float, far_share: float
) -> None:
    near = Ssvi(theta, rho, share * 2.0 * sqrt(theta / (1.0 + abs(rho))) * 0.9)
    far_theta = theta * growth
    far_psi = near.psi * (1.0 + far_share * (growth - 1.0))
    far_rho = (rho * near.psi + turn * (far_psi - near.psi)) / far_psi
    if far_psi * far_psi * (1.0 + abs(far_rho)) > 4.0 * far_theta or far_psi * (1.0 + abs(far_rho)) >= 4.0:
        return
    far = Ssvi(far_theta, far_rho, far_psi)
    assert not crossings([near, far])
    k = grid()
    assert (Smile(far.raw()).total_variance(k) - Smile(near.raw()).total_variance(k)).min() >= -1e-12


def test_crossings_say_what_is_wrong() -> None:
    assert crossings([Ssvi(0.04, -0.3, 0.2), Ssvi(0.03, -0.3, 0.2)])[0] == "theta decreases from expiry 0 to 1"


def test_ssvi_slices_that_arbitrage_are_refused() -> None:
    with pytest.raises(UserFault) as refusal:
        Ssvi(0.01, -0.9, 0.5)
    assert refusal.value.reason == Reason.MALFORMED
    assert power_law(0.04, 1.0, 0.5) == pytest.approx(1.0 / (0.2 * sqrt(1.04)))


@pytest.mark.parametrize("times", [(), (0.0,), (0.2, 0.1), (0.1, 0.1)])
def test_slices_out_of_order_are_refused(times: tuple[float, ...]) -> None:
    with pytest.raises(UserFault, match="increasing time"):
        Surface(tuple(flat(0.5, time) for time in times))
