"""Relay messages come back and refuse garbage; a relay's books keep to their limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity, PeerId
from thalweg.network.relay import Caps, Hop, Kind, Limit, Reservation, Slots, Status, Stop
from thalweg.network.relay.messages import MESSAGE_BYTES_MAX, read_hop, read_stop, read_voucher, seal_voucher

RELAY = Identity(b"relay".ljust(32))
PEERS = [PeerId.of_key(bytes((value,)) * 32) for value in range(1, 9)]
ADDRESS = Multiaddr.parse("/ip4/8.8.8.8/tcp/4001")
limits = st.none() | st.builds(Limit, st.integers(0, 2**32 - 1), st.integers(0, 2**40))
reservations = st.builds(Reservation, st.integers(0, 2**40), st.just((ADDRESS,)), st.binary(max_size=80))
maybe_peer = st.none() | st.sampled_from(PEERS)


@given(st.builds(
    Hop, kind=st.sampled_from(Kind), peer=maybe_peer, reservation=st.none() | reservations, limit=limits,
    status=st.sampled_from(Status),
))  # fmt: skip
def test_a_hop_message_comes_back(said: Hop) -> None:
    assert read_hop(said.encode()) == said


@given(st.builds(Stop, is_status=st.booleans(), peer=maybe_peer, limit=limits, status=st.sampled_from(Status)))
def test_a_stop_message_comes_back(said: Stop) -> None:
    assert read_stop(said.encode()) == said


@given(st.binary(max_size=120))
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    for parse in (read_hop, read_stop, read_voucher):
        try:
            parse(data)
        except PeerFault:
            continue


def test_a_message_one_over_the_limit_is_refused() -> None:
    padding = Hop(kind=Kind.RESERVE).encode() + b"\x7a" + b"\xfb\x1f" + bytes(MESSAGE_BYTES_MAX - 5)
    assert len(padding) == MESSAGE_BYTES_MAX
    assert read_hop(padding).kind is Kind.RESERVE
    with pytest.raises(PeerFault) as caught:
        read_hop(padding + b"\0")
    assert caught.value.reason is Reason.OVERSIZED


def test_a_voucher_is_its_relays_or_none() -> None:
    sealed = seal_voucher(RELAY, PEERS[0], 1_800_000_000)
    assert read_voucher(sealed) == (RELAY.peer_id, PEERS[0], 1_800_000_000)
    with pytest.raises(PeerFault):
        read_voucher(sealed[:-1] + bytes((sealed[-1] ^ 1,)))


def test_a_group_has_few_slots_and_they_run_out() -> None:
    slots = Slots(Caps(reservations_max=3, reservations_per_group_max=2, reservation_seconds=10))
    assert [slots.reserve(peer, "10.0.0.0/16", 0.0) for peer in PEERS[:3]] == [
        Status.OK, Status.OK, Status.RESERVATION_REFUSED,
    ]  # fmt: skip
    assert slots.reserve(PEERS[0], "10.0.0.0/16", 5.0) is Status.OK  # once more
    assert slots.reserve(PEERS[3], "10.1.0.0/16", 5.0) is Status.OK
    assert slots.reserve(PEERS[4], "10.2.0.0/16", 5.0) is Status.RESERVATION_REFUSED
    assert slots.reserve(PEERS[4], "10.2.0.0/16", 10.5) is Status.OK  # the second has run out
    assert slots.enter(PEERS[5], PEERS[1], 10.5) is Status.NO_RESERVATION


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans()), max_size=60))
def test_circuits_are_counted_right_whatever_happens(deeds: list[tuple[int, int, bool]]) -> None:
    slots = Slots(Caps(circuits_max=5, circuits_per_peer_max=2))
    for peer in PEERS:
        slots.reserve(peer, str(peer), 0.0)
    there: list[tuple[PeerId, PeerId]] = []
    for source, target, leaves in deeds:
        if leaves and there:
            slots.leave(*there.pop())
        elif slots.enter(PEERS[source], PEERS[target], 1.0) is Status.OK:
            there.append((PEERS[source], PEERS[target]))
        assert slots.circuits == len(there) <= 5
        for peer in PEERS:
            assert sum((peer == one) + (peer == two) for one, two in there) <= 2
