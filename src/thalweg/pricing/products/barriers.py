"""Barrier options of all kinds: single (eight types, rebates), double, binary; touches. Continuous or discrete watch.

- `rebate`: a knock-out pays it when the barrier is hit (`rebate_at_hit`, the convention of Reiner and Rubinstein 1991
  and of Haug 2007, section 4.17) or at expiry; a knock-in pays it at expiry if the barrier was never hit.
- `interval`: years between the observations of the barrier, 0 for continuous watch. The barrier is then moved away from
  the spot by the factor e^(0.5826 volatility sqrt(interval)) (M. Broadie, P. Glasserman and S. Kou, "A continuity
  correction for discrete barrier options", Mathematical Finance 7, 1997).
- Where the spot is at or beyond the (moved) barrier, it has been hit: an out is its rebate, an in the option itself.

Formulas are images of payoffs, see `lognormal`; of double barriers the whole ladder of them (N. Kunitomo and M. Ikeda,
"Pricing options with curved boundaries", Mathematical Finance 2, 1992; here: flat ones). What is paid at the hit:
R ((H/S)^(mu+l) N(e z) + (H/S)^(mu-l) N(e z - 2 e l s)), l = sqrt(mu^2 + 2r/v^2), z = ln(H/S)/s + l s, e = 1 below the
spot and -1 above; it needs l^2 >= 0: rates not below -(b/v - v/2)^2/2.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing.bulk import Bulk, Field, Rule
from thalweg.pricing.formula import MARKET, Request, evaluate
from thalweg.pricing.jets import Number, exp, log, scaled_cdf, sqrt, value_of, where
from thalweg.pricing.products.lognormal import (
    EVERYTHING,
    NOTHING,
    Asset,
    Payoff,
    asset_of,
    binary,
    vanilla,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CONTINUITY: Final = 0.5825971579390107  # -zeta(1/2)/sqrt(2 pi)
LADDER_MAX: Final = 40
_REACH: Final = 9.0  # deviations: images further away weigh nothing
_DEFAULT: Final = Request()


def barrier(
    is_call: "ArrayLike", is_up: "ArrayLike", is_in: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike",
    level: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike", rate: "ArrayLike" = 0.0,
    dividend: "ArrayLike" = 0.0, rebate: "ArrayLike" = 0.0, interval: "ArrayLike" = 0.0,
    *, rebate_at_hit: "ArrayLike" = True, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of calls and puts that start (`is_in`) or end when the spot reaches `level` from one side.

    Raises:
        UserFault: as `formula.evaluate`; also where a rebate at the hit has no formula (see above).
    """
    fields = {
        "spot": Field(spot, Rule.POSITIVE), "strike": Field(strike, Rule.NOT_NEGATIVE),
        "level": Field(level, Rule.POSITIVE), "rebate": Field(rebate, Rule.FINITE),
        "interval": Field(interval, Rule.NOT_NEGATIVE),
    }  # fmt: skip
    fields |= _market(volatility, years, rate, dividend)
    flags = {"is_call": is_call, "is_up": is_up, "is_in": is_in, "rebate_at_hit": rebate_at_hit}
    return evaluate(_barrier, fields, flags, request, guard=_hit_guard)


def _barrier(
    is_call: Any, is_up: Any, is_in: Any, rebate_at_hit: Any, spot: Number, strike: Any, level: Any, rebate: Any,
    interval: Any, volatility: Number, years: Number, rate: Number, dividend: Any,
) -> Number:  # fmt: skip
    import numpy as np

    asset = asset_of(spot, volatility, years, rate, dividend)
    h = _moved(level, is_up, volatility, interval)
    inside, outside = _knock(asset, h, is_up, vanilla(is_call, strike))
    alive = _alive(asset, h, is_up)
    price = where(is_in, inside, outside)
    if not np.any(rebate != 0.0):
        return price
    touched, untouched = _knock(asset, h, is_up, binary(np.ones_like(is_up), 0.0, np.zeros_like(is_up)))
    at_hit = where(rebate_at_hit & ~is_in, _at_hit(asset, h, is_up), touched)
    discount = exp(-1.0 * rate * years)
    gone = where(rebate_at_hit, 1.0 + 0.0 * discount, discount)
    paid = where(is_in, untouched, where(alive, at_hit, gone))
    return price + rebate * paid


