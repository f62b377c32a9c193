"""Models and their parameters, in the letters of the literature. All drive ln(S_T/F); the forward is a martingale.

Volatilities are per root of a year, variances, intensities and rates of reversion per year. A model refuses what it
cannot mean when it is made, naming the parameter.
"""

from math import exp, inf, isfinite
from typing import Any, ClassVar, Final

import msgspec

from thalweg.errors import Reason, UserFault

PARAMETER_MAX: Final = 1e4


class Dynamics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all models share: numbers within limits, and the kernels' code of the two parts of their motion."""

    diffusion: ClassVar[int] = 0  # as in `kernels.characteristic`
    jumps: ClassVar[int] = 0
    limits: ClassVar[dict[str, tuple[float, float]]] = {}

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            low, high = self.limits[name]
            if not (isinstance(value, int | float) and isfinite(value) and low <= value <= high):
                kind = type(self).__name__
                raise UserFault(Reason.MALFORMED, f"{kind}: {name} is {value}: it must be within {low:g}..{high:g}")

    def values(self) -> tuple[float, ...]:
        """Return the parameters in the order of the fields."""
        return tuple(float(getattr(self, name)) for name in self.__struct_fields__)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the parameters' names in the order of the fields."""
        return cls.__struct_fields__

    @classmethod
    def of(cls, values: Any) -> Any:
        """Return a model of this kind from its parameters in the order of the fields."""
        return cls(*(float(value) for value in values))


_POSITIVE: Final = (1e-6, PARAMETER_MAX)
_NOT_NEGATIVE: Final = (0.0, PARAMETER_MAX)
_UNIT: Final = (-1.0, 1.0)
_JUMP_LIMITS: Final = {"intensity": _NOT_NEGATIVE, "mean": (-10.0, 10.0), "deviation": (0.0, 5.0)}
_HESTON_LIMITS: Final = {
    "v0": _NOT_NEGATIVE, "kappa": _NOT_NEGATIVE, "theta": _NOT_NEGATIVE, "sigma": _NOT_NEGATIVE, "rho": _UNIT,
}  # fmt: skip


class BlackScholes(Dynamics, frozen=True):
    """Geometric Brownian motion."""

    limits: ClassVar[dict[str, tuple[float, float]]] = {"volatility": _POSITIVE}
    volatility: float


class Heston(Dynamics, frozen=True):
    """dv = kappa (theta - v) dt + sigma sqrt(v) dW, correlation rho with the price (Heston 1993)."""

    diffusion: ClassVar[int] = 1
    limits: ClassVar[dict[str, tuple[float, float]]] = _HESTON_LIMITS
    v0: float
    kappa: float
    theta: float
    sigma: float
    rho: float

    @property
    def feller(self) -> bool:
        """Say whether 2 kappa theta >= sigma^2: the variance then never reaches zero."""
        return 2.0 * self.kappa * self.theta >= self.sigma**2


class Bates(Dynamics, frozen=True):
    """Heston's model and lognormal jumps: ln(1 + J) is normal with this mean and deviation (Bates 1996)."""

    diffusion: ClassVar[int] = 1
    jumps: ClassVar[int] = 1
    limits: ClassVar[dict[str, tuple[float, float]]] = _HESTON_LIMITS | _JUMP_LIMITS
    v0: float
    kappa: float
    theta: float
    sigma: float
    rho: float
    intensity: float
    mean: float
    deviation: float

    @property
    def feller(self) -> bool:
        """Say whether 2 kappa theta >= sigma^2: the variance then never reaches zero."""
        return 2.0 * self.kappa * self.theta >= self.sigma**2


class Merton(Dynamics, frozen=True):
    """Brownian motion and lognormal jumps (Merton 1976)."""

    jumps: ClassVar[int] = 1
    limits: ClassVar[dict[str, tuple[float, float]]] = {"volatility": _POSITIVE} | _JUMP_LIMITS
    volatility: float
    intensity: float
    mean: float
    deviation: float


class Kou(Dynamics, frozen=True):
    """Brownian motion and double exponential jumps: up with density up_rate e^(-up_rate y), else down (Kou 2002)."""

    jumps: ClassVar[int] = 2
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "volatility": _POSITIVE, "intensity": _NOT_NEGATIVE, "up_probability": (0.0, 1.0),
        "up_rate": (1.0 + 1e-6, PARAMETER_MAX), "down_rate": _POSITIVE,
    }  # fmt: skip
    volatility: float
    intensity: float
    up_probability: float
    up_rate: float
    down_rate: float


class VarianceGamma(Dynamics, frozen=True):
    """Brownian motion with drift theta and volatility sigma in gamma time of variance nu (Madan et al. 1998)."""

    diffusion: ClassVar[int] = 2
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "sigma": _POSITIVE, "nu": _POSITIVE, "theta": (-PARAMETER_MAX, PARAMETER_MAX),
    }  # fmt: skip
    sigma: float
    nu: float
    theta: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1.0 - self.theta * self.nu - 0.5 * self.sigma**2 * self.nu > 0.0:
            raise UserFault(
                Reason.MALFORMED, "VarianceGamma: theta nu + sigma^2 nu/2 must be below 1, or E S is infinite"
            )


Model = BlackScholes | Heston | Bates | Merton | Kou | VarianceGamma


def mean_jump(model: Merton | Bates | Kou) -> float:
    """Return E J, the mean relative jump of the price."""
    if isinstance(model, Kou):
        up = model.up_probability * model.up_rate / (model.up_rate - 1.0)
        return up + (1.0 - model.up_probability) * model.down_rate / (model.down_rate + 1.0) - 1.0
    exponent = model.mean + 0.5 * model.deviation**2
    return exp(exponent) - 1.0 if exponent < 700.0 else inf
