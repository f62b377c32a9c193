"""One European option: price and five sensitivities, for callers that price one at a time."""

import numpy as np
from numba import njit, types

from thalweg.pricing import quote as caller
from thalweg.pricing.kernels.arithmetic import FLOAT_FLAGS, mills
from thalweg.pricing.kernels.european import common_density, deviations, first_five, forwards, values

_SIGNATURE = types.UniTuple(types.float64, 6)(types.boolean, *(types.float64,) * 6)


@njit(_SIGNATURE, fastmath=FLOAT_FLAGS, error_model="numpy", nogil=True, cache=True)
def quote(is_call, spot, strike, volatility, years, rate, dividend):
    """Return price, delta, gamma, vega, theta and rho: plain derivatives; NaN outside the limits of `pricing.quote`."""
    within = (spot > 0.0) & (spot < 1e150) & (strike > 0.0) & (strike < 1e150) & (abs(rate) < 1.0)
    within &= (volatility > 1e-9) & (volatility < 1e3) & (years > 1e-9) & (years < 1e3) & (abs(dividend) < 1.0)
    if not within:
        return np.nan, np.nan, np.nan, np.nan, np.nan, np.nan
    sign = 1.0 if is_call else -1.0
    root = years**0.5
    s = volatility * root
    a, b, discount = forwards(False, spot, strike, volatility, years, rate, dividend)
    d1, d2 = deviations(spot, strike, s, (rate - dividend) * years)
    g = common_density(a, b, d1, d2)
    price, n1, n2 = values(sign, a, b, g, d1, d2, mills(abs(d1)), mills(abs(d2)))
    delta, gamma, vega, theta, rho = first_five(
        False, False, sign, spot, years, rate, dividend, price, a, b, discount, g, n1, n2, s, root
    )
    return price, delta, gamma, vega, theta, rho


# what the dispatcher calls once it has looked at types: there is one signature, so looking is half the time for nothing
caller.compiled = quote.overloads[quote.signatures[0]].entry_point