def touch(
    is_up: "ArrayLike", spot: "ArrayLike", level: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike",
    rate: "ArrayLike" = 0.0, dividend: "ArrayLike" = 0.0, interval: "ArrayLike" = 0.0,
    *, is_no_touch: "ArrayLike" = False, at_hit: "ArrayLike" = True, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of one unit of cash paid when the spot reaches `level` (or then at expiry), or if it never does.

    An asset paid at the hit is worth `level` units of cash. (Haug 2007, section 4.19.5, types 1 to 12.)

    Raises:
        UserFault: as `barrier`.
    """
    fields = {
        "spot": Field(spot, Rule.POSITIVE), "level": Field(level, Rule.POSITIVE),
        "interval": Field(interval, Rule.NOT_NEGATIVE),
    }  # fmt: skip
    fields |= _market(volatility, years, rate, dividend)
    flags = {"is_up": is_up, "is_no_touch": is_no_touch, "at_hit": at_hit}
    return evaluate(_touch, fields, flags, request, guard=_hit_guard)


def _touch(
    is_up: Any, is_no_touch: Any, at_hit: Any, spot: Number, level: Any, interval: Any, volatility: Number,
    years: Number, rate: Number, dividend: Any,
) -> Number:  # fmt: skip
    import numpy as np

    asset = asset_of(spot, volatility, years, rate, dividend)
    h = _moved(level, is_up, volatility, interval)
    touched, untouched = _knock(asset, h, is_up, binary(np.ones_like(is_up), 0.0, np.zeros_like(is_up)))
    alive = _alive(asset, h, is_up)
    now = where(alive, _at_hit(asset, h, is_up), 1.0 + 0.0 * touched)
    return where(is_no_touch, untouched, where(at_hit, now, touched))


def binary_barrier(
    is_call: "ArrayLike", is_up: "ArrayLike", is_in: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike",
    level: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike", rate: "ArrayLike" = 0.0,
    dividend: "ArrayLike" = 0.0, interval: "ArrayLike" = 0.0,
    *, pays_asset: "ArrayLike" = False, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of one unit of cash, or of the asset, at expiry beyond the strike, if the barrier was (not) hit.

    Without a condition at expiry: a call of strike 0. (M. Rubinstein and E. Reiner, "Unscrambling the binary code",
    Risk 4, 1991; Haug 2007, section 4.19.5, types 5 to 28.)

    Raises:
        UserFault: as `formula.evaluate`.
    """
    fields = {
        "spot": Field(spot, Rule.POSITIVE), "strike": Field(strike, Rule.NOT_NEGATIVE),
        "level": Field(level, Rule.POSITIVE), "interval": Field(interval, Rule.NOT_NEGATIVE),
    }  # fmt: skip
    fields |= _market(volatility, years, rate, dividend)
    flags = {"is_call": is_call, "is_up": is_up, "is_in": is_in, "pays_asset": pays_asset}
    return evaluate(_binary_barrier, fields, flags, request)


def _binary_barrier(
    is_call: Any, is_up: Any, is_in: Any, pays_asset: Any, spot: Number, strike: Any, level: Any, interval: Any,
    volatility: Number, years: Number, rate: Number, dividend: Any,
) -> Number:  # fmt: skip
    asset = asset_of(spot, volatility, years, rate, dividend)
    h = _moved(level, is_up, volatility, interval)
    inside, outside = _knock(asset, h, is_up, binary(is_call, strike, pays_asset))
    return where(is_in, inside, outside)


def double_barrier(
    is_call: "ArrayLike", is_in: "ArrayLike", spot: "ArrayLike", strike: "ArrayLike", low: "ArrayLike",
    high: "ArrayLike", volatility: "ArrayLike", years: "ArrayLike", rate: "ArrayLike" = 0.0,
    dividend: "ArrayLike" = 0.0, *, request: Request = _DEFAULT,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """Return outputs of calls and puts that start (`is_in`) or end when the spot leaves the interval (low, high).

    Raises:
        UserFault: as `formula.evaluate`; MALFORMED where low is not below high.
    """
    fields = {
        "spot": Field(spot, Rule.POSITIVE), "strike": Field(strike, Rule.NOT_NEGATIVE),
        "low": Field(low, Rule.POSITIVE), "high": Field(high, Rule.POSITIVE),
    }  # fmt: skip
    fields |= _market(volatility, years, rate, dividend)

    def guard(bulk: Bulk) -> None:
        bulk.refuse(bulk.values["low"] >= bulk.values["high"], "low", "below high")

    return evaluate(_double_barrier, fields, {"is_call": is_call, "is_in": is_in}, request, guard=guard)


def _double_barrier(
    is_call: Any, is_in: Any, spot: Number, strike: Any, low: Any, high: Any, volatility: Number, years: Number,
    rate: Number, dividend: Any,
) -> Number:  # fmt: skip
    import numpy as np

    asset, payoff = asset_of(spot, volatility, years, rate, dividend), vanilla(is_call, strike)
    floor, ceiling = log(low), log(high)
    width = ceiling - floor
    reach = _REACH * value_of(asset.deviation) + np.abs(value_of(asset.mu)) * value_of(asset.deviation) ** 2
    steps = min(int(np.ceil(0.5 * np.max(reach / width, initial=0.0))) + 1, LADDER_MAX)
    out: Number = 0.0 * asset.x
    for n in range(-steps, steps + 1):
        shift = 2.0 * n * width
        out = out + payoff.value(asset.seen_from(asset.x + shift), floor, ceiling, asset.mu * shift)
        image = 2.0 * floor - asset.x + shift
        out = out - payoff.value(asset.seen_from(image), floor, ceiling, asset.mu * (image - asset.x))
    alive = (value_of(spot) > low) & (value_of(spot) < high)
    out = where(alive, out, 0.0 * out)
    return where(is_in, payoff.value(asset, NOTHING, EVERYTHING) - out, out)


def _market(volatility: Any, years: Any, rate: Any, dividend: Any) -> dict[str, Field]:
    values = {"volatility": volatility, "years": years, "rate": rate, "dividend": dividend}
    return {name: Field(value, MARKET[name]) for name, value in values.items()}


def _moved(level: Any, is_up: Any, volatility: Number, interval: Any) -> Number:
    """Return the logarithm of the barrier, moved away for discrete watch."""
    import numpy as np

    side = np.where(is_up, 1.0, -1.0)
    return log(level) + CONTINUITY * side * np.sqrt(interval) * volatility


def _alive(asset: Asset, h: Number, is_up: Any) -> Any:
    """Say where the barrier has not been hit yet."""
    import numpy as np

    gap = value_of(asset.x) - value_of(h)
    return np.where(is_up, gap < 0.0, gap > 0.0)


def _knock(asset: Asset, h: Number, is_up: Any, payoff: Payoff) -> tuple[Number, Number]:
    """Return what a payoff is worth if the barrier is hit, and if it is not."""
    alive = _alive(asset, h, is_up)
    low, high = where(is_up, NOTHING, h), where(is_up, h, EVERYTHING)
    dead_low, dead_high = where(is_up, h, NOTHING), where(is_up, EVERYTHING, h)
    image = asset.seen_from(2.0 * h - asset.x)
    reflected = payoff.value(image, low, high, 2.0 * asset.mu * (h - asset.x))
    direct, beyond = payoff.value(asset, low, high), payoff.value(asset, dead_low, dead_high)
    outside = where(alive, direct - reflected, 0.0 * direct)
    return where(alive, beyond + reflected, direct + beyond), outside


def _at_hit(asset: Asset, h: Number, is_up: Any) -> Number:
    """Return what one unit of cash paid when the barrier is hit is worth, before it is."""
    import numpy as np

    variance = asset.volatility * asset.volatility
    square = asset.mu * asset.mu + 2.0 * asset.rate / variance
    root = sqrt(where(value_of(square) > 1e-24, square, 1e-24 + 0.0 * square))
    side, s = np.where(is_up, -1.0, 1.0), asset.deviation
    distance = h - asset.x
    z = distance / s + root * s
    return scaled_cdf((asset.mu + root) * distance, side * z) + scaled_cdf(
        (asset.mu - root) * distance, side * (z - 2.0 * root * s)
    )


def _hit_guard(bulk: Bulk) -> None:
    """Refuse rates so far below zero that what is paid at the hit has no formula."""
    rate, dividend, vol = (bulk.values[name] for name in ("rate", "dividend", "volatility"))
    mu = (rate - dividend) / (vol * vol) - 0.5
    paid = bulk.values.get("rebate", 1.0) != 0.0
    at_hit = bulk.flags.get("rebate_at_hit", bulk.flags.get("at_hit"))
    bulk.refuse(
        (mu * mu + 2.0 * rate / (vol * vol) < 0.0) & paid & at_hit, "rate",
        "at least -(b/v - v/2)^2/2 for what is paid at the hit",
    )  # fmt: skip
