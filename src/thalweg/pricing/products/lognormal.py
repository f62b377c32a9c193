"""What lies between two prices at expiry, for a lognormal asset seen from its own price or from an image of it.

Images are how barriers are priced: killed at H, a payoff f is worth G(x) - e^(2 mu (h - x)) G(2h - x), G being the
value of f restricted to where the asset lives, x the logarithm of its price, mu = (b - v^2/2)/v^2 (reflection with
Girsanov's factor; M. Reiner and E. Rubinstein, "Breaking down the barriers", Risk 4, 1991, spell out the cases).
"""

from typing import Any, Final, NamedTuple

from thalweg.pricing.jets import Number, log, maximum, minimum, scaled_cdf, sqrt, value_of, where

NOTHING: Final = -690.0  # the logarithm of less than any price
EVERYTHING: Final = 690.0
_LEAST: Final = 1e-299


class Asset(NamedTuple):
    """A lognormal asset: logarithm of its price, deviation at expiry, drift and discounting; arrays or jets."""

    x: Number
    volatility: Number
    years: Number
    rate: Number
    carry: Number

    @property
    def deviation(self) -> Number:
        """Volatility times the root of time."""
        return self.volatility * sqrt(self.years)

    @property
    def mu(self) -> Number:
        """The drift of the logarithm over the variance."""
        return self.carry / (self.volatility * self.volatility) - 0.5

    def seen_from(self, x: Number) -> "Asset":
        """Return the same asset at another price."""
        return self._replace(x=x)


def asset_of(spot: Number, volatility: Number, years: Number, rate: Number, dividend: Any) -> Asset:
    """Return the asset with this spot price."""
    return Asset(log(spot), volatility, years, rate, rate - dividend)


def between(asset: Asset, low: Any, high: Any, exponent: Number = 0.0) -> tuple[Number, Number]:
    """Return e^exponent times the values of one unit of cash, and of the asset, if it ends between low and high.

    All prices are given by their logarithms.
    """
    s = asset.deviation
    level = asset.x + (asset.carry - 0.5 * asset.volatility * asset.volatility) * asset.years
    near, far = (level - low) / s, (level - high) / s
    cash = _mass(exponent - asset.rate * asset.years, near, far)
    growth = exponent + asset.x + (asset.carry - asset.rate) * asset.years
    own = _mass(growth, near + s, far + s)
    some = value_of(high) > value_of(low)
    return where(some, cash, 0.0 * cash), where(some, own, 0.0 * own)


def _mass(exponent: Number, near: Number, far: Number) -> Number:
    """Return e^exponent (N(near) - N(far)), near >= far, from the tails that are smaller."""
    flip = value_of(near) + value_of(far) > 0.0
    return scaled_cdf(exponent, where(flip, -far, near)) - scaled_cdf(exponent, where(flip, -near, far))


class Payoff(NamedTuple):
    """At expiry between `low` and `high` (logarithms of prices): `own` units of the asset and `cash`."""

    own: Any
    cash: Any
    low: Any
    high: Any

    def value(self, asset: Asset, low: Any, high: Any, exponent: Number = 0.0) -> Number:
        """Return e^exponent times the value of what is paid between two prices at expiry."""
        cash, own = between(asset, maximum(self.low, low), minimum(self.high, high), exponent)
        return self.own * own + self.cash * cash


def vanilla(is_call: Any, strike: Any) -> Payoff:
    """Return a call's or put's payoff."""
    import numpy as np

    sign = np.where(is_call, 1.0, -1.0)
    floor = log(np.maximum(strike, _LEAST))
    return Payoff(sign, -sign * strike, np.where(is_call, floor, NOTHING), np.where(is_call, EVERYTHING, floor))


def binary(is_call: Any, strike: Any, pays_asset: Any) -> Payoff:
    """Return one unit of cash or of the asset, above the strike (call) or below."""
    import numpy as np

    floor = log(np.maximum(strike, _LEAST))
    return Payoff(
        np.where(pays_asset, 1.0, 0.0), np.where(pays_asset, 0.0, 1.0), np.where(is_call, floor, NOTHING),
        np.where(is_call, EVERYTHING, floor),
    )  # fmt: skip
