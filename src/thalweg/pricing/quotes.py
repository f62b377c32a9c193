"""Quotes of an option chain: what each is worth for a calibration, and the forward they imply.

Prices are in the quote currency, or in coin (inverse) as on the large venues: a coin price times the forward is the
price in the quote currency. Every quote left out is reported with its index and the reason.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.pricing.planes import as_flags, as_floats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

QUOTES_MAX: Final = 20_000
STALE_S: Final = 900.0  # older than the newest quote by this much
HOUR_YEARS: Final = 1.0 / 8766.0


class Flaw(StrEnum):
    """Why a quote takes no part in a calibration."""

    MALFORMED = "not finite or not positive"
    EXPIRED = "expires within the hour"
    STALE = "older than the others"
    ONE_SIDED = "no bid or no ask"
    CROSSED = "bid above ask"
    NO_FORWARD = "no forward given, and no pair of call and put to imply one"
    IN_THE_MONEY = "in the money: its other side says the same"
    NO_VOLATILITY = "outside the no-arbitrage bounds"
    LONELY = "too few quotes at this expiry"
    OUTLIER = "far from its neighbours"


class Finding(NamedTuple):
    """One quote that was left out: its number in the caller's arrays, and why."""

    quote: int
    flaw: Flaw


class Quotes(NamedTuple):
    """A chain, one entry an option; arrays of one length.

    `years` to expiry; `strike` in the quote currency; `bid` and `ask` per unit (0 or NaN: none), in coin if `inverse`;
    `age_s` is how much older a quote is than the newest; `forward` is that of the expiry when the quote was taken, NaN
    where unknown: then put-call parity gives it.
    """

    is_call: "NDArray[np.bool_]"
    strike: "Floats"
    years: "Floats"
    bid: "Floats"
    ask: "Floats"
    forward: "Floats"
    age_s: "Floats"
    inverse: bool


def quotes_of(
    is_call: "ArrayLike",
    strike: "ArrayLike",
    years: "ArrayLike",
    bid: "ArrayLike",
    ask: "ArrayLike",
    *,
    forward: "ArrayLike" = float("nan"),
    age_s: "ArrayLike" = 0.0,
    inverse: bool = False,
) -> Quotes:
    """Return a chain from anything that broadcasts to one dimension.

    Raises:
        UserFault: MALFORMED, naming the argument or the shapes; OVERSIZED beyond 20,000 quotes.
    """
    import numpy as np

    fields = {"strike": strike, "years": years, "bid": bid, "ask": ask, "forward": forward, "age_s": age_s}
    arrays: dict[str, Any] = {name: as_floats(name, value) for name, value in fields.items()}
    arrays["is_call"] = as_flags("is_call", is_call)
    try:
        whole = dict(zip(arrays, np.broadcast_arrays(*arrays.values()), strict=True))
    except ValueError as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise UserFault(Reason.MALFORMED, f"shapes do not broadcast: {shapes}") from error
    if whole["strike"].ndim != 1:
        raise UserFault(Reason.MALFORMED, f"a chain has one dimension, not {whole['strike'].ndim}")
    if whole["strike"].size > QUOTES_MAX:
        raise UserFault(Reason.OVERSIZED, f"more than {QUOTES_MAX} quotes")
    return Quotes(**whole, inverse=inverse)


def flaws_of(quotes: Quotes) -> "NDArray[Any]":
    """Return, for each quote, what is wrong with it by itself: a `Flaw`, or None."""
    import numpy as np

    flaws = np.full(quotes.strike.size, None, object)
    bid, ask = (np.where(np.isfinite(side), side, 0.0) for side in (quotes.bid, quotes.ask))
    sound = (quotes.strike > 0.0) & np.isfinite(quotes.strike) & np.isfinite(quotes.years) & (bid >= 0.0) & (ask >= 0.0)
    sound &= ~(quotes.forward <= 0.0) & ~np.isinf(quotes.forward) & ~np.isinf(quotes.bid) & ~np.isinf(quotes.ask)
    rules = (
        (Flaw.CROSSED, (bid > ask) & (ask > 0.0)),
        (Flaw.ONE_SIDED, (bid <= 0.0) | (ask <= 0.0)),
        (Flaw.STALE, ~(quotes.age_s <= STALE_S)),
        (Flaw.EXPIRED, quotes.years <= HOUR_YEARS),
        (Flaw.MALFORMED, ~sound),
    )
    for flaw, broken in rules:
        flaws[broken] = flaw
    return flaws


def parity_forward(quotes: Quotes, chosen: "NDArray[np.bool_]") -> float | None:
    """Return the forward that calls and puts of equal strike imply; None without a pair. `chosen` is one expiry's.

    Undiscounted, call - put = F - K, in coin 1 - K/F: each pair's mid gives a forward, its two spreads an error. The
    weighted median is the estimate: one stale pair moves it little. (H. Stoll, Journal of Finance 24, 1969.)
    """
    import numpy as np

    index = np.flatnonzero(chosen)
    calls, puts = index[quotes.is_call[index]], index[~quotes.is_call[index]]
    _, of_call, of_put = np.intersect1d(quotes.strike[calls], quotes.strike[puts], return_indices=True)
    if not of_call.size:
        return None
    call, put = calls[of_call], puts[of_put]
    strike = quotes.strike[call]
    gap = 0.5 * (quotes.bid[call] + quotes.ask[call] - quotes.bid[put] - quotes.ask[put])
    error = quotes.ask[call] - quotes.bid[call] + quotes.ask[put] - quotes.bid[put]
    if quotes.inverse:
        possible = gap < 1.0
        forward = strike[possible] / (1.0 - gap[possible])
        error = error[possible] * forward * forward / strike[possible]
    else:
        forward = strike + gap
    sound = forward > 0.0
    if not sound.any():
        return None
    return _weighted_median(forward[sound], 1.0 / np.maximum(error[sound], 1e-9 * forward[sound]) ** 2)


def _weighted_median(values: "Floats", weights: "Floats") -> float:
    """Return the middle of the weight, interpolated between neighbours."""
    import numpy as np

    order = np.argsort(values)
    values, weights = values[order], weights[order]
    middles = (np.cumsum(weights) - 0.5 * weights) / weights.sum()
    return float(np.interp(0.5, middles, values))
