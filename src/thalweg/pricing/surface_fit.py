"""From a chain's quotes to a surface without arbitrage, and again when a few of them change.

1. Quotes that say nothing are left out and reported (`quotes.Flaw`); forwards come with the quotes or from put-call
   parity; of each strike the option out of the money counts, by the volatility of its mid.
2. Expiries are fitted from the last to the first, raw SVI below the later one (`slice_fit`), then a spline on top
   (`correction_fit`). An expiry is led above the quotes of earlier ones and above their continuation, so that
   they have room.

A quote's error is taken as one volatility point times the fourth root of half its spread in points: nearly least
squares of volatility, a little of spreads. What comes out passes `Surface.arbitrages`, always: each step keeps what
holds.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.correction_fit import fit_correction
from thalweg.pricing.implied import Verdict, implied_volatility
from thalweg.pricing.quotes import Finding, Flaw, Quotes, flaws_of, parity_forward
from thalweg.pricing.slice_fit import Ceiling, Target, ceiling_of, fit_slice, holds
from thalweg.pricing.smile import Smile
from thalweg.pricing.surface import EXPIRIES_MAX, Slice, Surface

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

QUOTES_MIN: Final = 5
_ERROR_MIN: Final = 0.002  # of volatility: no quote is trusted closer than a fifth of a point
_POINT: Final = 0.01
_TRUST: Final = 0.25  # power of the spread in a quote's error
_OUTLIER: Final = 0.05  # of volatility, beyond three times the errors
_OUTER: Final = 4  # quotes that show where a wing goes on
_REACHES: Final = (0.5, 1.5, 4.0)  # of the quoted width: where a wing's continuation is shown to later expiries
_LOOSE: Final = 3.0


class SliceReport(msgspec.Struct, frozen=True):
    """How one expiry was fitted. `rmse` is in volatility (0.01 is one point), of mids; `inside` is the share of quotes
    whose model volatility is between bid and ask; `corrected` says whether SVI needed the spline."""

    years: float
    forward: float
    quotes: int
    rmse: float
    svi_rmse: float
    inside: float
    corrected: bool


class Expiry(msgspec.Struct, frozen=True):
    """One expiry's quotes as the fit sees them; `index` are their numbers in the caller's arrays."""

    years: float
    forward: float
    index: Any
    k: Any
    bid: Any
    mid: Any
    ask: Any


class Calibration(msgspec.Struct, frozen=True):
    """A surface, how well each expiry fits, and which quotes took no part; `expiries` is what a refit compares with."""

    surface: Surface
    reports: tuple[SliceReport, ...]
    findings: tuple[Finding, ...]
    expiries: tuple[Any, ...]


def calibrate(quotes: Quotes) -> Calibration:
    """Return the surface of a chain.

    Raises:
        UserFault: MALFORMED where no expiry has five usable quotes (the message counts the reasons), or LIMIT where
            there are more than 64 expiries.
    """
    expiries, findings = prepared(quotes)
    return _fitted(expiries, findings, None)


def refit(before: Calibration, quotes: Quotes) -> Calibration:
    """Return the surface of a chain of which few quotes have changed: unchanged expiries are kept where they hold.

    Raises:
        UserFault: as `calibrate`.
    """
    expiries, findings = prepared(quotes)
    return _fitted(expiries, findings, before)


def _fitted(expiries: list[Expiry], findings: list[Finding], before: Calibration | None) -> Calibration:
    known = {} if before is None else {
        one.years: (one, part.smile) for one, part in zip(before.expiries, before.surface.slices, strict=True)
    }  # fmt: skip
    slices: list[Slice] = []
    ceiling: Ceiling | None = None
    moved = False  # the later expiry's smile is another one than before
    for one, target in zip(reversed(expiries), reversed(targets_of(expiries)), strict=True):
        old, smile = known.get(one.years, (None, None))
        kept = old is not None and smile is not None and _same(old, one) and (not moved or holds(smile, ceiling))
        if smile is None or not kept:
            svi = fit_slice(target, ceiling, None if smile is None else smile.svi)
            smile = fit_correction(svi, target, ceiling)
        moved = not kept
        slices.append(Slice(one.years, one.forward, smile))
        ceiling = ceiling_of(smile)
    slices.reverse()
    reports = tuple(report_of(one, part.smile) for one, part in zip(expiries, slices, strict=True))
    return Calibration(Surface(tuple(slices)), reports, tuple(findings), tuple(expiries))


def _same(old: Expiry, new: Expiry) -> bool:
    import numpy as np

    return all(
        np.array_equal(a, b) for a, b in ((old.k, new.k), (old.bid, new.bid), (old.ask, new.ask), (old.mid, new.mid))
    )


def prepared(quotes: Quotes) -> tuple[list[Expiry], list[Finding]]:
    """Return the expiries, first to last, and what was left out."""
    import numpy as np

    flaws = flaws_of(quotes)
    sound = np.array([flaw is None for flaw in flaws], bool)
    times = np.unique(quotes.years[sound])
    if times.size > EXPIRIES_MAX:
        raise UserFault(Reason.LIMIT, f"{times.size} expiries are more than {EXPIRIES_MAX}")
    forwards = quotes.forward.copy()
    for years in times:
        of_expiry = sound & (quotes.years == years)
        unknown = of_expiry & np.isnan(forwards)
        if unknown.any():
            implied = parity_forward(quotes, of_expiry)
            forwards[unknown] = np.nan if implied is None else implied
    flaws[sound & np.isnan(forwards)] = Flaw.NO_FORWARD
    with np.errstate(invalid="ignore"):
        inside = (quotes.strike >= forwards) != quotes.is_call
    flaws[sound & ~np.isnan(forwards) & inside] = Flaw.IN_THE_MONEY
    index = np.flatnonzero([flaw is None for flaw in flaws])
    sides = _volatilities(quotes, forwards, index)
    flaws[index[~np.isfinite(sides).all(axis=0) | (sides[0] <= 0.0)]] = Flaw.NO_VOLATILITY
    fine = np.array([flaw is None for flaw in flaws[index]], bool)
    index, sides = index[fine], sides[:, fine]
    expiries = [
        one
        for years in np.unique(quotes.years[index])
        if (one := _expiry(years, quotes, forwards, index, sides, flaws)) is not None
    ]
    findings = [Finding(i, flaw) for i, flaw in enumerate(flaws) if flaw is not None]
    if not expiries:
        raise UserFault(Reason.MALFORMED, f"no expiry has {QUOTES_MIN} usable quotes: {_counted(findings)}")
    return expiries, findings


def _counted(findings: list[Finding]) -> str:
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.flaw.value] = counts.get(finding.flaw.value, 0) + 1
    return ", ".join(f"{count} {flaw}" for flaw, count in counts.items()) or "the chain is empty"


def _volatilities(quotes: Quotes, forwards: "Floats", index: Any) -> Any:
    """Return bid, mid and ask volatilities of the quotes numbered, NaN where there is none."""
    import numpy as np

    bid, ask = quotes.bid[index], quotes.ask[index]
    prices = np.stack([bid, 0.5 * (bid + ask), ask])
    found = implied_volatility(
        quotes.is_call[index], prices, forwards[index], quotes.strike[index], quotes.years[index],
        inverse=quotes.inverse,
    )  # fmt: skip
    return np.where(found.verdict == Verdict.OK, found.volatility, np.nan)


def _expiry(years: float, quotes: Quotes, forwards: "Floats", index: Any, sides: Any, flaws: Any) -> Expiry | None:
    """Return one expiry's quotes by strike, or None where they are too few."""
    import numpy as np

    chosen = quotes.years[index] == years
    numbers, (bid, mid, ask) = index[chosen], sides[:, chosen]
    k = np.log(quotes.strike[numbers] / forwards[numbers])
    order = np.argsort(k, kind="stable")
    numbers, k, bid, mid, ask = (array[order] for array in (numbers, k, bid, mid, ask))
    odd = _outliers(k, mid, 0.5 * (ask - bid))
    flaws[numbers[odd]] = Flaw.OUTLIER
    numbers, k, bid, mid, ask = (array[~odd] for array in (numbers, k, bid, mid, ask))
    if numbers.size < QUOTES_MIN:
        flaws[numbers] = Flaw.LONELY
        return None
    forward = float(np.median(forwards[numbers]))
    return Expiry(float(years), forward, numbers, k, bid, mid, ask)


