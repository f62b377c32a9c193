"""Strangers find each other over real sockets, each address on a loopback network of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.integration.network.peers import ALICE, QUICK, Party, running, until

from thalweg.errors import Reason, Unavailable
from thalweg.network import Host, Multiaddr, PeerId, Stream
from thalweg.network.discovery.announcement import LIFE_SECONDS, Node, announce, check
from thalweg.network.discovery.book import PeerBook
from thalweg.network.discovery.groups import group_of
from thalweg.network.finder import DIALS_PER_SECOND, PROTOCOL, Finder
from thalweg.network.gossip import Parameters, Times
from thalweg.network.peer_id import Identity
from thalweg.network.pubsub import Gossip
from thalweg.network.rate import BURST_SECONDS

FAST = Parameters(times=Times(heartbeat_seconds=0.2))


class Stranger:
    """A node with everything that discovery needs, and what it saved last."""

    def __init__(self, number: int, bootstrap: tuple[Multiaddr, ...] = (), saved: bytes = b"") -> None:
        self.number = number
        self.saved, self.saved_bans = saved, b""
        self.host = Host(
            f"stranger {number}".ljust(32).encode(),
            agent=f"thalweg/{number}",
            limits=QUICK,
            on_link_up=lambda peer: None,
            on_link_down=lambda peer, reason: None,
            on_message=lambda peer, message: None,
        )
        self.gossip = Gossip(self.host, FAST)
        book = PeerBook.decode(self.id, saved) if saved else PeerBook(self.id)
        self.finder = Finder(
            self.host,
            self.gossip,
            book,
            describe=self.describe,
            bootstrap=bootstrap,
            save=self.save,
            save_bans=self.save_bans,
        )

    @property
    def id(self) -> PeerId:
        return self.host.peer_id

    def describe(self) -> Node:
        return Node(addresses=tuple(map(str, self.host.addresses)), agent="thalweg/test", roles=("maker",))

    def save(self, data: bytes) -> None:
        self.saved = data

    def save_bans(self, data: bytes) -> None:
        self.saved_bans = data

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.host.listen(f"127.{self.number}.0.1", 0)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(self.host.run())
            await asyncio.sleep(0)
            finding = group.create_task(self.finder.run())
            yield
            finding.cancel()
            await asyncio.gather(finding, return_exceptions=True)
            await self.host.aclose()


@asynccontextmanager
async def all_running(strangers: list[Stranger]) -> AsyncIterator[None]:
    if not strangers:
        yield
        return
    async with strangers[0].running(), all_running(strangers[1:]):
        yield


def test_strangers_who_know_one_address_find_each_other() -> None:
    async def scenario() -> None:
        first = Stranger(1)
        async with first.running():
            others = [Stranger(number, (first.host.addresses[0],)) for number in range(2, 12)]
            async with all_running(others):
                everybody = [first, *others]
                await until(lambda: all(len(each.finder.book) == 10 for each in everybody))
                await until(lambda: all(len(each.host.linked()) >= 5 for each in everybody))
                entry = others[0].finder.book.get(others[-1].id)
                assert entry is not None
                assert entry.announcement is not None
                assert entry.announcement.roles == ("maker",)
                groups = [group_of(info.address) for info in others[0].host.linked() if info.dialled]
                assert len(set(groups)) == len(groups)

    asyncio.run(scenario())


def test_a_node_that_starts_again_needs_no_bootstrap() -> None:
    async def scenario() -> None:
        first = Stranger(1)
        async with first.running():
            others = [Stranger(number, (first.host.addresses[0],)) for number in range(2, 6)]
            async with all_running(others[:-1]):
                last = others[-1]
                async with last.running():
                    await until(lambda: len(last.finder.book) == 4)
                    await until(lambda: sum(info.dialled for info in last.host.linked()) >= 2)
                assert last.finder.book.anchors
                await first.host.aclose()
                again = Stranger(last.number, (), last.saved)
                assert again.finder.book.anchors == last.finder.book.anchors
                async with again.running():
                    await until(lambda: len(again.host.linked()) >= 2)

    asyncio.run(scenario())


def test_a_banned_peer_stays_away_also_after_a_restart_until_it_is_pardoned() -> None:
    async def scenario() -> None:
        first = Stranger(1)
        async with first.running():
            other = Stranger(2, (first.host.addresses[0],))
            async with other.running():
                await until(lambda: first.id in {info.peer for info in other.host.linked()})
                await until(lambda: len(first.finder.book) == 1)
                first.finder.ban(other.id)
                await until(lambda: not first.host.linked())
                await asyncio.sleep(1.5)
                assert not first.host.linked()
            book = PeerBook(first.id)
            book.decode_bans(first.saved_bans)
            assert book.banned(other.id, time.time())
            assert first.finder.pardon(other.id)
            again = Stranger(2, (first.host.addresses[0],))
            async with again.running():
                await until(lambda: bool(first.host.linked()))

    asyncio.run(scenario())


def test_a_peer_that_tells_of_forged_nodes_is_cut_off() -> None:
    async def scenario() -> None:
        liar = Party(ALICE)
        forged = announce(Identity(b"somebody".ljust(32)), Node(addresses=("/ip4/1.2.3.4/tcp/1",)), time.time())

        async def lie(stream: Stream) -> None:
            await stream.write_message(forged[:-1] + bytes((forged[-1] ^ 1,)))

        liar.host.handle(PROTOCOL, lie)
        victim = Stranger(1)
        async with running(liar), victim.running():
            victim.finder.hear_of(liar.address)
            await liar.next("up")
            await liar.down()
            assert liar.id not in {info.peer for info in victim.host.linked()}
            assert victim.finder.book.get(Identity(b"somebody".ljust(32)).peer_id) is None

    asyncio.run(scenario())


def test_addresses_that_the_asker_cannot_reach_are_not_told() -> None:
    async def scenario() -> None:
        first = Stranger(1)
        async with first.running():
            nodes = {name: Identity(name.ljust(32).encode()) for name in ("nowhere", "here", "public")}
            for name, text in (("nowhere", "224.0.0.1"), ("here", "127.7.7.7"), ("public", "8.8.8.8")):
                node = Node(addresses=(f"/ip4/{text}/tcp/1",))
                first.finder.book.learn(check(announce(nodes[name], node, time.time())))
            asker = Party(ALICE)
            async with running(asker):
                await asker.host.dial(first.host.addresses[0])
                stream = await asker.host.open(first.id, PROTOCOL)
                stream.close()
                told = set()
                while (payload := await stream.read_message()) is not None:
                    told.add(check(payload).peer)
            assert told == {nodes["here"].peer_id, nodes["public"].peer_id}

    asyncio.run(scenario())


def test_a_stranger_names_no_private_place_and_no_service_for_anybody_to_dial() -> None:
    async def scenario() -> None:
        victim = Stranger(1)
        async with victim.running():
            named = ("/ip4/127.0.0.1/tcp/4001", "/ip4/192.168.1.1/tcp/8080", "/dns/victim.example/tcp/4001",
                     "/ip4/8.8.8.8/tcp/25", "/ip4/0.0.0.0/tcp/4001", "/ip4/8.8.8.8/tcp/4001")  # fmt: skip
            liar = Identity(b"liar".ljust(32))
            victim.finder._learn(check(announce(liar, Node(addresses=named), time.time())), "9.9.9.9")
            entry = victim.finder.book.get(liar.peer_id)
            assert entry is not None
            assert [str(address.to(liar.peer_id)) for address in entry.addresses] == [f"{named[-1]}/p2p/{liar.peer_id}"]
            assert victim.finder.counts["addresses_not_believed"] == 5

    asyncio.run(scenario())


def test_a_book_full_of_nodes_that_are_not_there_makes_a_limited_number_of_dials() -> None:
    async def scenario() -> None:
        victim = Stranger(1)
        for number in range(400):
            address = Multiaddr.of(f"127.{50 + number % 200}.0.1", 1 + number)  # refused at once
            victim.finder.book.hear_of(PeerId.of_key(number.to_bytes(32)), (address,))
        loop = asyncio.get_running_loop()
        async with victim.running():
            begun = loop.time()
            await asyncio.sleep(1.5)
            tried = sum(entry.tried_at > 0 for _, entry in victim.finder.book.entries())
            assert 0 < tried <= DIALS_PER_SECOND * (BURST_SECONDS + loop.time() - begun) + 1

    asyncio.run(scenario())


def test_a_full_disk_does_not_end_the_node_and_a_ban_says_so() -> None:
    async def scenario() -> None:
        first = Stranger(1)

        def refuse(data: bytes) -> None:
            raise Unavailable(Reason.DISK_FULL, "no space left")

        first.finder._save = first.finder._save_bans = refuse
        async with first.running():
            await asyncio.sleep(0)
            first.finder.save()
            assert first.finder.counts["saves_failed"] == 1
            banned = PeerId.of_key(bytes(32))
            with pytest.raises(Unavailable):
                first.finder.ban(banned)
            assert first.finder.book.banned(banned, time.time())
        assert first.finder.counts["saves_failed"] == 2  # the one at the end

    asyncio.run(scenario())


def test_what_is_out_of_date_or_from_the_future_is_neither_told_nor_taken() -> None:
    async def scenario() -> None:
        now = time.time()
        nodes = {name: Identity(name.ljust(32).encode()) for name in ("old", "slow", "fast", "future")}
        said_at = {"old": now - LIFE_SECONDS - 310, "slow": now - 290, "fast": now + 290, "future": now + 310}
        payloads = {
            nodes[name].peer_id: announce(nodes[name], Node(addresses=("/ip4/8.8.8.8/tcp/4001",)), at)
            for name, at in said_at.items()
        }
        liar = Party(ALICE)
        told: list[PeerId] = []

        async def tell_all(stream: Stream) -> None:
            for payload in payloads.values():
                await stream.write_message(payload)

        liar.host.handle(PROTOCOL, tell_all)
        victim, teller = Stranger(1), Stranger(2)
        for payload in payloads.values():
            teller.finder.book.learn(check(payload))
        async with running(liar), victim.running(), teller.running():
            victim.finder.hear_of(liar.address)
            await until(lambda: len(victim.finder.book) >= 3)
            assert {nodes["slow"].peer_id, nodes["fast"].peer_id} == set(payloads) & {
                peer for peer, _ in victim.finder.book.entries()
            }
            await liar.host.dial(teller.host.addresses[0])
            stream = await liar.host.open(teller.id, PROTOCOL)
            stream.close()
            while (said := await stream.read_message()) is not None:
                told.append(check(said).peer)
            assert set(told) == {nodes["slow"].peer_id, nodes["fast"].peer_id}

    asyncio.run(scenario())
