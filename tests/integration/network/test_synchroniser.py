"""Shelves over real links: a newcomer, one who was away, liars, and a peer that asks too much."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.integration.network.peers import Party, running, until

from thalweg.network import Stream, sync
from thalweg.network.gossip import Parameters, Times
from thalweg.network.items import ItemRules, sign
from thalweg.network.peer_id import Identity
from thalweg.network.pubsub import Gossip
from thalweg.network.sync import messages
from thalweg.network.synchroniser import Synchroniser

TOPIC = "orders"
FAST = Parameters(times=Times(heartbeat_seconds=0.2))
AUTHORS = [Identity(f"author {number}".ljust(32).encode()) for number in range(4)]


def items(count: int) -> list[bytes]:
    until_when = time.time() + 600
    return [sign(AUTHORS[number % 4], TOPIC, b"%d" % number, until_when + number) for number in range(count)]


def forge(payload: bytes) -> bytes:
    """Return an item whose signature is wrong from its first byte on."""
    return payload[:-64] + bytes((payload[-64] ^ 1,)) + payload[-63:]


class Trader(Party):
    """A host that keeps a topic."""

    def __init__(self, name: str, ahead: float = 0.0) -> None:
        super().__init__(name.ljust(32).encode())
        self.clock = lambda: time.time() + ahead
        self.gossip = Gossip(self.host, FAST)
        self.heard: list[bytes] = []
        self.synchroniser = Synchroniser(self.host, self.gossip, clock=self.clock)
        self.shelf = sync.Shelf()

    def start(self) -> None:
        self.shelf = self.synchroniser.keep(TOPIC, ItemRules(TOPIC, self.clock), self.heard.append)

    def fill(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.shelf.add(payload)


@asynccontextmanager
async def trading(*traders: Trader) -> AsyncIterator[None]:
    """Run traders; the first is linked to all others."""
    async with running(*traders):
        for trader in traders:
            trader.start()
        for other in traders[1:]:
            await traders[0].host.dial(other.address)
        first = traders[0]
        await until(lambda: len(first.gossip.peers(TOPIC)) == len(traders) - 1)
        await until(lambda: all(sync.PROTOCOL in info.protocols for info in first.host.linked()))
        yield


def test_a_newcomer_gets_everything_from_several_peers_at_once() -> None:
    async def scenario() -> None:
        newcomer, one, two, three = (Trader(name) for name in ("newcomer", "one", "two", "three"))
        everything = items(900)
        async with trading(newcomer, one, two, three):
            for trader in (one, two, three):
                trader.fill(everything)
            await newcomer.synchroniser.meet([one.id, two.id, three.id])
            assert set(newcomer.shelf.payloads()) == set(everything)
            assert set(newcomer.heard) == set(everything)
            assert newcomer.synchroniser.counts["snapshots"] == 1
            assert all(trader.synchroniser.counts["answers"] > 4 for trader in (one, two, three))
            before = newcomer.synchroniser.counts["reconciliations"]
            await newcomer.synchroniser.meet([one.id, two.id, three.id])
            assert newcomer.synchroniser.counts["reconciliations"] == before  # equal sets cost nothing

    asyncio.run(scenario())


def test_who_was_away_gets_and_gives_what_differs_by_himself() -> None:
    async def scenario() -> None:
        one, two = Trader("one"), Trader("two")
        one.synchroniser = Synchroniser(one.host, one.gossip, beat_seconds=0.05)
        everything = items(60)
        async with trading(one, two):
            one.fill(everything[:50])
            two.fill(everything[10:])
            beating = asyncio.get_running_loop().create_task(one.synchroniser.run())
            await until(lambda: len(one.shelf) == len(two.shelf) == 60)
            assert set(two.heard) == set(everything[:10])
            beating.cancel()

    asyncio.run(scenario())


def test_a_peer_that_serves_a_forged_item_is_cut_off_and_the_item_is_not_kept() -> None:
    async def scenario() -> None:
        victim, liar, honest = Trader("victim"), Trader("liar"), Trader("honest")
        everything = items(400)
        forged = forge(everything[7])
        async with trading(victim, liar, honest):
            liar.fill([*everything, forged])
            honest.fill(everything)
            await victim.synchroniser.meet([liar.id, honest.id])
            await until(lambda: liar.id not in {info.peer for info in victim.host.linked()})
            assert set(victim.shelf.payloads()) == set(everything)
            assert victim.synchroniser.counts["items_forged"] == 1

    asyncio.run(scenario())


def test_a_forged_gift_is_refused_and_its_giver_cut_off() -> None:
    async def scenario() -> None:
        victim, liar = Trader("victim"), Trader("liar")
        forged = forge(items(1)[0])
        async with trading(victim, liar):
            liar.fill([forged])
            await liar.synchroniser.meet([victim.id])
            await until(lambda: not victim.host.linked())
            assert not len(victim.shelf)

    asyncio.run(scenario())


def test_a_peer_that_withholds_what_it_says_it_has_loses_its_score_and_then_its_link() -> None:
    async def scenario() -> None:
        victim, liar = Trader("victim"), Trader("liar")

        async def lie(stream: Stream) -> None:
            while (data := await stream.read_message()) is not None:
                request = messages.read_request(data)
                said = sync.answer({TOPIC: liar.shelf}, request)
                await stream.write_message(
                    messages.encode(messages.Items(()) if isinstance(said, messages.Items) else said)
                )

        liar.host.handle(sync.PROTOCOL, lie)
        async with trading(victim, liar):
            liar.fill(items(40))
            for _ in range(2):
                await victim.synchroniser.meet([liar.id])
                victim.synchroniser._kept[TOPIC].waits_until.clear()
            assert victim.synchroniser.counts["withheld"] >= 80
            assert victim.gossip.score(liar.id) < 0
            for _ in range(8):
                victim.synchroniser._kept[TOPIC].waits_until.clear()
                await victim.synchroniser.meet([liar.id])
            await until(lambda: not victim.host.linked())

    asyncio.run(scenario())


def test_a_peer_that_denies_what_it_was_given_is_found_out() -> None:
    async def scenario() -> None:
        victim, liar = Trader("victim"), Trader("liar")

        async def deny(stream: Stream) -> None:
            while (data := await stream.read_message()) is not None:
                said = sync.answer({TOPIC: sync.Shelf()}, messages.read_request(data))
                await stream.write_message(messages.encode(said))

        liar.host.handle(sync.PROTOCOL, deny)
        async with trading(victim, liar):
            victim.fill(items(30))
            await victim.synchroniser.meet([liar.id])
            assert victim.synchroniser.counts["withheld"] == 0
            await victim.synchroniser.meet([liar.id])
            assert victim.synchroniser.counts["withheld"] == 30

    asyncio.run(scenario())


def test_what_is_ignored_is_not_asked_for_again() -> None:
    async def scenario() -> None:
        one, two = Trader("one"), Trader("two")
        late = sign(AUTHORS[0], TOPIC, b"late", time.time() + 30 * 86_400)
        async with trading(one, two):
            two.fill([late])
            await one.synchroniser.meet([two.id])
            assert one.synchroniser.counts["items_got"] == 1
            assert len(one.shelf) == 0
            one.synchroniser._kept[TOPIC].waits_until.clear()
            await one.synchroniser.meet([two.id])
            assert one.synchroniser.counts["items_got"] == 1

    asyncio.run(scenario())


def test_clocks_that_disagree_by_five_minutes_cost_nobody_his_name() -> None:
    async def scenario() -> None:
        early, late = Trader("early", ahead=-299.0), Trader("late", ahead=299.0)
        everything = [sign(AUTHORS[0], TOPIC, b"%d" % number, time.time() + number) for number in range(-600, 600, 60)]
        async with trading(early, late):
            early.fill(everything[:12])
            late.fill(everything[8:])
            for _ in range(3):
                await early.synchroniser.meet([late.id])
                await late.synchroniser.meet([early.id])
            assert set(everything[15:]) <= set(early.shelf.payloads()) & set(late.shelf.payloads())
            assert early.gossip.score(late.id) >= 0
            assert late.gossip.score(early.id) >= 0
            assert early.synchroniser.counts["withheld"] == late.synchroniser.counts["withheld"] == 0

    asyncio.run(scenario())


def test_a_snapshot_goes_on_with_others_when_one_peer_says_nothing() -> None:
    async def scenario() -> None:
        newcomer, mute, honest = Trader("newcomer"), Trader("mute"), Trader("honest")

        async def hang_up(stream: Stream) -> None:
            beat = await stream.read_message()
            assert beat is not None
            await stream.write_message(messages.encode(sync.answer({TOPIC: mute.shelf}, messages.read_request(beat))))

        mute.host.handle(sync.PROTOCOL, hang_up)
        everything = items(400)
        async with trading(newcomer, mute, honest):
            mute.fill(everything)
            honest.fill(everything)
            await newcomer.synchroniser.meet([mute.id, honest.id])
            assert len(newcomer.shelf) == 400

    asyncio.run(scenario())
