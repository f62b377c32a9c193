"""Forecasters of the next day's variance. Each is fitted to a history and then asked after any later day.

- `Ewma`: sigma^2_(t+1) = decay sigma^2_t + (1 - decay) RV_t (RiskMetrics 1996, decay 0.94).
- `Har`: the logarithm of variance on its means over a day, a week and a month, by least squares (F. Corsi, "A simple
  approximate long-memory model of realized volatility", J. Financial Econometrics 7, 2009); half the residual variance
  corrects the bias of the exponential. With `leverage` also on how far returns fell over the same windows (F. Corsi and
  R. Reno, J. Business and Economic Statistics 30, 2012).
- `Learned`: a small network on the same means and on signed returns, which adds to HAR's forecast, trained on QLIKE by
  Adam (D. Kingma and J. Ba, ICLR 2015) with early stopping on the newest fifth of the history.
"""

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from thalweg.errors import Reason, UserFault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WINDOWS: Final = (1, 5, 22)  # trading days; of a market that never closes (1, 7, 30)
HISTORY_MIN: Final = 100


class Forecaster(Protocol):
    """What a trial needs: `fit` on a history, then `predict` the day after each day of a longer one."""

    name: str

    def fit(self, variance: "Floats", returns: "Floats") -> None:
        """Learn from a history of daily variances and returns."""

    def predict(self, variance: "Floats", returns: "Floats") -> "Floats":
        """Return, for each day, the forecast of the next, made from that day and earlier ones only."""


class Ewma(msgspec.Struct):
    """Exponentially weighted variance."""

    name: str = "EWMA"
    decay: float = 0.94

    def fit(self, variance: "Floats", returns: "Floats") -> None:
        """Learn nothing: the decay is fixed."""
        _check(variance, returns)

    def predict(self, variance: "Floats", returns: "Floats") -> "Floats":
        """Return the weighted variance after each day, begun at the first day's."""
        import numpy as np

        _check(variance, returns)
        out, state = np.empty(variance.size), float(variance[0])
        for day, value in enumerate(variance.tolist()):
            state = self.decay * state + (1.0 - self.decay) * value
            out[day] = state
        return out


class Har(msgspec.Struct):
    """Heterogeneous autoregression in logarithms."""

    name: str = "HAR"
    windows: tuple[int, ...] = WINDOWS
    leverage: bool = False
    coefficients: Any = None
    correction: float = 0.0

    def fit(self, variance: "Floats", returns: "Floats") -> None:
        """Fit by least squares; the first days, whose longest mean is not whole, are left out."""
        import numpy as np

        _check(variance, returns, HISTORY_MIN)
        x, y = self.features(variance, returns)[self.windows[-1] - 1 : -1], np.log(variance[self.windows[-1] :])
        self.coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
        self.correction = 0.5 * float(np.mean((y - x @ self.coefficients) ** 2))

    def predict(self, variance: "Floats", returns: "Floats") -> "Floats":
        """Return the forecast after each day."""
        import numpy as np

        _check(variance, returns)
        if self.coefficients is None:
            raise UserFault(Reason.NOT_YET, f"{self.name} has not been fitted")
        result: Floats = np.exp(self.features(variance, returns) @ self.coefficients + self.correction)
        return result

    def features(self, variance: "Floats", returns: "Floats") -> "Floats":
        """Return a row a day: one, the logarithms of the means over the windows that end there, and the falls."""
        import numpy as np

        total, moved = (np.concatenate(([0.0], np.cumsum(series))) for series in (variance, returns))
        days = np.arange(1, variance.size + 1)
        columns, falls = [np.ones(variance.size)], []
        for window in self.windows:
            start = np.maximum(days - window, 0)
            spent = total[days] - total[start]
            columns.append(np.log(spent / (days - start)))
            falls.append(np.maximum(moved[start] - moved[days], 0.0) / np.sqrt(spent))
        return np.column_stack(columns + (falls if self.leverage else []))


