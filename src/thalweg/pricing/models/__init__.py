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

__all__ = ["Bates", "BlackScholes", "Heston", "Kou", "Merton", "Model", "VarianceGamma"]
