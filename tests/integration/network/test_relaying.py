"""Peers that nobody dials are reached through a relay, which is limited and sees nothing."""

import asyncio
from dataclasses import dataclass
from functools import partial

import pytest
from tests.integration.network.peers import ECHO, Party, running, until

from thalweg.errors import Reason, Unavailable
from thalweg.network import Limits, Multiaddr
from thalweg.network.holes import Holes
from thalweg.network.relay import Caps
from thalweg.network.relay.messages import read_voucher
from thalweg.network.relaying import Relaying

QUICK = Limits(retry_seconds_min=0.01, retry_seconds_max=0.05, linger_seconds=0.2)


@dataclass
class Relayed:
    """A party, and its way through relays."""

    party: Party
    relaying: Relaying


def make(name: str, serves: Caps | None = None) -> Relayed:
    party = Party(name.ljust(32).encode(), QUICK)
    return Relayed(party, Relaying(party.host, serves=serves))


def _here(party: Party) -> tuple[Multiaddr, ...]:
    return (party.address,)


def through(relay: Party, target: Party) -> Multiaddr:
    return relay.address.via().to(target.id)


def test_messages_and_streams_go_through_a_relay_both_ways_and_it_ends_with_either_side() -> None:
    async def scenario() -> None:
        relay, inner, outer = make("relay", Caps()), make("inner"), make("outer")
        async with running(relay.party, inner.party, outer.party):
            await inner.party.host.dial(relay.party.address)
            await inner.party.next("up")
            reservation = await inner.relaying.reserve(relay.party.id)
            assert read_voucher(reservation.voucher) == (relay.party.id, inner.party.id, reservation.expires_at)
            assert inner.relaying.addresses() == (through(relay.party, inner.party),)
            heard: list[object] = []
            inner.relaying.on_circuit = heard.append

            await outer.party.host.dial(inner.relaying.addresses()[0])
            await until(lambda: inner.party.id in outer.party.host.peers())
            await until(lambda: outer.party.id in inner.party.host.peers())
            await until(lambda: heard == [outer.party.id])
            assert outer.party.host.is_relayed(inner.party.id)
            outer.party.host.send(inner.party.id, b"question")
            inner.party.host.send(outer.party.id, b"answer" * 100_000)
            got: list[object] = []
            outer.party.on_message = lambda peer, message: got.append(message)  # type: ignore[method-assign]
            await until(lambda: got == [b"answer" * 100_000])

            stream = await outer.party.host.open(inner.party.id, ECHO)
            for size in (1, 1000, 300_000):
                await stream.write_message(bytes(size))
                assert await stream.read_message() == bytes(size)
            info = outer.party.host.info(inner.party.id)
            assert info is not None
            assert info.address.relay is not None
            assert relay.relaying.counts["bytes_carried"] > 1_200_000
            outer.party.host.disconnect(inner.party.id, "done")
            await until(lambda: outer.party.id not in inner.party.host.peers())
            assert relay.relaying.slots is not None
            slots = relay.relaying.slots
            await until(lambda: slots.circuits == 0)

    asyncio.run(scenario())


def test_a_circuit_gives_way_to_a_direct_link_and_messages_go_on() -> None:
    async def scenario() -> None:
        relay, inner, outer = make("relay", Caps()), make("inner"), make("outer")
        holes = [Holes(each.party.host, partial(_here, each.party), private=True) for each in (inner, outer)]
        async with running(relay.party, inner.party, outer.party):
            await inner.party.host.dial(relay.party.address)
            await inner.relaying.reserve(relay.party.id)
            await outer.party.host.dial(through(relay.party, inner.party))
            await until(lambda: outer.party.id in inner.party.host.peers())
            assert await holes[0].punch(outer.party.id)
            await until(lambda: not outer.party.host.is_relayed(inner.party.id))
            await until(lambda: inner.party.id in outer.party.host.peers())
            assert relay.relaying.slots is not None
            slots = relay.relaying.slots
            await until(lambda: slots.circuits == 0)
            assert holes[0].counts == {"punched": 1}
            outer.party.host.send(inner.party.id, b"directly")
            while await inner.party.events.get() != ("message", outer.party.id, b"directly"):
                continue

    asyncio.run(scenario())


