"""The gossip router: `step(state, event, now) -> effects`. All branching is here; time and chance come from outside.

A peer that is cut off is forgotten when the shell says that its link is gone; until then nothing of it is heard.
"""

from hashlib import sha256

from thalweg.errors import InvariantBroken, PeerFault, Reason, UserFault
from thalweg.network.gossip import control, heartbeat, mesh, passing, rpc, validation
from thalweg.network.gossip.events import (
    Accused,
    Beat,
    Cut,
    Deliver,
    Due,
    Effect,
    Event,
    Joined,
    Known,
    Lagged,
    Left,
    More,
    Note,
    Published,
    Received,
    Recorded,
    Resumed,
    Subscribed,
    Unsubscribed,
)
from thalweg.network.gossip.parameters import TOPIC_BYTES_MAX
from thalweg.network.gossip.state import Fanout, Outbox, Peer, Sighting, State, Topic
from thalweg.network.gossip.validation import Judgement, Validator, Verdict
from thalweg.network.rate import Bucket


def step(state: State, event: Event, now: float) -> list[Effect]:  # noqa: C901 - one case an event
    """Take what happened at `now` (seconds, never going back) and return what to do.

    Raises:
        UserFault: what we publish or subscribe to breaks a rule; nothing has changed.
    """
    out = Outbox(state.parameters.caps.rpc_bytes_max)
    match event:
        case Received(peer, data):
            _on_rpc(state, peer, data, now, out)
        case Resumed(peer):
            _resume(state, peer, now, out)
        case Due():
            passing.pass_on(state, now, out)
        case Beat():
            heartbeat.beat(state, now, out)
            for peer in tuple(state.peers):
                _cut_if_unheard(state, peer, out)
        case Published(topic, payload):
            _publish(state, topic, payload, now, out)
        case Lagged(is_behind):
            state.is_behind = is_behind
        case Known(topic, payload):
            if topic in state.topics:
                state.topics[topic].seen.add(sha256(payload).digest(), is_good=True, now=now)
        case Joined():
            _on_joined(state, event, now, out)
        case Left(peer):
            _on_left(state, peer, now)
        case Subscribed(topic, validator):
            _subscribe(state, topic, validator, now, out)
        case Unsubscribed(topic):
            _unsubscribe(state, topic, now, out)
        case Accused(peer, amount):
            if peer in state.peers:
                state.counts["accused"] += 1
                state.scores.misbehave(peer, amount, now)
                _cut_if_unheard(state, peer, out)
        case Recorded(peer, record):
            if peer in state.peers and len(record) <= state.parameters.caps.records_bytes_max:
                state.peers[peer].record = record
    return out.finish()


def _on_joined(state: State, joined: Joined, now: float, out: Outbox) -> None:
    if joined.peer in state.peers:
        raise InvariantBroken("a peer joined gossip twice")
    state.peers[joined.peer] = Peer(joined.peer, state.parameters, now, is_outbound=joined.is_outbound)
    state.scores.join(joined.peer, "" if joined.is_outbound else joined.group, now)
    for topic in state.topics:
        out.subscription(joined.peer, topic, is_subscribed=True)


def _on_left(state: State, peer: bytes, now: float) -> None:
    left = state.peers.pop(peer, None)
    if left is None:
        return
    for name in sorted(left.topics):
        _stop_reading(state, peer, name)
    for topic in state.topics.values():
        topic.mesh.pop(peer, None)
    state.scores.leave(peer, now)


def _stop_reading(state: State, peer: bytes, name: str) -> None:
    readers = state.readers.get(name)
    if readers is not None:
        readers.pop(peer, None)
        if not readers:
            del state.readers[name]
    fanout = state.fanouts.get(name)
    if fanout is not None:
        fanout.peers.pop(peer, None)


# what we want


def _subscribe(state: State, name: str, validator: Validator, now: float, out: Outbox) -> None:
    _check_topic(name)
    if name in state.topics:
        raise UserFault(Reason.EXISTS, f"the topic {name} is read already")
    if len(state.topics) >= state.parameters.caps.topics_max:
        raise UserFault(Reason.LIMIT, f"{len(state.topics)} topics are read; peers take no more")
    state.topics[name] = Topic(validator, state.parameters, now)
    state.fanouts.pop(name, None)
    for peer in state.peers:
        out.subscription(peer, name, is_subscribed=True)
    mesh.graft(state, name, state.some(mesh.graftable(state, name, now), state.parameters.shape.degree), now, out)


def _unsubscribe(state: State, name: str, now: float, out: Outbox) -> None:
    topic = state.topics.get(name)
    if topic is None:
        raise UserFault(Reason.NOT_FOUND, f"the topic {name} is not read")
    mesh.leave(state, name, topic, now, out)
    state.gathered -= len(topic.gathered)
    for sighting in topic.recent.values():
        state.recent.pop(sighting.body, None)
    del state.topics[name]
    state.scores.forget_topic(name)
    for peer in state.peers:
        out.subscription(peer, name, is_subscribed=False)


