"""From what each oracle saw to what all can sign: medians, tick by tick. Integers only.

With fewer liars than honest observers the median lies between two honest observations, whatever the liars say.
"""

from collections.abc import Iterable
from typing import Final

from thalweg.oracle.messages import Ticks
from thalweg.units import Price

_PPM: Final = 1_000_000


def close(price: int, reference: int, tolerance_ppm: int) -> bool:
    """Say whether `price` is within `tolerance_ppm` parts per million of `reference`."""
    return abs(price - reference) * _PPM <= tolerance_ppm * reference


def median_ticks(seen: Iterable[Ticks], need: int, tolerance_ppm: int) -> Ticks:
    """Return each tick's (lower) median where at least `need` observations are close to it, else a VOID."""
    return tuple(
        _median([p for p in column if p is not None], need, tolerance_ppm) for column in zip(*seen, strict=True)
    )


def _median(prices: list[Price], need: int, tolerance_ppm: int) -> Price | None:
    if len(prices) < need:
        return None
    middle = sorted(prices)[(len(prices) - 1) >> 1]
    return middle if sum(close(price, middle, tolerance_ppm) for price in prices) >= need else None


def agrees(proposed: Ticks, own: Ticks, medians: Ticks, may_void: bool, tolerance_ppm: int) -> bool:
    """Say whether an oracle that saw `own`, and computes `medians` itself, may vote for `proposed`.

    A price must be close to his own observation. A VOID stands where he finds no median either, or where `may_void`
    says that every leader has had a turn.
    """
    return all(
        may_void or median is None if price is None else observed is not None and close(price, observed, tolerance_ppm)
        for price, observed, median in zip(proposed, own, medians, strict=True)
    )
