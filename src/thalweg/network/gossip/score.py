"""Peer scores: P1 time in the mesh, P2 first deliveries, P3 deliveries missing, P4 invalid messages, P6 how many share
an address, P7 behaviour.

A score is computed anew in every heartbeat and after every bad deed; in between the last one counts. What a mesh peer
should deliver (P3) is a share of what the topic really carried meanwhile, so quiet topics punish nobody; and what is
missing costs at most what the peer earned in the topic, since a peer far away never has a message before we do.

A new name costs nothing, so bad deeds are remembered past the link, the worst longest; and an address at which peers
were cut off is stained: who comes from there begins with what others get for free used up.
"""

from collections import Counter, OrderedDict
from typing import Final

from thalweg.network.gossip.parameters import Caps, Weights

_FORGOTTEN_SHARE: Final = 64  # of those that left; sorting them for each one would cost much


class TopicDeeds:
    """What a peer did in a topic."""

    __slots__ = ("base", "delivered", "failure", "first", "invalid", "meshed_at")

    def __init__(self) -> None:
        self.meshed_at: float | None = None  # while in the mesh
        self.first = 0.0
        self.delivered = 0.0  # first or soon after, while in the mesh
        self.base = 0.0  # of what the topic carried, what came before the peer was in the mesh
        self.failure = 0.0
        self.invalid = 0.0


class Deeds:
    """What a peer did."""

    __slots__ = ("behaviour", "group", "left_at", "score", "topics")

    def __init__(self) -> None:
        self.group = ""  # its address, as far as one party has it whole; empty where that means nothing
        self.topics: dict[str, TopicDeeds] = {}
        self.behaviour = 0.0
        self.score = 0.0
        self.left_at: float | None = None


