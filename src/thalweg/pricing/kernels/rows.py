"""The rows of a simulation's statistics: a column a path."""

from typing import Final

TERMINAL: Final = 0
AVERAGE: Final = 1
LOG_AVERAGE: Final = 2
MAXIMUM: Final = 3
MINIMUM: Final = 4
SURVIVAL: Final = 5
SCORE: Final = 6
BARRIER_SCORE: Final = 7
AVERAGE_VEGA: Final = 8  # Black-Scholes: derivative of the average, and of the log density, in volatility
VEGA_SCORE: Final = 9
