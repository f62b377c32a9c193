"""Publish and subscribe: the gossip router on a host's links.

    gossip = Gossip(host)
    gossip.subscribe("orders", validator, lambda payload, peer: print(payload))
    gossip.publish("orders", payload)

Rules: each side opens one stream for what it sends. What peers send waits in a queue a peer and is worked off in turns,
a little at a time, so that gossip never keeps the event loop from channel messages; a peer gets new credit only for
what was worked off. What a slow peer does not read is dropped beyond a limit: IHAVE tells it again.
"""

import asyncio
import logging
import random
import secrets
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from thalweg.errors import PeerFault, Unavailable
from thalweg.network import gossip
from thalweg.network.discovery.groups import Reach, address_group, reach_of
from thalweg.network.gossip.rpc import Exchanged
from thalweg.network.gossip_streams import Inlet, Outlet
from thalweg.network.host import Host
from thalweg.network.link import Link
from thalweg.network.peer_id import PeerId
from thalweg.network.stream import Receiver

BEHIND_SECONDS: Final = 0.2  # of work without end, from which on nothing is asked for by IWANT
HELD_SECONDS: Final = 0.25  # what is due waits so long at most for what waits to be looked at: others may have it
_AGAIN_SECONDS: Final = 0.005
WORK_SECONDS: Final = 0.001  # of gossip at a time; then the event loop sees to everything else

_log: Final = logging.getLogger(__name__)
Reader = Callable[[bytes, PeerId], None]  # of a topic: gets each good payload once, and who sent it first


