"""What oracles said about the prices this channel's positions settle at.

A position settles by the report of its expiry. A VOID moves on to the next grid point, and nothing else does: so each
position waits for one report at a time, and what settles it in the end is a run of VOIDs and a price.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from thalweg.channel.claims import Position
from thalweg.channel.operations import VOIDS_MAX, SettlePositions
from thalweg.channel.sheet import Sheet
from thalweg.channel.state import Agreed, Channel, KnownReport, Offered
from thalweg.errors import Reason, RuleBroken
from thalweg.instruments.report import GRID_S, Mark, Settlement, SignedReport
from thalweg.units import Hash, UnixSeconds

REPORTS_MAX: Final = 256


def on_report(channel: Channel, signed: SignedReport, now: UnixSeconds) -> Channel:
    """Keep a settlement that one of my positions may need; a mark only moves the tick collateral is computed on."""
    if signed.oracle != channel.terms.oracle:
        return channel
    match signed.report:
        case Mark() as mark:
            tick = channel.tick if mark.is_void else max(channel.tick, mark.time)
            return msgspec.structs.replace(channel, tick=tick)
        case Settlement() as report:
            if find(channel, report.feed, report.time) or not _is_needed(channel, report):
                return channel
            known = KnownReport(signed, now)
            return msgspec.structs.replace(channel, reports=(*channel.reports, known)[-REPORTS_MAX:])


def prune(channel: Channel) -> Channel:
    """Forget reports that no position waits for any more."""
    if not channel.reports:
        return channel
    kept = tuple(known for known in channel.reports if _is_needed(channel, known.signed.report))
    return channel if len(kept) == len(channel.reports) else msgspec.structs.replace(channel, reports=kept)


def find(channel: Channel, feed: Hash, time: UnixSeconds) -> KnownReport | None:
    """Return the settlement of a point, if I know it."""
    for known in channel.reports:
        if known.signed.report.feed == feed and known.signed.report.time == time:
            return known
    return None


def path(channel: Channel, feed: Hash, expiry: UnixSeconds) -> tuple[tuple[KnownReport, ...], bool]:
    """Return the reports known from an expiry on, VOID by VOID, and whether the last of them has the price."""
    known: list[KnownReport] = []
    for step in range(VOIDS_MAX):
        report = find(channel, feed, UnixSeconds(expiry + step * GRID_S))
        if report is None:
            break
        known.append(report)
        if not report.signed.report.is_void:
            return tuple(known), True
    return tuple(known), False


def awaited(channel: Channel) -> set[tuple[Hash, UnixSeconds]]:
    """Return the points whose settlement is needed next, by feed and time: for whoever asks oracles."""
    points = set()
    for feed, expiry in _expiries(channel):
        known, is_priced = path(channel, feed, expiry)
        if not is_priced:
            points.add((feed, UnixSeconds(expiry + len(known) * GRID_S)))
    return points


def due(channel: Channel, sheet: Sheet) -> Iterator[tuple[KnownReport, ...]]:
    """Yield, for each expiry that positions of a sheet wait for and whose price is known, the reports that tell it."""
    for feed, expiry in sorted(_expiries_of(sheet)):
        known, is_priced = path(channel, feed, expiry)
        if is_priced:
            yield known


def settled_expiry(operation: SettlePositions) -> UnixSeconds:
    """Return which expiry an operation's reports settle.

    Raises:
        RuleBroken: NO_REPORT, if they are not a price after an unbroken run of VOIDs.
    """
    report = operation.report.report
    if not isinstance(report, Settlement) or report.is_void:
        raise RuleBroken(Reason.NO_REPORT, "positions settle by a settlement report with a price")
    if len(operation.voids) >= VOIDS_MAX:
        raise RuleBroken(Reason.LIMIT, f"at most {VOIDS_MAX - 1} void reports are walked over")
    expiry = UnixSeconds(report.time - len(operation.voids) * GRID_S)
    for step, signed in enumerate(operation.voids):
        void = signed.report
        is_next = (void.feed, void.time) == (report.feed, expiry + step * GRID_S)
        if not isinstance(void, Settlement) or not void.is_void or not is_next:
            raise RuleBroken(Reason.NO_REPORT, "only VOIDs, grid point by grid point, lead from an expiry to a price")
    return expiry


def _is_needed(channel: Channel, report: Settlement | Mark) -> bool:
    for feed, expiry in _expiries(channel):
        steps, off = divmod(report.time - expiry, GRID_S)
        if feed == report.feed and off == 0 and 0 <= steps < VOIDS_MAX:
            return True
    return False


def _expiries(channel: Channel) -> set[tuple[Hash, UnixSeconds]]:
    entries: tuple[Agreed | Offered, ...] = (channel.agreed, *channel.offered)
    return {point for entry in entries for point in _expiries_of(entry.sheet)}


def _expiries_of(sheet: Sheet) -> set[tuple[Hash, UnixSeconds]]:
    return {(claim.instrument.feed, claim.instrument.expiry) for claim in sheet.claims if isinstance(claim, Position)}