def _publish(state: State, name: str, payload: bytes, now: float, out: Outbox) -> None:
    _check_topic(name)
    limit = state.parameters.caps.payload_bytes_max
    if len(payload) > limit:
        raise UserFault(Reason.OVERSIZED, f"a message of {len(payload)} bytes; peers take at most {limit}")
    message_id = sha256(payload).digest()
    topic = state.topics.get(name)
    if topic is not None:
        if topic.seen.get(message_id) is not None:
            return
        judged = _judge(state, topic.validator, payload, now)
        if judged.verdict is not Verdict.ACCEPT:
            raise UserFault(judged.reason or Reason.MALFORMED, f"peers would not take it: {judged.detail}")
        topic.seen.add(message_id, is_good=True, now=now)
    field = rpc.message_field(rpc.message_body(name, payload))
    state.history.add(message_id, name, field)
    state.counts["published"] += 1
    for peer in _flooded(state, name, topic, now):
        out.message(peer, field)


def _flooded(state: State, name: str, topic: Topic | None, now: float) -> list[bytes]:
    """Return who gets our own messages: every reader with a fair name, so that no mesh can silence us."""
    able = state.candidates(name, state.parameters.thresholds.published, ())
    if topic is None:
        fanout = state.fanouts.get(name)
        if fanout is None and len(state.fanouts) < state.parameters.caps.topics_max:
            state.fanouts[name] = Fanout(state.some(able, state.parameters.shape.degree), now)
        elif fanout is not None:
            fanout.used_at = now
    return able


def _check_topic(name: str) -> None:
    if not 0 < len(name.encode()) <= TOPIC_BYTES_MAX:
        raise UserFault(Reason.OVERSIZED, f"a topic's name has 1 to {TOPIC_BYTES_MAX} bytes")


# what peers send


def _on_rpc(state: State, peer_id: bytes, data: bytes, now: float, out: Outbox) -> None:
    peer = state.peers.get(peer_id)
    if peer is None or state.scores.of(peer_id) < state.parameters.thresholds.heard:
        return
    try:
        if not _within(state, peer.bytes, peer.flood_bytes, len(data), now):
            return
        parsed = rpc.decode(data, state.parameters.caps, state.recent)
        _on_parts(state, peer, parsed, now, out)
    except PeerFault as fault:
        state.counts[f"cut_{fault.reason.name.lower()}"] += 1
        out.add(Cut(peer_id, fault.reason, fault.detail))
        peer.waiting.clear()
        state.scores.stain(peer_id)
        state.scores.misbehave(peer_id, state.parameters.weights.behaviour_free * 4, now)  # unheard from here on
    else:
        _cut_if_unheard(state, peer_id, out)


def _resume(state: State, peer_id: bytes, now: float, out: Outbox) -> None:
    peer = state.peers.get(peer_id)
    if peer is not None and peer.waiting:
        _look_at_waiting(state, peer, now, out)
        _cut_if_unheard(state, peer_id, out)


def _look_at_waiting(state: State, peer: Peer, now: float, out: Outbox) -> None:
    """Look at a few messages of a peer's RPC: one RPC may hold more signatures than there is time for at once."""
    for _ in range(min(len(peer.waiting), state.parameters.caps.messages_per_step)):
        is_bad = _on_message(state, peer, peer.waiting.pop(), now, out)
        if is_bad and state.scores.of(peer.id) < state.parameters.thresholds.heard:
            peer.waiting.clear()
            return
    if peer.waiting:
        out.add(More(peer.id))


def _on_parts(state: State, peer: Peer, parsed: rpc.Rpc, now: float, out: Outbox) -> None:
    requests = len(parsed.subscriptions) + len(parsed.controls)
    if not requests and not parsed.messages:
        requests = 1  # of nothing, or of nothing we know: looking at it costs as much
    if requests and _within(state, peer.controls, peer.flood_controls, requests, now):
        for subscription in parsed.subscriptions:
            _on_subscription(state, peer, subscription, now)
        for control_message in parsed.controls:
            _on_control(state, peer, control_message, now, out)
    if parsed.messages and _within(state, peer.messages, peer.flood_messages, len(parsed.messages), now):
        peer.waiting[:0] = reversed(parsed.messages)
        _look_at_waiting(state, peer, now, out)


def _within(state: State, bucket: Bucket, flood: Bucket, amount: int, now: float) -> bool:
    """Say whether a peer keeps to its rate; what is above is dropped, and far above it the peer is cut off."""
    if bucket.take_if_held(amount, now):
        return True
    if not flood.take(amount, now):
        raise PeerFault(Reason.FLOOD, "far more gossip a second than is taken from one peer")
    state.counts["over_rate"] += amount
    return False


