"""What dial-backs say, what is told to whom, what to do; and the parsers of what routers and neighbours send."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.network import autonat, holes, mdns, natpmp
from thalweg.network.local import local_addresses
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.reachability import Evidence, Reachability, Report, advise, candidates, expanded

PEERS = [PeerId.of_key(bytes((value,)) * 32) for value in range(1, 20)]
OWN = PEERS[0]
HERE = Multiaddr.of("44.0.0.1", 4001, OWN)
ADDRESSES = st.lists(st.builds(Multiaddr.of, st.ip_addresses().map(str), st.integers(1, 65535)), max_size=8)


@pytest.mark.parametrize(("said", "state"), [
    ([], Reachability.UNKNOWN),
    ([True], Reachability.PUBLIC),
    ([False], Reachability.PRIVATE),
    ([True, False], Reachability.UNKNOWN),
    ([True, True, False], Reachability.PUBLIC),
    ([False, False, True], Reachability.PRIVATE),
])  # fmt: skip
def test_most_of_those_who_tried_decide(said: list[bool], state: Reachability) -> None:
    evidence = Evidence()
    for peer, reached in zip(PEERS, said, strict=False):
        evidence.add(peer, HERE if reached else None)
    assert evidence.state is state


def test_old_answers_give_way_to_new_ones_and_to_the_same_peers_own() -> None:
    evidence = Evidence()
    for peer in PEERS:
        evidence.add(peer, None)
    assert len(evidence) == 8
    for peer in PEERS[-8:]:
        evidence.add(peer, HERE)
    assert evidence.state is Reachability.PUBLIC
    assert evidence.reached() == (HERE,)


def test_candidates_are_our_port_where_most_see_us_and_what_the_router_maps() -> None:
    seen = [Multiaddr.of("44.0.0.9", port) for port in (1, 2)] + [Multiaddr.of("45.0.0.1", 3)]
    mapped = Multiaddr.of("44.0.0.9", 5000)
    assert [str(each) for each in candidates([Multiaddr.of("0.0.0.0", 4001, OWN)], seen, mapped, OWN)] == [
        f"/ip4/44.0.0.9/tcp/5000/p2p/{OWN}", f"/ip4/44.0.0.9/tcp/4001/p2p/{OWN}", f"/ip4/45.0.0.1/tcp/4001/p2p/{OWN}",
    ]  # fmt: skip
    everywhere = expanded([Multiaddr.of("0.0.0.0", 4001), HERE], ["10.0.0.2", "fe80::1"], OWN)
    assert everywhere == (Multiaddr.of("10.0.0.2", 4001, OWN), HERE)


@pytest.mark.parametrize(("report", "word"), [
    (Report(state=Reachability.PUBLIC, links=3), "--relay"),
    (Report(state=Reachability.UNKNOWN, listening=("/ip4/0.0.0.0/tcp/4001/p2p/x",)), "--bootstrap"),
    (Report(state=Reachability.UNKNOWN, listening=("/ip4/127.0.0.1/tcp/4001/p2p/x",), links=2), "--listen 0.0.0.0"),
    (Report(state=Reachability.UNKNOWN, listening=("/ip4/0.0.0.0/tcp/4001/p2p/x",), links=2), "Wait a minute"),
    (Report(state=Reachability.PRIVATE, listening=("/ip4/0.0.0.0/tcp/4001/p2p/x",), links=2), "TCP port 4001"),
])  # fmt: skip
def test_advice_says_what_to_do(report: Report, word: str) -> None:
    assert word in " ".join(advise(report))


@given(ADDRESSES, st.sampled_from([holes.CONNECT, holes.SYNC]))
def test_hole_punching_messages_come_back(addresses: list[Multiaddr], kind: int) -> None:
    assert holes.read(holes.encode(kind, addresses)) == (kind, addresses)


@given(ADDRESSES)
def test_dial_back_messages_come_back(addresses: list[Multiaddr]) -> None:
    assert autonat.read_request(autonat.encode_request(OWN, addresses)) == (OWN, addresses)
    for address in addresses:
        assert autonat.read_answer(autonat.encode_answer(autonat.OK, address)) == (autonat.OK, address)


@given(ADDRESSES)
def test_a_neighbours_answer_comes_back(addresses: list[Multiaddr]) -> None:
    here = tuple(address.to(OWN) for address in addresses)
    assert mdns.told(mdns.answer("a" * 32, here)) == list(here)
    assert mdns.asks(mdns.question())
    assert not mdns.asks(mdns.answer("a" * 32, here))


@given(st.binary(max_size=120))
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    for parse in (
        holes.read, autonat.read_request, autonat.read_answer, mdns.told, mdns.asks, natpmp.read_address,
        natpmp.read_mapping, lambda raw: mdns.told(struct.pack(">6H", 0, 0x8400, 1, 2, 0, 0) + raw),
    ):  # fmt: skip
        try:
            parse(data)
        except (PeerFault, Unavailable):
            continue


def test_a_dns_name_that_runs_in_circles_is_refused() -> None:
    with pytest.raises(PeerFault) as caught:
        mdns.asks(struct.pack(">6H", 0, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\x0c\0\x01")
    assert caught.value.reason is Reason.MALFORMED
    with pytest.raises(PeerFault) as many:
        mdns.told(struct.pack(">6H", 0, 0x8400, 0, mdns.RECORDS_MAX + 1, 0, 0))
    assert many.value.reason is Reason.LIMIT
    with pytest.raises(PeerFault) as large:
        mdns.told(bytes(mdns.MESSAGE_BYTES_MAX + 1))
    assert large.value.reason is Reason.OVERSIZED


def test_hole_punching_messages_have_a_limit() -> None:
    with pytest.raises(PeerFault) as caught:
        holes.read(bytes(holes.MESSAGE_BYTES_MAX + 1))
    assert caught.value.reason is Reason.OVERSIZED


def test_this_machines_addresses_are_addresses_and_not_its_own_alone() -> None:
    found = local_addresses()
    assert len(set(found)) == len(found)
    assert not any(ipaddress.ip_address(each).is_loopback for each in found)
