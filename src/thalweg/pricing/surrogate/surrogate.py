"""Surrogates at work: a price in microseconds inside the box, with a bound that was measured; the exact one otherwise.

Every result says where it came from and why. A surrogate is for quoting and screening: nothing that moves money may
import it (import-linter's contract "A learned price moves no money"). One quote in `CHECK_EVERY` is priced exactly too;
if it is further off than the bound of its cell and four standard errors, the surrogate is distrusted from then on and
every later quote is exact. `twap` and `down_out` are shipped; `python -m thalweg.pricing.surrogate` trains them again.
"""

from functools import cache
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.models.parameters import Bates
from thalweg.pricing.paths.simulation import Sampling
from thalweg.pricing.surrogate import labels
from thalweg.pricing.surrogate.baseline import deviation
from thalweg.pricing.surrogate.box import DOWN_OUT, TWAP, Box
from thalweg.pricing.surrogate.network import evaluate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CHECK_EVERY: Final = 256
EXACT: Final = Sampling(paths=1 << 16, seed=7)
CHECK: Final = Sampling(paths=1 << 13, seed=9, threads=1)
SURROGATES: Final[dict[str, Box]] = {
    "twap": Box(TWAP, {"years": 3, "m": 5}),
    "down_out": Box(DOWN_OUT, {"years": 2, "m": 4, "h": 3}),
}


class Quote(msgspec.Struct, frozen=True):
    """A call's price (discounted) and a bound of its error; `source` says who made it, `why` why it was not learned.

    For source "surrogate" the bound is the largest error of its cell on points held out; for "exact" four standard
    errors.
    """

    price: float
    error: float
    source: Literal["surrogate", "exact"]
    why: str = ""


class Surrogate:
    """One trained network with its box, bounds by cell and standing."""

    def __init__(self, name: str, layers: "list[tuple[Floats, Floats]]", bounds: "Floats") -> None:
        if name not in SURROGATES:
            raise UserFault(Reason.UNKNOWN_FEATURE, f"surrogates are {', '.join(SURROGATES)}; not {name!r}")
        self.name, self.box, self.layers, self.bounds = name, SURROGATES[name], layers, bounds
        self.distrusted = ""
        self._asked = 0

    @classmethod
    def load(cls, name: str) -> "Surrogate":
        """Return the surrogate that is shipped under this name.

        Raises:
            UserFault: UNKNOWN_FEATURE, listing those there are.
        """
        return cls(name, *_shipped(name))

    def call(
        self, model: Bates, forward: float, strike: float, years: float, rate: float = 0.0, barrier: float | None = None
    ) -> Quote:
        """Return a quote of a call on a forward that stays flat until expiry ("down_out" needs its barrier).

        Raises:
            UserFault: MALFORMED where forward, strike, years or barrier are not positive, or the barrier does not fit.
        """
        import numpy as np

        given = {"forward": forward, "strike": strike, "years": years, "barrier": 1.0 if barrier is None else barrier}
        for name, value in given.items():
            if not 0.0 < value < float("inf"):
                raise UserFault(Reason.MALFORMED, f"{name} is {value}: it must be positive and finite")
        if (barrier is None) == ("h" in self.box.bounds) or (barrier is not None and barrier >= forward):
            raise UserFault(Reason.MALFORMED, f"{self.name}: the barrier is {barrier} at a forward of {forward}")
        s = deviation(model, years)
        where = [*model.values(), years, log(strike / forward) / s]
        point = np.array(where if barrier is None else [*where, log(barrier / forward) / s])
        unit, anchor = forward * exp(-rate * years), labels.anchor(self.name, point, float(point[9]))
        outside = self.box.outside(point)
        if outside or self.distrusted:
            why = f"{outside} is outside the training box" if outside else self.distrusted
            label = exact(self.name, point, EXACT)
            price = label.value * s + anchor
            return Quote(unit * max(price, 0.0), 4.0 * unit * s * label.error, "exact", why)
        scaled = self.box.scaled(point[None, :])
        value = float(evaluate(self.layers, scaled)[0])
        bound = float(self.bounds[self.box.cell(scaled)[0]])
        self._asked += 1
        if self._asked % CHECK_EVERY == 0:
            label = exact(self.name, point, CHECK)
            if abs(label.value - value) > bound + 4.0 * label.error:
                self.distrusted = f"a spot check was off by {abs(label.value - value):.2e}, bound {bound:.2e}"
                price = label.value * s + anchor
                return Quote(unit * max(price, 0.0), 4.0 * unit * s * label.error, "exact", self.distrusted)
        price = min(max(value * s + anchor, 0.0), 1.0)
        return Quote(unit * price, unit * s * bound, "surrogate")


def exact(name: str, point: "Floats", sampling: Sampling) -> labels.Label:
    """Return the label of a point, simulated."""
    return labels.twap(point, sampling) if name == "twap" else labels.down_out(point, sampling)


def path(name: str) -> Path:
    """Return where a surrogate's weights are."""
    return Path(__file__).parent / f"{name}.npz"


@cache
def _shipped(name: str) -> Any:
    import numpy as np

    if name not in SURROGATES or not path(name).exists():
        trained = ", ".join(one for one in SURROGATES if path(one).exists())
        raise UserFault(Reason.UNKNOWN_FEATURE, f"trained surrogates are {trained}; not {name!r}")
    with np.load(path(name), allow_pickle=False) as file:
        count = sum(key.startswith("w") for key in file.files)
        layers = [(file[f"w{i}"].astype(np.float64), file[f"b{i}"].astype(np.float64)) for i in range(count)]
        return layers, file["bounds"]
