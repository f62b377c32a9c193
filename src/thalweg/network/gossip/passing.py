"""Passing on: a good message waits a moment, by chance, and leaves with what came meanwhile.

Neighbours in a mesh mostly hear of a message at the same time, from the same peer. Did both pass it on at once, two
copies would cross on every link; of two that wait, one is heard first, and the other leaves it out. And what comes
fast leaves together: every RPC wakes a process, which costs more than what it carries.
"""

from thalweg.network.gossip.events import Pause
from thalweg.network.gossip.state import Outbox, Sighting, State, Topic


def gather(state: State, topic: Topic, sighting: Sighting, field: bytes, now: float, out: Outbox) -> None:
    """Take a message that is to be passed on."""
    times = state.parameters.times
    topic.gathered.append((sighting, field))
    state.gathered += 1
    if state.gathered >= state.parameters.caps.gathered_max:
        pass_on(state, now, out)
    elif state.gathered == 1:
        moment = state.chance.uniform(0, times.gather_seconds)
        out.add(Pause(max(moment, state.passed_at + times.between_seconds - now)))


def pass_on(state: State, now: float, out: Outbox) -> None:
    """Push what was gathered to each topic's mesh, but to nobody what he sent us himself."""
    if state.gathered:
        state.passed_at = now
    state.gathered = 0
    for topic in state.topics.values():
        for sighting, field in topic.gathered:
            for peer in topic.mesh:
                if peer not in sighting.senders:
                    out.message(peer, field)
        topic.gathered.clear()
