"""Smiles that a mark may give of an expiry."""

from math import isqrt

import mpmath as mp
from hypothesis import strategies as st

from thalweg.instruments.svi import WEIGHT_ONE, Parameters, Smile
from thalweg.units import PRICE_MAX, SCALE, Price


def flat(forward: int, total_variance: int) -> Smile:
    """Return a smile of one total variance, scaled by 1e8."""
    parameters = Parameters(total_variance, 0, 0, 0, SCALE)
    return Smile(Price(forward), WEIGHT_ONE, 0, parameters, parameters)


@st.composite
def parameters(draw: st.DrawFn) -> Parameters:
    """Return raw SVI parameters that an oracle may register."""
    rho = draw(st.integers(1 - SCALE, SCALE - 1))
    return Parameters(
        a=draw(st.integers(0, 4 * SCALE) | st.integers(0, 1000)),
        b=draw(st.integers(0, (2 * SCALE * SCALE - 1) // (SCALE + abs(rho)))),
        rho=rho,
        m=draw(st.integers(-2 * SCALE, 2 * SCALE)),
        sigma=draw(st.integers(10**4, 2 * SCALE)),
    )


@st.composite
def any_parameters(draw: st.DrawFn) -> Parameters:
    """Return raw SVI parameters from everywhere in the bounds that make them sound."""
    rho = draw(st.integers(1 - SCALE, SCALE - 1))
    b = draw(st.integers(0, (2 * SCALE * SCALE - 1) // (SCALE + abs(rho))))
    sigma = draw(st.integers(10**4, 64 * SCALE))
    lowest = -(b * sigma * isqrt(SCALE * SCALE - rho * rho) // (SCALE * SCALE))  # a variance of zero where it is least
    a = draw(st.integers(lowest, lowest + 1000) | st.integers(lowest, 1024 * SCALE))
    return Parameters(a, b, rho, draw(st.integers(-64 * SCALE, 64 * SCALE)), sigma)


@st.composite
def any_smiles(draw: st.DrawFn) -> Smile:
    """Return a smile from everywhere in the domain that docs/contracts.md states."""
    weights = st.integers(0, WEIGHT_ONE) | st.integers(0, 1 << 80)
    forward = Price(draw(st.integers(1, PRICE_MAX)))
    return Smile(forward, draw(weights), draw(weights), draw(any_parameters()), draw(any_parameters()))


@st.composite
def smiles(draw: st.DrawFn) -> Smile:
    """Return a smile: a slice's own, one between two slices, or one beyond them."""
    forward = Price(draw(st.integers(1, PRICE_MAX) | st.integers(10 * SCALE, 10**6 * SCALE)))
    left = draw(parameters())
    share = draw(st.integers(0, WEIGHT_ONE))
    weights = draw(st.sampled_from(((WEIGHT_ONE, 0), (share, WEIGHT_ONE - share), (share, 0), (9 * WEIGHT_ONE, 0))))
    return Smile(forward, *weights, left, draw(parameters()) if weights[1] else left)


def strikes(forward: int) -> st.SearchStrategy[Price]:
    near = st.integers(-3 * 2**20, 3 * 2**20).map(lambda k: round(forward * float(mp.exp(k / 2**20))))
    return (near | st.integers(0, PRICE_MAX)).map(lambda strike: Price(min(max(strike, 0), PRICE_MAX)))
