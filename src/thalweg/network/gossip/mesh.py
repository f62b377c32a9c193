"""Who is in a topic's mesh: grafting, pruning, backoffs, and what a PRUNE tells of other peers."""

from collections.abc import Iterable
from math import ceil

from thalweg.network.gossip.rpc import Exchanged, Graft, IHave, Prune
from thalweg.network.gossip.state import Outbox, State, Topic


def graft(state: State, name: str, peers: Iterable[bytes], now: float, out: Outbox) -> None:
    """Take peers into the mesh of a topic we read, and tell them."""
    topic = state.topics[name]
    for peer in peers:
        out.control(peer, Graft(name))
        admit(state, name, topic, peer, now, out)


def admit(state: State, name: str, topic: Topic, peer: bytes, now: float, out: Outbox) -> None:
    """Take a peer into the mesh. IHAVE goes to peers outside it, so it is told now what it may have missed."""
    topic.mesh[peer] = None
    state.scores.graft(peer, name, now)
    tell(state, name, peer, out)


def tell(state: State, name: str, peer: bytes, out: Outbox) -> None:
    """Tell a peer which messages we have, once a heartbeat: it is a small question with a large answer."""
    told, ids = state.peers[peer].told, state.told(name)
    if ids and name not in told and state.scores.of(peer) >= state.parameters.thresholds.told:
        told.add(name)
        out.offer(peer, IHave(name, ids))


def prune(state: State, name: str, peers: Iterable[bytes], now: float, out: Outbox) -> None:
    """Put peers out of the mesh, tell them, and name others to those with a good name."""
    topic = state.topics[name]
    for peer in peers:
        topic.mesh.pop(peer, None)
        state.scores.prune(peer, name, now)
        refuse(state, name, peer, now, out)


def refuse(state: State, name: str, peer: bytes, now: float, out: Outbox) -> None:
    """Tell a peer that it is not in the mesh, and for how long it need not ask; once a heartbeat, however it asks."""
    seconds = state.parameters.times.backoff_seconds
    had_to_wait = state.backoffs.get((name, peer), now) > now
    back_off(state, name, peer, now + seconds)
    refused = state.peers[peer].refused
    if name in refused:
        return
    refused.add(name)
    named = exchanged(state, name, peer) if state.scores.of(peer) >= 0 and not had_to_wait else ()
    out.control(peer, Prune(name, named, ceil(seconds)))


def leave(state: State, name: str, topic: Topic, now: float, out: Outbox) -> None:
    """Put every peer out of the mesh of a topic we stop reading."""
    seconds = state.parameters.times.leave_backoff_seconds
    for peer in topic.mesh:
        state.scores.prune(peer, name, now)
        back_off(state, name, peer, now + seconds)
        out.control(peer, Prune(name, (), ceil(seconds)))
    topic.mesh.clear()


def back_off(state: State, name: str, peer: bytes, until: float) -> None:
    """Let no GRAFT pass before a time; a later one that was agreed before stays."""
    key = (name, peer)
    state.backoffs[key] = max(until, state.backoffs.pop(key, 0.0))
    if len(state.backoffs) > state.parameters.caps.backoffs_max:
        del state.backoffs[next(iter(state.backoffs))]


def exchanged(state: State, name: str, peer: bytes) -> tuple[Exchanged, ...]:
    """Return peers of a topic that another may dial: well behaved, and known by their signed record."""
    known = [each for each in state.candidates(name, 0.0, {peer}) if state.peers[each].record]
    chosen = state.some(known, state.parameters.shape.exchanged_max)
    return tuple(Exchanged(each, state.peers[each].record) for each in chosen)


def graftable(state: State, name: str, now: float, score_min: float = 0.0) -> list[bytes]:
    """Return the readers of a topic that may be taken into its mesh now."""
    slack = state.parameters.times.backoff_slack_seconds
    free = state.candidates(name, score_min, state.topics[name].mesh)
    return [peer for peer in free if state.backoffs.get((name, peer), -slack) + slack <= now]
