"""The picture of a network: views merged, nodes placed, and a page that needs nothing else."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.cli.topology import NODES_MAX, merged, places
from thalweg.cli.topology_plot import draw
from thalweg.errors import Reason, UserFault

NAMES = [f"peer{number}" for number in range(12)]


def view(own: str, *links: tuple[str, str]) -> dict[str, Any]:
    nodes = {own, *(end for link in links for end in link)}
    return {
        "self": own,
        "nodes": [
            {"id": name, "agent": "a<b>", "roles": ["relay"] if name == "peer1" else []} for name in sorted(nodes)
        ],
        "links": [
            {"from": one, "to": other, "relayed": False, "rtt_ms": 1.5, "score": 0.0, "meshes": []}
            for one, other in links
        ],
    }


def test_a_link_that_both_ends_name_is_one() -> None:
    both = merged([view("peer0", ("peer0", "peer1")), view("peer1", ("peer0", "peer1"), ("peer2", "peer1"))])
    assert [(link["from"], link["to"]) for link in both["links"]] == [("peer0", "peer1"), ("peer2", "peer1")]
    assert [node["id"] for node in both["nodes"]] == ["peer0", "peer1", "peer2"]


@given(st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=20), st.integers(0, 12))
def test_every_node_has_a_place_in_the_square_and_the_same_twice(links: set[tuple[str, str]], count: int) -> None:
    names, ends = NAMES[:count], sorted(links)
    found = places(names, ends)
    assert found == places(names, ends)
    assert list(found) == names
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in found.values())
    assert len(set(found.values())) == count


def test_linked_nodes_are_nearer_than_others() -> None:
    clusters = [
        (NAMES[one], NAMES[other]) for start in (0, 6) for one in range(start, start + 6) for other in range(one)
    ]
    spots = places(NAMES, [link for link in clusters if (link[0] in NAMES[:6]) == (link[1] in NAMES[:6])])

    def gap(one: str, other: str) -> float:
        return math.dist(spots[one], spots[other])

    within = max(gap(NAMES[one], NAMES[other]) for one in range(6) for other in range(6))
    between = min(gap(NAMES[one], NAMES[other]) for one in range(6) for other in range(6, 12))
    assert within < between


def test_a_page_is_whole_and_what_peers_say_is_text(tmp_path: Path) -> None:
    file = tmp_path / "net.html"
    draw(merged([view("peer0", ("peer0", "peer1"))]), file)
    page = file.read_text()
    assert page.count("<circle") == 2
    assert "a&lt;b&gt;" in page
    assert "<b>" not in page
    assert "http" not in page


def test_a_png_is_one(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "net.png"
    draw(merged([view("peer0", ("peer0", "peer1"))]), file)
    assert file.read_bytes().startswith(b"\x89PNG")


def test_other_endings_and_too_many_nodes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserFault) as caught:
        draw(view("peer0"), tmp_path / "net.gif")
    assert caught.value.reason is Reason.UNKNOWN_FEATURE
    crowd = {"self": "0", "nodes": [{"id": str(number)} for number in range(NODES_MAX + 1)], "links": []}
    with pytest.raises(UserFault) as many:
        draw(crowd, tmp_path / "net.html")
    assert many.value.reason is Reason.LIMIT