def test_a_hole_that_leads_nowhere_leaves_the_circuit() -> None:
    async def scenario() -> None:
        relay, inner, outer = make("relay", Caps()), make("inner"), make("outer")
        holes = [Holes(each.party.host, tuple, private=True) for each in (inner, outer)]
        async with running(relay.party, inner.party, outer.party):
            await inner.party.host.dial(relay.party.address)
            await inner.relaying.reserve(relay.party.id)
            await outer.party.host.dial(through(relay.party, inner.party))
            await until(lambda: outer.party.id in inner.party.host.peers())
            assert not await holes[0].punch(outer.party.id)
            assert inner.party.host.is_relayed(outer.party.id)
            assert holes[0].counts == {"failed": 1}

    asyncio.run(scenario())


def test_without_a_reservation_nobody_is_led_anywhere() -> None:
    async def scenario() -> None:
        relay, inner, outer = make("relay", Caps()), make("inner"), make("outer")
        async with running(relay.party, inner.party, outer.party):
            await inner.party.host.dial(relay.party.address)
            with pytest.raises(Unavailable, match="no reservation"):
                await outer.party.host.dial(through(relay.party, inner.party))
            await inner.relaying.reserve(relay.party.id)
            await inner.party.host.aclose()
            await until(lambda: relay.party.host.info(inner.party.id) is None)
            with pytest.raises(Unavailable, match="no reservation"):
                await outer.party.host.dial(through(relay.party, inner.party))

    asyncio.run(scenario())


def test_who_is_no_relay_says_so() -> None:
    async def scenario() -> None:
        other, inner = make("other"), make("inner")
        async with running(other.party, inner.party):
            await inner.party.host.dial(other.party.address)
            with pytest.raises(Unavailable) as caught:
                await inner.relaying.reserve(other.party.id)
            assert caught.value.reason is Reason.UNKNOWN_FEATURE

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "caps",
    [
        Caps(reservations_max=0),
        Caps(reservations_per_group_max=0),
    ],
    ids=["in all", "of a group"],
)
def test_reservations_have_limits(caps: Caps) -> None:
    async def scenario() -> None:
        relay, inner = make("relay", caps), make("inner")
        async with running(relay.party, inner.party):
            await inner.party.host.dial(relay.party.address)
            with pytest.raises(Unavailable, match="reservation refused") as caught:
                await inner.relaying.reserve(relay.party.id)
            assert caught.value.reason is Reason.LIMIT

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("caps", "sent"),
    [(Caps(circuit_bytes=100_000), 200_000), (Caps(circuit_seconds=1), 0)],
    ids=["bytes", "seconds"],
)
def test_a_circuit_ends_at_its_limit(caps: Caps, sent: int) -> None:
    async def scenario() -> None:
        relay, inner, outer = make("relay", caps), make("inner"), make("outer")
        async with running(relay.party, inner.party, outer.party):
            await inner.party.host.dial(relay.party.address)
            await inner.relaying.reserve(relay.party.id)
            await outer.party.host.dial(through(relay.party, inner.party))
            await until(lambda: inner.party.id in outer.party.host.peers())
            outer.party.host.send(inner.party.id, bytes(sent))
            await until(lambda: inner.party.id not in outer.party.host.peers())
            await until(lambda: outer.party.id not in inner.party.host.peers())

    asyncio.run(scenario())


def test_circuits_of_a_peer_have_a_limit_and_no_circuit_leads_over_another() -> None:
    async def scenario() -> None:
        relay = make("relay", Caps(circuits_per_peer_max=1))
        inner, one, two = make("inner"), make("one"), make("two")
        async with running(relay.party, inner.party, one.party, two.party):
            await inner.party.host.dial(relay.party.address)
            await inner.relaying.reserve(relay.party.id)
            await one.party.host.dial(through(relay.party, inner.party))
            with pytest.raises(Unavailable, match="resource limit exceeded"):
                await two.party.host.dial(through(relay.party, inner.party))
            with pytest.raises(Unavailable):
                await one.party.host.dial(through(relay.party, inner.party).via().to(two.party.id))

    asyncio.run(scenario())
