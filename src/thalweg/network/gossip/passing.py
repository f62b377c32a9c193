"""Passing on: a good message waits a moment, by chance, and leaves with what came meanwhile.

Neighbours in a mesh mostly hear of a message at the same time, from the same peer. Did both pass it on at once, two
copies would cross on every link; of two that wait, one is heard first, and the other leaves it out.
"""

from thalweg.network.gossip.events import Pause
from thalweg.network.gossip.state import Outbox, Sighting, State, Topic


def gather(state: State, topic: Topic, sighting: Sighting, field: bytes, out: Outbox) -> None:
    """Take a message that is to be passed on."""
    topic.gathered.append((sighting, field))
    state.gathered += 1
    if state.gathered >= state.parameters.caps.gathered_max:
        pass_on(state, out)
    elif state.gathered == 1:
        out.add(Pause(state.chance.uniform(0, state.parameters.times.gather_seconds)))


def pass_on(state: State, out: Outbox) -> None:
    """Push what was gathered to each topic's mesh, but to nobody what he sent us himself."""
    state.gathered = 0
    for topic in state.topics.values():
        for sighting, field in topic.gathered:
            for peer in topic.mesh:
                if peer not in sighting.senders:
                    out.message(peer, field)
        topic.gathered.clear()
