"""Surfaces an oracle may sign."""

from typing import Final

from hypothesis import strategies as st

from thalweg.instruments.report import Slice
from thalweg.units import PRICE_MAX, SCALE, Price, UnixSeconds

TIME: Final = UnixSeconds(3_000_000_000)


def flat(expiry: int, total_variance: int, forward: int = 60_000) -> Slice:
    """Return a slice without skew; total variance scaled by 1e8, the forward in whole units."""
    return Slice(UnixSeconds(expiry), Price(forward * SCALE), total_variance, 0, 0, 0, SCALE)


@st.composite
def surfaces(draw: st.DrawFn, time: int = TIME) -> tuple[Slice, ...]:
    """Return one to four slices of a valid surface: each smile is the one before with more of everything."""
    expiry, rho = time, draw(st.integers(1 - SCALE, SCALE - 1))
    m, sigma = draw(st.integers(-2 * SCALE, 2 * SCALE)), draw(st.integers(10**4, 2 * SCALE))
    top = (2 * SCALE * SCALE - 1) // (SCALE + abs(rho))
    a, b = draw(st.integers(0, SCALE)), draw(st.just(0) | st.integers(0, top))
    slices = []
    for _ in range(draw(st.integers(1, 4))):
        expiry += draw(st.integers(1, 400 * 86_400))
        a, b = a + draw(st.integers(0, SCALE)), draw(st.integers(b, top))
        forward = draw(st.integers(1, PRICE_MAX) | st.integers(59_000 * SCALE, 61_000 * SCALE))
        slices.append(Slice(UnixSeconds(expiry), Price(forward), a, b, rho, m, sigma))
    return tuple(slices)
