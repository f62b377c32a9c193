"""Gauss and Legendre's rule of any number of points, to the last digit, by Newton's method on the polynomials."""

from functools import cache
from math import cos, pi


@cache
def legendre(count: int) -> tuple[tuple[float, float], ...]:
    """Return (node, weight) on [-1, 1], nodes increasing."""
    found = []
    for i in range(count):
        x = -cos(pi * (i + 0.75) / (count + 0.5))
        slope = 0.0
        for _ in range(8):
            before, value = 1.0, x
            for n in range(2, count + 1):
                before, value = value, ((2 * n - 1) * x * value - (n - 1) * before) / n
            slope = count * (x * value - before) / (x * x - 1.0)
            x -= value / slope
        found.append((x, 2.0 / ((1.0 - x * x) * slope * slope)))
    return tuple(found)
