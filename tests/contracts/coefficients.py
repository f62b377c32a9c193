"""Where the fixed-point coefficients come from: Chebyshev interpolation, computed again with mpmath."""

from collections.abc import Callable
from typing import Any, Final

import mpmath as mp

from thalweg.instruments.fixed import ATANH, EXP, MILLS, SHIFT

DIGITS: Final = 60


def ratio_of_mills(y: Any) -> Any:
    """Return N(-y) / n(y)."""
    return mp.sqrt(mp.pi / 2) * mp.exp(y * y / 2) * mp.erfc(y / mp.sqrt(2))


def coefficients() -> dict[str, tuple[int, ...]]:
    """Return every polynomial, scaled by 2^96, lowest power first."""
    with mp.workdps(DIGITS):
        greatest = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
        return {
            "atanh": _scaled(_interpolant(_atanh, mp.mpf(0), greatest, len(ATANH))),
            "exp": _scaled(_interpolant(mp.exp, -mp.log(2), mp.mpf(0), len(EXP))),
            "mills": _scaled(
                _interpolant(lambda t: ratio_of_mills(6 * (1 + t) / (1 - t)), mp.mpf(-1), mp.mpf(1), len(MILLS))
            ),
        }


def _atanh(square: Any) -> Any:
    root = mp.sqrt(square)
    return mp.atanh(root) / root


def _scaled(powers: list[Any]) -> tuple[int, ...]:
    return tuple(int(mp.nint(power * 2**SHIFT)) for power in powers)


def _interpolant(function: Callable[[Any], Any], low: Any, high: Any, size: int) -> list[Any]:
    """Return the powers' coefficients of the polynomial that meets `function` at the Chebyshev nodes of low..high."""
    middle, half = (low + high) / 2, (high - low) / 2
    angles = [mp.pi * (2 * index + 1) / (2 * size) for index in range(size)]
    values = [function(middle + half * mp.cos(angle)) for angle in angles]
    powers = [mp.mpf(0)] * size
    before, current = [mp.mpf(0)], [mp.mpf(1)]  # Chebyshev polynomials in powers of the variable itself
    for degree in range(size):
        weight = sum(value * mp.cos(degree * angle) for value, angle in zip(values, angles, strict=True))
        weight *= (1 if degree == 0 else 2) / mp.mpf(size)
        for power, part in enumerate(current):
            powers[power] += weight * part
        before, current = current, _next(before, current, middle, half, is_first=degree == 0)
    return powers


def _next(before: list[Any], current: list[Any], middle: Any, half: Any, *, is_first: bool) -> list[Any]:
    """T1 = t; T(n+1) = 2 t T(n) - T(n-1), where t = (x - middle) / half."""
    times_x = [mp.mpf(0), *current]
    level = [*(part * middle for part in current), mp.mpf(0)]
    shifted = [(up - flat) / half for up, flat in zip(times_x, level, strict=True)]
    if is_first:
        return shifted
    tail = [mp.mpf(0)] * (len(shifted) - len(before))
    return [2 * part - old for part, old in zip(shifted, [*before, *tail], strict=True)]
