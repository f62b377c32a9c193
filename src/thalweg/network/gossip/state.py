"""The gossip router's state, and the outbox in which a step collects what it wants done.

The state is changed in place: copying it for every message would cost more than everything else together.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Container, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from thalweg.network.gossip import rpc
from thalweg.network.gossip.events import Effect, Send
from thalweg.network.gossip.memory import History, Seen
from thalweg.network.gossip.parameters import Parameters
from thalweg.network.gossip.score import Scores
from thalweg.network.gossip.validation import Validator
from thalweg.network.rate import Bucket

FIELDS_SENT_MAX: Final = 512  # in an RPC of ours: well below what peers take
_T = TypeVar("_T")


class Chance(Protocol):
    """Where chance comes from: a `random.Random`, seeded in simulations."""

    def sample(self, population: Sequence[_T], k: int) -> list[_T]:
        """Return `k` different elements."""

    def uniform(self, a: float, b: float) -> float:
        """Return a number from `a` to `b`."""


class Peer:
    """A linked peer."""

    __slots__ = (
        "bytes", "controls", "exchanged", "flood_bytes", "flood_controls", "flood_messages", "id", "ids_asked",
        "ids_wanted", "ihaves", "is_outbound", "left", "messages", "promises", "record", "refused", "served_bytes",
        "told", "topics", "waiting",
    )  # fmt: skip

    def __init__(self, peer: bytes, parameters: Parameters, now: float, *, is_outbound: bool) -> None:
        caps = parameters.caps
        self.id = peer
        self.is_outbound = is_outbound
        self.topics: set[str] = set()  # it reads
        self.record = b""
        self.waiting: list[rpc.Message] = []  # of its last RPC, not looked at yet; the next one is the last
        self.messages = Bucket(caps.messages_per_second, now)
        self.bytes = Bucket(caps.message_bytes_per_second, now)
        self.controls = Bucket(caps.controls_per_second, now)
        refused = caps.flood_factor - 1  # times the rate that is taken
        self.flood_messages = Bucket(caps.messages_per_second * refused, now)
        self.flood_bytes = Bucket(caps.message_bytes_per_second * refused, now)
        self.flood_controls = Bucket(caps.controls_per_second * refused, now)
        self.promises: dict[bytes, float] = {}  # until when a message must come that it told of and we asked for
        self.refused: set[str] = set()  # topics whose GRAFT was answered in this heartbeat
        self.told: set[str] = set()  # topics in which it was told what we have, in this heartbeat
        self.left: set[str] = set()  # topics it stopped reading in this heartbeat
        self.begin_heartbeat()

    def begin_heartbeat(self) -> None:
        """Count anew."""
        self.ihaves = self.ids_asked = self.ids_wanted = self.served_bytes = self.exchanged = 0
        self.refused.clear()
        self.told.clear()
        self.left.clear()


class Sighting:
    """Who sent a message that was good and new a moment ago."""

    __slots__ = ("body", "senders", "time")

    def __init__(self, sender: bytes, time: float, body: bytes) -> None:
        self.senders = [sender]
        self.time = time
        self.body = body  # by which `State.recent` has it, if it has


class Topic:
    """A topic we read."""

    __slots__ = ("gathered", "mesh", "recent", "seen", "validator")

    def __init__(self, validator: Validator, parameters: Parameters, now: float) -> None:
        self.validator = validator
        self.mesh: dict[bytes, None] = {}  # a set that keeps its order, so that a seed replays
        self.seen = Seen(parameters.times, parameters.caps, now)
        self.recent: dict[bytes, Sighting] = {}
        self.gathered: list[tuple[Sighting, bytes]] = []  # to be passed on: who has it already, and the message encoded


class Fanout:
    """Peers that get our messages in a topic we do not read."""

    __slots__ = ("peers", "used_at")

    def __init__(self, peers: Iterable[bytes], now: float) -> None:
        self.peers = dict.fromkeys(peers)
        self.used_at = now


class State:
    """Everything the router knows."""

    def __init__(self, parameters: Parameters, chance: Chance) -> None:
        self.parameters = parameters
        self.chance = chance
        self.peers: dict[bytes, Peer] = {}
        self.topics: dict[str, Topic] = {}
        self.fanouts: dict[str, Fanout] = {}
        self.recent: dict[bytes, rpc.Message] = {}  # seen a moment ago in any topic, by their encoding
        self.readers: dict[str, dict[bytes, None]] = {}  # of a topic, among the linked peers; an ordered set
        self.backoffs: dict[tuple[str, bytes], float] = {}  # until when no GRAFT may pass, either way; oldest first
        self.history = History(parameters.times, parameters.caps)
        self.scores = Scores(parameters.weights, parameters.caps)
        self.authors: OrderedDict[bytes, Bucket] = OrderedDict()
        self.is_behind = False  # messages wait to be looked at: what peers tell of may be among them
        self.beats = 0
        self.gathered = 0  # messages that wait to be passed on, in all topics
        self.passed_at = -math.inf  # when the last ones were
        self.counts: Counter[str] = Counter()  # for metrics: what was taken, sent and refused

    def candidates(self, topic: str, score_min: float, without: Container[bytes]) -> list[bytes]:
        """Return the linked readers of a topic with at least this score, in a fixed order."""
        of = self.scores.of
        return [peer for peer in self.readers.get(topic, ()) if peer not in without and of(peer) >= score_min]

    def told(self, topic: str) -> tuple[bytes, ...]:
        """Return the ids that IHAVE tells of, by chance where they are too many for one."""
        ids, ids_max = self.history.told(topic), self.parameters.caps.ids_told_max
        return tuple(ids if len(ids) <= ids_max else self.some(ids, ids_max))

    def some(self, peers: Sequence[bytes], count: int) -> list[bytes]:
        """Return at most so many of the peers, chosen by chance."""
        return self.chance.sample(peers, min(count, len(peers)))


class Outbox:
    """What a step wants done. RPCs to one peer are joined: its vital parts, then messages and the rest."""

    __slots__ = ("_bytes_max", "_extra", "_fields", "_vital", "_vital_controls", "effects")

    def __init__(self, bytes_max: int) -> None:
        self.effects: list[Effect] = []
        self._bytes_max = bytes_max
        self._vital: dict[bytes, list[bytes]] = {}
        self._vital_controls: dict[bytes, list[rpc.Control]] = {}
        self._fields: dict[bytes, list[bytes]] = {}
        self._extra: dict[bytes, list[rpc.Control]] = {}

    def add(self, effect: Effect) -> None:
        """Want something done."""
        self.effects.append(effect)

    def subscription(self, peer: bytes, topic: str, *, is_subscribed: bool) -> None:
        """Tell a peer what we read."""
        field = rpc.subscription_field(topic, is_subscribed=is_subscribed)
        self._vital.setdefault(peer, []).append(field)

    def control(self, peer: bytes, control: rpc.Graft | rpc.Prune) -> None:
        """Tell a peer where it stands."""
        self._vital_controls.setdefault(peer, []).append(control)

    def message(self, peer: bytes, field: bytes) -> None:
        """Send a peer an encoded message."""
        self._fields.setdefault(peer, []).append(field)

    def offer(self, peer: bytes, control: rpc.IHave | rpc.IWant) -> None:
        """Tell a peer what we have, or ask for what it has."""
        self._extra.setdefault(peer, []).append(control)

    def finish(self) -> list[Effect]:
        """Return every effect, RPCs first: passing a message on must not wait for whoever reads it here."""
        if not (self._fields or self._vital or self._vital_controls or self._extra):
            return self.effects
        others, self.effects = self.effects, []
        for peer in {**self._vital, **self._vital_controls}:
            parts = self._vital.get(peer, [])
            controls = self._vital_controls.get(peer)
            if controls:
                parts = [*parts, rpc.control_field(controls)]
            self._send(peer, parts, is_vital=True)
        for peer, fields in self._fields.items():
            self._send(peer, fields, is_vital=False)
        encoded: dict[int, bytes] = {}  # the same IHAVE goes to many
        for peer, offers in self._extra.items():
            for each in offers:
                field = encoded.get(id(each)) or encoded.setdefault(id(each), rpc.control_field([each]))
                self.effects.append(Send(peer, field, is_vital=False))
        return self.effects + others

    def _send(self, peer: bytes, fields: list[bytes], *, is_vital: bool) -> None:
        """Send fields in as few RPCs as their limit allows."""
        batch: list[bytes] = []
        size = 0
        for field in fields:
            if batch and (size + len(field) > self._bytes_max or len(batch) == FIELDS_SENT_MAX):
                self.effects.append(Send(peer, b"".join(batch), is_vital))
                batch, size = [], 0
            batch.append(field)
            size += len(field)
        if batch:
            self.effects.append(Send(peer, b"".join(batch), is_vital))
