"""What a model is calibrated to: implied volatilities by expiry, from quotes or from a surface."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.pricing.european import black76
from thalweg.pricing.planes import as_floats, common_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from thalweg.pricing.surface import Surface

    Floats = NDArray[np.float64]

TARGETS_MAX: Final = 20_000
EXPIRIES_MAX: Final = 256
DEVIATIONS: Final = (-2.0, -1.5, -1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0, 1.5, 2.0)
_VEGA_MIN: Final = 1e-4  # of the forward: what is quoted further out says nothing about volatility


class Targets(NamedTuple):
    """Volatilities to meet, by increasing expiry: expiry j has the strikes, volatilities ... from starts[j] on.

    `put` and `vega` (per 1.00 of volatility, undiscounted) are Black-76's at these volatilities; weights multiply the
    squared misses and have mean one.
    """

    years: "Floats"
    forwards: "Floats"
    starts: "NDArray[np.int64]"
    strikes: "Floats"
    volatility: "Floats"
    weight: "Floats"
    put: "Floats"
    vega: "Floats"


def targets_of(
    years: "ArrayLike",
    forward: "ArrayLike",
    strike: "ArrayLike",
    volatility: "ArrayLike",
    weight: "ArrayLike" = 1.0,
) -> Targets:
    """Return targets from quoted volatilities, one entry a quote, in any order; arguments broadcast to one dimension.

    `forward` is that of the quote's expiry (the first given for an expiry counts).

    Raises:
        UserFault: MALFORMED, naming the argument and index; OVERSIZED beyond 20,000 quotes or 256 expiries.
    """
    import numpy as np

    named = {"years": years, "forward": forward, "strike": strike, "volatility": volatility, "weight": weight}
    arrays: dict[str, Any] = {name: as_floats(name, value) for name, value in named.items()}
    shape = common_shape(list(arrays.items()))
    if len(shape) > 1:
        raise UserFault(Reason.MALFORMED, f"targets have one dimension, not {len(shape)}")
    whole = {name: np.atleast_1d(np.broadcast_to(array, shape)) for name, array in arrays.items()}
    for name, array in whole.items():
        wrong = ~((array > 0.0) & (array < np.inf))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise UserFault(Reason.MALFORMED, f"{name}[{at}] is {array[at]}: it must be positive and finite")
    if whole["years"].size == 0:
        raise UserFault(Reason.MALFORMED, "there are no quotes to calibrate to")
    order = np.lexsort((whole["strike"], whole["years"]))
    whole = {name: np.ascontiguousarray(array[order]) for name, array in whole.items()}
    expiries, starts = np.unique(whole["years"], return_index=True)
    if order.size > TARGETS_MAX or expiries.size > EXPIRIES_MAX:
        raise UserFault(Reason.OVERSIZED, f"more than {TARGETS_MAX} quotes or {EXPIRIES_MAX} expiries")
    forwards = whole["forward"][starts]
    each = np.repeat(forwards, np.diff([*starts, order.size]))
    market = whole["strike"], whole["volatility"], whole["years"]
    black = black76(False, each, *market, outputs=["price", "vega"], units="raw")
    return Targets(
        expiries, forwards, np.array([*starts, order.size], np.int64), whole["strike"], whole["volatility"],
        whole["weight"] / whole["weight"].mean(), black["price"], np.maximum(black["vega"], _VEGA_MIN * each),
    )  # fmt: skip


def targets_from(surface: "Surface", deviations: Sequence[float] = DEVIATIONS) -> Targets:
    """Return targets at points of a surface's smiles, so many deviations from the forward, at each of its expiries.

    Raises:
        UserFault: MALFORMED where the surface has no volatility there.
    """
    import numpy as np

    rows = []
    for one in surface.slices:
        spread = np.array(deviations) * np.sqrt(one.smile.terms(np.zeros(1))[0][0])
        strikes = one.forward * np.exp(spread)
        rows.append((np.full(strikes.size, one.years), np.full(strikes.size, one.forward), strikes))
    years, forwards, strikes = (np.concatenate(column) for column in zip(*rows, strict=True))
    volatility = np.concatenate([surface.volatility(strike, time[0]) for time, _, strike in rows])
    return targets_of(years, forwards, strikes, volatility)
