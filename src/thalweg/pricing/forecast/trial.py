"""Which forecaster to believe: walk forward, score by QLIKE, and ask whether the difference could be luck.

QLIKE, RV/f - ln(RV/f) - 1, ranks forecasts as the true variance would, although that is never seen (A. Patton,
"Volatility forecast comparison using imperfect volatility proxies", J. Econometrics 160, 2011).
"""

from collections.abc import Sequence
from math import erfc, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.pricing.forecast.forecasters import Forecaster

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIGNIFICANT: Final = 0.05
REFIT_DAYS: Final = 250
WARM_UP_DAYS: Final = 500


class Score(NamedTuple):
    """A forecaster's mean QLIKE; and against the reference: the statistic (negative: better) and two-sided p value."""

    name: str
    loss: float
    statistic: float
    p_value: float


class Comparison(NamedTuple):
    """Scores by forecaster, the first being the reference; how many days; and whom to use."""

    scores: tuple[Score, ...]
    days: int
    chosen: str


def qlike(variance: "Floats", forecast: "Floats") -> "Floats":
    """Return the losses, zero where the forecast is right.

    Raises:
        UserFault: MALFORMED where either is not positive.
    """
    import numpy as np

    if not (np.all(variance > 0.0) and np.all(forecast > 0.0)):
        raise UserFault(Reason.MALFORMED, "variances and forecasts must be positive")
    ratio = variance / forecast
    result: Floats = ratio - np.log(ratio) - 1.0
    return result


def diebold_mariano(losses: "Floats", reference: "Floats", horizon: int = 1) -> tuple[float, float]:
    """Return the statistic and its two-sided p value (normal) that both forecasters are equally good.

    (F. Diebold and R. Mariano, J. Business and Economic Statistics 13, 1995; variance by W. Newey and K. West with
    horizon - 1 + n^(1/3) lags; small samples: Harvey, Leybourne and Newbold, Int. J. Forecasting 13, 1997.)
    """

    if losses.shape != reference.shape or losses.size < 10 or horizon < 1:
        raise UserFault(Reason.MALFORMED, "losses are two series of one length, at least 10 days; horizon at least 1")
    gap = losses - reference
    n, mean = gap.size, float(gap.mean())
    centred = gap - mean
    lags = horizon - 1 + int(n ** (1.0 / 3.0))
    spread = float(centred @ centred) / n
    for lag in range(1, lags + 1):
        spread += 2.0 * (1.0 - lag / (lags + 1.0)) * float(centred[lag:] @ centred[:-lag]) / n
    if not spread > 0.0:
        return 0.0, 1.0
    small = sqrt((n + 1.0 - 2.0 * horizon + horizon * (horizon - 1.0) / n) / n)
    statistic = small * mean / sqrt(spread / n)
    return statistic, erfc(abs(statistic) / sqrt(2.0))


def walk_forward(
    forecaster: Forecaster,
    variance: "Floats",
    returns: "Floats",
    *,
    warm_up: int = WARM_UP_DAYS,
    refit: int = REFIT_DAYS,
) -> "Floats":
    """Return forecasts of the days from `warm_up` on, each made with what was known the day before.

    The forecaster is fitted anew every `refit` days, to the whole past.

    Raises:
        UserFault: MALFORMED where the history is not longer than the warm-up.
    """
    import numpy as np

    if not 0 < warm_up < variance.size or refit < 1:
        raise UserFault(Reason.MALFORMED, f"{variance.size} days do not reach past a warm-up of {warm_up}")
    pieces = []
    for start in range(warm_up, variance.size, refit):
        stop = min(start + refit, variance.size)
        forecaster.fit(variance[:start], returns[:start])
        pieces.append(forecaster.predict(variance[: stop - 1], returns[: stop - 1])[start - 1 :])
    return np.concatenate(pieces)


def compare(
    forecasters: Sequence[Forecaster], variance: "Floats", returns: "Floats", *, warm_up: int = WARM_UP_DAYS,
    refit: int = REFIT_DAYS,
) -> Comparison:  # fmt: skip
    """Return the scores against the first forecaster, and whom to use.

    Forecasters are given from the simplest on: one is chosen over the simpler one so far only where it is better and
    the difference is significant.
    """
    losses = [
        qlike(variance[warm_up:], walk_forward(one, variance, returns, warm_up=warm_up, refit=refit))
        for one in forecasters
    ]
    scores, best = [], 0
    for i, (one, loss) in enumerate(zip(forecasters, losses, strict=True)):
        scores.append(Score(one.name, float(loss.mean()), *diebold_mariano(loss, losses[0])))
        statistic, p_value = diebold_mariano(loss, losses[best])
        if statistic < 0.0 and p_value < SIGNIFICANT:
            best = i
    return Comparison(tuple(scores), losses[0].size, forecasters[best].name)
