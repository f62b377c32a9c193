"""Path-dependent options by Monte Carlo under every model: averages, TWAP settlement, barriers, lookbacks.

`rate` discounts and carries, `dividend` is what holding the underlying earns: the forward is S_0 e^((rate-dividend) t).
Derivatives: pathwise where the payoff is continuous (delta of an average A: e^(-rT) 1{exercised} A/S_0; gamma by the
score on top), by likelihood ratio where it is not (barriers). Controls: the underlying, the plain option where a
Fourier price exists, and for averages under Black-Scholes the geometric average, whose option has a closed form
(A. Kemna and A. Vorst, J. Banking and Finance 14, 1990).
"""

from math import ceil, exp, inf, sqrt
from typing import TYPE_CHECKING, Any, Final, Literal

from thalweg.errors import Reason, UserFault
from thalweg.pricing.models.fourier import price_slice
from thalweg.pricing.models.parameters import BlackScholes, Model
from thalweg.pricing.models.rough import RoughBergomi, RoughHeston, RoughModel
from thalweg.pricing.paths.estimate import Estimate, PathPrice, estimate
from thalweg.pricing.paths.simulation import Sampling, Scene, Statistics, simulate
from thalweg.pricing.planes import as_floats
from thalweg.pricing.scalar import black_scholes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

STEP_MAX: Final = {"heston": 0.02, "jumps": 1.0 / 250.0}  # years a step where a scheme is not exact
WINDOW_YEARS: Final = 0.5 / 8766.0  # 30 minutes
FIXINGS: Final = 30
ROUGH_STEPS: Final = 200
Barrier = Literal["up-out", "up-in", "down-out", "down-in"]
_POINT: Final = 0.01
_NONE: Final = "none: each step is exact"
_SCHEME: Final = "variance between steps is approximate"
_BRIDGE: Final = "extremes between steps follow a bridge; jumps show at the end of a step"


def price_asian(
    model: Model | RoughModel,
    is_call: bool,
    strike: float,
    spot: float,
    times: "ArrayLike",
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    known: float = 0.0,
    weights: "ArrayLike | None" = None,
    pay_years: float | None = None,
    sampling: Sampling | None = None,
    greeks: bool = True,
) -> PathPrice:
    """Return the price of max(A - K, 0) (a put: max(K - A, 0)), A = known + sum of weights times prices at `times`.

    Without weights A is the mean. `known` is what fixings of the past contribute; the payment is at `pay_years`, or at
    the last fixing.

    Raises:
        UserFault: MALFORMED, naming the argument.
    """
    import numpy as np

    fixings = np.atleast_1d(as_floats("times", times))
    shares = np.full(fixings.shape, 1.0 / max(fixings.size, 1)) if weights is None else as_floats("weights", weights)
    _check_strike(strike, known=known)
    if shares.shape != fixings.shape:
        raise UserFault(Reason.MALFORMED, f"there are {shares.size} weights for {fixings.size} times")
    draw = sampling or Sampling()
    scene = _scene(model, spot, rate, dividend, fixings, shares)
    flat = isinstance(model, BlackScholes)
    wanted = ["terminal", "average", *(["log_average"] if flat else []), *(["average_vega"] if flat and greeks else [])]
    if greeks and model.diffusion != 2:
        wanted.append("score")
    paths = simulate(model, scene, draw, tuple(wanted))
    discount = exp(-rate * float(scene.times[-1] if pay_years is None else pay_years))
    sign = 1.0 if is_call else -1.0
    gap = sign * (paths.average + (known - strike))
    payoff = discount * np.maximum(gap, 0.0)
    controls = [
        (paths.average, float(np.sum(scene.weights * scene.forwards))),
        *([_geometric(model, sign, strike - known, scene, paths)] if isinstance(model, BlackScholes) else []),
        *([] if flat else _plain(model, is_call, strike - known, scene, paths)),
    ]
    price = estimate(paths, payoff, controls)
    delta = gamma = vega = None
    if greeks:
        slope = np.where(gap > 0.0, sign * discount, 0.0) * paths.average
        delta = _scaled(estimate(paths, slope, controls), 1.0 / spot)
        if "score" in wanted:
            gamma = _scaled(estimate(paths, slope * (paths.score - 1.0), controls), 1.0 / spot**2)
        if flat:
            vega = estimate(paths, np.where(gap > 0.0, sign * discount, 0.0) * paths.average_vega, controls)
            vega = _scaled(vega, _POINT)
    return PathPrice(price, delta, gamma, vega, paths.terminal.size, _NONE if model.diffusion in (0, 2) else _SCHEME)


