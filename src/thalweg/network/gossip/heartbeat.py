"""What happens once a second: meshes are mended, scores fade, promises are checked, others are told what we have."""

from collections.abc import Container
from statistics import median

from thalweg.network.gossip import mesh
from thalweg.network.gossip.rpc import IHave
from thalweg.network.gossip.state import Outbox, State


def beat(state: State, now: float, out: Outbox) -> None:
    """Let a heartbeat pass."""
    state.beats += 1
    _check_promises(state, now)
    state.scores.beat(now)
    for peer in state.peers.values():
        peer.begin_heartbeat()
    for name in tuple(state.topics):
        _mend(state, name, now, out)
        _tell(state, name, state.topics[name].mesh, out)
        _forget_sightings(state, name, now)
    _keep_fanouts(state, now, out)
    state.history.shift()
    for key in [key for key, until in state.backoffs.items() if until + _slack(state) < now]:
        del state.backoffs[key]


def _slack(state: State) -> float:
    return state.parameters.times.backoff_slack_seconds


def _check_promises(state: State, now: float) -> None:
    for peer in state.peers.values():
        if not peer.promises:
            continue
        broken = [message_id for message_id, until in peer.promises.items() if until < now]
        for message_id in broken:
            del peer.promises[message_id]
        if broken:
            state.counts["broken_promises"] += len(broken)
            state.scores.misbehave(peer.id, float(len(broken)), now)


def _mend(state: State, name: str, now: float, out: Outbox) -> None:
    topic, shape, of = state.topics[name], state.parameters.shape, state.scores.of
    mesh.prune(state, name, [peer for peer in topic.mesh if of(peer) < 0], now, out)
    if len(topic.mesh) < shape.degree_min:
        missing = shape.degree - len(topic.mesh)
        mesh.graft(state, name, state.some(mesh.graftable(state, name, now), missing), now, out)
    elif len(topic.mesh) > shape.degree_max:
        kept = _kept(state, list(topic.mesh))
        mesh.prune(state, name, [peer for peer in topic.mesh if peer not in kept], now, out)
    if len(topic.mesh) >= shape.degree_min:
        outbound = sum(state.peers[peer].is_outbound for peer in topic.mesh)
        if outbound < shape.outbound_min:
            ours = [peer for peer in mesh.graftable(state, name, now) if state.peers[peer].is_outbound]
            mesh.graft(state, name, state.some(ours, shape.outbound_min - outbound), now, out)
    if state.beats % state.parameters.times.better_heartbeats == 0 and topic.mesh:
        middle = median(of(peer) for peer in topic.mesh)
        if middle < state.parameters.thresholds.better:
            better = [peer for peer in mesh.graftable(state, name, now) if of(peer) > middle]
            mesh.graft(state, name, state.some(better, shape.better_peers), now, out)


def _kept(state: State, meshed: list[bytes]) -> set[bytes]:
    """Return who stays in a mesh that is too large: the best, the rest by chance, enough of them dialled by us."""
    shape, of = state.parameters.shape, state.scores.of
    shuffled = state.some(meshed, len(meshed))
    by_score = sorted(shuffled, key=of, reverse=True)
    best, rest = by_score[: shape.best_min], by_score[shape.best_min :]
    rest = state.some(rest, len(rest))
    kept, spare = [*best, *rest[: shape.degree - len(best)]], rest[shape.degree - len(best) :]
    outbound = [peer for peer in kept if state.peers[peer].is_outbound]
    missing = shape.outbound_min - len(outbound)
    extra = [peer for peer in spare if state.peers[peer].is_outbound][: max(missing, 0)]
    replaceable = [peer for peer in reversed(kept) if not state.peers[peer].is_outbound][: len(extra)]
    return (set(kept) - set(replaceable)) | set(extra)


def _tell(state: State, name: str, without: Container[bytes], out: Outbox) -> None:
    """Tell some peers outside the mesh which messages we have."""
    ids = state.told(name)
    if not ids:
        return
    shape = state.parameters.shape
    others = state.candidates(name, state.parameters.thresholds.told, without)
    count = max(shape.told_min, round(shape.told_share * len(others)))
    have = IHave(name, ids)
    for peer in state.some(others, count):
        out.offer(peer, have)


def _forget_sightings(state: State, name: str, now: float) -> None:
    topic, seconds = state.topics[name], state.parameters.weights.soon_seconds
    late = [message_id for message_id, sighting in topic.recent.items() if now - sighting.time > seconds]
    for message_id in late:
        state.recent.pop(topic.recent.pop(message_id).body, None)


def _keep_fanouts(state: State, now: float, out: Outbox) -> None:
    shape, thresholds = state.parameters.shape, state.parameters.thresholds
    for name, fanout in tuple(state.fanouts.items()):
        if now - fanout.used_at > state.parameters.times.fanout_seconds:
            del state.fanouts[name]
            continue
        able = state.candidates(name, thresholds.published, ())
        kept = [peer for peer in fanout.peers if peer in able]
        others = [peer for peer in able if peer not in fanout.peers]
        fanout.peers = dict.fromkeys(kept + state.some(others, max(0, shape.degree - len(kept))))
        _tell(state, name, fanout.peers, out)
