"""A surface as a web page of its own, by plotly: it turns, zooms and tells its numbers, and needs no network."""

from html import escape
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from thalweg.cli.pricing.drawn import Smile, mesh_of, smiles_of, terms_of
from thalweg.pricing.surface_fit import Calibration

_COLUMNS: Final = 3
_CURVE: Final = "#1d4ed8"
_SVI: Final = "#f59e0b"
_FAINT: Final = "#9ca3af"
_MISS: Final = "#dc2626"
_FONT: Final = {"family": "system-ui, sans-serif", "color": "#1f2937"}
_STYLE: Final = (
    "body{font:15px system-ui,sans-serif;color:#1f2937;max-width:1280px;margin:1.5rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem;margin:0}p{color:#4b5563;margin:.3rem 0 1rem}"
)


def draw_html(found: Calibration, title: str, file: Path) -> None:
    """Write the page."""
    smiles = smiles_of(found)
    quotes = sum(one.quotes for one in found.reports)
    inside = sum(one.inside * one.quotes for one in found.reports) / quotes
    figures = [_surface(found), _lines(found, smiles), _smiles(smiles)]
    parts = "".join(to_html(figure, include_plotlyjs=False, full_html=False) for figure in figures)
    file.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<script>{get_plotlyjs()}</script></head><body><h1>{escape(title)}</h1>"
        f"<p>{quotes} quotes, {100 * inside:.1f} % between bid and ask, free of arbitrage</p>{parts}</body></html>\n",
        encoding="utf-8",
    )


def _surface(found: Calibration) -> Any:
    mesh = mesh_of(found)
    figure = go.Figure(
        go.Surface(
            x=mesh.k, y=mesh.days, z=mesh.volatility, colorscale="Viridis", colorbar={"title": "%", "len": 0.6},
            hovertemplate="ln(K/F) %{x:.3f}<br>%{y:.1f} days<br>%{z:.2f} %<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(
        title="Implied volatility", height=620, font=_FONT, margin={"l": 0, "r": 0, "t": 40, "b": 0},
        scene={
            "xaxis": {"title": "ln(K/F)"}, "yaxis": {"title": "days", "type": "log"}, "zaxis": {"title": "%"},
            "aspectratio": {"x": 1.2, "y": 1.2, "z": 0.7}, "camera": {"eye": {"x": 1.35, "y": -1.55, "z": 0.75}},
        },
    )  # fmt: skip
    return figure


def _lines(found: Calibration, smiles: list[Smile]) -> Any:
    terms = terms_of(found)
    figure = make_subplots(cols=2, subplot_titles=("Term structure, %", "Model less mid, volatility points"))
    for name, values, colour, shape in (
        ("at the money", terms.money, _CURVE, "linear"), ("variance swap", terms.swap, _SVI, "linear"),
        ("forward", terms.forward, _FAINT, "vh"),
    ):  # fmt: skip
        line = {"color": colour, "shape": shape}
        figure.add_trace(go.Scatter(x=terms.days, y=values, name=name, mode="lines+markers", line=line), 1, 1)
    for smile in smiles:
        errors = {
            "type": "data", "symmetric": False, "array": smile.ask - smile.mid - smile.residual,
            "arrayminus": smile.residual - smile.bid + smile.mid, "thickness": 0.6, "width": 0,
        }  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=smile.k, y=smile.residual, mode="markers", name=smile.label, marker={"size": 4}, showlegend=False,
                error_y=errors,
            ),
            1, 2,
        )  # fmt: skip
    figure.update_xaxes(type="log", title="days", col=1)
    figure.update_xaxes(title="ln(K/F)", col=2)
    figure.update_layout(height=420, font=_FONT, plot_bgcolor="white", margin={"t": 50}, legend={"orientation": "h"})
    figure.update_xaxes(gridcolor="#e5e7eb")
    figure.update_yaxes(gridcolor="#e5e7eb", zerolinecolor=_FAINT)
    return figure


def _smiles(smiles: list[Smile]) -> Any:
    rows = -(-len(smiles) // _COLUMNS)
    titles = [f"{smile.label} · {smile.k.size} quotes" for smile in smiles]
    figure = make_subplots(rows=rows, cols=_COLUMNS, subplot_titles=titles, vertical_spacing=0.28 / rows)
    for index, smile in enumerate(smiles):
        place, shown = (index // _COLUMNS + 1, index % _COLUMNS + 1), index == 0
        bars = {
            "type": "data", "symmetric": False, "array": smile.ask - smile.mid, "arrayminus": smile.mid - smile.bid,
            "color": _FAINT, "thickness": 1.5, "width": 0,
        }  # fmt: skip
        colours = [_FAINT if inside else _MISS for inside in smile.inside]
        for trace in (
            go.Scatter(
                x=smile.k, y=smile.mid, error_y=bars, mode="markers", marker={"size": 3, "color": colours},
                name="bid, mid, ask", legendgroup="quotes", showlegend=shown,
            ),
            go.Scatter(
                x=smile.at, y=smile.svi, mode="lines", line={"color": _SVI, "dash": "dash", "width": 1}, name="SVI",
                legendgroup="svi", showlegend=shown,
            ),
            go.Scatter(
                x=smile.at, y=smile.curve, mode="lines", line={"color": _CURVE, "width": 1.6}, name="surface",
                legendgroup="surface", showlegend=shown,
            ),
        ):  # fmt: skip
            figure.add_trace(trace, *place)
    figure.update_layout(height=280 * rows + 80, font=_FONT, plot_bgcolor="white", legend={"orientation": "h"})
    figure.update_xaxes(gridcolor="#e5e7eb", zerolinecolor="#e5e7eb")
    figure.update_yaxes(gridcolor="#e5e7eb")
    return figure
