"""Prices, surfaces and calibrations as people read them, and as JSON."""

from typing import Any

from rich.table import Table

from thalweg.cli.tables import facts, table
from thalweg.pricing.interface import Value
from thalweg.pricing.models.calibration import Calibration as ModelCalibration
from thalweg.pricing.surface_fit import Calibration


def value_facts(product: str, value: Value) -> Table:
    """Return a price and its sensitivities, one a line."""
    lines: dict[str, object] = {"price": f"{value.price:,.10g}", "error, at most": f"{value.error:.1e}"}
    lines |= {name: f"{one:,.8g}" for name, one in value.greeks.items()}
    lines["method"] = value.method
    if value.warnings:
        lines["note"] = "\n".join(value.warnings)
    return facts(product, lines)


def surface_table(found: Calibration, plot: str | None) -> Table:
    """Return how well each expiry fits, one a line."""
    reports = found.reports
    quotes = sum(one.quotes for one in reports)
    inside = sum(one.inside * one.quotes for one in reports) / quotes
    title = f"{quotes} quotes, {100 * inside:.1f} % between bid and ask, no arbitrage"
    right = ("days", "forward", "at the money %", "quotes", "inside %", "rmse", "svi rmse")
    made = table(title if plot is None else f"{title} · wrote {plot}", *right, right=right)
    for report, part in zip(reports, found.surface.slices, strict=True):
        level = float(part.smile.total_variance(0.0) / part.years) ** 0.5
        made.add_row(
            f"{365.25 * report.years:.2f}", f"{report.forward:,.2f}", f"{100 * level:.2f}", str(report.quotes),
            f"{100 * report.inside:.0f}", f"{100 * report.rmse:.2f}", f"{100 * report.svi_rmse:.2f}",
        )  # fmt: skip
    left_out: dict[str, int] = {}
    for finding in found.findings:
        left_out[finding.flaw.value] = left_out.get(finding.flaw.value, 0) + 1
    made.caption = "left out: " + ("; ".join(f"{count} {flaw}" for flaw, count in left_out.items()) or "nothing")
    return made


def surface_result(found: Calibration) -> dict[str, Any]:
    """Return a surface and its reports for JSON: what an oracle signs, and how well it fits."""
    return {
        "expiries": [
            {"years": years, "forward": forward, "svi": svi, "report": report}
            for (years, forward, svi), report in zip(found.surface.marks(), found.reports, strict=True)
        ],
        "arbitrages": found.surface.arbitrages(),
        "findings": [{"quote": finding.quote, "flaw": finding.flaw.value} for finding in found.findings],
    }


def calibration_facts(found: ModelCalibration) -> Table:
    """Return a model's parameters and what to think of them."""
    lines: dict[str, object] = {name: f"{getattr(found.model, name):.6g}" for name in found.model.names()}
    lines["rmse, volatility points"] = f"{found.rmse:.3f}"
    lines["worst"] = f"{found.worst:.3f}"
    lines["at the search's bounds"] = ", ".join(found.at_bounds) or "none"
    if found.feller is not None:
        lines["Feller's condition"] = "holds" if found.feller else "does not hold: variance can reach zero"
    lines["steps"] = f"{found.steps}{'' if found.settled else ', not settled'}"
    return facts(type(found.model).__name__, lines)


def calibration_result(found: ModelCalibration) -> dict[str, Any]:
    """Return a calibration for JSON."""
    return {
        "model": type(found.model).__name__,
        "parameters": {name: getattr(found.model, name) for name in found.model.names()},
        "rmse": found.rmse,
        "worst": found.worst,
        "at_bounds": found.at_bounds,
        "feller": found.feller,
        "steps": found.steps,
        "settled": found.settled,
    }