def price_twap(
    model: Model | RoughModel,
    is_call: bool,
    strike: float,
    spot: float,
    years: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    fixings: int = FIXINGS,
    window: float = WINDOW_YEARS,
    realised: "ArrayLike" = (),
    sampling: Sampling | None = None,
    greeks: bool = True,
) -> PathPrice:
    """Return the price of an option on the average of `fixings` equally spaced prices in the `window` before expiry.

    `realised` are the fixings seen already: inside the window they are known, and only the rest is random.

    Raises:
        UserFault: MALFORMED, naming the argument; also where more or fewer fixings are realised than time has passed.
    """
    import numpy as np

    seen = np.atleast_1d(as_floats("realised", realised)) if np.size(realised) else np.empty(0)
    if not (1 <= fixings <= 4096 and 0.0 < window < inf and 0.0 < years < inf):
        raise UserFault(Reason.MALFORMED, "a TWAP needs 1..4096 fixings in a positive window before a positive expiry")
    at = years - window * np.arange(fixings - 1, -1, -1) / fixings
    left = int(np.sum(at > 0.0))
    if seen.size != fixings - left or not np.all((seen > 0.0) & (seen < inf)):
        raise UserFault(
            Reason.MALFORMED, f"realised must be the {fixings - left} prices that are fixed, not {seen.size}"
        )
    known = float(seen.sum()) / fixings
    weights = np.full(left, 1.0 / fixings)
    return price_asian(
        model, is_call, strike, spot, at[fixings - left :], rate, dividend, known=known, weights=weights,
        sampling=sampling, greeks=greeks,
    )  # fmt: skip


def price_barrier(
    model: Model | RoughModel,
    is_call: bool,
    strike: float,
    spot: float,
    years: float,
    barrier: float,
    kind: Barrier,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    watched: "ArrayLike | None" = None,
    sampling: Sampling | None = None,
    greeks: bool = True,
) -> PathPrice:
    """Return the price of an option that a touch of the barrier ends ("-out") or brings to life ("-in"), no rebate.

    The barrier is watched at the times `watched`, or all the time where there are none (not under variance gamma).

    Raises:
        UserFault: MALFORMED, naming the argument; UNKNOWN_FEATURE where the model cannot be watched all the time.
    """
    import numpy as np

    _check_strike(strike, barrier=barrier)
    if kind not in ("up-out", "up-in", "down-out", "down-in") or not barrier > 0.0:
        raise UserFault(Reason.MALFORMED, f"a barrier above 0 is up-out, up-in, down-out or down-in, not {kind!r}")
    up, out = kind.startswith("up"), kind.endswith("out")
    dead = spot >= barrier if up else spot <= barrier
    draw = sampling or Sampling()
    continuous = watched is None
    dates = np.empty(0) if watched is None else np.atleast_1d(as_floats("watched", watched))
    if dates.size and not dates.max() <= years:
        raise UserFault(Reason.MALFORMED, f"watched: {dates.max()} is after the expiry in {years} years")
    scene = _scene(model, spot, rate, dividend, np.unique([*dates, years]), None, continuous)
    scene = scene._replace(
        watched=np.isin(scene.times, dates), low=0.0 if up else barrier, high=barrier if up else inf
    )  # fmt: skip
    scored = greeks and model.diffusion != 2
    paths = simulate(model, scene, draw, ("terminal", "survival", *(["score"] if scored else [])))
    alive = np.zeros_like(paths.survival) if dead and continuous else paths.survival
    discount, sign = exp(-rate * years), 1.0 if is_call else -1.0
    vanilla = discount * np.maximum(sign * (paths.terminal - strike), 0.0)
    payoff = vanilla * (alive if out else 1.0 - alive)
    controls = [(paths.terminal, float(scene.forwards[-1])), *_plain(model, is_call, strike, scene, paths)]
    delta = gamma = None
    if scored:
        slope = alive * (paths.score + (paths.barrier_score if continuous else 0.0))
        delta = _scaled(estimate(paths, vanilla * (slope if out else paths.score - slope), controls), 1.0 / spot)
    bias = _NONE if model.diffusion in (0, 2) else _SCHEME
    return PathPrice(
        estimate(paths, payoff, controls), delta, gamma, None, paths.terminal.size,
        _BRIDGE if continuous and (model.jumps or model.diffusion) else bias,
    )  # fmt: skip