def _outliers(k: "Floats", mid: "Floats", error: "Floats") -> "NDArray[np.bool_]":
    """Say which quotes are far from the line between their neighbours, and those neighbours' neighbours agree."""
    import numpy as np

    odd = np.zeros(k.size, bool)
    if k.size < QUOTES_MIN:
        return odd
    near, far, here = mid[:-2], mid[2:], mid[1:-1]
    share = (k[1:-1] - k[:-2]) / np.maximum(k[2:] - k[:-2], 1e-12)
    room = _OUTLIER + 3.0 * (error[:-2] + error[1:-1] + error[2:]) + np.abs(far - near)
    odd[1:-1] = np.abs(here - near - share * (far - near)) > room
    return odd


def targets_of(expiries: Sequence[Expiry]) -> list[Target]:
    """Return what the fit is to meet: each expiry's own quotes, and those of earlier ones beyond them."""
    import numpy as np

    targets: list[Target] = []
    shown: list[Any] = []
    for one in expiries:
        spread = _POINT * (np.maximum(0.5 * (one.ask - one.bid), _ERROR_MIN) / _POINT) ** _TRUST
        w, error = one.mid**2 * one.years, 2.0 * one.mid * one.years * spread
        early = np.concatenate(shown, axis=1) if shown else np.empty((3, 0))
        targets.append(Target(one.k, w, error, (early[0], early[1], early[2])))
        shown.append(_continued(one.k, w, error))
    return targets


