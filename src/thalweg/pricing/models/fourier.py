"""European options under a model: prices, sensitivities, derivatives in every parameter, and a bound of the error.

The COS method in compiled kernels (`kernels.cosine`); Lewis's integral in numpy where numba is not there. Theta is per
calendar day, rho per percentage point, as in `thalweg.pricing.european`; delta and gamma are to the forward;
derivatives in parameters are plain, per 1.00 of the parameter.
"""

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.pricing import warm
from thalweg.pricing.models.parameters import Model
from thalweg.pricing.planes import as_flags, as_floats, common_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

TOLERANCE: Final = 1e-11  # of the forward
TOLERANCE_MIN: Final = 1e-15
NODES_MAX: Final = 1 << 14
STRIKES_MAX: Final = 1 << 20
Detail = Literal["price", "greeks", "parameters"]
_POINT: Final = 0.01
_DAY: Final = 1.0 / 365.25
_LEWIS_ERROR: Final = 1e-11  # of the forward, where the characteristic function falls below e^-34 in time


class ModelPrices(NamedTuple):
    """Results of one expiry: arrays of the shape that calls and strikes broadcast to.

    `error` bounds the absolute error of `price`. `delta`, `gamma`, `theta` and `rho` are None in detail "price", the
    derivatives in parameters are there in detail "parameters".
    """

    price: "Floats"
    error: "Floats"
    delta: "Floats | None" = None
    gamma: "Floats | None" = None
    theta: "Floats | None" = None
    rho: "Floats | None" = None
    parameters: "dict[str, Floats] | None" = None


def price_slice(
    model: Model,
    is_call: "ArrayLike",
    forward: float,
    strike: "ArrayLike",
    years: float,
    rate: float = 0.0,
    *,
    detail: Detail = "price",
    inverse: bool = False,
    tolerance: float = TOLERANCE,
    nodes_max: int = NODES_MAX,
) -> ModelPrices:
    """Return prices of options of one expiry on a forward; `tolerance` is the error wanted, per unit of forward.

    `rate` discounts the premium and rho keeps the forward fixed. Inverse options pay in coin: the price is the linear
    one divided by the forward, and so are its derivatives. Where the model's distribution has tails or spikes that need
    more than `nodes_max` nodes the price is as good as they make it, and `error` says how good.

    Raises:
        UserFault: MALFORMED, naming the argument and index; OVERSIZED beyond 2^20 strikes.
    """
    import numpy as np

    strikes, calls = as_floats("strike", strike), as_flags("is_call", is_call)
    shape = common_shape([("strike", strikes), ("is_call", calls)])
    _check(forward, years, rate, tolerance, nodes_max, strikes)
    rows = {"price": 1, "greeks": 4 + len(model.values()), "parameters": 4 + len(model.values())}[detail]
    flat = np.ascontiguousarray(np.broadcast_to(strikes, shape)).reshape(-1)
    call = np.broadcast_to(calls, shape).reshape(-1)
    out, errors = chain(model, [years], [forward], [rate], [0, flat.size], flat, rows, tolerance, nodes_max)
    discount = float(np.exp(-rate * years))
    out[0] += np.where(call, discount * (forward - flat), 0.0)
    floor = np.maximum(discount * np.where(call, forward - flat, flat - forward), 0.0)
    out[0] = np.maximum(out[0], floor)
    if rows > 1:
        out[1] += np.where(call, discount, 0.0)
        out[3] -= np.where(call, rate * discount * (forward - flat), 0.0)
    if inverse:
        out, errors = _in_coin(out, forward), errors / forward
    if rows == 1:
        return ModelPrices(out[0].reshape(shape), errors.reshape(shape))
    named = {name: out[4 + i].reshape(shape) for i, name in enumerate(model.names())}
    price, delta, gamma, theta = (out[i].reshape(shape) for i in range(4))
    return ModelPrices(
        price, errors.reshape(shape), delta, gamma, -_DAY * theta, -_POINT * years * price,
        named if detail == "parameters" else None,
    )  # fmt: skip


