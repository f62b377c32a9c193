"""SSVI and eSSVI: smiles of three numbers an expiry that cannot be arbitraged if those obey simple inequalities.

    w(k) = theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)),   psi = theta phi

theta is the at-the-money total variance. Gatheral and Jacquier 2014 (SSVI: one rho; theorem 4.2): no butterfly
arbitrage if psi (1 + |rho|) < 4 and psi^2 (1 + |rho|) <= 4 theta. Hendriks and Martini, "The extended SSVI volatility
surface", J. Computational Finance 22, 2019 (eSSVI: rho by expiry; proposition 3.5), with the parametrisation of
Corbetta, Cohort, Laachir and Martini, "Robust calibration and arbitrage-free interpolation of SSVI slices", Decisions
in Economics and Finance 42, 2019: no calendar arbitrage between two expiries if theta and psi do not decrease,
|rho2 psi2 - rho1 psi1| <= psi2 - psi1, and psi2/theta2 <= psi1/theta1.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.svi import Svi

_SLACK: Final = 1e-12  # relative: inequalities that hold with equality survive rounding


class Ssvi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One expiry: at-the-money total variance, correlation, and psi, twice the at-the-money skew's scale."""

    theta: float
    rho: float
    psi: float

    def __post_init__(self) -> None:
        if not (self.theta > 0.0 and -1.0 < self.rho < 1.0 and self.psi > 0.0 and self.has_no_butterfly()):
            raise UserFault(Reason.MALFORMED, f"not an arbitrage-free slice: {self!r}")

    def has_no_butterfly(self) -> bool:
        """Say whether the sufficient conditions hold."""
        steep = 1.0 + abs(self.rho)
        return self.psi * steep < 4.0 and self.psi * self.psi * steep <= 4.0 * self.theta * (1.0 + _SLACK)

    def raw(self) -> Svi:
        """Return the same smile in raw SVI's parameters."""
        phi = self.psi / self.theta
        flat = 1.0 - self.rho * self.rho
        return Svi(0.5 * self.theta * flat, 0.5 * self.psi, self.rho, -self.rho / phi, sqrt(flat) / phi)

    def total_variance(self, k: float) -> float:
        """Return w(k)."""
        phi = self.psi / self.theta
        z = phi * k + self.rho
        return 0.5 * self.theta * (1.0 + self.rho * phi * k + sqrt(z * z + 1.0 - self.rho * self.rho))


def power_law(theta: float, eta: float, gamma: float) -> float:
    """Return phi(theta) = eta / (theta^gamma (1 + theta)^(1 - gamma)); Gatheral and Jacquier, example 4.2."""
    return float(eta / (theta**gamma * (1.0 + theta) ** (1.0 - gamma)))


def crossings(slices: Sequence[Ssvi]) -> list[str]:
    """Return, in words, each sufficient condition that two neighbouring expiries break: none, no calendar arbitrage."""
    found = []
    for index, (near, far) in enumerate(pairwise(slices)):
        names = {
            "theta decreases": far.theta >= near.theta * (1.0 - _SLACK),
            "psi decreases": far.psi >= near.psi * (1.0 - _SLACK),
            "psi/theta increases": far.psi * near.theta <= near.psi * far.theta * (1.0 + _SLACK),
            "rho psi moves more than psi": abs(far.rho * far.psi - near.rho * near.psi)
            <= far.psi - near.psi + _SLACK * far.psi,
        }
        found += [f"{what} from expiry {index} to {index + 1}" for what, holds in names.items() if not holds]
    return found
