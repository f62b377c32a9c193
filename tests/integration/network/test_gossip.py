"""Gossip over real sockets: between hosts, to slow and hostile peers, and past channel messages."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import combinations, pairwise

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.integration.network.peers import ALICE, BOB, QUICK, Party, RawPeer, running, until

from thalweg.errors import Reason
from thalweg.network import Limits, PeerId, varint
from thalweg.network.framing import frame
from thalweg.network.gossip import PROTOCOL, Caps, Parameters, Times, rpc
from thalweg.network.gossip.rpc import Message, Rpc, Subscription
from thalweg.network.gossip_streams import QUEUED_BYTES_MAX
from thalweg.network.items import ItemRules, sign
from thalweg.network.multistream import HEADER, line
from thalweg.network.peer_id import Identity
from thalweg.network.pubsub import Gossip
from thalweg.network.secure import Credentials
from thalweg.network.yamux_frames import DATA, FIN, SYN, header

TOPIC = "orders"
FAST = Parameters(times=Times(heartbeat_seconds=0.2))


class Reader(Party):
    """A host that reads a topic."""

    def __init__(self, seed: bytes, parameters: Parameters = FAST, limits: Limits = QUICK) -> None:
        super().__init__(seed, limits)
        self.identity = Identity(seed)
        self.exchanged: list[bytes] = []
        self.gossip = Gossip(self.host, parameters, on_exchange=lambda named, source: self.exchanged.append(named.peer))
        self.read: dict[bytes, PeerId] = {}

    def subscribe(self) -> None:
        self.gossip.subscribe(TOPIC, ItemRules(TOPIC, time.time), self.read.__setitem__)

    def item(self, body: bytes) -> bytes:
        return sign(self.identity, TOPIC, body, time.time() + 600)


@asynccontextmanager
async def reading(*readers: Reader) -> AsyncIterator[None]:
    async with running(*readers):
        for reader in readers:
            reader.subscribe()
        yield


async def all_linked(readers: list[Reader]) -> None:
    for one, other in combinations(readers, 2):
        await one.host.dial(other.address)
    await until(lambda: all(len(reader.gossip.peers(TOPIC)) == len(readers) - 1 for reader in readers))


def seeds(number: int) -> list[bytes]:
    return [f"reader {each}".ljust(32).encode() for each in range(number)]


def test_what_one_publishes_everybody_reads_once_and_nothing_of_ones_own_comes_back() -> None:
    async def scenario() -> None:
        readers = [Reader(seed) for seed in seeds(8)]
        async with reading(*readers):
            await all_linked(readers)
            for reader in readers:
                for number in range(50):
                    reader.gossip.publish(TOPIC, reader.item(b"%d" % number))
            await until(lambda: all(len(reader.read) >= 350 for reader in readers))
            await asyncio.sleep(0.5)
            assert [len(reader.read) for reader in readers] == [350] * 8

    asyncio.run(scenario())


def test_a_message_travels_over_peers_that_are_not_linked_to_its_author() -> None:
    async def scenario() -> None:
        readers = [Reader(seed) for seed in seeds(5)]
        async with reading(*readers):
            for one, other in pairwise(readers):
                await one.host.dial(other.address)
            await until(lambda: all(reader.gossip.mesh(TOPIC) for reader in readers))
            readers[0].gossip.publish(TOPIC, item := readers[0].item(b"far"))
            await until(lambda: item in readers[-1].read)
            assert readers[-1].read[item] == readers[-2].id

    asyncio.run(scenario())


def test_a_lost_link_is_left_and_joined_again_when_it_is_back() -> None:
    async def scenario() -> None:
        alice, bob = Reader(ALICE), Reader(BOB)
        async with reading(alice, bob):
            alice.host.keep(bob.id, bob.address)
            await until(lambda: bool(alice.gossip.peers(TOPIC) and bob.gossip.peers(TOPIC)))
            bob.host.disconnect(alice.id, "test")
            await until(lambda: not alice.gossip.peers())
            await until(lambda: bool(alice.gossip.peers(TOPIC) and bob.gossip.peers(TOPIC)))
            alice.gossip.publish(TOPIC, item := alice.item(b"again"))
            await until(lambda: item in bob.read)

    asyncio.run(scenario())


def test_messages_as_large_as_the_limit_pass_the_streams_windows() -> None:
    async def scenario() -> None:
        alice, bob = Reader(ALICE), Reader(BOB)
        async with reading(alice, bob):
            await all_linked([alice, bob])
            items = [alice.item(bytes((number,)) * 16_000) for number in range(60)]  # four windows
            for item in items:
                alice.gossip.publish(TOPIC, item)
            await until(lambda: set(items) <= set(bob.read))

    asyncio.run(scenario())


async def raw_gossip(address_of: Reader, seed: bytes) -> tuple[RawPeer, PeerId]:
    """Link a raw peer that opens a gossip stream."""
    credentials = Credentials(Identity(seed), X25519PrivateKey.generate())
    raw = await RawPeer.connect(address_of.address, seed, credentials)
    opening = line(HEADER) + line(PROTOCOL)
    raw.send(header(DATA, SYN, 1, len(opening)) + opening)
    return raw, credentials.identity.peer_id


def framed(*rpcs: Rpc) -> bytes:
    body = b"".join(frame(rpc.encode(each)) for each in rpcs)
    return header(DATA, 0, 1, len(body)) + body


async def raw_reader(alice: Reader) -> tuple[RawPeer, PeerId]:
    """Link Mallory, who reads the topic."""
    mallory, peer = await raw_gossip(alice, b"mallory".ljust(32))
    mallory.send(framed(Rpc(subscriptions=(Subscription(TOPIC, True),))))
    await until(lambda: peer in alice.gossip.peers(TOPIC))
    return mallory, peer


def test_a_forger_is_cut_off_over_the_wire_and_others_are_served() -> None:
    async def scenario() -> None:
        alice, bob = Reader(ALICE), Reader(BOB)
        async with reading(alice, bob):
            await all_linked([alice, bob])
            mallory, peer = await raw_reader(alice)
            forged = [Message(TOPIC, bob.item(b"%d" % number)[:-1] + b"x") for number in range(4)]
            mallory.send(framed(Rpc(messages=tuple(forged))))
            await mallory.farewell()
            assert peer not in alice.gossip.peers()
            assert alice.gossip.router_counts["reject"] == 3
            bob.gossip.publish(TOPIC, item := bob.item(b"honest"))
            await until(lambda: item in alice.read)
            assert len(alice.read) == 1

    asyncio.run(scenario())


def test_a_flood_is_cut_off_and_channel_messages_pass_meanwhile() -> None:
    async def scenario() -> None:
        alice, bob = Reader(ALICE, Parameters(caps=Caps(messages_per_second=100))), Reader(BOB)
        async with reading(alice, bob):
            await bob.host.dial(alice.address)
            await bob.next("up")
            await alice.next("up")
            mallory, peer = await raw_gossip(alice, b"mallory".ljust(32))

            async def flood() -> None:
                number = 0
                while peer in alice.host.peers() or peer in alice.gossip.peers() or number == 0:
                    batch = [Message(TOPIC, b"%d" % (number + each) * 50) for each in range(100)]
                    mallory.send(framed(Rpc(messages=tuple(batch))))
                    number += 100
                    await asyncio.sleep(0.02)

            async with asyncio.TaskGroup() as group:
                group.create_task(flood())
                for number in range(20):
                    bob.host.send(alice.id, b"%d" % number)
                    assert await alice.next("message") == b"%d" % number
            mallory.close()

    asyncio.run(scenario())


def test_malformed_gossip_cuts_the_link_with_a_reason() -> None:
    async def scenario() -> None:
        for body, reason in (
            (b"\x12\xff", Reason.MALFORMED),
            (rpc.encode(Rpc(subscriptions=(Subscription("t" * 200, True),))), Reason.OVERSIZED),
        ):
            alice = Reader(ALICE)
            async with reading(alice):
                mallory, _ = await raw_gossip(alice, b"mallory".ljust(32))
                data = frame(body)
                mallory.send(header(DATA, 0, 1, len(data)) + data)
                await mallory.farewell()
                assert alice.gossip.router_counts[f"cut_{reason.name.lower()}"] == 1

    asyncio.run(scenario())


def test_a_peer_that_does_not_read_misses_messages_and_costs_bounded_memory() -> None:
    async def scenario() -> None:
        alice, bob = Reader(ALICE), Reader(BOB)
        async with reading(alice, bob):
            await all_linked([alice, bob])
            sloth, peer = await raw_gossip(alice, b"sloth".ljust(32))
            sloth.send(framed(Rpc(subscriptions=(Subscription(TOPIC, True),))))
            await until(lambda: peer in alice.gossip.peers(TOPIC))
            # it never answers our stream's negotiation, so nothing at all may pile up for it
            for number in range(2 * QUEUED_BYTES_MAX // 16_000):
                alice.gossip.publish(TOPIC, alice.item(number.to_bytes(2) * 8_000))
                await asyncio.sleep(0.02)
            assert alice.gossip.counts["rpcs_dropped"] > 0
            await until(lambda: len(bob.read) == 2 * QUEUED_BYTES_MAX // 16_000)
            sloth.close()

    asyncio.run(scenario())


def test_a_stranger_to_gossip_stays_linked() -> None:
    async def scenario() -> None:
        alice, bob = Reader(ALICE), Party(BOB)
        async with running(alice, bob):
            alice.subscribe()
            await alice.host.dial(bob.address)
            await alice.next("up")
            await asyncio.sleep(0.2)
            assert alice.gossip.peers() == ()
            alice.host.send(bob.id, b"still here")
            await bob.next("up")
            assert await bob.next("message") == b"still here"

    asyncio.run(scenario())


def test_a_peer_that_a_good_one_names_is_told_to_the_application() -> None:
    async def scenario() -> None:
        alice = Reader(ALICE)
        async with reading(alice):
            mallory, peer = await raw_reader(alice)
            named = rpc.Exchanged(b"somebody", b"record")
            author = Identity(b"author".ljust(32))
            items = [sign(author, TOPIC, b"%d" % number, time.time() + 60) for number in range(20)]
            mallory.send(framed(Rpc(messages=tuple(Message(TOPIC, item) for item in items))))
            await until(lambda: alice.gossip.score(peer) >= 5)
            mallory.send(framed(Rpc(controls=(rpc.Prune(TOPIC, (named,), 60),))))
            await until(lambda: alice.exchanged == [b"somebody"])
            mallory.close()

    asyncio.run(scenario())


def unfinished(stream_id: int, size: int, sent: int) -> bytes:
    """Frames that open a gossip stream and send the front of a long RPC."""
    opening = line(HEADER) + line(PROTOCOL)
    body = varint.encode(size) + bytes(sent)
    return header(DATA, SYN, stream_id, len(opening)) + opening + header(DATA, 0, stream_id, len(body)) + body


def test_unfinished_rpcs_on_many_streams_of_a_peer_hold_no_more_than_one_stream() -> None:
    async def scenario() -> None:
        alice = Reader(ALICE)
        async with reading(alice):
            mallory, peer = await raw_gossip(alice, b"mallory".ljust(32))
            await until(lambda: peer in alice.gossip.peers())
            (link,) = alice.host._switch.links.all()
            for stream_id in range(3, 203, 2):
                mallory.send(unfinished(stream_id, 900_000, 100_000))
            ids = tuple(bytes((number,)) * 32 for number in range(100))
            opening = line(HEADER) + line(PROTOCOL)
            mallory.send(header(DATA, SYN, 203, len(opening)) + opening)
            body = frame(rpc.encode(Rpc(subscriptions=(Subscription("late", True),), controls=(rpc.IWant(ids),))))
            mallory.send(header(DATA, 0, 203, len(body)) + body)
            await until(lambda: peer in alice.gossip.peers("late"))
            assert link.streams.held < 1_000
            mallory.close()

    asyncio.run(scenario())


def test_unfinished_rpcs_of_many_peers_are_bounded_together_and_the_heaviest_goes() -> None:
    async def scenario() -> None:
        alice = Reader(ALICE, limits=Limits(memory_bytes_max=1_000_000, links_per_address_max=50))
        async with reading(alice):
            most = 0
            crowd = []
            for number in range(8):
                raw, _ = await raw_gossip(alice, f"mallory {number}".ljust(32).encode())
                raw.send(unfinished(3, 1_000_000, 150_000 + number))
                crowd.append(raw)
                await asyncio.sleep(0.05)
                most = max(
                    most, sum(link.streams.held for link in alice.host._switch.links.all() if not link.is_closed)
                )
            assert 500_000 < most <= 1_000_000 + 8 * 2 * 65_536
            await until(lambda: len([link for link in alice.host._switch.links.all() if not link.is_closed]) <= 6)
            assert alice.host._switch.scale.held <= 1_000_000
            for raw in crowd:
                raw.close()
            await until(lambda: not alice.gossip.peers())
            assert alice.host._switch.scale.held == 0

    asyncio.run(scenario())


def test_rpcs_of_no_size_are_a_flood() -> None:
    async def scenario() -> None:
        alice, bob = Reader(ALICE), Reader(BOB)
        async with reading(alice, bob):
            await all_linked([alice, bob])
            mallory, peer = await raw_gossip(alice, b"mallory".ljust(32))
            await until(lambda: peer in alice.gossip.peers())
            for _ in range(4):
                mallory.send(header(DATA, 0, 1, 50_000) + bytes(50_000))
            await mallory.farewell()
            assert peer not in alice.gossip.peers()
            bob.gossip.publish(TOPIC, item := bob.item(b"honest"))
            await until(lambda: item in alice.read)

    asyncio.run(scenario())


def test_a_gossip_stream_may_end_and_another_go_on() -> None:
    async def scenario() -> None:
        alice = Reader(ALICE)
        async with reading(alice):
            mallory, peer = await raw_reader(alice)
            mallory.send(header(DATA, FIN, 1, 0))
            opening = line(HEADER) + line(PROTOCOL)
            mallory.send(header(DATA, SYN, 3, len(opening)) + opening)
            body = frame(rpc.encode(Rpc(subscriptions=(Subscription("other", True),))))
            mallory.send(header(DATA, 0, 3, len(body)) + body)
            await until(lambda: peer in alice.gossip.peers("other"))
            assert peer in alice.gossip.peers(TOPIC)
            mallory.close()
            await until(lambda: not alice.gossip.peers())

    asyncio.run(scenario())
