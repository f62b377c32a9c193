"""Many gossip routers on simulated links and a simulated clock: latency, breaking links, partitions, crashes, hostiles.

    net = GossipNet(seed=7)
    net.add(20); net.link_randomly(degree=6); net.run(3)
    net.publish(net.nodes[0], net.payload()); net.run(2)

Links are the real router's links: in order while they live, and what is in flight is lost when they break. A hostile
peer has no router: whatever it is sent goes to its `heard`, whatever it sends it makes itself.
"""

import heapq
import random
from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import count
from typing import Final

from thalweg.errors import Reason
from thalweg.network.gossip import (
    ACCEPTED,
    Beat,
    Cut,
    Deliver,
    Dial,
    Due,
    Effect,
    Event,
    Joined,
    Judgement,
    Left,
    More,
    Note,
    Parameters,
    Pause,
    Published,
    Received,
    Resumed,
    Send,
    State,
    Subscribed,
    Verdict,
    step,
)

TOPIC: Final = "orders"
GOOD: Final = b"good"
LATE: Final = b"late"
_AUTHOR_BYTES: Final = 8
DELAY_SECONDS: Final = (0.005, 0.08)


class Rules:
    """The topic's validator: a payload is GOOD or LATE, then its author, then anything."""

    payload_bytes_max = 4096

    def glance(self, payload: bytes) -> bytes | Judgement:
        """LATE is ignored."""
        if payload.startswith(LATE):
            return Judgement(Verdict.IGNORE, Reason.EXPIRED, "late")
        return payload[len(GOOD) : len(GOOD) + _AUTHOR_BYTES]

    def verify(self, payload: bytes) -> Judgement:
        """What is not GOOD was forged."""
        return ACCEPTED if payload.startswith(GOOD) else Judgement(Verdict.REJECT, Reason.WRONG_SIGNER, "forged")


class Node:
    """A peer of the net. Without `state` it is hostile."""

    def __init__(self, peer: bytes, state: State | None) -> None:
        self.peer = peer
        self.state = state
        self.delivered: dict[bytes, float] = {}  # when
        self.heard: list[tuple[bytes, bytes]] = []  # a hostile's: who sent which RPC
        self.cuts: list[Cut] = []
        self.notes: list[Note] = []
        self.dials: list[Dial] = []
        self.is_up = True
        self.address = ""  # from where it dials, as far as that means anything


