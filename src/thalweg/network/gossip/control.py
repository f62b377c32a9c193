"""What peers ask by IHAVE, IWANT, GRAFT and PRUNE, and what becomes of those who ask too much."""

from thalweg.network.gossip import mesh
from thalweg.network.gossip.events import Dial
from thalweg.network.gossip.rpc import Graft, IHave, IWant, Prune
from thalweg.network.gossip.state import Outbox, Peer, State


def on_ihave(state: State, peer: Peer, have: IHave, now: float, out: Outbox) -> None:
    """Ask for what we have not seen, as far as a peer may make us ask."""
    caps, times = state.parameters.caps, state.parameters.times
    topic = state.topics.get(have.topic)
    if topic is None or state.scores.of(peer.id) < state.parameters.thresholds.told:
        return
    peer.ihaves += 1
    if peer.ihaves > caps.ihaves_per_heartbeat or peer.ids_asked >= caps.ids_asked_per_heartbeat:
        if peer.ihaves == caps.ihaves_per_heartbeat + 1:
            state.counts["ihave_spam"] += 1
            state.scores.misbehave(peer.id, 1.0, now)
        return
    if state.is_behind:  # to ask for what waits here would make us later still; it is told again in three heartbeats
        state.counts["ihave_behind"] += 1
        return
    wanted = list(dict.fromkeys(each for each in have.ids if topic.seen.get(each) is None))
    wanted = [each for each in wanted if each not in peer.promises]
    wanted = state.some(wanted, caps.ids_asked_per_heartbeat - peer.ids_asked)
    if not wanted:
        return
    peer.ids_asked += len(wanted)
    peer.promises[state.some(wanted, 1)[0]] = now + times.promise_seconds
    state.counts["iwant_sent"] += len(wanted)
    out.offer(peer.id, IWant(tuple(wanted)))


def on_iwant(state: State, peer: Peer, want: IWant, now: float, out: Outbox) -> None:
    """Give what we still keep, each message a few times and so many bytes a heartbeat."""
    caps = state.parameters.caps
    if state.scores.of(peer.id) < state.parameters.thresholds.told:
        return
    before = peer.ids_wanted
    peer.ids_wanted += len(want.ids)
    if peer.ids_wanted > caps.ids_asked_per_heartbeat:
        if before <= caps.ids_asked_per_heartbeat:
            state.counts["iwant_spam"] += 1
            state.scores.misbehave(peer.id, 1.0, now)
        return
    for message_id in want.ids:
        kept = state.history.get(message_id)
        if kept is None:
            continue
        served = kept.served.get(peer.id, 0)
        if served >= caps.served_times_max or peer.served_bytes >= caps.served_bytes_per_heartbeat:
            continue
        kept.served[peer.id] = served + 1
        state.counts["iwant_served"] += 1
        for field in kept.fields.values():
            peer.served_bytes += len(field)
            out.message(peer.id, field)


def on_graft(state: State, peer: Peer, asked: Graft, now: float, out: Outbox) -> None:
    """Take a peer into the mesh, unless it was told to wait, has a bad name, or the mesh is full."""
    topic = state.topics.get(asked.topic)
    if topic is None or peer.id in topic.mesh or asked.topic not in peer.topics:
        return  # to answer for topics that one of us does not read would let peers make us talk
    times, shape = state.parameters.times, state.parameters.shape
    until = state.backoffs.get((asked.topic, peer.id), now)
    if until > now:
        state.counts["graft_in_backoff"] += 1
        told_at = until - times.backoff_seconds
        state.scores.misbehave(peer.id, 2.0 if now - told_at < times.graft_flood_seconds else 1.0, now)
        mesh.refuse(state, asked.topic, peer.id, now, out)
    elif state.scores.of(peer.id) < 0 or (len(topic.mesh) >= shape.degree_max and not peer.is_outbound):
        mesh.refuse(state, asked.topic, peer.id, now, out)
    else:
        mesh.admit(state, asked.topic, topic, peer.id, now, out)


def on_prune(state: State, peer: Peer, told: Prune, now: float, out: Outbox) -> None:
    """Leave a peer's mesh; dial whom it names, where its name is good enough. Unasked, it only prolongs a backoff."""
    topic = state.topics.get(told.topic)
    if topic is None:
        return
    was_meshed = peer.id in topic.mesh
    if not was_meshed and (told.topic, peer.id) not in state.backoffs:
        return
    times, thresholds = state.parameters.times, state.parameters.thresholds
    if was_meshed:
        del topic.mesh[peer.id]
        state.scores.prune(peer.id, told.topic, now)
    seconds = min(float(told.backoff_seconds or times.backoff_seconds), times.backoff_seconds_max)
    mesh.back_off(state, told.topic, peer.id, now + seconds)
    if was_meshed and told.peers and state.scores.of(peer.id) >= thresholds.exchanged:
        for named in told.peers[: state.parameters.shape.exchanged_max - peer.exchanged]:
            peer.exchanged += 1
            if named.record and named.peer not in state.peers:
                out.add(Dial(named, peer.id))