def _continued(k: "Floats", w: "Floats", error: "Floats") -> Any:
    """Return k, w and error of quotes and of their straight continuation on both sides."""
    import numpy as np

    width = max(float(k[-1] - k[0]), 0.02)
    found = [np.stack([k, w * 1.002, error])]
    reaches = np.array(_REACHES) * width
    for end, side, near in ((0, -1.0, slice(None, _OUTER)), (-1, 1.0, slice(-_OUTER, None))):
        slope = side * max(side * _slope(k[near], w[near]), 0.0)
        loose = _LOOSE * error[end] * (1.0 + np.array(_REACHES))
        found.append(np.stack([k[end] + side * reaches, w[end] + slope * side * reaches, loose]))
    return np.concatenate(found, axis=1)


def _slope(k: "Floats", w: "Floats") -> float:
    x = k - k.mean()
    square = float((x * x).sum())
    return float((x * w).sum()) / square if square > 0.0 else 0.0


def report_of(one: Expiry, smile: Smile) -> SliceReport:
    """Return how well a smile fits an expiry's quotes."""
    import numpy as np

    fitted, plain = (np.sqrt(np.maximum(of.total_variance(one.k), 0.0) / one.years) for of in (smile, Smile(smile.svi)))
    return SliceReport(
        years=one.years,
        forward=one.forward,
        quotes=int(one.k.size),
        rmse=float(np.sqrt(((fitted - one.mid) ** 2).mean())),
        svi_rmse=float(np.sqrt(((plain - one.mid) ** 2).mean())),
        inside=float(((fitted >= one.bid) & (fitted <= one.ask)).mean()),
        corrected=smile.correction is not None,
    )