class GossipNet:
    """The net. Everything follows from the seed."""

    def __init__(self, seed: int, parameters: Parameters | None = None) -> None:
        self.random = random.Random(seed)  # noqa: S311 - simulation
        self.parameters = parameters or Parameters()
        self.now = 0.0
        self.nodes: list[Node] = []
        self.sent: int = 0  # RPCs
        self.sent_bytes = 0
        self._of: dict[bytes, Node] = {}
        self._links: dict[tuple[bytes, bytes], int] = {}  # each way: the link's number, anew each time it is made
        self._lives = count(1)
        self._clear_at: dict[tuple[bytes, bytes], float] = {}  # when the last RPC that way arrives
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._payloads = count()

    # making it

    def add(self, number: int = 1, *, reads: bool = True) -> list[Node]:
        """Add honest nodes; they read the topic."""
        added = []
        for _ in range(number):
            chance = random.Random(self.random.random())  # noqa: S311 - simulation
            node = self._node(State(self.parameters, chance))
            added.append(node)
            if reads:
                self.do(node, Subscribed(TOPIC, Rules()))
            self.at(self.random.random(), lambda node=node: self._beat(node))  # type: ignore[misc]
        return added

    def add_hostile(self) -> Node:
        """Add a peer without a router."""
        return self._node(None)

    def link(self, dialer: Node, listener: Node) -> None:
        """Link two nodes that are not."""
        if dialer is listener or (dialer.peer, listener.peer) in self._links:
            return
        life = next(self._lives)
        for one, other in ((dialer, listener), (listener, dialer)):
            self._links[one.peer, other.peer] = life
        self.do(dialer, Joined(listener.peer, is_outbound=True))
        self.do(listener, Joined(dialer.peer, is_outbound=False, group=dialer.address))

    def unlink(self, one: Node, other: Node) -> None:
        """Break a link; what is in flight is lost."""
        if self._links.pop((one.peer, other.peer), None) is not None:
            del self._links[other.peer, one.peer]
            self.do(one, Left(other.peer))
            self.do(other, Left(one.peer))

    def are_linked(self, one: Node, other: Node) -> bool:
        """Say whether two nodes are linked."""
        return (one.peer, other.peer) in self._links

    def link_randomly(self, degree: int, nodes: Iterable[Node] | None = None) -> None:
        """Let each node dial others, `degree` each."""
        chosen = list(self.nodes if nodes is None else nodes)
        for node in chosen:
            others = [other for other in chosen if other is not node]
            for other in self.random.sample(others, min(degree, len(others))):
                self.link(node, other)

    def crash(self, node: Node) -> None:
        """Stop a node for good."""
        node.is_up = False
        for other in self.nodes:
            self.unlink(node, other)

    def cut_between(self, side: Iterable[Node], other_side: Iterable[Node]) -> list[tuple[Node, Node]]:
        """Break every link between two sides and return them."""
        others = list(other_side)
        cut = [(one, other) for one in side for other in others if self.are_linked(one, other)]
        for one, other in cut:
            self.unlink(one, other)
        return cut

    # running it

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = end

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), act))

    def payload(self, author: int = 0, prefix: bytes = GOOD) -> bytes:
        """Return a payload that was not there before."""
        number = next(self._payloads)
        return prefix + author.to_bytes(_AUTHOR_BYTES) + sha256(number.to_bytes(8)).digest()

    def publish(self, node: Node, payload: bytes) -> None:
        """Publish in the topic."""
        node.delivered[payload] = self.now
        self.do(node, Published(TOPIC, payload))

    def do(self, node: Node, event: Event) -> None:
        """Let something happen to a node."""
        if not node.is_up or node.state is None:
            return
        for effect in step(node.state, event, self.now):
            self._perform(node, effect)

    def send(self, sender: Node, receiver: Node, rpc: bytes) -> None:
        """Send an RPC; without a link it is lost."""
        way = (sender.peer, receiver.peer)
        life = self._links.get(way)
        if life is None:
            return
        self.sent += 1
        self.sent_bytes += len(rpc)
        arrives = max(self._clear_at.get(way, 0.0), self.now + self.random.uniform(*DELAY_SECONDS))
        self._clear_at[way] = arrives
        self.at(arrives - self.now, lambda: self._arrive(sender, receiver, rpc, life))

    def reached(self, payload: bytes, nodes: Iterable[Node]) -> int:
        """Return how many of the nodes have a payload."""
        return sum(payload in node.delivered for node in nodes)

    def meshes(self, nodes: Iterable[Node] | None = None) -> list[set[bytes]]:
        """Return each honest node's mesh."""
        chosen = self.nodes if nodes is None else nodes
        return [set(node.state.topics[TOPIC].mesh) for node in chosen if node.state is not None and node.is_up]

    def _node(self, state: State | None) -> Node:
        number = len(self.nodes)
        node = Node(b"peer" + number.to_bytes(4), state)
        self.nodes.append(node)
        self._of[node.peer] = node
        return node

    def _beat(self, node: Node) -> None:
        if node.is_up:
            self.do(node, Beat())
            self.at(self.parameters.times.heartbeat_seconds, lambda: self._beat(node))

    def _arrive(self, sender: Node, receiver: Node, rpc: bytes, life: int) -> None:
        if self._links.get((sender.peer, receiver.peer)) != life:
            return
        if receiver.state is None:
            receiver.heard.append((sender.peer, rpc))
        else:
            self.do(receiver, Received(sender.peer, rpc))

    def _perform(self, node: Node, effect: Effect) -> None:
        match effect:
            case Send(peer, data):
                self.send(node, self._of[peer], data)
            case More(peer):
                self.at(0, lambda: self.do(node, Resumed(peer)))
            case Pause(seconds):
                self.at(seconds, lambda: self.do(node, Due()))
            case Deliver(_, payload, _):
                node.delivered[payload] = self.now
            case Cut(peer):
                node.cuts.append(effect)
                self.at(0, lambda: self.unlink(node, self._of[peer]))
            case Note():
                node.notes.append(effect)
            case Dial():
                node.dials.append(effect)
