"""Raw SVI: one expiry's total implied variance as a function of log-moneyness. Floats, pure Python.

    w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)),  k = ln(K / F),  w = volatility^2 * T

(J. Gatheral, "A parsimonious arbitrage-free implied volatility parameterization", 2004; Gatheral and Jacquier,
"Arbitrage-free SVI volatility surfaces", Quantitative Finance 14, 2014.) Parameters obey what the oracle's marks must:
b >= 0, |rho| < 1, sigma > 0, w >= 0 everywhere, and wings no steeper than 2 (R. Lee's moment formula).
"""

from math import isfinite, sqrt
from typing import Final

import msgspec

from thalweg.errors import Reason, UserFault

WING_MAX: Final = 2.0
SIGMA_MIN: Final = 1e-4


class Svi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The five raw parameters; see the module's formula."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        fine = self.b >= 0.0 and abs(self.rho) < 1.0 and self.sigma >= SIGMA_MIN and isfinite(self.m)
        if not fine or not (self.least() >= 0.0 and self.b * (1.0 + abs(self.rho)) < WING_MAX):
            raise UserFault(Reason.MALFORMED, f"not the parameters of a volatility smile: {self!r}")

    def total_variance(self, k: float) -> float:
        """Return w(k)."""
        x = k - self.m
        return self.a + self.b * (self.rho * x + sqrt(x * x + self.sigma * self.sigma))

    def least(self) -> float:
        """Return the least total variance of any strike."""
        return self.a + self.b * self.sigma * sqrt(1.0 - self.rho * self.rho)
