"""Monte Carlo: paths of the models, what payoffs need to know of them, estimates with standard errors."""

from thalweg.pricing.paths.estimate import Estimate, PathPrice
from thalweg.pricing.paths.payoffs import price_asian, price_barrier, price_lookback, price_twap
from thalweg.pricing.paths.simulation import Sampling, Scene, Statistics, simulate

__all__ = [
    "Estimate",
    "PathPrice",
    "Sampling",
    "Scene",
    "Statistics",
    "price_asian",
    "price_barrier",
    "price_lookback",
    "price_twap",
    "simulate",
]
