"""Simulated links. A link delivers in order while it lives and loses only by breaking: then both sides hear of it.

Two faults break that promise on purpose (duplicates, overtaking on one link): the core must stay safe under them, and
may drop the link.
"""

import random
from typing import Final, Protocol

from thalweg.testing.clock import Timeline
from thalweg.testing.faults import Faults, strikes

LATENCIES_MS: Final = ((5, 150), (1, 3))  # a world's nodes are all over the world, or in one building
LATE_MS: Final = (1_000, 20_000)
RECONNECT_MS: Final = (100, 4_000)
NOTICE_MS: Final = 50  # until a side hears that its link broke; below the least RECONNECT_MS


class Endpoint(Protocol):
    """A node as the network sees it."""

    peer: bytes

    @property
    def is_up(self) -> bool:
        """Say whether the node runs."""

    def on_link_up(self, peer: bytes) -> None:
        """Hear of a new link."""

    def on_link_down(self, peer: bytes) -> None:
        """Hear that a link broke."""

    def on_message(self, peer: bytes, data: bytes) -> None:
        """Get a message."""


class _Link:
    """Two endpoints. `life` counts its connections, `deaf` has the ends that know that this one broke."""

    def __init__(self, ends: tuple[Endpoint, Endpoint]) -> None:
        self.ends = ends
        self.is_up = False
        self.is_planned = False
        self.is_barred = False
        self.life = 0
        self.deaf: set[bytes] = set()
        self.arrived_ms = {end.peer: 0 for end in ends}
        self.cut_until_ms = 0

    def other(self, peer: bytes) -> Endpoint:
        return self.ends[1] if self.ends[0].peer == peer else self.ends[0]


class SimNetwork:
    """All links of a world."""

    def __init__(self, timeline: Timeline, rng: random.Random, faults: Faults) -> None:
        self.faults = faults
        self.messages = 0
        self._timeline = timeline
        self._rng = rng
        self._latency_ms = rng.choice(LATENCIES_MS)
        self._links: dict[frozenset[bytes], _Link] = {}

    def join(self, endpoints: list[Endpoint]) -> None:
        """Link every endpoint with every other one."""
        for index, one in enumerate(endpoints):
            for two in endpoints[index + 1 :]:
                link = _Link((one, two))
                self._links[frozenset((one.peer, two.peer))] = link
                self._plan(link)

    def send(self, source: bytes, peer: bytes, data: bytes) -> None:
        """Send a message; without a link it is lost."""
        link = self._links[frozenset((source, peer))]
        if not link.is_up:
            return
        self.messages += 1
        if strikes(self._rng, self.faults.link_loss):
            self._deliver(link, source, data)
            self.break_link(source, peer)
            return
        self._deliver(link, source, data)
        if strikes(self._rng, self.faults.duplicate):
            self._deliver(link, source, data)

    def break_link(self, source: bytes, peer: bytes) -> None:
        """Break a link; it is made again later."""
        link = self._links[frozenset((source, peer))]
        if not link.is_up:
            return
        link.is_up = False
        for end in link.ends:
            self._tell_down(link, end)
        self._plan(link)

    def break_all(self, peer: bytes) -> None:
        """Break every link of a node, which stopped."""
        for link in self._of(peer):
            self.break_link(link.ends[0].peer, link.ends[1].peer)

    def cut(self, one: bytes, two: bytes, duration_ms: int) -> None:
        """Keep two nodes apart for a while."""
        link = self._links[frozenset((one, two))]
        link.cut_until_ms = self._timeline.now_ms + duration_ms
        self.break_link(one, two)

    def bar(self, one: bytes, two: bytes) -> None:
        """Have two nodes never reach each other again."""
        self._links[frozenset((one, two))].is_barred = True
        self.break_link(one, two)

    def is_linked(self, one: bytes, two: bytes) -> bool:
        """Say whether two nodes have a link now."""
        return self._links[frozenset((one, two))].is_up

    def heal(self) -> None:
        """Have no more faults, and let every link come back."""
        self.faults = Faults()
        for link in self._links.values():
            link.cut_until_ms = 0
            self._plan(link)

    def node_started(self, peer: bytes) -> None:
        """Link a node again that runs again."""
        for link in self._of(peer):
            self._plan(link)

    def _of(self, peer: bytes) -> list[_Link]:
        return [link for ends, link in self._links.items() if peer in ends]

    def _plan(self, link: _Link) -> None:
        if link.is_up or link.is_planned or link.is_barred:
            return
        link.is_planned = True
        wait = max(self._rng.randint(*RECONNECT_MS), link.cut_until_ms - self._timeline.now_ms)
        self._timeline.after(wait, lambda: self._connect(link))

    def _connect(self, link: _Link) -> None:
        link.is_planned = False
        if link.is_up or link.is_barred or not all(end.is_up for end in link.ends):
            return
        if link.cut_until_ms > self._timeline.now_ms:
            self._plan(link)
            return
        link.is_up = True
        link.life += 1
        link.deaf.clear()
        for end in link.ends:
            end.on_link_up(link.other(end.peer).peer)

    def _tell_down(self, link: _Link, end: Endpoint) -> None:
        """Let one side hear that the link broke; what has not reached it by then never will."""

        def tell() -> None:
            link.deaf.add(end.peer)
            end.on_link_down(link.other(end.peer).peer)

        self._timeline.after(self._rng.randrange(NOTICE_MS), tell)

    def _deliver(self, link: _Link, source: bytes, data: bytes) -> None:
        target, life = link.other(source), link.life
        late = strikes(self._rng, self.faults.slow_network)
        arrives_ms = self._timeline.now_ms + self._rng.randint(*(LATE_MS if late else self._latency_ms))
        if not strikes(self._rng, self.faults.reorder):
            arrives_ms = max(arrives_ms, link.arrived_ms[source])
            link.arrived_ms[source] = arrives_ms

        def arrive() -> None:
            if link.life == life and target.peer not in link.deaf and target.is_up:
                target.on_message(source, data)

        self._timeline.at(arrives_ms, arrive)
