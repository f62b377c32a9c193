"""Rough models come back from volatilities that they made, with their diagnostics."""

from typing import Any

import numpy as np
import pytest

from thalweg.errors import Reason, UserFault
from thalweg.pricing.implied import implied_volatility
from thalweg.pricing.models.parameters import Heston
from thalweg.pricing.models.rough import RoughBergomi, RoughHeston, RoughModel
from thalweg.pricing.models.rough_calibration import _RoughSearch, calibrate_rough
from thalweg.pricing.models.targets import Targets, targets_of

YEARS = np.repeat([0.1, 0.5], 7)
STRIKES = 100.0 * np.exp(np.concatenate([np.linspace(-2, 2, 7) * 0.4 * t**0.5 for t in (0.1, 0.5)]))


def made_by(model: RoughModel, **accuracy: int) -> Targets:
    blank = targets_of(YEARS, 100.0, STRIKES, 0.4)
    puts = _RoughSearch(type(model), blank, accuracy.get("steps", 16), accuracy.get("paths", 4096)).puts(model, 1)[0]
    return targets_of(YEARS, 100.0, STRIKES, implied_volatility(False, puts, 100.0, STRIKES, YEARS).volatility)


def test_rough_heston_comes_back() -> None:
    true = RoughHeston(0.12, 1.5, 0.18, 0.45, -0.5, 0.12)
    start = RoughHeston(0.13, 1.4, 0.17, 0.42, -0.45, 0.14)
    found = calibrate_rough(RoughHeston, made_by(true, steps=8), start=start, steps=8, steps_max=8)
    assert found.rmse < 0.01
    assert found.worst < 0.05
    assert found.model.values() == pytest.approx(true.values(), rel=0.1)
    assert not found.at_bounds
    assert found.feller is None


def test_rough_bergomi_comes_back_from_other_draws() -> None:
    true = RoughBergomi(0.16, 1.8, -0.6, 0.1)
    found = calibrate_rough(RoughBergomi, made_by(true, paths=1 << 14), paths=2048, steps_max=8)
    assert found.rmse < 1.0
    assert found.model.values()[0] == pytest.approx(0.16, rel=0.1)
    assert found.model.values()[2] == pytest.approx(-0.6, abs=0.15)
    assert found.model.values()[3] == pytest.approx(0.1, abs=0.08)


@pytest.mark.parametrize(
    ("make", "reason", "names"),
    [
        (lambda t: calibrate_rough(Heston, t),  # type: ignore[arg-type]
         Reason.UNKNOWN_FEATURE, "Heston is not rough"),
        (lambda t: calibrate_rough(RoughHeston, t, start=RoughBergomi(0.1, 1, 0, 0.1)), Reason.MALFORMED, "the start"),
        (
            lambda t: calibrate_rough(RoughHeston, targets_of(0.1, 100.0, [99.0, 101.0], 0.4)),
            Reason.MALFORMED, "2 quotes cannot fix the 6 parameters",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_calibrated_is_refused(make: Any, reason: Reason, names: str) -> None:
    with pytest.raises(UserFault, match=names) as refused:
        make(targets_of(YEARS, 100.0, STRIKES, 0.4))
    assert refused.value.reason is reason
