"""European options in bulk: Black-Scholes-Merton, Black-76 and Bachelier, price and eleven sensitivities.

Arguments broadcast like a numpy ufunc's: scalars and arrays of float64 of any strides are read where they are.
Units are those that traders use:

| output | derivative of the price | unit |
|---|---|---|
| price | | quote currency for one unit of underlying; inverse: coin |
| delta, gamma, speed | first, second, third in spot (forward) | per 1.00 of it |
| vega | volatility | per percentage point (0.01; Bachelier: 0.01 of a price unit) |
| theta | time passing | per calendar day |
| rho | rate | per percentage point |
| vanna, zomma | of delta, of gamma, in volatility | per percentage point |
| volga | of vega in volatility | per percentage point, squared |
| charm, color | of delta, of gamma, in time passing | per calendar day |

`units="raw"` gives plain derivatives: per 1.00 of volatility and rate, per year. An inverse (coin-settled) option pays
max(S - K, 0)/S coin; its value is the linear one divided by the spot (forward), and so are its derivatives: they are
those of the coin price, delta included. With no time or no volatility left the price is the intrinsic value of the
forward, delta its slope (one half at the kink), and what needs a density is zero.

Absolute error of price and first-order outputs: below 2e-15 of spot (tests compare with mpmath). Without numba, and for
small arrays until its kernels are warm, the pure-Python twin computes the same; see `thalweg.pricing.warm`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing import scalar, warm
from thalweg.pricing.bulk import DAY, POINT, Invalid, Units, checked_units, place
from thalweg.pricing.planes import as_flags, as_floats, common_shape, planes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

OUTPUTS: Final = scalar.Sensitivities._fields
FIRST_ORDER: Final = OUTPUTS[:6]
_TRADER: Final = {
    "vega": POINT, "theta": DAY, "rho": POINT, "vanna": POINT, "volga": POINT**2, "charm": DAY, "zomma": POINT,
    "color": DAY,
}  # fmt: skip


def black_scholes(
    is_call: "ArrayLike",
    spot: "ArrayLike",
    strike: "ArrayLike",
    volatility: "ArrayLike",
    years: "ArrayLike",
    rate: "ArrayLike" = 0.0,
    dividend: "ArrayLike" = 0.0,
    *,
    outputs: Sequence[str] = FIRST_ORDER,
    inverse: bool = False,
    units: Units = "trader",
    invalid: Invalid = "raise",
    out: "Mapping[str, NDArray[np.float64]] | None" = None,
) -> "dict[str, NDArray[np.float64]]":
    """Return the outputs asked for, by name, each of the arguments' common shape.

    `rate` and `dividend` (of a coin: what lending it earns) are continuously compounded, per year. `out` may hold
    arrays to write to; they are returned in place of new ones. `invalid="nan"` marks elements with bad inputs (not
    finite, or negative spot, strike, volatility or time) by NaN in place of refusing them.

    Source: Black and Scholes 1973, Merton 1973; Haug 2007, section 1.1.2 and chapter 2.

    Raises:
        UserFault: MALFORMED, naming argument and index (`invalid="raise"`), or what is wrong with shapes or `out`.
    """
    fields = {
        "spot": spot, "strike": strike, "volatility": volatility, "years": years, "rate": rate, "dividend": dividend,
    }  # fmt: skip
    job = _Job(is_call, fields, ("rate", "dividend"), outputs, units, out)

    def one(call: bool, s: float, k: float, v: float, t: float, r: float, q: float) -> scalar.Sensitivities:
        return scalar.black_scholes(call, s, k, v, t, r, q, inverse=inverse)

    def bulk(kernels: Any, views: list[Any], mask: int, scales: Any, outs: tuple[Any, ...], size: int) -> int:
        run = kernels.european.price_serial if size <= warm.SERIAL_MAX else kernels.european.price_parallel
        return int(run(inverse, False, tuple(views[1:]), views[0], mask, scales, outs, *views[0].shape))

    return job.run(one, bulk, invalid)


def black76(
    is_call: "ArrayLike",
    forward: "ArrayLike",
    strike: "ArrayLike",
    volatility: "ArrayLike",
    years: "ArrayLike",
    rate: "ArrayLike" = 0.0,
    *,
    outputs: Sequence[str] = FIRST_ORDER,
    inverse: bool = False,
    units: Units = "trader",
    invalid: Invalid = "raise",
    out: "Mapping[str, NDArray[np.float64]] | None" = None,
) -> "dict[str, NDArray[np.float64]]":
    """Return the outputs of options on a forward; sensitivities are to the forward, and rho keeps it fixed.

    `rate` discounts the premium (of an inverse option: it is the coin's). The rest is as in `black_scholes`.

    Source: F. Black, "The pricing of commodity contracts", J. Financial Economics 3, 1976.

    Raises:
        UserFault: as `black_scholes`.
    """
    fields = {"forward": forward, "strike": strike, "volatility": volatility, "years": years, "rate": rate}
    job = _Job(is_call, fields, ("rate",), outputs, units, out)

    def one(call: bool, f: float, k: float, v: float, t: float, r: float) -> scalar.Sensitivities:
        return scalar.black_scholes(call, f, k, v, t, r, r, futures=True, inverse=inverse)

    def bulk(kernels: Any, views: list[Any], mask: int, scales: Any, outs: tuple[Any, ...], size: int) -> int:
        run = kernels.european.price_serial if size <= warm.SERIAL_MAX else kernels.european.price_parallel
        return int(run(inverse, True, (*views[1:], views[-1]), views[0], mask, scales, outs, *views[0].shape))

    return job.run(one, bulk, invalid)


def bachelier(
    is_call: "ArrayLike",
    forward: "ArrayLike",
    strike: "ArrayLike",
    volatility: "ArrayLike",
    years: "ArrayLike",
    rate: "ArrayLike" = 0.0,
    *,
    outputs: Sequence[str] = FIRST_ORDER,
    units: Units = "trader",
    invalid: Invalid = "raise",
    out: "Mapping[str, NDArray[np.float64]] | None" = None,
) -> "dict[str, NDArray[np.float64]]":
    """Return the outputs under a normal forward; `volatility` is in price units per root of a year.

    Forward and strike may be negative. Source: Bachelier 1900; Haug 2007, section 1.3.1.

    Raises:
        UserFault: as `black_scholes`.
    """
    fields = {"forward": forward, "strike": strike, "volatility": volatility, "years": years, "rate": rate}
    job = _Job(is_call, fields, ("forward", "strike", "rate"), outputs, units, out)

    def bulk(kernels: Any, views: list[Any], mask: int, scales: Any, outs: tuple[Any, ...], size: int) -> int:
        return int(kernels.normal.price_parallel(tuple(views[1:]), views[0], mask, scales, outs, *views[0].shape))

    return job.run(scalar.bachelier, bulk, invalid)


class _Job:
    """One bulk call: arguments checked and broadcast, outputs allocated or taken."""

    def __init__(
        self,
        is_call: Any,
        fields: dict[str, Any],
        signed: tuple[str, ...],
        outputs: Sequence[str],
        units: Units,
        out: Any,
    ) -> None:
        import numpy as np

        unknown = [name for name in outputs if name not in OUTPUTS]
        if unknown or not outputs:
            raise UserFault(Reason.MALFORMED, f"outputs are some of {', '.join(OUTPUTS)}; not {unknown}")
        trader = checked_units(units)
        self.signed = signed
        self.fields = [(name, as_floats(name, value)) for name, value in fields.items()]
        self.call = as_flags("is_call", is_call)
        self.shape = common_shape([("is_call", self.call), *self.fields])
        self.results = {name: place(name, out, self.shape) for name in outputs}
        self.scales = np.array([_TRADER.get(name, 1.0) if trader else 1.0 for name in OUTPUTS])

    def run(
        self, one: Callable[..., scalar.Sensitivities], bulk: Callable[..., int], invalid: Invalid
    ) -> dict[str, Any]:
        import numpy as np

        size = int(np.prod(self.shape))
        kernels = warm.kernels(size) if size else None
        inputs = [self.call, *(values for _, values in self.fields)]
        bad = 0
        if kernels is None:
            bad = self._one_by_one(one, inputs)
        else:
            mask = sum(1 << OUTPUTS.index(name) for name in self.results) | 1
            spare = np.empty(self.shape if "price" not in self.results else (1, 1))
            places = [self.results.get(name, spare if name == "price" else None) for name in OUTPUTS]
            held = [place for place in places if place is not None]
            unused = np.empty((1, 1))
            for views in planes(self.shape, [*inputs, *held]):
                left = iter(views[len(inputs) :])
                outs = tuple(unused if place is None else next(left) for place in places)
                bad += bulk(kernels, views[: len(inputs)], mask, self.scales, outs, size)
        if bad and invalid == "raise":
            raise UserFault(Reason.MALFORMED, self._complaint())
        return self.results

    def _one_by_one(self, one: Callable[..., scalar.Sensitivities], inputs: list[Any]) -> int:
        import numpy as np

        chosen = [(OUTPUTS.index(name), array) for name, array in self.results.items()]
        bad = 0
        for index, (call, *values) in zip(np.ndindex(self.shape), np.broadcast(*inputs), strict=True):
            result = one(bool(call), *map(float, values))
            bad += result[0] != result[0]
            for output, array in chosen:
                array[index] = self.scales[output] * result[output]
        return bad

    def _complaint(self) -> str:
        import numpy as np

        for name, values in self.fields:
            wrong = ~np.isfinite(values) if name in self.signed else ~((values >= 0.0) & (values < np.inf))
            if wrong.any():
                index = tuple(int(i) for i in np.argwhere(wrong)[0])
                where = f"[{', '.join(map(str, index))}]" if index else ""
                rule = "finite" if name in self.signed else "finite and not negative"
                return f"{name}{where} is {values[index]}: it must be {rule}"
        return "a spot or forward of zero has no inverse price"
