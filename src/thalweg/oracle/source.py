"""A price source for demonstrations: a seeded path through given points. Integers only, the same on every machine.

Between two given points the path is a Brownian bridge, built by midpoint displacement (Lévy's construction): the price
half-way is the mean of the ends plus a normal deviation of price * volatility * sqrt(duration) / 2, and so on down to
the second. Each deviation is drawn from a hash of (seed, interval), so any time can be asked for, in any order, and
every oracle sees the same path; each adds its own small noise, which is why there are medians.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt
from typing import Final

import msgspec

from thalweg.crypto import keccak
from thalweg.errors import Reason, UserFault
from thalweg.oracle.messages import Point, Ticks
from thalweg.units import PRICE_MAX, Price, UnixSeconds

_YEAR_S: Final = 31_557_600
_PPM: Final = 1_000_000
_WORDS: Final = 12  # uniform numbers whose sum, less its mean, has variance 1 (in units of 2^16)


class Path(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`points`: (time, price), times strictly increasing. `volatility_ppm` a year; `noise_ppm` bounds each oracle's.

    Before the first point and after the last the price stands still.
    """

    seed: bytes
    points: tuple[tuple[UnixSeconds, Price], ...]
    volatility_ppm: int = 500_000
    noise_ppm: int = 100

    def __post_init__(self) -> None:
        if not self.points or any(left[0] >= right[0] for left, right in pairwise(self.points)):
            raise UserFault(Reason.MALFORMED, "a price path needs points, their times strictly increasing")
        if not all(0 < price <= PRICE_MAX for _, price in self.points):
            raise UserFault(Reason.MALFORMED, f"a price path's prices are in 1..{PRICE_MAX}")
        if not 0 <= self.noise_ppm < _PPM or self.volatility_ppm < 0:
            raise UserFault(Reason.MALFORMED, "noise is in 0..999999 parts per million, volatility not negative")


def true_price(path: Path, time: UnixSeconds) -> Price:
    """Return the path's price at a second."""
    (first, price), (last, final) = path.points[0], path.points[-1]
    if time <= first:
        return price
    if time >= last:
        return final
    for (left, low), (right, high) in pairwise(path.points):
        if left <= time <= right:
            return _bridge(path, time, (left, low), (right, high))
    return final


def seen_price(path: Path, oracle: int, time: UnixSeconds) -> Price:
    """Return what one oracle of a quorum sees: the path and its own noise, uniform within `noise_ppm`."""
    price = true_price(path, time)
    reach = price * path.noise_ppm // _PPM
    if reach == 0:
        return price
    draw = int.from_bytes(keccak(path.seed + b"noise" + oracle.to_bytes(4) + time.to_bytes(8))[:16])
    return Price(price - reach + draw % (2 * reach + 1))


def seen_ticks(path: Path, oracle: int, point: Point) -> Ticks:
    """Return what one oracle observes of a point: the answer to `Observe`."""
    return tuple(seen_price(path, oracle, time) for time in point.times())


def _bridge(path: Path, time: int, start: tuple[int, int], end: tuple[int, int]) -> Price:
    (left, low), (right, high) = start, end
    while left < time < right:
        middle = (left + right) >> 1
        mean = (low + high) >> 1
        sqrt_years_ppm = isqrt((right - left) * _PPM * _PPM // _YEAR_S)
        scale = mean * path.volatility_ppm * sqrt_years_ppm // (2 * _PPM * _PPM)
        price = min(max(mean + scale * _normal(path.seed, left, right) // 2**16, 1), PRICE_MAX)
        if time < middle:
            right, high = middle, price
        else:
            left, low = middle, price
    return Price(low if time == left else high)


def _normal(seed: bytes, left: int, right: int) -> int:
    """Return a number that is nearly standard normal, in units of 2^-16."""
    draw = keccak(seed + b"path" + left.to_bytes(8) + right.to_bytes(8))
    return sum(_word(draw, index) for index in range(_WORDS)) - _WORDS * 2**15


def _word(draw: Sequence[int], index: int) -> int:
    return draw[2 * index] << 8 | draw[2 * index + 1]
