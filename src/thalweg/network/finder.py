"""The finder: keeps the peer book, dials whom the plan says, announces this node, and asks new peers whom they know.

    finder = Finder(host, gossip, PeerBook(host.peer_id), bootstrap=[...], describe=lambda: Node(addresses=...))
    group.create_task(finder.run())

Rules: what peers say is checked before it is kept; nothing here blocks; every link is made by the plan or by whoever
dials us. `save` is called with the book now and then and at the end.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import peer_record
from thalweg.network.discovery import announcement
from thalweg.network.discovery.announcement import Node
from thalweg.network.discovery.book import PeerBook
from thalweg.network.discovery.groups import may_be_told
from thalweg.network.discovery.plan import Linked, next_dials
from thalweg.network.gossip.rpc import Exchanged
from thalweg.network.host import Host, PeerInfo
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.pubsub import Gossip
from thalweg.network.stream import Stream

PROTOCOL: Final = "/thalweg/peers/1"
TURN_SECONDS: Final = 1.0
SAVE_SECONDS: Final = 60.0
ASK_SECONDS: Final = 300.0  # how often a peer is asked again whom it knows
ANSWER_SECONDS_MIN: Final = 5.0  # how soon one may ask again
TOLD_MAX: Final = 64  # announcements in an answer
ANSWER_SECONDS_MAX: Final = 10.0
BAN_SECONDS: Final = 365 * 86_400.0  # what a person bans
_CHANCE: Final = secrets.SystemRandom()
_log: Final = logging.getLogger(__name__)


class Finder:
    """Discovery on a host."""

    def __init__(
        self,
        host: Host,
        gossip: Gossip,
        book: PeerBook,
        *,
        describe: Callable[[], Node],
        bootstrap: Sequence[Multiaddr] = (),
        save: Callable[[bytes], None] = lambda data: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`describe` says what to announce now; `clock` gives seconds since 1970. Make it before the host runs."""
        self.book = book
        self._host = host
        self._gossip = gossip
        self._describe = describe
        self._bootstrap = tuple(bootstrap)
        self._save = save
        self._clock = clock
        self._dialling: dict[PeerId, Multiaddr] = {}
        self._asked: dict[PeerId, float] = {}
        self._answered: dict[PeerId, float] = {}
        self._announced: tuple[Node, float] | None = None
        self._saved_at = clock()
        self._wake = asyncio.Event()
        host.handle(PROTOCOL, self._answer)
        gossip.on_exchange = self._on_exchange
        gossip.subscribe(
            announcement.TOPIC, announcement.Rules(clock, book.known_until), lambda payload, peer: self._learn(payload)
        )

    async def run(self) -> None:
        """Find peers until cancelled."""
        for peer, until in self.book.bans().items():
            self._host.ban(peer, until - self._clock(), "banned")
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._turn(group)
                    try:
                        async with asyncio.timeout(TURN_SECONDS):
                            await self._wake.wait()
                    except TimeoutError:
                        pass
                    self._wake.clear()
        finally:
            self.save()

    def save(self) -> None:
        """Write the book down, with the peers to come back to."""
        now = self._clock()
        mine = sorted((info for info in self._host.linked() if info.dialled), key=lambda info: -info.age_seconds)
        if mine:
            self.book.set_anchors([info.peer for info in mine])
        self.book.expire(now)
        self._saved_at = now
        self._save(self.book.encode())

    def ban(self, peer: PeerId) -> None:
        """Have nothing to do with a peer until it is pardoned.

        Raises:
            UserFault: LIMIT.
        """
        self.book.ban(peer, self._clock() + BAN_SECONDS)
        self._host.ban(peer, BAN_SECONDS, "banned")
        self.save()

    def pardon(self, peer: PeerId) -> bool:
        """Lift a ban; say whether there was one."""
        self._host.pardon(peer)
        was_banned = self.book.pardon(peer)
        self.save()
        return was_banned

    def hear_of(self, address: Multiaddr) -> None:
        """Take an address that somebody around here said (mDNS, a person)."""
        if address.peer is not None:
            self.book.hear_of(address.peer, (address,))
            self._wake.set()

    # one turn

    def _turn(self, group: asyncio.TaskGroup) -> None:
        now = self._clock()
        linked = self._host.linked()
        for info in linked:
            if self.book.banned(info.peer, now):
                self._host.ban(info.peer, BAN_SECONDS, "banned")
            if info.dialled:
                self.book.reached(info.peer, now)
            if PROTOCOL in info.protocols and now - self._asked.get(info.peer, 0.0) > ASK_SECONDS:
                self._asked[info.peer] = now
                group.create_task(self._ask(info))
        here = {info.peer for info in linked}
        self._asked = {peer: at for peer, at in self._asked.items() if peer in here}
        self._answered = {peer: at for peer, at in self._answered.items() if now - at < ANSWER_SECONDS_MIN}
        self._announce(now)
        links = [Linked(info.peer, info.address, info.dialled) for info in linked]
        links += [Linked(peer, address, True) for peer, address in self._dialling.items() if peer not in here]
        for peer, address in next_dials(self.book, links, self._bootstrap, now, _CHANCE):
            self._dialling[peer] = address
            self.book.tried(peer, now)
            group.create_task(self._dial(peer, address))
        if now - self._saved_at > SAVE_SECONDS:
            self.save()

    def _announce(self, now: float) -> None:
        node = self._describe()
        if self._announced is not None:
            last, at = self._announced
            if now - at < (announcement.RENEW_SECONDS if node == last else announcement.RENEW_SECONDS_MIN):
                return
        if not self._gossip.peers(announcement.TOPIC):
            return
        self._announced = (node, now)
        identity = self._host.identity
        addresses = tuple(Multiaddr.parse(text) for text in node.addresses)
        if addresses:
            self._host.tell(addresses, peer_record.seal(identity, round(now * 1000), addresses))
        self._gossip.publish(announcement.TOPIC, announcement.announce(identity, node, now))

    async def _dial(self, peer: PeerId, address: Multiaddr) -> None:
        try:
            await self._host.dial(address.to(peer))
        except Unavailable as failure:
            self.book.failed(peer)
            _log.debug("%s: %s", address, failure)
        finally:
            del self._dialling[peer]
            self._wake.set()

    # what peers know

    async def _ask(self, info: PeerInfo) -> None:
        if info.record:
            self._take_record(info.peer, info.record)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                stream = await self._host.open(info.peer, PROTOCOL)
                stream.close()
                for _ in range(TOLD_MAX):
                    payload = await stream.read_message()
                    if payload is None:
                        break
                    if announcement.check(payload).expires_at > self._clock():
                        self._learn(payload)
                else:
                    stream.reset()
        except PeerFault as fault:
            self._host.drop(info.peer, fault)
        except (Unavailable, TimeoutError) as error:
            _log.debug("%s did not say whom it knows: %s", info.peer, error)
        self._wake.set()

    async def _answer(self, stream: Stream) -> None:
        """Tell a peer some nodes that it may be able to reach."""
        now = self._clock()
        if stream.peer in self._answered:
            raise Unavailable(Reason.FLOOD, f"asked again within {ANSWER_SECONDS_MIN} s")
        self._answered[stream.peer] = now
        info = self._host.info(stream.peer)
        asker = "" if info is None else info.address.host
        known = [
            entry.announcement.payload
            for peer, entry in self.book.entries()
            if peer != stream.peer
            and entry.announcement is not None
            and any(may_be_told(address, asker) for address in entry.addresses)
        ]
        own = self._announced
        if own is not None:
            known.append(announcement.announce(self._host.identity, own[0], own[1]))
        for payload in _CHANCE.sample(known, min(TOLD_MAX, len(known))):
            await stream.write_message(payload)

    def _learn(self, payload: bytes) -> None:
        """Take an announcement whose signatures were checked."""
        if self.book.learn(announcement.read(payload)):
            self._wake.set()

    def _take_record(self, peer: PeerId, sealed: bytes) -> None:
        try:
            record = peer_record.read(sealed)
        except PeerFault as fault:
            self._host.drop(peer, fault)
            return
        if record.peer == peer:
            self.book.hear_of(peer, record.addresses)
            self._gossip.record(peer, sealed)

    def _on_exchange(self, named: Exchanged, source: PeerId) -> None:
        """Take a peer that another named when it pruned us."""
        try:
            record = peer_record.read(named.record)
        except PeerFault as fault:
            self._host.drop(source, fault)
            return
        self.book.hear_of(record.peer, record.addresses)
        self._wake.set()
