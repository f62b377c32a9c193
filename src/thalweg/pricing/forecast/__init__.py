"""Forecasts of realised variance: exponentially weighted, autoregressive, learned; and which of them to believe."""

from thalweg.pricing.forecast.forecasters import Ewma, Forecaster, Har, Learned
from thalweg.pricing.forecast.trial import Comparison, Score, compare, diebold_mariano, qlike, walk_forward
from thalweg.pricing.forecast.variance import garman_klass

__all__ = [
    "Comparison",
    "Ewma",
    "Forecaster",
    "Har",
    "Learned",
    "Score",
    "compare",
    "diebold_mariano",
    "garman_klass",
    "qlike",
    "walk_forward",
]