def chain(
    model: Model,
    years: "Any",
    forwards: "Any",
    rates: "Any",
    starts: "Any",
    strikes: "Floats",
    rows: int,
    tolerance: float = TOLERANCE,
    nodes_max: int = NODES_MAX,
) -> "tuple[Floats, Floats]":
    """Return puts of several expiries (rows x strikes) and their errors; expiry j has the strikes from starts[j] on.

    Rows: price; first and second derivative in the forward; derivative in time; in the parameters. Nothing is checked.
    """
    import numpy as np

    out, errors = np.empty((rows, strikes.size)), np.empty(strikes.size)
    kernel = warm.optional("cosine")
    alive = [j for j, time in enumerate(years) if time > 0.0]
    if kernel is None or len(alive) < len(years):
        for j, time in enumerate(years):
            piece = slice(starts[j], starts[j + 1])
            if time == 0.0:
                out[:, piece] = _expired(forwards[j], rates[j], strikes[piece], rows)
                errors[piece] = 0.0
            elif kernel is None:
                from thalweg.pricing.models import lewis

                out[:, piece] = lewis.puts(model, time, forwards[j], rates[j], np.maximum(strikes[piece], 1e-300), rows)
                errors[piece] = _LEWIS_ERROR * (forwards[j] + strikes[piece])
            else:
                single = chain(
                    model, [time], [forwards[j]], [rates[j]], [0, strikes[piece].size], strikes[piece], rows, tolerance,
                    nodes_max,
                )  # fmt: skip
                out[:, piece], errors[piece] = single
        return out, errors
    kernel.price(
        model.diffusion, model.jumps, np.array(model.values()), np.array(years, np.float64),
        np.array(forwards, np.float64), np.array(rates, np.float64), np.array(starts, np.int64),
        np.ascontiguousarray(strikes), rows, tolerance, nodes_max, out, errors,
    )  # fmt: skip
    return out, errors


def _expired(forward: float, rate: float, strikes: "Floats", rows: int) -> "Floats":
    import numpy as np

    out = np.zeros((rows, strikes.size))
    out[0] = np.maximum(strikes - forward, 0.0)
    if rows > 1:
        out[1] = np.where(strikes > forward, -1.0, np.where(strikes == forward, -0.5, 0.0))
        out[3] = -rate * out[0]
    return out


def _in_coin(out: "Floats", forward: float) -> "Floats":
    out = out / forward
    if len(out) > 1:
        out[1] = out[1] - out[0] / forward
        out[2] = out[2] - 2.0 * out[1] / forward
    return out


def _check(forward: float, years: float, rate: float, tolerance: float, nodes_max: int, strikes: "Floats") -> None:
    import numpy as np

    if not 0.0 < forward < float("inf"):
        raise UserFault(Reason.MALFORMED, f"forward is {forward}: it must be positive and finite")
    if not 0.0 <= years < float("inf"):
        raise UserFault(Reason.MALFORMED, f"years is {years}: it must be finite and not negative")
    if not abs(rate) * max(years, 1.0) < 500.0:
        raise UserFault(Reason.MALFORMED, f"rate is {rate}: it must be finite, and discount by less than e^500")
    if not TOLERANCE_MIN <= tolerance < 1.0 or not 16 <= nodes_max <= 1 << 20:
        raise UserFault(
            Reason.MALFORMED, f"tolerance ({tolerance}) is within 1e-15..1, nodes_max ({nodes_max}) 16..2^20"
        )
    if strikes.size > STRIKES_MAX:
        raise UserFault(Reason.OVERSIZED, f"more than {STRIKES_MAX} strikes")
    wrong = ~((strikes >= 0.0) & (strikes < np.inf))
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = f"[{', '.join(map(str, at))}]" if at else ""
        raise UserFault(Reason.MALFORMED, f"strike{where} is {strikes[at]}: it must be finite and not negative")
