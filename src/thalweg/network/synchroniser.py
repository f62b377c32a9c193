"""The synchroniser: keeps shelves of signed items equal to those of peers.

    synchroniser = Synchroniser(host, gossip)
    shelf = synchroniser.keep("orders", ItemRules("orders", time.time), on_item=print)
    group.create_task(synchroniser.run())

Every few seconds some peers get the fingerprints of all shelves in one message; where all are equal nothing follows.
Who has much less than others takes snapshots from several at once, anybody else reconciles. Every item is checked like
a gossiped one before it is kept. Who gives forged items is cut off; who contradicts himself loses his score.
"""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import sync
from thalweg.network.gossip import Judgement, Validator, Verdict
from thalweg.network.gossip.validation import glance, verify
from thalweg.network.host import Host
from thalweg.network.peer_id import PeerId
from thalweg.network.pubsub import Gossip
from thalweg.network.rate import Bucket
from thalweg.network.stream import Stream
from thalweg.network.sync import Caps, Outcome, Shelf, messages
from thalweg.network.sync.shelf import SHORT_BYTES

BEAT_SECONDS: Final = 5.0
YOUNG_SECONDS: Final = 3.0  # what gossip brings is not compared so long: IHAVE has told everybody of it by then
MET_AT_ONCE: Final = 3  # peers that hear a beat
ANSWER_SECONDS_MAX: Final = 10.0
WORK_SECONDS: Final = 0.002  # of checking items at a time
COST_PER_SECOND: Final = 50_000  # what a peer may ask (`sync.cost`); more is answered later
SHORTENED_AT_ONCE: Final = 1024  # ids hashed, about a millisecond
JOIN_ITEMS_MIN: Final = 256  # a peer has so many more, and twice as many, for a snapshot to be worth it
FRUITLESS_SECONDS: Final = 60.0  # until a peer is asked again with whom nothing came of it
TOLERANCE: Final = 0.05  # share of items that may come or go while two talk
TOLERATED_MIN: Final = 8
_CHANCE: Final = secrets.SystemRandom()
_log: Final = logging.getLogger(__name__)


class _Kept:
    """A topic: its shelf, its rules, who reads it, and what peers were given in it."""

    __slots__ = ("given", "lock", "on_item", "shelf", "shortening", "validator", "waits_until")

    def __init__(self, shelf: Shelf, validator: Validator, on_item: Callable[[bytes], None]) -> None:
        self.shelf = shelf
        self.validator = validator
        self.on_item = on_item
        self.lock = asyncio.Lock()  # one session at a time
        self.shortening = asyncio.Lock()
        self.given: dict[PeerId, frozenset[bytes]] = {}
        self.waits_until: dict[PeerId, float] = {}


