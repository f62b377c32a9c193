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
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import peer_record
from thalweg.network.discovery import announcement
from thalweg.network.discovery.announcement import Announcement, Node
from thalweg.network.discovery.book import PeerBook
from thalweg.network.discovery.groups import may_be_taken, may_be_told, worth_telling
from thalweg.network.discovery.plan import OUTBOUND, Linked, next_dials
from thalweg.network.gossip.rpc import Exchanged
from thalweg.network.host import Host, PeerInfo
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.pubsub import Gossip
from thalweg.network.rate import Bucket
from thalweg.network.stream import Stream

PROTOCOL: Final = "/thalweg/peers/1"
TURN_SECONDS: Final = 1.0
SAVE_SECONDS: Final = 60.0
ASK_SECONDS: Final = 300.0  # how often a peer is asked again whom it knows
ANSWER_SECONDS_MIN: Final = 5.0  # how soon one may ask again
TOLD_MAX: Final = 64  # announcements in an answer
LOOKED_AT_MAX: Final = 256  # nodes looked at for an answer, however large the book is
DIALS_PER_SECOND: Final = 4
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
        save_bans: Callable[[bytes], None] = lambda data: None,
        clock: Callable[[], float] = time.time,
        outbound: int = OUTBOUND,
    ) -> None:
        """`describe` says what to announce now; `clock` gives seconds since 1970; `outbound` links are dialled and kept
        up. Make it before the host runs.
        """
        self.book = book
        self._host = host
        self._gossip = gossip
        self._describe = describe
        self._bootstrap = tuple(bootstrap)
        self._save = save
        self._save_bans = save_bans
        self._dials: Bucket | None = None
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._outbound = outbound
        self._dialling: dict[PeerId, Multiaddr] = {}
        self._asked: dict[PeerId, float] = {}
        self._answered: dict[PeerId, float] = {}
        self._announced: tuple[Node, float] | None = None
        self._saved_at = clock()
        self._wake = asyncio.Event()
        host.handle(PROTOCOL, self._answer)
        gossip.on_exchange = self._on_exchange
        gossip.subscribe(
            announcement.TOPIC,
            announcement.Rules(clock, book.known_until),
            lambda payload, peer: self._learn(announcement.read(payload), self._host_of(peer)),
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
        try:
            self._save(self.book.encode())
        except Unavailable as failure:  # peers are found again without it; a full disk is no reason to stop
            self.counts["saves_failed"] += 1
            _log.warning("the peer book was not saved: %s", failure)

    def ban(self, peer: PeerId) -> None:
        """Have nothing to do with a peer until it is pardoned.

        Raises:
            UserFault: LIMIT.
            Unavailable: DISK_FULL, the ban counts until the node stops.
        """
        self.book.ban(peer, self._clock() + BAN_SECONDS)
        self._host.ban(peer, BAN_SECONDS, "banned")
        self._save_bans(self.book.encode_bans())

    def pardon(self, peer: PeerId) -> bool:
        """Lift a ban; say whether there was one.

        Raises:
            Unavailable: DISK_FULL, the ban is back when the node starts again.
        """
        self._host.pardon(peer)
        was_banned = self.book.pardon(peer)
        self._save_bans(self.book.encode_bans())
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
        links += [Linked(peer, address, True, True) for peer, address in self._dialling.items() if peer not in here]
        for peer, address in next_dials(self.book, links, self._bootstrap, now, _CHANCE, wanted=self._outbound):
            if not self._may_dial():
                break
            self._dialling[peer] = address
            self.book.tried(peer, now)
            group.create_task(self._dial(peer, address))
        if now - self._saved_at > SAVE_SECONDS:
            self.save()

    def _announce(self, now: float) -> None:
        node = self._describe()
        addresses = worth_telling(map(Multiaddr.parse, node.addresses))
        node = msgspec.structs.replace(node, addresses=tuple(map(str, addresses)))
        if self._announced is not None:
            last, at = self._announced
            if now - at < (announcement.RENEW_SECONDS if node == last else announcement.RENEW_SECONDS_MIN):
                return
        if not self._gossip.peers(announcement.TOPIC):
            return
        self._announced = (node, now)
        identity = self._host.identity
        if addresses:
            self._host.tell(addresses, peer_record.seal(identity, round(now * 1000), addresses))
        self._gossip.publish(announcement.TOPIC, announcement.announce(identity, node, now))

    async def _dial(self, peer: PeerId, address: Multiaddr) -> None:
        try:
            await self._host.dial(address.to(peer))
            self.book.answered(address)
        except Unavailable as failure:
            self.book.failed(peer, address, self._clock())
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
                    said = announcement.check(payload)
                    if announcement.is_current(said, self._clock()):
                        self._learn(said, info.address.host)
                    await asyncio.sleep(0)  # two signatures each: others have their turn between them
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
        asker = self._host_of(stream.peer)
        own = self._announced
        told = 0
        if own is not None:
            await stream.write_message(announcement.announce(self._host.identity, own[0], own[1]))
            told += 1
        entries = self.book.entries()
        for peer, entry in _CHANCE.sample(entries, min(LOOKED_AT_MAX, len(entries))):
            said = entry.announcement
            if told == TOLD_MAX:
                break
            if said is None or peer == stream.peer or not announcement.is_current(said, now):
                continue
            if any(may_be_told(address, asker) for address in entry.addresses):
                await stream.write_message(said.payload)
                told += 1

    def _learn(self, said: Announcement, source: str) -> None:
        """Take an announcement whose signatures were checked, and of its addresses what its source may say."""
        if self.book.learn(said, self._believed(said.addresses, source)):
            self._wake.set()

    def _believed(self, addresses: tuple[Multiaddr, ...], source: str) -> tuple[Multiaddr, ...]:
        own = self._host.addresses
        believed = tuple(address for address in addresses if may_be_taken(address, source, own))
        self.counts["addresses_not_believed"] += len(addresses) - len(believed)
        return believed

    def _host_of(self, peer: PeerId) -> str:
        info = self._host.info(peer)
        return "" if info is None else info.address.host

    def _may_dial(self) -> bool:
        """Count a dial: whatever the book says, there are only so many a second."""
        now = asyncio.get_running_loop().time()
        if self._dials is None:
            self._dials = Bucket(DIALS_PER_SECOND, now)
        return self._dials.take_if_held(1, now)

    def _take_record(self, peer: PeerId, sealed: bytes) -> None:
        try:
            record = peer_record.read(sealed)
        except PeerFault as fault:
            self._host.drop(peer, fault)
            return
        if record.peer == peer:
            self.book.hear_of(peer, self._believed(record.addresses, self._host_of(peer)))
            self._gossip.record(peer, sealed)

    def _on_exchange(self, named: Exchanged, source: PeerId) -> None:
        """Take a peer that another named when it pruned us."""
        try:
            record = peer_record.read(named.record)
        except PeerFault as fault:
            self._host.drop(source, fault)
            return
        self.book.hear_of(record.peer, self._believed(record.addresses, self._host_of(source)))
        self._wake.set()
