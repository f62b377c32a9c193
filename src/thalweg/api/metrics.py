"""What the node counts, in Prometheus' text format 0.0.4. Names begin with `thalweg_`; counters end in `_total`.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import os
import re
import resource
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from thalweg.api.backend import Backend
from thalweg.network.reachability import Reachability

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PEERS_MAX: Final = 1024  # with a sample each
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_STATM_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Sample(msgspec.Struct, frozen=True):
    """A number, what it is of, and under which labels."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    help: str = ""
    kind: str = "gauge"


def exposition(samples: Iterable[Sample]) -> str:
    """Return samples as text, those of one name together."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines: list[str] = []
    for name, group in by_name.items():
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not a metric's name")
        lines += [f"# HELP {name} {_escaped(group[0].help)}", f"# TYPE {name} {group[0].kind}"]
        for each in group:
            labels = ",".join(f'{key}="{_quoted(value)}"' for key, value in each.labels)
            lines.append(f"{name}{{{labels}}} {each.value:.12g}" if labels else f"{name} {each.value:.12g}")
    return "\n".join(lines) + "\n"


def counted(name: str, help_: str, label: str, counts: Mapping[str, int]) -> list[Sample]:
    """Return a counter with a label, one sample a key."""
    return [Sample(name, count, ((label, key),), help_, "counter") for key, count in sorted(counts.items())]


def node_samples(backend: Backend) -> list[Sample]:
    """Return everything a node counts."""
    return [*_process(), *_links(backend), *_gossip(backend), *_reach(backend), *_channels(backend)]


def _process() -> list[Sample]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    samples = [
        Sample("process_cpu_seconds_total", used.ru_utime + used.ru_stime, (), "CPU time used", "counter"),
    ]
    try:
        with open("/proc/self/statm", "rb") as statm:
            resident = int(statm.read().split()[1]) * _STATM_PAGE_BYTES
    except OSError:
        resident = used.ru_maxrss * 1024
    return [*samples, Sample("process_resident_memory_bytes", resident, (), "Memory in use")]


def _links(backend: Backend) -> list[Sample]:
    linked = backend.host.linked()
    kinds = {"dialled": 0, "accepted": 0, "relayed": 0}
    samples: list[Sample] = []
    for info in linked:
        kind = "relayed" if info.address.relay is not None else "dialled" if info.dialled else "accepted"
        kinds[kind] += 1
    for kind, count in kinds.items():
        samples.append(Sample("thalweg_links", count, (("kind", kind),), "Links that are up"))
    for info in linked[:PEERS_MAX]:
        label = (("peer", str(info.peer)),)
        score = backend.gossip.score(info.peer)
        samples.append(Sample("thalweg_peer_score", score, label, "Gossip score of a linked peer"))
        if info.rtt_seconds is not None:
            samples.append(Sample("thalweg_peer_rtt_seconds", info.rtt_seconds, label, "Round trip to a linked peer"))
    return [
        *samples,
        Sample("thalweg_known_nodes", len(backend.finder.book), (), "Nodes in the peer book"),
        Sample("thalweg_held_bytes", backend.host.held_bytes, (), "Received from peers and not read yet"),
        *counted("thalweg_finder_events_total", "What was not believed or saved", "event", backend.finder.counts),
        *counted("thalweg_link_events_total", "Why links ended, and what was refused", "event", backend.host.counts),
    ]


def _gossip(backend: Backend) -> list[Sample]:
    gossip = backend.gossip
    samples = counted("thalweg_gossip_streams_total", "RPCs and bytes of gossip", "event", gossip.counts)
    samples += counted("thalweg_gossip_messages_total", "What became of messages", "event", gossip.router_counts)
    for topic in gossip.topics():
        label = (("topic", topic),)
        samples.append(Sample("thalweg_gossip_mesh_peers", len(gossip.mesh(topic)), label, "Peers in a topic's mesh"))
        samples.append(Sample("thalweg_gossip_readers", len(gossip.peers(topic)), label, "Linked readers of a topic"))
    return samples


def _reach(backend: Backend) -> list[Sample]:
    reach = backend.reach
    samples = [
        Sample("thalweg_reachable", float(reach.state is state), (("state", state.value),), "Whether others reach us")
        for state in Reachability
    ]
    samples += counted("thalweg_relay_total", "Circuits and reservations", "event", reach.relaying.counts)
    samples += counted("thalweg_holes_total", "Hole punching", "outcome", reach.hole_counts)
    slots = reach.relaying.slots
    if slots is not None:
        samples.append(Sample("thalweg_relay_reservations", len(slots), (), "Peers this relay leads to"))
        samples.append(Sample("thalweg_relay_circuits", slots.circuits, (), "Circuits through this relay"))
    return samples


def _channels(backend: Backend) -> list[Sample]:
    done = backend.counters
    node = backend.engine.node
    return [
        Sample("thalweg_channels", len(node.channels), (), "Channels, closed ones included"),
        Sample("thalweg_states_signed_total", backend.engine.states_signed, (), "States signed", "counter"),
        Sample("thalweg_messages_sent_total", backend.engine.messages_sent, (), "Channel messages sent", "counter"),
        Sample("thalweg_messages_received_total", done.messages_received, (), "Channel messages received", "counter"),
        *counted("thalweg_transactions_total", "Calls of the contract", "call", done.calls),
        *counted("thalweg_transactions_failed_total", "Calls of the contract that failed", "call", done.calls_failed),
    ]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
