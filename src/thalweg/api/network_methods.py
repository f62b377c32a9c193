"""Methods about the network: can others reach this node, who is linked to whom, what is counted."""

from typing import Any, Final

from thalweg.api.backend import Backend
from thalweg.api.metrics import exposition, node_samples
from thalweg.api.params import Nothing
from thalweg.network.peer_id import PeerId


async def net_doctor(backend: Backend, _: Nothing) -> dict[str, Any]:
    """Have a few peers try to reach this node, and return what they found and what to do."""
    await backend.reach.check(anew=True)
    report = backend.reach.report()
    return {name: getattr(report, name) for name in report.__struct_fields__}


async def net_graph(backend: Backend, _: Nothing) -> dict[str, Any]:
    """Return the nodes this one knows, and its links: what a picture of the network is drawn from."""
    own = backend.host.peer_id
    nodes: dict[PeerId, dict[str, Any]] = {
        own: {"id": str(own), "agent": f"thalweg/{backend.version}", "roles": backend.reach.roles}
    }
    for peer, entry in backend.finder.book.entries():
        said = entry.announcement
        nodes[peer] = {
            "id": str(peer),
            "agent": "" if said is None else said.agent,
            "roles": () if said is None else said.roles,
        }
    meshed = {topic: set(backend.gossip.mesh(topic)) for topic in backend.gossip.topics()}
    links = []
    for info in backend.host.linked():
        known = nodes.setdefault(info.peer, {"id": str(info.peer), "agent": info.agent, "roles": ()})
        known["agent"] = known["agent"] or info.agent
        links.append({
            "from": str(own if info.dialled else info.peer),
            "to": str(info.peer if info.dialled else own),
            "relayed": info.address.relay is not None,
            "rtt_ms": None if info.rtt_seconds is None else round(info.rtt_seconds * 1000, 2),
            "score": round(backend.gossip.score(info.peer), 2),
            "meshes": [topic for topic, peers in meshed.items() if info.peer in peers],
        })  # fmt: skip
    return {"self": str(own), "nodes": list(nodes.values()), "links": links}


async def net_metrics(backend: Backend, _: Nothing) -> str:
    """Return what the node counts, as Prometheus reads it."""
    return exposition(node_samples(backend))


METHODS: Final = {
    "net_doctor": (Nothing, net_doctor),
    "net_graph": (Nothing, net_graph),
    "net_metrics": (Nothing, net_metrics),
}