def _on_subscription(state: State, peer: Peer, said: rpc.Subscription, now: float) -> None:
    if not said.is_subscribed:
        if said.topic not in peer.topics:
            return
        peer.topics.discard(said.topic)
        peer.left.add(said.topic)
        _stop_reading(state, peer.id, said.topic)
        topic = state.topics.get(said.topic)
        if topic is not None and peer.id in topic.mesh:
            del topic.mesh[peer.id]
            state.scores.prune(peer.id, said.topic, now)
            mesh.back_off(state, said.topic, peer.id, now + state.parameters.times.leave_backoff_seconds)
    elif said.topic not in peer.topics:
        if len(peer.topics) >= state.parameters.caps.topics_max:
            state.scores.misbehave(peer.id, 1.0, now)
            return
        if said.topic in peer.left:
            state.counts["subscription_churn"] += 1
            state.scores.misbehave(peer.id, 1.0, now)
        peer.topics.add(said.topic)
        state.readers.setdefault(said.topic, {})[peer.id] = None


def _on_control(state: State, peer: Peer, said: rpc.Control, now: float, out: Outbox) -> None:
    match said:
        case rpc.IHave():
            control.on_ihave(state, peer, said, now, out)
        case rpc.IWant():
            control.on_iwant(state, peer, said, now, out)
        case rpc.Graft():
            control.on_graft(state, peer, said, now, out)
        case rpc.Prune():
            control.on_prune(state, peer, said, now, out)


def _on_message(state: State, peer: Peer, message: rpc.Message, now: float, out: Outbox) -> bool:
    """Look at a message; say whether it is bad, which costs its sender."""
    topic = state.topics.get(message.topic)
    if topic is None:
        state.counts["unread_topic"] += 1
        return False
    message_id = sha256(message.payload).digest()
    peer.promises.pop(message_id, None)
    known = topic.seen.get(message_id)
    if known is not None:
        _on_duplicate(state, peer, message.topic, message_id, now, is_good=known)
        return not known
    judged = _judge(state, topic.validator, message.payload, now)
    if judged.verdict is not Verdict.IGNORE:
        topic.seen.add(message_id, is_good=judged.verdict is Verdict.ACCEPT, now=now)
    state.counts[judged.verdict.value] += 1
    if judged.verdict is not Verdict.ACCEPT:
        out.add(Note(peer.id, judged.verdict, judged.reason or Reason.MALFORMED, judged.detail))
        if judged.verdict is Verdict.REJECT:
            state.scores.invalid(peer.id, message.topic, now)
        return judged.verdict is Verdict.REJECT
    state.scores.carry(message.topic)
    state.scores.first(peer.id, message.topic)
    body = rpc.message_body(message.topic, message.payload)
    field = rpc.message_field(body)
    sighting = topic.recent[message_id] = Sighting(peer.id, now, _remember(state, message, body))
    state.history.add(message_id, message.topic, field)
    out.add(Deliver(message.topic, message.payload, peer.id))
    passing.gather(state, topic, sighting, field, now, out)
    return False


def _remember(state: State, message: rpc.Message, body: bytes) -> bytes:
    """Spare its copies the parsing, as far as there is room; return what to forget it by."""
    caps = state.parameters.caps
    if len(body) > caps.recent_bytes_max or len(state.recent) >= caps.recent_max:
        return b""
    state.recent[body] = message
    return body


def _on_duplicate(state: State, peer: Peer, name: str, message_id: bytes, now: float, *, is_good: bool) -> None:
    state.counts["duplicate"] += 1
    if not is_good:
        state.scores.invalid(peer.id, name, now)
        return
    sighting = state.topics[name].recent.get(message_id)
    if sighting is not None and peer.id not in sighting.senders:
        sighting.senders.append(peer.id)
        if now - sighting.time <= state.parameters.weights.soon_seconds:
            state.scores.again(peer.id, name)


def _judge(state: State, validator: Validator, payload: bytes, now: float) -> Judgement:
    """Cheap checks, the author's rate, the signature. Only what he signed counts against an author's rate."""
    author = validation.glance(validator, payload)
    if isinstance(author, Judgement):
        return author
    bucket = state.authors.get(author)
    if bucket is not None and not bucket.holds(1, now):
        return Judgement(Verdict.IGNORE, Reason.FLOOD, "its author says more a second than is passed on")
    judged = validation.verify(validator, payload)
    if judged.verdict is Verdict.ACCEPT:
        if bucket is None:
            bucket = state.authors[author] = Bucket(state.parameters.caps.author_messages_per_second, now)
            if len(state.authors) > state.parameters.caps.authors_max:
                state.authors.popitem(last=False)
        bucket.take(1, now)
    return judged


def _cut_if_unheard(state: State, peer: bytes, out: Outbox) -> None:
    score = state.scores.of(peer)
    if score < state.parameters.thresholds.heard:
        state.counts["cut_score"] += 1
        state.scores.stain(peer)
        out.add(Cut(peer, Reason.FLOOD, f"its score {score:.0f} is too low"))
