"""Stochastic models of the underlying: parameters, European prices by Fourier series, calibration."""

from thalweg.pricing.models.parameters import (
    Bates,
    BlackScholes,
    Heston,
    Kou,
    Merton,
    Model,
    VarianceGamma,
)
from thalweg.pricing.models.rough import RoughBergomi, RoughHeston, RoughModel

__all__ = [
    "Bates",
    "BlackScholes",
    "Heston",
    "Kou",
    "Merton",
    "Model",
    "RoughBergomi",
    "RoughHeston",
    "RoughModel",
    "VarianceGamma",
]