def price_lookback(
    model: Model | RoughModel,
    is_call: bool,
    strike: float | None,
    spot: float,
    years: float,
    rate: float = 0.0,
    dividend: float = 0.0,
    *,
    watched: "ArrayLike | None" = None,
    extreme: float | None = None,
    sampling: Sampling | None = None,
) -> PathPrice:
    """Return the price of a lookback: on the extreme (call max(M - K, 0), put max(K - m, 0)), or floating (no strike).

    A floating call pays S - m, a floating put M - S. `extreme` is the maximum (minimum) that counts so far, the spot
    where there is none. Watched at given times, or all the time.

    Raises:
        UserFault: as `price_barrier`.
    """
    import numpy as np

    if strike is not None:
        _check_strike(strike)
    top = is_call == (strike is not None)
    so_far = spot if extreme is None else extreme
    if not (0.0 < so_far < inf and (so_far >= spot if top else so_far <= spot)):
        raise UserFault(Reason.MALFORMED, f"extreme is {extreme}: it cannot be inside the spot of {spot}")
    continuous = watched is None
    dates = np.empty(0) if watched is None else np.atleast_1d(as_floats("watched", watched))
    if dates.size and not dates.max() <= years:
        raise UserFault(Reason.MALFORMED, f"watched: {dates.max()} is after the expiry in {years} years")
    scene = _scene(model, spot, rate, dividend, np.unique([*dates, years]), None, continuous)
    scene = scene._replace(watched=np.isin(scene.times, dates))
    paths = simulate(model, scene, sampling or Sampling(), ("terminal", "maximum" if top else "minimum"))
    peak = np.maximum(paths.maximum, so_far) if top else np.minimum(paths.minimum, so_far)
    moved = peak != so_far
    discount, sign = exp(-rate * years), 1.0 if top else -1.0
    if strike is None:
        payoff, slope = sign * (peak - paths.terminal), sign * (np.where(moved, peak, 0.0) - paths.terminal)
    else:
        payoff = np.maximum(sign * (peak - strike), 0.0)
        slope = np.where((payoff > 0.0) & moved, sign * peak, 0.0)
    if extreme is None:  # the extreme so far is the spot itself
        slope = payoff if strike is None else np.where(payoff > 0.0, sign * peak, 0.0)
    controls = [(paths.terminal, float(scene.forwards[-1]))]
    price = _scaled(estimate(paths, payoff, controls), discount)
    delta = _scaled(estimate(paths, slope, controls), discount / spot)
    exact = (continuous and isinstance(model, BlackScholes)) or (not continuous and model.diffusion in (0, 2))
    return PathPrice(price, delta, None, None, paths.terminal.size, _NONE if exact else f"{_SCHEME}; {_BRIDGE}")


