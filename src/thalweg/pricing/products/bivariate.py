"""The distribution function of two correlated normals, of arrays or jets.

    M(a, b; r) = N(a) N(b) + int over s from 0 to artanh r of the density

with the correlation as tanh s, where the integrand is smooth however close r comes to one (the derivative of M in r is
the joint density: R. Plackett, Biometrika 41, 1954; in sines instead: Z. Drezner and G. Wesolowsky, J. Statistical
Computation and Simulation 35, 1990). Absolute error below 1e-13 for |r| up to 1 - 1e-6, against mpmath.
"""

from math import pi
from typing import Any, Final

from thalweg.pricing.jets import Number, exp, log, maximum, minimum, normal_cdf, value_of
from thalweg.pricing.quadrature import legendre

_PANELS: Final = 4
_NODES: Final = tuple(
    ((panel + 0.5 * (1.0 + x)) / _PANELS, 0.5 * w / _PANELS) for panel in range(_PANELS) for x, w in legendre(20)
)
_FAR: Final = 38.0
_LEAST: Final = 1e-15


def bivariate_cdf(a: Number, b: Number, correlation: Number) -> Number:
    """Return P(X < a, Y < b); correlations are kept 1e-15 away from one."""
    import numpy as np

    a, b = (minimum(maximum(x, -_FAR + 0.0 * x), _FAR + 0.0 * x) for x in (a, b))
    inside = minimum(maximum(correlation, _LEAST - 1.0 + 0.0 * correlation), 1.0 - _LEAST + 0.0 * correlation)
    side = np.where(value_of(inside) < 0.0, -1.0, 1.0)
    size = side * inside
    end = 0.5 * log((1.0 + size) / (1.0 - size))
    gap, product = a - side * b, side * (a * b)
    square = 0.5 * gap * gap
    total: Any = 0.0
    for share, weight in _NODES:
        s = share * end
        rise, fall = exp(s), exp(-1.0 * s)
        cosine = 0.5 * (rise + fall)
        total = total + weight * exp(-1.0 * square * cosine * cosine - 0.5 * product * (1.0 + fall * fall)) / cosine
    return normal_cdf(a) * normal_cdf(b) + side * end * total / (2.0 * pi)
