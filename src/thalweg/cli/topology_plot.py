"""The topology as a picture: a web page that needs nothing else, or a PNG (with `pip install thalweg[plot]`)."""

import html
from pathlib import Path
from typing import Any, Final

from thalweg.cli.topology import NODES_MAX, places
from thalweg.errors import Reason, Unavailable, UserFault

SIDE: Final = 900
MARGIN: Final = 60
_COLOURS: Final = {"self": "#d97706", "relay": "#7c3aed", "oracle": "#059669", "maker": "#2563eb", "": "#475569"}
_STYLE: Final = (
    "body{font:14px system-ui,sans-serif;margin:2em;color:#0f172a;background:#fff}line{stroke:#94a3b8}"
    "line.relayed{stroke-dasharray:5 4}circle{stroke:#fff;stroke-width:1.5}text{font-size:10px;fill:#334155}"
    "line:hover{stroke:#0f172a;stroke-width:2.5}@media(prefers-color-scheme:dark){body{background:#0f172a;color:#e2e8f0}"
    "text{fill:#cbd5e1}}"
)


def draw(view: dict[str, Any], file: Path) -> None:
    """Write a merged view as a picture; the ending of the file's name says which kind.

    Raises:
        UserFault: UNKNOWN_FEATURE, another ending; LIMIT, too many nodes; NOT_FOUND, the library for PNG is missing.
        Unavailable: the file cannot be written.
    """
    if len(view["nodes"]) > NODES_MAX:
        raise UserFault(Reason.LIMIT, f"{len(view['nodes'])} nodes; a picture shows at most {NODES_MAX}")
    kind = file.suffix.lower()
    if kind not in (".html", ".png"):
        raise UserFault(Reason.UNKNOWN_FEATURE, f"{file.name}: name a file that ends in .html or .png")
    spots = places([node["id"] for node in view["nodes"]], [(link["from"], link["to"]) for link in view["links"]])
    try:
        if kind == ".html":
            file.write_text(page(view, spots))
        else:
            _write_png(view, spots, file)
    except OSError as error:
        raise Unavailable(Reason.UNREACHABLE, f"{file} cannot be written ({error})") from error


def page(view: dict[str, Any], spots: dict[str, tuple[float, float]]) -> str:
    """Return a self-contained page with the picture in SVG."""
    degree = _degrees(view)
    lines = [
        f"<line{' class=relayed' if link['relayed'] else ''} {_ends(link, spots)}>"
        f"<title>{_link_title(link)}</title></line>"
        for link in view["links"]
    ]
    dots = []
    for node in view["nodes"]:
        x, y = _pixel(spots[node["id"]])
        radius = 5 + min(degree.get(node["id"], 0), 12) / 2
        dots.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{_colour(node, view)}">'
            f"<title>{html.escape(_node_title(node))}</title></circle>"
            f'<text x="{x + radius + 2:.1f}" y="{y + 3:.1f}">{html.escape(node["id"][-6:])}</text>'
        )
    legend = " ".join(f'<span style="color:{colour}">●</span> {name or "node"}' for name, colour in _COLOURS.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Thalweg network</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{len(view['nodes'])} nodes, {len(view['links'])} links</h1><p>{legend} · dashed: through a relay</p>"
        f'<svg viewBox="0 0 {SIDE} {SIDE}" width="{SIDE}" role="img" aria-label="network topology">'
        f"{''.join(lines)}{''.join(dots)}</svg></body></html>\n"
    )


def _write_png(view: dict[str, Any], spots: dict[str, tuple[float, float]], file: Path) -> None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserFault(
            Reason.NOT_FOUND, "PNG needs matplotlib: pip install 'thalweg[plot]', or name a file that ends in .html"
        ) from error
    figure = Figure(figsize=(9, 9), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.03, 0.03, 0.94, 0.9))
    axes.set_axis_off()
    axes.set_title(f"{len(view['nodes'])} nodes, {len(view['links'])} links")
    for link in view["links"]:
        (x0, y0), (x1, y1) = spots[link["from"]], spots[link["to"]]
        axes.plot((x0, x1), (-y0, -y1), "--" if link["relayed"] else "-", color="#94a3b8", linewidth=0.8, zorder=1)
    degree = _degrees(view)
    for node in view["nodes"]:
        x, y = spots[node["id"]]
        size = 40 + 12 * min(degree.get(node["id"], 0), 12)
        axes.scatter((x,), (-y,), s=size, color=_colour(node, view), edgecolors="white", zorder=2)
        axes.annotate(node["id"][-6:], (x, -y), xytext=(6, 4), textcoords="offset points", fontsize=7)
    figure.savefig(file, format="png")


def _degrees(view: dict[str, Any]) -> dict[str, int]:
    degree: dict[str, int] = {}
    for link in view["links"]:
        for end in (link["from"], link["to"]):
            degree[end] = degree.get(end, 0) + 1
    return degree


def _pixel(spot: tuple[float, float]) -> tuple[float, float]:
    room = SIDE - 2 * MARGIN
    return MARGIN + spot[0] * room, MARGIN + spot[1] * room


def _ends(link: dict[str, Any], spots: dict[str, tuple[float, float]]) -> str:
    (x0, y0), (x1, y1) = _pixel(spots[link["from"]]), _pixel(spots[link["to"]])
    return f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'


def _colour(node: dict[str, Any], view: dict[str, Any]) -> str:
    if node["id"] == view["self"]:
        return _COLOURS["self"]
    return next((_COLOURS[role] for role in node["roles"] if role in _COLOURS), _COLOURS[""])


def _link_title(link: dict[str, Any]) -> str:
    latency = "" if link["rtt_ms"] is None else f", {link['rtt_ms']} ms"
    return html.escape(f"{link['from'][-8:]} → {link['to'][-8:]}{latency}, score {link['score']}")


def _node_title(node: dict[str, Any]) -> str:
    return f"{node['id']}\n{node['agent']}\n{', '.join(node['roles'])}"