class Scores:
    """The scores of the peers that are here, and of those that left not long ago."""

    def __init__(self, weights: Weights, caps: Caps) -> None:
        self._weights = weights
        self._gone_max = caps.scores_kept_max
        self._here: dict[bytes, Deeds] = {}
        self._gone: OrderedDict[bytes, Deeds] = OrderedDict()
        self._carried: dict[str, float] = {}  # by each topic, decayed like deliveries
        self._sharing: Counter[str] = Counter()  # peers that dialled us, by group
        self._stains: OrderedDict[str, float] = OrderedDict()  # of groups

    def join(self, peer: bytes, group: str = "", now: float = 0.0) -> None:
        """Note that a peer is here; what it did before counts on. `group` is where it is, unless we chose it."""
        deeds = self._gone.pop(peer, None)
        if deeds is None:
            deeds = Deeds()
            deeds.behaviour = min(self._stains.get(group, 0.0), self._weights.behaviour_free)
        deeds.left_at = None
        deeds.group = group
        if group:
            self._sharing[group] += 1
        self._here[peer] = deeds
        self._compute(deeds, now)

    def leave(self, peer: bytes, now: float) -> None:
        """Note that a peer left. Good deeds are forgotten, bad ones kept."""
        deeds = self._here.pop(peer)
        if deeds.group:
            self._sharing[deeds.group] -= 1
            if not self._sharing[deeds.group]:
                del self._sharing[deeds.group]
        deeds.group = ""
        for topic, done in deeds.topics.items():
            self._end_mesh(deeds, topic, now)
            done.first = 0.0
        self._compute(deeds, now)
        if _has_sinned(deeds):
            deeds.left_at = now
            self._gone[peer] = deeds
            if len(self._gone) > self._gone_max:
                self._forget_best()

    def stain(self, peer: bytes) -> None:
        """Note that a peer is cut off: what its address is worth for newcomers."""
        deeds = self._here.get(peer)
        if deeds is not None and deeds.group:
            self._stains[deeds.group] = self._stains.pop(deeds.group, 0.0) + self._weights.stain
            if len(self._stains) > self._gone_max:
                self._stains.popitem(last=False)

    def of(self, peer: bytes) -> float:
        """Return the score of a peer that is here; 0 of any other."""
        deeds = self._here.get(peer)
        return 0.0 if deeds is None else deeds.score

    def why(self, peer: bytes, now: float) -> dict[str, float]:
        """Return what a peer's score is made of, by the specification's names; nothing where it is not here."""
        deeds = self._here.get(peer)
        if deeds is None:
            return {}
        parts = dict.fromkeys(("P1", "P2", "P3", "P3b", "P4"), 0.0)
        for topic, done in deeds.topics.items():
            for name, worth in self._parts(topic, done, now).items():
                parts[name] += worth
        return {**parts, "P6": self._colocation(deeds), "P7": self._behaviour(deeds)}

    # deeds

    def graft(self, peer: bytes, topic: str, now: float) -> None:
        """Note that a peer is in a topic's mesh."""
        done = self._done(peer, topic)
        done.meshed_at, done.delivered, done.base = now, 0.0, self._carried.get(topic, 0.0)

    def prune(self, peer: bytes, topic: str, now: float) -> None:
        """Note that a peer left a topic's mesh; what it failed to deliver stays for a while."""
        deeds = self._here.get(peer)
        if deeds is not None and topic in deeds.topics:
            self._end_mesh(deeds, topic, now)

    def carry(self, topic: str) -> None:
        """Count a good message in a topic."""
        self._carried[topic] = self._carried.get(topic, 0.0) + 1

    def first(self, peer: bytes, topic: str) -> None:
        """Note that a peer sent a good message that we had from nobody."""
        done = self._done(peer, topic)
        done.first = min(done.first + 1, self._weights.first_max / self._weights.first)
        self._deliver(done)

    def again(self, peer: bytes, topic: str) -> None:
        """Note that a peer sent a good message soon after another had sent it."""
        self._deliver(self._done(peer, topic))

    def invalid(self, peer: bytes, topic: str, now: float) -> None:
        """Note that a peer sent what no honest peer would have."""
        self._done(peer, topic).invalid += 1
        self._compute(self._here[peer], now)

    def misbehave(self, peer: bytes, amount: float, now: float) -> None:
        """Note that a peer broke a rule of gossip."""
        deeds = self._here[peer]
        deeds.behaviour += amount
        self._compute(deeds, now)

    def beat(self, now: float) -> None:
        """Let a heartbeat pass: old deeds fade, scores are computed anew, those who left long ago are forgotten."""
        weights = self._weights
        for topic, carried in tuple(self._carried.items()):
            self._carried[topic] = self._faded(carried, weights.deficit_decay)
        for deeds in (*self._here.values(), *self._gone.values()):
            deeds.behaviour = self._faded(deeds.behaviour, weights.behaviour_decay)
            for topic, done in tuple(deeds.topics.items()):
                done.first = self._faded(done.first, weights.first_decay)
                done.delivered = self._faded(done.delivered, weights.deficit_decay)
                done.base = self._faded(done.base, weights.deficit_decay)
                done.failure = self._faded(done.failure, weights.failure_decay)
                done.invalid = self._faded(done.invalid, weights.invalid_decay)
                if done.meshed_at is None and not (done.first or done.failure or done.invalid):
                    del deeds.topics[topic]
            self._compute(deeds, now)
        forgotten = [
            peer
            for peer, deeds in self._gone.items()
            if deeds.left_at is None or now - deeds.left_at > weights.kept_seconds or not _has_sinned(deeds)
        ]
        for peer in forgotten:
            del self._gone[peer]
        for group, stain in tuple(self._stains.items()):
            self._stains[group] = self._faded(stain, weights.stain_decay)
            if not self._stains[group]:
                del self._stains[group]

    def forget_topic(self, topic: str) -> None:
        """Drop what a topic carried: we do not read it any more."""
        self._carried.pop(topic, None)

    # arithmetic

    def _done(self, peer: bytes, topic: str) -> TopicDeeds:
        topics = self._here[peer].topics
        done = topics.get(topic)
        if done is None:
            done = topics[topic] = TopicDeeds()
        return done

    def _deliver(self, done: TopicDeeds) -> None:
        if done.meshed_at is not None:
            done.delivered += 1

    def _end_mesh(self, deeds: Deeds, topic: str, now: float) -> None:
        done = deeds.topics[topic]
        done.failure += self._missing(topic, done, now) ** 2
        done.meshed_at = None
        done.delivered = 0.0

    def _missing(self, topic: str, done: TopicDeeds, now: float) -> float:
        """Return which share (0..1) of what the peer had to deliver is missing."""
        weights = self._weights
        if done.meshed_at is None or now - done.meshed_at < weights.deficit_after_seconds:
            return 0.0
        carried = self._carried.get(topic, 0.0) - done.base
        if carried < weights.deficit_messages_min:
            return 0.0
        return max(0.0, 1 - done.delivered / (carried * weights.deficit_share))

    def _parts(self, topic: str, done: TopicDeeds, now: float) -> dict[str, float]:
        weights = self._weights
        meshed = 0.0 if done.meshed_at is None else now - done.meshed_at
        in_mesh = min(weights.mesh_time_max, weights.mesh_time * meshed)
        first = weights.first * done.first
        missing = max(-in_mesh - first, weights.deficit * self._missing(topic, done, now) ** 2)
        failure = max(-in_mesh - first - missing, weights.failure * done.failure)
        return {"P1": in_mesh, "P2": first, "P3": missing, "P3b": failure, "P4": weights.invalid * done.invalid**2}

    def _behaviour(self, deeds: Deeds) -> float:
        excess = deeds.behaviour - self._weights.behaviour_free
        return self._weights.behaviour * excess**2 if excess > 0 else 0.0

    def _colocation(self, deeds: Deeds) -> float:
        excess = self._sharing[deeds.group] - self._weights.colocation_free if deeds.group else 0
        return max(self._weights.colocation * excess**2, self._weights.colocation_min) if excess > 0 else 0.0

    def _compute(self, deeds: Deeds, now: float) -> None:
        topics = sum(sum(self._parts(topic, done, now).values()) for topic, done in deeds.topics.items())
        deeds.score = min(topics, self._weights.topics_max) + self._colocation(deeds) + self._behaviour(deeds)

    def _forget_best(self) -> None:
        """Make room: who did least is forgotten first, so that a crowd of small sinners hides no great one."""
        by_score = sorted(self._gone, key=lambda peer: self._gone[peer].score, reverse=True)
        for peer in by_score[: max(1, self._gone_max // _FORGOTTEN_SHARE)]:
            del self._gone[peer]

    def _faded(self, value: float, decay: float) -> float:
        value *= decay
        return value if value >= self._weights.zero else 0.0


def _has_sinned(deeds: Deeds) -> bool:
    """Say whether anything is left that counts against a peer, even where it costs nothing yet."""
    return deeds.behaviour > 0 or any(done.invalid or done.failure for done in deeds.topics.values())