class Learned(msgspec.Struct):
    """HAR and a network of one hidden layer that corrects its logarithm."""

    name: str = "network"
    base: Har = msgspec.field(default_factory=Har)
    hidden: int = 8
    rounds: int = 400
    rate: float = 0.01
    decay: float = 1e-3
    seed: int = 1
    weights: Any = None
    scaling: Any = None

    def fit(self, variance: "Floats", returns: "Floats") -> None:
        """Fit HAR, then train the correction; keep the weights that were best on the newest fifth."""
        import numpy as np

        self.base.fit(variance, returns)
        skip = self.base.windows[-1] - 1
        raw = self._features(variance, returns)[skip:-1]
        self.scaling = raw.mean(axis=0), raw.std(axis=0) + 1e-9
        x = (raw - self.scaling[0]) / self.scaling[1]
        start = np.log(self.base.predict(variance, returns))[skip:-1]
        y = variance[skip + 1 :]
        rng = np.random.default_rng(self.seed)
        w = [
            rng.normal(0.0, 1.0, (x.shape[1], self.hidden)) / x.shape[1] ** 0.5, np.zeros(self.hidden),
            np.zeros(self.hidden), np.zeros(1),
        ]  # fmt: skip
        moments = [(np.zeros_like(a), np.zeros_like(a)) for a in w]
        cut = x.shape[0] * 4 // 5
        best, self.weights = np.inf, [a.copy() for a in w]
        for turn in range(1, self.rounds + 1):
            late = _loss(y[cut:], start[cut:] + _network(w, x[cut:])[0])
            if late < best:
                best, self.weights = late, [a.copy() for a in w]
            output, inner = _network(w, x[:cut])
            error = (1.0 - y[:cut] * np.exp(-(start[:cut] + output))) / cut  # of QLIKE in the log forecast
            back = np.outer(error, w[2]) * (1.0 - inner * inner)
            slopes = [x[:cut].T @ back, back.sum(axis=0), inner.T @ error, np.array([error.sum()])]
            for i, slope in enumerate(slopes):
                first, second = moments[i]
                first += 0.1 * (slope + self.decay * w[i] - first)
                second += 0.001 * ((slope + self.decay * w[i]) ** 2 - second)
                w[i] = w[i] - self.rate * (first / (1 - 0.9**turn)) / (np.sqrt(second / (1 - 0.999**turn)) + 1e-8)

    def predict(self, variance: "Floats", returns: "Floats") -> "Floats":
        """Return the forecast after each day, at most a factor of four from HAR's."""
        import numpy as np

        if self.weights is None:
            raise UserFault(Reason.NOT_YET, f"{self.name} has not been fitted")
        x = (self._features(variance, returns) - self.scaling[0]) / self.scaling[1]
        result: Floats = self.base.predict(variance, returns) * np.exp(
            np.clip(_network(self.weights, np.clip(x, -5.0, 5.0))[0], -np.log(4.0), np.log(4.0))
        )
        return result

    def _features(self, variance: "Floats", returns: "Floats") -> "Floats":
        import numpy as np

        scaled = returns / np.sqrt(variance)
        mean = np.convolve(returns, np.ones(5) / 5.0)[: returns.size] / np.sqrt(variance)
        return np.column_stack([self.base.features(variance, returns)[:, 1:], scaled, np.abs(scaled), mean])


def _network(w: "list[Floats]", x: "Floats") -> "tuple[Floats, Floats]":
    import numpy as np

    inner = np.tanh(x @ w[0] + w[1])
    return inner @ w[2] + w[3][0], inner


def _loss(variance: "Floats", log_forecast: "Floats") -> float:
    import numpy as np

    return float(np.mean(log_forecast + variance * np.exp(-log_forecast)))


def _check(variance: "Floats", returns: "Floats", least: int = 1) -> None:
    import numpy as np

    if variance.ndim != 1 or variance.shape != returns.shape or variance.size < least:
        raise UserFault(Reason.MALFORMED, f"variances and returns are series of one length, at least {least} days")
    if not (np.all((variance > 0.0) & (variance < np.inf)) and np.all(np.isfinite(returns))):
        raise UserFault(Reason.MALFORMED, "variances must be positive and finite, returns finite")
