"""A surface as a PNG, by matplotlib: the surface, its term structure, residuals, and each smile with its quotes."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from thalweg.cli.pricing.drawn import Smile, Terms, mesh_of, smiles_of, terms_of
from thalweg.pricing.surface_fit import Calibration

_COLUMNS: Final = 4
_INK: Final = "#1f2937"
_FAINT: Final = "#9ca3af"
_CURVE: Final = "#1d4ed8"
_SVI: Final = "#f59e0b"
_MISS: Final = "#dc2626"
_MAP: Final = "viridis"
_STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": _FAINT, "axes.labelcolor": _INK,
    "text.color": _INK, "xtick.color": _INK, "ytick.color": _INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e5e7eb", "grid.linewidth": 0.6,
    "axes.axisbelow": True, "axes.titleweight": "bold", "axes.titlesize": 10, "legend.frameon": False,
    "legend.fontsize": 8,
}  # fmt: skip


def draw_png(found: Calibration, title: str, file: Path) -> None:
    """Write the picture."""
    smiles, rows = smiles_of(found), -(-len(found.reports) // _COLUMNS)
    with mpl.rc_context(_STYLE):
        figure = Figure(
            figsize=(16, 7.2 + 2.7 * rows),
            dpi=110,
            facecolor="white",
            layout=ConstrainedLayoutEngine(hspace=0.05, wspace=0.03),
        )
        FigureCanvasAgg(figure)
        outer = figure.add_gridspec(2, 1, height_ratios=[6.4, 2.7 * rows])
        top = outer[0].subgridspec(2, 2, width_ratios=[1.15, 1.0])
        _surface(figure.add_subplot(top[:, 0], projection="3d"), found)
        _term_structure(figure.add_subplot(top[0, 1]), terms_of(found))
        _residuals(figure.add_subplot(top[1, 1]), smiles)
        below = outer[1].subgridspec(rows, _COLUMNS)
        for index, smile in enumerate(smiles):
            axes = figure.add_subplot(below[index // _COLUMNS, index % _COLUMNS])
            _smile(axes, smile, is_first=index == 0)
        quotes = sum(one.quotes for one in found.reports)
        inside = sum(one.inside * one.quotes for one in found.reports) / quotes
        figure.suptitle(
            f"{title}\n{quotes} quotes, {100 * inside:.1f} % between bid and ask, free of arbitrage",
            fontsize=14, fontweight="bold", x=0.01, ha="left",
        )  # fmt: skip
        figure.savefig(file, format="png")


def _surface(axes: Any, found: Calibration) -> None:
    import numpy as np

    mesh = mesh_of(found)
    drawn = axes.plot_surface(
        mesh.k, np.sqrt(mesh.days), mesh.volatility, cmap=_MAP, rcount=60, ccount=61, linewidth=0.15,
        edgecolor=(1, 1, 1, 0.35), antialiased=True,
    )  # fmt: skip
    days = [day for day in (1, 7, 30, 90, 180, 365) if mesh.days.min() <= day <= 1.05 * mesh.days.max()]
    axes.set_yticks([day**0.5 for day in days], [str(day) for day in days])
    axes.set(xlabel="log-moneyness  ln(K/F)", ylabel="days", title="Implied volatility, %")
    axes.view_init(elev=24, azim=-58)
    axes.set_box_aspect((1.25, 1.15, 0.75), zoom=1.12)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_facecolor("white")
        axis.pane.set_edgecolor("#e5e7eb")
    axes.figure.colorbar(drawn, ax=axes, shrink=0.5, pad=0.02, aspect=22)


def _term_structure(axes: Any, terms: Terms) -> None:
    axes.step(terms.days, terms.forward, where="pre", color=_FAINT, linewidth=1.2, label="forward, at the money")
    axes.plot(terms.days, terms.swap, "s-", color=_SVI, markersize=4, linewidth=1.2, label="variance swap")
    axes.plot(terms.days, terms.money, "o-", color=_CURVE, markersize=4.5, linewidth=1.6, label="at the money")
    axes.set_xscale("log")
    ticks = [day for day in (1, 2, 7, 14, 30, 60, 90, 180, 365) if terms.days[0] * 0.9 <= day <= terms.days[-1] * 1.1]
    axes.set_xticks(ticks, [str(day) for day in ticks])
    axes.minorticks_off()
    axes.set(title="Term structure, volatility %", xlabel="days to expiry")
    axes.legend(loc="best")


def _residuals(axes: Any, smiles: list[Smile]) -> None:
    import numpy as np

    colours = mpl.colormaps[_MAP](np.linspace(0.05, 0.9, len(smiles)))
    for smile, colour in zip(smiles, colours, strict=True):
        axes.vlines(smile.k, smile.bid - smile.mid, smile.ask - smile.mid, color=colour, alpha=0.22, linewidth=2.0)
        axes.scatter(smile.k, smile.residual, s=np.where(smile.inside, 10, 26), color=colour, zorder=3)
    axes.axhline(0.0, color=_INK, linewidth=0.8)
    spread = np.concatenate([smile.ask - smile.mid for smile in smiles])
    reach = float(max(np.quantile(spread, 0.9), 1.0))
    axes.set_ylim(-reach, reach)
    axes.set(title="Model less mid, volatility points (bars: bid to ask; large: outside)", xlabel="ln(K/F)")


def _smile(axes: Any, smile: Smile, *, is_first: bool) -> None:
    axes.vlines(smile.k, smile.bid, smile.ask, color=_FAINT, linewidth=1.6, label="bid to ask")
    axes.plot(smile.at, smile.svi, "--", color=_SVI, linewidth=1.0, label="SVI")
    axes.plot(smile.at, smile.curve, color=_CURVE, linewidth=1.5, label="surface")
    outside = ~smile.inside
    axes.scatter(smile.k[outside], smile.mid[outside], s=18, color=_MISS, zorder=3, label="mid, model outside")
    low, high = float(min(smile.bid.min(), smile.mid.min())), float(smile.ask.max())
    room = 0.08 * (float(smile.mid.max()) - low) + 0.5
    axes.set_ylim(low - room, min(high, float(smile.mid.max()) + 6.0 * room) + room)
    axes.axvline(0.0, color="#e5e7eb", linewidth=1.0, zorder=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(f"{smile.label} · {smile.k.size} quotes", loc="left")
    if is_first:
        axes.legend(loc="upper center", ncols=2)
