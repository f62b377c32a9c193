"""Learned prices of TWAP-settled and barrier options under Bates, with their bounds. Quotes only: see `surrogate`."""

from thalweg.pricing.surrogate.surrogate import SURROGATES, Quote, Surrogate

__all__ = ["SURROGATES", "Quote", "Surrogate"]