class Gossip:
    """Topics on a host's links. Everything runs on the host's event loop."""

    protocol = gossip.PROTOCOL

    def __init__(
        self,
        host: Host,
        parameters: gossip.Parameters | None = None,
        *,
        on_exchange: Callable[[Exchanged, PeerId], None] = lambda named, source: None,
    ) -> None:
        """`on_exchange` hears of peers that a well-scored one named. Make it before the host runs."""
        self.counts: Counter[str] = Counter()  # of the streams; the router has its own
        self._host = host
        self._chance = random.Random()  # noqa: S311 - sown anew from the system with every heartbeat: nobody foresees it
        self._state = gossip.State(parameters or gossip.Parameters(), self._chance)
        self.on_exchange = on_exchange
        self._readers: dict[str, Reader] = {}
        self._outlets: dict[PeerId, Outlet] = {}
        self._inlets: dict[Link, Inlet] = {}
        self._busy: deque[Inlet] = deque()
        self._is_working = False
        self._busy_since = 0.0  # while working
        self._is_batching = False  # what is sent leaves at the end of this turn
        self._unflushed: dict[Outlet, None] = {}
        self._beat_at: float | None = None
        host.attach(self)

    # what the application asks

    def subscribe(self, topic: str, validator: gossip.Validator, reader: Reader) -> None:
        """Read a topic: `reader` gets each payload that its validator accepts, once.

        Raises:
            UserFault: EXISTS, OVERSIZED or LIMIT.
        """
        self._do(gossip.Subscribed(topic, validator))
        self._readers[topic] = reader

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic.

        Raises:
            UserFault: NOT_FOUND.
        """
        self._do(gossip.Unsubscribed(topic))
        del self._readers[topic]

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a payload to everybody who reads the topic. Readers here do not get it.

        Raises:
            UserFault: OVERSIZED, or what the topic's validator says, where we read it.
        """
        self._do(gossip.Published(topic, payload))

    def know(self, topic: str, payload: bytes) -> None:
        """Note that a good message came another way: peers are not asked for it."""
        self._do(gossip.Known(topic, payload))

    def record(self, peer: PeerId, record: bytes) -> None:
        """Tell others of a peer by its signed record, when they ask for more peers."""
        self._do(gossip.Recorded(peer, record))

    def accuse(self, peer: PeerId, amount: float) -> None:
        """Count bad behaviour outside gossip in a peer's score (P7)."""
        self._do(gossip.Accused(peer, amount))

    def peers(self, topic: str | None = None) -> tuple[PeerId, ...]:
        """Return the peers that speak gossip, or those that read a topic."""
        return tuple(map(PeerId, self._state.peers if topic is None else self._state.readers.get(topic, ())))

    def mesh(self, topic: str) -> tuple[PeerId, ...]:
        """Return the peers that a topic's messages are pushed to."""
        read = self._state.topics.get(topic)
        return () if read is None else tuple(map(PeerId, read.mesh))

    def topics(self) -> tuple[str, ...]:
        """Return what is read."""
        return tuple(self._state.topics)

    def score(self, peer: PeerId) -> float:
        """Return a peer's score; 0 of one that is not here."""
        return self._state.scores.of(peer)

    def why(self, peer: PeerId) -> dict[str, float]:
        """Return the parts of a peer's score."""
        return self._state.scores.why(peer, self._now())

    @property
    def router_counts(self) -> Counter[str]:
        """Return what the router counted."""
        return self._state.counts

    # what the host says

    def established(self, link: Link, peer: PeerId) -> None:
        """Ask a newly linked peer whether it speaks gossip."""
        outlet = Outlet(self, link, peer)
        self._outlets[peer] = outlet
        try:
            outlet.open()
        except Unavailable as refusal:
            _log.debug("no gossip with %s: %s", peer, refusal)

    def serve(self, link: Link, peer: PeerId, stream_id: int) -> Receiver:
        """Hear a peer on one stream, the newest: each may hold an unfinished message."""
        outlet = self._outlets.get(peer)
        if outlet is not None and outlet.link is link:
            if outlet.is_lost:
                self.established(link, peer)
                outlet = self._outlets[peer]
            self.can_hear(outlet)
        older = self._inlets.pop(link, None)
        if older is not None:
            older.supersede()
        inlet = self._inlets[link] = Inlet(self, link, peer, stream_id, self._state.parameters.caps.rpc_bytes_max)
        return inlet

    def dropped(self, link: Link) -> None:
        """Forget a link."""
        self._inlets.pop(link, None)
        if link.peer is not None:
            outlet = self._outlets.get(link.peer)
            if outlet is not None and outlet.link is link:
                self.cannot_hear(outlet)
                self._outlets.pop(link.peer, None)

    def tick(self, now: float) -> None:
        """Let a heartbeat pass when it is due."""
        seconds = self._state.parameters.times.heartbeat_seconds
        if self._beat_at is None or now >= self._beat_at:
            late = self._beat_at is None or now - self._beat_at > seconds
            self._beat_at = now + seconds if late or self._beat_at is None else self._beat_at + seconds
            self._chance.seed(secrets.randbits(256))
            self._do(gossip.Beat())

    # what the streams say

    def can_hear(self, outlet: Outlet) -> None:
        """Note that a peer speaks gossip."""
        if outlet.peer not in self._state.peers:
            link = outlet.link
            self._do(gossip.Joined(outlet.peer, is_outbound=link.is_dialer, group=_group(link.address)))

    def cannot_hear(self, outlet: Outlet) -> None:
        """Note that a peer does not, or no longer."""
        if self._outlets.get(outlet.peer) is outlet and outlet.peer in self._state.peers:
            self._do(gossip.Left(outlet.peer))

    def has_work(self, inlet: Inlet) -> None:
        """Queue a peer whose RPCs wait."""
        self._busy.append(inlet)
        if not self._is_working:
            self._is_working, self._busy_since = True, self._now()
            self._host.post(inlet.link, self._work)  # in this turn of the event loop, behind channel messages

    def _work(self) -> None:
        """Work off RPCs for a moment, one a peer in turn."""
        now = self._now()
        until = now + WORK_SECONDS
        self._is_batching = True
        try:
            while self._busy:
                inlet = self._busy.popleft()
                self._work_off(inlet, now)
                if not inlet.is_idle:
                    self._busy.append(inlet)
                now = self._now()
                if now >= until:
                    break
        except Exception as error:  # a bug, ours or a reader's: asyncio would only log it; `Host.run` raises it
            self._host.crash(error)
        self._is_batching = False
        self._flush()
        is_behind = bool(self._busy) and now - self._busy_since > BEHIND_SECONDS
        if is_behind != self._state.is_behind:
            self._do(gossip.Lagged(is_behind))
        if self._busy:
            asyncio.get_running_loop().call_soon(self._work)
        else:
            self._is_working = False

    def _work_off(self, inlet: Inlet, now: float) -> None:
        """Look at a peer's next RPC, or at what is left of its last one."""
        if inlet.has_more:
            inlet.has_more = False
            self._do(gossip.Resumed(inlet.peer), inlet, now)
        elif (rpc := inlet.next()) is not None:
            self.counts["rpcs_received"] += 1
            self.counts["bytes_received"] += len(rpc)
            self._do(gossip.Received(inlet.peer, rpc), inlet, now)

    def _do(  # noqa: C901 - one case an effect
        self, event: gossip.Event, inlet: Inlet | None = None, now: float | None = None
    ) -> None:
        for effect in gossip.step(self._state, event, self._now() if now is None else now):
            match effect:
                case gossip.Send(peer, rpc, is_vital):
                    self._send(peer, rpc, is_vital=is_vital)
                case gossip.More():
                    if inlet is not None:
                        inlet.has_more = True
                case gossip.Pause(seconds):
                    asyncio.get_running_loop().call_later(seconds, self._on_due, self._now() + seconds + HELD_SECONDS)
                case gossip.Deliver(topic, payload, peer):
                    reader = self._readers.get(topic)
                    if reader is not None:
                        reader(payload, PeerId(peer))
                case gossip.Cut(peer, reason, detail):
                    self._host.drop(PeerId(peer), PeerFault(reason, detail))
                case gossip.Dial(named, source):
                    self.on_exchange(named, PeerId(source))
                case gossip.Note(peer, verdict, reason, detail):
                    _log.debug("%s of %s: %s: %s", verdict.value, PeerId(peer), reason, detail)
        if not self._is_batching:
            self._flush()

    def _on_due(self, latest: float) -> None:
        if self._busy and self._now() < latest:
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._on_due, latest)
            return
        try:
            self._do(gossip.Due())
        except Exception as error:  # a bug: as in `_work`
            self._host.crash(error)

    def _flush(self) -> None:
        for outlet in self._unflushed:
            outlet.flush()
        self._unflushed.clear()

    def _send(self, peer: bytes, rpc: bytes, *, is_vital: bool) -> None:
        outlet = self._outlets.get(peer)  # type: ignore[call-overload]  # a PeerId is its bytes
        if outlet is None or not outlet.send(rpc, is_vital=is_vital):
            self.counts["rpcs_dropped"] += 1
            return
        self._unflushed[outlet] = None
        self.counts["rpcs_sent"] += 1
        self.counts["bytes_sent"] += len(rpc)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _group(address: str) -> str:
    """Return what one party has whole; nothing for addresses that many machines of one network share by design."""
    return address_group(address) if reach_of(address) is Reach.PUBLIC else ""
