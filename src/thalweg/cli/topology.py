"""A picture's geometry: the views of several nodes merged, and where each node goes. Pure."""

import math
from collections.abc import Sequence
from typing import Any, Final

ROUNDS: Final = 150
NODES_MAX: Final = 1000


def merged(views: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return several nodes' views as one; a link that both ends name is one link."""
    nodes: dict[str, dict[str, Any]] = {}
    links: dict[tuple[str, str], dict[str, Any]] = {}
    for view in views:
        for node in view["nodes"]:
            known = nodes.setdefault(node["id"], dict(node))
            known["agent"] = known["agent"] or node["agent"]
            known["roles"] = known["roles"] or node["roles"]
        for link in view["links"]:
            links.setdefault((link["from"], link["to"]), link)
    own = [view["self"] for view in views]
    return {"self": own[0], "own": own, "nodes": list(nodes.values()), "links": list(links.values())}


def places(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Return where each node goes, in a square from 0 to 1: linked ones near, others apart.

    Fruchterman, Reingold: Graph drawing by force-directed placement (1991). Begins on a circle, so it draws the same
    picture twice.
    """
    import numpy as np

    count = len(names)
    if count == 0:
        return {}
    at = {name: index for index, name in enumerate(names)}
    angles = np.arange(count) * (2 * math.pi * 0.381966)
    spots = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.sqrt((np.arange(count) + 0.5) / count)[:, None]
    ends = np.array([(at[one], at[two]) for one, two in links if one in at and two in at], dtype=np.int64).reshape(
        -1, 2
    )
    ideal = 1.8 / math.sqrt(count)
    for turn in range(ROUNDS):
        gaps = spots[:, None, :] - spots[None, :, :]
        squares = np.maximum((gaps**2).sum(axis=2), 1e-6)
        moves = (gaps * (ideal**2 / squares)[:, :, None]).sum(axis=1)
        if len(ends):
            pulls = spots[ends[:, 0]] - spots[ends[:, 1]]
            pulls *= (np.sqrt((pulls**2).sum(axis=1)) / ideal)[:, None]
            np.add.at(moves, ends[:, 0], -pulls)
            np.add.at(moves, ends[:, 1], pulls)
        sizes = np.maximum(np.sqrt((moves**2).sum(axis=1)), 1e-9)
        step = 0.1 * (1 - turn / ROUNDS)
        spots += moves * (np.minimum(sizes, step) / sizes)[:, None]
    low, high = spots.min(axis=0), spots.max(axis=0)
    spread = np.maximum(high - low, 1e-9)
    scaled = (spots - low) / spread if count > 1 else spots * 0 + 0.5
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, scaled, strict=True)}