class Synchroniser:
    """Shelves on a host. Everything runs on the host's event loop."""

    def __init__(
        self,
        host: Host,
        gossip: Gossip,
        *,
        beat_seconds: float = BEAT_SECONDS,
        caps: Caps | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives seconds since 1970. Make it before the host runs."""
        self.counts: Counter[str] = Counter()
        self._host = host
        self._gossip = gossip
        self._beat_seconds = beat_seconds
        self._caps = caps
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._shelves: dict[str, Shelf] = {}
        self._streams: dict[PeerId, Stream] = {}
        self._locks: dict[PeerId, asyncio.Lock] = {}
        self._buckets: dict[PeerId, Bucket] = {}
        host.handle(sync.PROTOCOL, self._serve)

    # what the application asks

    def keep(self, topic: str, validator: Validator, on_item: Callable[[bytes], None] = lambda payload: None) -> Shelf:
        """Read a topic and keep its items; `on_item` hears of each once, however it comes.

        Raises:
            UserFault: EXISTS, OVERSIZED or LIMIT.
        """
        kept = _Kept(Shelf(self._caps), validator, on_item)
        self._gossip.subscribe(topic, validator, lambda payload, peer: self._put(kept, payload, is_young=True))
        self._kept[topic], self._shelves[topic] = kept, kept.shelf
        return kept.shelf

    def publish(self, topic: str, payload: bytes) -> None:
        """Gossip an item of ours in a topic that is kept, and keep it.

        Raises:
            UserFault: what the topic's validator says.
        """
        self._gossip.publish(topic, payload)
        self._kept[topic].shelf.add(payload, young_until=self._now() + YOUNG_SECONDS)

    async def run(self) -> None:
        """Compare shelves with peers until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(self._beat_seconds * (0.5 + _CHANCE.random()))
                self._forget()
                peers = self._able()
                group.create_task(self.meet(_CHANCE.sample(peers, min(MET_AT_ONCE, len(peers)))))

    async def meet(self, peers: Iterable[PeerId]) -> None:
        """Compare shelves with these peers now, and mend what differs."""
        met = list(peers)
        more: dict[str, dict[PeerId, int]] = {}
        for peer, differing in zip(met, await asyncio.gather(*map(self._beat, met)), strict=True):
            for topic, count in differing.items():
                if topic in self._kept:
                    more.setdefault(topic, {})[peer] = count
        for topic, counts in more.items():
            kept = self._kept[topic]
            if kept.lock.locked():
                continue
            async with kept.lock:
                if max(counts.values()) >= max(JOIN_ITEMS_MIN + len(kept.shelf), 2 * len(kept.shelf)):
                    await self._join(topic, kept, list(counts))
                for peer in counts:
                    await self._rejoin(topic, kept, peer, frozenset())

    # how shelves become equal

    async def _beat(self, peer: PeerId) -> dict[str, int]:
        """Return in which topics a peer's shelves differ from ours, and how much is on them."""
        since = round(self._clock() * 1000)
        self._settle()
        prints = [
            messages.Print(topic, kept.shelf.fingerprint((since, b""))[0])
            for topic, kept in self._kept.items()
            if kept.waits_until.get(peer, 0.0) <= self._now()
        ]
        self.counts["beats"] += 1
        try:
            answer = await self._ask(peer, messages.Beat(since, tuple(prints[: messages.TOPICS_MAX])))
        except Unavailable as error:
            _log.debug("no synchronisation with %s: %s", peer, error)
            return {}
        except PeerFault as fault:
            self._blame(peer, fault)
            return {}
        return answer.counts if isinstance(answer, messages.Differ) else {}

    async def _join(self, topic: str, kept: _Kept, peers: list[PeerId]) -> None:
        """Take a snapshot from several peers at once, each part from one of them; then see what each kept back."""
        parts = list(range(2 * len(peers)))
        count = len(parts)
        served: dict[PeerId, set[int]] = {peer: set() for peer in peers}
        got: dict[PeerId, set[bytes]] = {peer: set() for peer in peers}

        async def work(peer: PeerId) -> None:
            while parts:
                part = parts.pop()
                outcome = await self._run(peer, topic, kept, sync.snapshot(topic, part, count))
                if outcome is None:
                    parts.append(part)
                    return
                served[peer].add(part)
                got[peer] |= outcome.found

        self.counts["snapshots"] += 1
        await asyncio.gather(*(work(peer) for peer in peers))
        for peer in peers:
            if served[peer]:
                await self._rejoin(topic, kept, peer, frozenset(served[peer]), count, len(got[peer]))

    async def _rejoin(
        self,
        topic: str,
        kept: _Kept,
        peer: PeerId,
        served: frozenset[int],
        parts: int = 1,
        size: int = 0,
    ) -> None:
        """Reconcile with a peer. Of the parts it `served` just now it must not have much that it did not give."""
        self.counts["reconciliations"] += 1
        since = round(self._clock() * 1000)
        session = sync.rejoin(kept.shelf, topic, since, secrets.token_bytes(8))
        outcome = await self._run(peer, topic, kept, session)
        if outcome is None:
            return
        hidden = sum(each[0] % parts in served for each in outcome.found) if served else 0
        denied = len(outcome.lacked & kept.given.get(peer, frozenset()))
        self._judge(peer, outcome.withheld + hidden + denied, size + outcome.got + outcome.gave)
        kept.given[peer] = outcome.lacked
        fruitless = not outcome.got and not outcome.gave - denied
        kept.waits_until[peer] = self._now() + FRUITLESS_SECONDS if fruitless else 0.0

    def _judge(self, peer: PeerId, withheld: int, size: int) -> None:
        """Lower the score of a peer that withholds more than may come or go meanwhile."""
        if withheld > max(TOLERATED_MIN, TOLERANCE * size):
            self.counts["withheld"] += withheld
            _log.info("%s withholds %d items that it has or was given", peer, withheld)
            self._gossip.accuse(peer, 2.0)

    async def _run(self, peer: PeerId, topic: str, kept: _Kept, session: sync.Session) -> Outcome | None:
        """Drive a session; None where it failed, and the peer's score says why."""
        try:
            request = next(session)
            while True:
                answer = await self._ask(peer, request)
                if isinstance(answer, messages.Items):
                    await self._take(topic, answer.payloads)
                request = session.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            self.counts["items_got"] += outcome.got
            self.counts["items_gave"] += outcome.gave
            return outcome
        except PeerFault as fault:
            self._blame(peer, fault)
        except Unavailable as error:
            _log.debug("synchronisation of %s with %s: %s", topic, peer, error)
        return None

    async def _take(self, topic: str, payloads: Iterable[bytes]) -> None:
        """Check items and keep the good ones, a few at a time.

        Raises:
            PeerFault: no honest peer would have passed one on.
        """
        kept = self._kept[topic]
        until = self._now() + WORK_SECONDS
        for payload in payloads:
            seen = glance(kept.validator, payload)
            judged = seen if isinstance(seen, Judgement) else verify(kept.validator, payload)
            if judged.verdict is Verdict.REJECT:
                self.counts["items_forged"] += 1
                raise PeerFault(judged.reason or Reason.MALFORMED, f"an item in {topic}: {judged.detail}")
            if judged.verdict is Verdict.ACCEPT:
                self._put(kept, payload)
                self._gossip.know(topic, payload)
            else:
                kept.shelf.refuse(sha256(payload).digest())
            if self._now() >= until:
                await asyncio.sleep(0)
                until = self._now() + WORK_SECONDS

    def _put(self, kept: _Kept, payload: bytes, *, is_young: bool = False) -> None:
        if kept.shelf.add(payload, young_until=self._now() + YOUNG_SECONDS if is_young else None):
            kept.on_item(payload)

    def _settle(self) -> None:
        for shelf in self._shelves.values():
            shelf.settle(self._now())

    def _blame(self, peer: PeerId, fault: PeerFault) -> None:
        self.counts["faults"] += 1
        self._gossip.accuse(peer, 8.0)
        self._host.drop(peer, fault)

    # streams

    async def _ask(self, peer: PeerId, request: sync.Request) -> sync.Answer:
        """Return a peer's answer, over one stream that stays.

        Raises:
            Unavailable: UNREACHABLE or UNKNOWN_FEATURE.
            PeerFault: MALFORMED or OVERSIZED.
        """
        async with self._locks.setdefault(peer, asyncio.Lock()):
            try:
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    stream = self._streams.get(peer)
                    if stream is None:
                        stream = self._streams[peer] = await self._host.open(peer, sync.PROTOCOL)
                    await stream.write_message(messages.encode(request))
                    data = await stream.read_message()
            except (Unavailable, TimeoutError) as error:
                if (broken := self._streams.pop(peer, None)) is not None:
                    broken.reset()
                raise Unavailable(Reason.UNREACHABLE, f"{peer} does not answer: {error}") from error
        if data is None:
            self._streams.pop(peer, None)
            raise Unavailable(Reason.UNREACHABLE, f"{peer} ended the stream")
        return messages.read_answer(data)

    async def _serve(self, stream: Stream) -> None:
        bucket = self._buckets.setdefault(stream.peer, Bucket(COST_PER_SECOND, self._now()))
        while (data := await stream.read_message()) is not None:
            request = messages.read_request(data)
            self._settle()
            price = min(sync.cost(self._shelves, request), COST_PER_SECOND)
            while not bucket.take_if_held(price, self._now()):  # noqa: ASYNC110 - it fills by time alone
                await asyncio.sleep(price / COST_PER_SECOND)
            if isinstance(request, messages.Give) and request.topic in self._kept:
                try:
                    await self._take(request.topic, request.payloads)
                except PeerFault:
                    self._gossip.accuse(stream.peer, 8.0)
                    raise
            self.counts["answers"] += 1
            await stream.write_message(messages.encode(await self._answer(request)))

    async def _answer(self, request: sync.Request) -> sync.Answer:
        """Return the answer; where all ids of a shelf are hashed for it, a few at a time, and one salt at a time."""
        if isinstance(request, messages.GetShortIds | messages.Fetch) and len(request.salt) == SHORT_BYTES:
            kept = self._kept.get(request.topic)
            if kept is not None:
                async with kept.shortening:
                    while not kept.shelf.shorten(request.salt, SHORTENED_AT_ONCE):  # noqa: ASYNC110 - work by turns
                        await asyncio.sleep(0)
                    return sync.answer(self._shelves, request)
        return sync.answer(self._shelves, request)

    def _able(self) -> list[PeerId]:
        return [info.peer for info in self._host.linked() if sync.PROTOCOL in info.protocols]

    def _forget(self) -> None:
        """Drop what is out of date, and what belongs to peers that are gone."""
        here = {info.peer for info in self._host.linked()}
        for kept in self._kept.values():
            kept.shelf.expire(self._clock())
            kept.given = {peer: ids for peer, ids in kept.given.items() if peer in here}
            kept.waits_until = {peer: until for peer, until in kept.waits_until.items() if peer in here}
        self._streams = {peer: stream for peer, stream in self._streams.items() if peer in here}
        self._locks = {peer: lock for peer, lock in self._locks.items() if peer in here or lock.locked()}
        self._buckets = {peer: bucket for peer, bucket in self._buckets.items() if peer in here}

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
