"""One quote: compiled or not, the same as the engine that prices everything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.pricing import quote as single
from thalweg.pricing import scalar, warm

OPTIONS = (
    st.booleans(), st.floats(0.01, 1e5), st.floats(0.5, 2.0), st.floats(0.03, 3.0), st.floats(1e-4, 5.0),
    st.floats(-0.1, 0.2), st.floats(-0.1, 0.2),
)  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True])
@given(st.tuples(*OPTIONS))
@settings(deadline=None, max_examples=200)
def test_a_quote_is_what_the_engine_says(
    compiled: bool, option: tuple[bool, float, float, float, float, float, float]
) -> None:
    is_call, spot, ratio, volatility, years, rate, dividend = option
    with pytest.MonkeyPatch.context() as patch:
        if compiled:
            assert warm.optional("quote") is not None
        else:
            patch.setattr(single, "compiled", None)
        found = single.quote(is_call, spot, spot * ratio, volatility, years, rate, dividend)
        exact = scalar.black_scholes(is_call, spot, spot * ratio, volatility, years, rate, dividend)[:6]
    s = volatility * years**0.5
    scales = np.array([spot, 1.0, 1.0 / (spot * s), spot, spot * (1.0 + volatility / years**0.5), spot * (1.0 + years)])
    assert np.all(np.abs(np.array(found) - exact) <= 4e-15 * max(1.0, ratio) * (1.0 + 1.0 / s) * scales)


@pytest.mark.parametrize("bad", [(True, -1.0, 1.0, 0.2, 1.0), (True, 1.0, float("nan"), 0.2, 1.0)])
def test_bad_input_is_not_a_number(bad: tuple[bool, float, float, float, float]) -> None:
    assert all(value != value for value in single.quote(*bad))


def test_limits_are_those_of_the_engine() -> None:
    assert warm.optional("quote") is not None
    for option in ((True, 100.0, 90.0, 0.0, 1.0), (False, 100.0, 120.0, 0.3, 0.0), (True, 0.0, 1.0, 0.3, 1.0)):
        assert single.quote(*option) == scalar.black_scholes(*option, 0.0, 0.0)[:6]