def _scene(
    model: Model | RoughModel, spot: float, rate: float, dividend: float, dates: "Floats", weights: "Floats | None",
    continuous: bool = False,
) -> Scene:  # fmt: skip
    """Return the scene of observation dates, with steps between them where the model's scheme is not exact."""
    import numpy as np

    if not (0.0 < spot < inf and abs(rate) < 100.0 and abs(dividend) < 100.0):
        raise UserFault(Reason.MALFORMED, f"spot ({spot}) is positive, rate ({rate}) and dividend ({dividend}) finite")
    if not dates.size or not np.all(np.isfinite(dates)) or not np.all(np.diff(dates, prepend=0.0) > 0.0):
        raise UserFault(Reason.MALFORMED, "times must increase, finite and above 0")
    step = STEP_MAX["heston"] if model.diffusion == 1 else (STEP_MAX["jumps"] if continuous and model.jumps else inf)
    step = min(step, STEP_MAX["jumps"]) if continuous and model.diffusion == 1 else step
    if isinstance(model, RoughBergomi | RoughHeston):
        step = float(dates[0]) / ceil(ROUGH_STEPS / dates.size)  # dates are equally spaced, or refused
    pieces, before = [], 0.0
    for date in dates.tolist():
        count = max(1, int(np.ceil((date - before) / step - 1e-9)))
        pieces.append(before + (date - before) * np.arange(1, count + 1) / count)
        before = date
    ends = np.cumsum([piece.size for piece in pieces]) - 1
    times = np.concatenate(pieces)
    times[ends] = dates
    shares = np.zeros(times.size)
    if weights is not None:
        shares[ends] = weights
    forwards = spot * np.exp((rate - dividend) * times)
    return Scene(spot, times, forwards, shares, np.zeros(times.size, np.bool_), continuous)


def _geometric(model: BlackScholes, sign: float, strike: float, scene: Scene, paths: Statistics) -> tuple[Any, float]:
    """Return samples and mean of the payoff on W exp(sum w ln S / W), W the sum of the weights."""
    import numpy as np

    whole = float(scene.weights.sum())
    if not whole > 0.0 or not strike > 0.0:
        return paths.average, float(np.sum(scene.weights * scene.forwards))
    share = scene.weights / whole
    later = np.cumsum(share[::-1])[::-1]
    variance = model.volatility**2 * float(np.sum(later**2 * np.diff(scene.times, prepend=0.0)))
    mean = float(np.sum(share * (np.log(scene.forwards) - 0.5 * model.volatility**2 * scene.times)))
    forward = whole * exp(mean + 0.5 * variance)
    value = black_scholes(sign > 0.0, forward, strike, sqrt(variance), 1.0, 0.0, 0.0)[0]
    return np.maximum(sign * (whole * np.exp(paths.log_average / whole) - strike), 0.0), float(value)


def _plain(
    model: Model | RoughModel, is_call: bool, strike: float, scene: Scene, paths: Statistics
) -> list[tuple[Any, float]]:
    """Return samples and mean of the plain option at the last time: none where the strike is not positive."""
    import numpy as np

    if not strike > 0.0 or isinstance(model, RoughBergomi | RoughHeston):
        return []
    sign = 1.0 if is_call else -1.0
    value = price_slice(model, is_call, float(scene.forwards[-1]), strike, float(scene.times[-1]), tolerance=1e-8)
    if not float(value.error) <= 1e-4 * strike:
        return []
    return [(np.maximum(sign * (paths.terminal - strike), 0.0), float(value.price))]


def _scaled(found: Estimate, factor: float) -> Estimate:
    return Estimate(found.value * factor, found.error * abs(factor))


def _check_strike(strike: float, **others: float) -> None:
    for name, value in (("strike", strike), *others.items()):
        if not 0.0 <= value < inf:
            raise UserFault(Reason.MALFORMED, f"{name} is {value}: it must be finite and not negative")
