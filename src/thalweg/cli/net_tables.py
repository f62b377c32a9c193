"""What is known of the network, as people read it."""

from typing import Any

from rich.table import Table

from thalweg.cli.tables import SHORT, facts, table


def doctor_facts(view: dict[str, Any]) -> Table:
    """Return whether others reach a node, and what to do."""
    said = {"public": "yes", "private": "no", "unknown": "not known yet"}
    trials = [f"…{each['peer'][-8:]}: {each['reached'] or 'did not reach it'}" for each in view["trials"]]
    return facts(
        "Can others reach this node?",
        {
            "answer": said[view["state"]],
            "links": f"{view['links']}, {view['inbound']} of them made by others",
            "listens at": "\n".join(view["listening"]),
            "peers see it at": "\n".join(view["observed"]) or "nobody says",
            "who tried": "\n".join(trials) or "nobody yet",
            "router's port": view["mapping"] or "not asked for",
            "through relays": "\n".join(view["relays"]) or "no",
            "holes punched": view["holes"],
            "tells others": "\n".join(view["told"]),
            "what to do": "\n".join(view["advice"]),
        },
    )


def graph_table(view: dict[str, Any]) -> Table:
    """Return links, one a line."""
    made = table("Links", "from", "to", "way", "ms", "score", "meshes", right=("ms", "score"))
    for link in view["links"]:
        made.add_row(
            f"…{link['from'][-SHORT:]}",
            f"…{link['to'][-SHORT:]}",
            "relayed" if link["relayed"] else "direct",
            "" if link["rtt_ms"] is None else f"{link['rtt_ms']:.1f}",
            f"{link['score']:.1f}",
            ", ".join(link["meshes"]),
        )
    return made
