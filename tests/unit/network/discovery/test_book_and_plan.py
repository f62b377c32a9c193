import random
from collections import Counter

import pytest

from thalweg.errors import Reason, UserFault
from thalweg.network.discovery.announcement import LIFE_SECONDS, Announcement, Node, announce, check, read
from thalweg.network.discovery.book import (
    ANCHORS_MAX,
    BANS_MAX,
    BOOK_BYTES_MAX,
    ENDPOINTS_MAX,
    ENTRIES_MAX,
    PER_GROUP_MAX,
    PeerBook,
)
from thalweg.network.discovery.groups import (
    Reach,
    group_of,
    is_public,
    may_be_taken,
    may_be_told,
    reach_of,
    worth_telling,
)
from thalweg.network.discovery.plan import DIALS_AT_ONCE, OUTBOUND, Linked, next_dials
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import Identity, PeerId

NOW = 1_800_000_000.0
OWN = Identity(b"own".ljust(32))
CHANCE = random.Random(1)


def peer(number: int) -> PeerId:
    return PeerId.of_key(number.to_bytes(32))


def at(group: int, host: int = 1) -> Multiaddr:
    return Multiaddr.of(f"{1 + group // 250}.{group % 250}.{host // 250}.{host % 250}", 4001)


def announced(identity: Identity, *addresses: str, now: float = NOW) -> Announcement:
    return check(announce(identity, Node(addresses=addresses), now))


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("/ip4/1.2.3.4/tcp/1", "1.2.0.0/16"),
        ("/ip6/2001:db8:1::1/tcp/1", "2001:db8::/32"),
        ("/ip6/::ffff:1.2.3.4/tcp/1", "1.2.0.0/16"),
        ("/dns/Node.example/tcp/1", "name node.example"),
        (f"/ip4/1.2.3.4/tcp/1/p2p/{OWN.peer_id}/p2p-circuit", "1.2.0.0/16"),
    ],
)
def test_addresses_count_by_what_one_party_controls(text: str, group: str) -> None:
    assert group_of(Multiaddr.parse(text)) == group


def test_private_addresses_are_told_to_their_own_kind_only() -> None:
    loopback, home, public = (Multiaddr.of(host, 1) for host in ("127.0.0.1", "192.168.1.2", "8.8.8.8"))
    assert [is_public(address) for address in (loopback, home, public)] == [False, False, True]
    assert [may_be_told(loopback, asker) for asker in ("127.0.0.9", "192.168.1.3", "8.8.4.4", "?")] == [
        True, False, False, False,
    ]  # fmt: skip
    assert [may_be_told(home, asker) for asker in ("127.0.0.1", "192.168.1.3", "8.8.4.4")] == [True, True, False]
    assert may_be_told(public, "8.8.4.4")
    assert not may_be_told(Multiaddr.of("0.0.0.0", 1), "127.0.0.1")


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("8.8.8.8", Reach.PUBLIC),
        ("2606:4700::1111", Reach.PUBLIC),
        ("127.0.0.1", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("::ffff:10.0.0.1", Reach.PRIVATE),
        ("::ffff:8.8.8.8", Reach.PUBLIC),
        ("192.168.0.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("169.254.1.1", Reach.PRIVATE),
        ("fe80::1%eth0", Reach.PRIVATE),
        ("fd00::1", Reach.PRIVATE),
        ("0.0.0.0", Reach.NOWHERE),
        ("::", Reach.NOWHERE),
        ("224.0.0.1", Reach.NOWHERE),
        ("255.255.255.255", Reach.NOWHERE),
        ("240.0.0.1", Reach.NOWHERE),
        ("2002:7f00:1::1", Reach.NOWHERE),  # 6to4 of 127.0.0.1
        ("64:ff9b::7f00:1", Reach.NOWHERE),  # NAT64 of 127.0.0.1
        ("example.org", Reach.NOWHERE),
        ("", Reach.NOWHERE),
    ],
)
def test_addresses_are_reached_from_where_they_are_whatever_their_form(host: str, reach: Reach) -> None:
    assert reach_of(host) is reach


def test_a_stranger_may_name_public_addresses_and_high_ports_only() -> None:
    def taken(text: str, source: str = "8.8.4.4", own: str = "/ip4/192.168.1.9/tcp/4001") -> bool:
        return may_be_taken(Multiaddr.parse(text), source, [Multiaddr.parse(own)])

    relay = f"/p2p/{OWN.peer_id}/p2p-circuit"
    assert taken("/ip4/8.8.8.8/tcp/4001")
    assert taken("/ip4/8.8.8.8/tcp/443")
    assert taken("/ip4/8.8.8.8/tcp/4001" + relay)
    assert not taken("/ip4/8.8.8.8/tcp/25")
    assert not taken("/ip4/127.0.0.1/tcp/4001")
    assert not taken("/ip4/127.0.0.1/tcp/4001" + relay)
    assert not taken("/ip4/192.168.1.1/tcp/8080")
    assert not taken("/ip4/0.0.0.0/tcp/4001")
    assert not taken("/ip6/::ffff:192.168.1.1/tcp/4001")
    assert not taken("/dns/victim.example/tcp/4001")
    assert taken("/ip4/192.168.1.1/tcp/8080", source="192.168.1.2")  # of the same network
    assert taken("/ip4/127.0.0.1/tcp/4001", source="127.0.0.1", own="/ip4/127.0.0.1/tcp/4002")
    assert not taken("/ip4/127.0.0.1/tcp/4001", source="192.168.1.2")
    assert not taken("/ip4/192.168.1.1/tcp/8080", source="192.168.1.2", own="/ip4/8.8.8.8/tcp/4001")


def test_of_our_own_addresses_those_are_announced_that_lead_somewhere() -> None:
    nowhere, loopback, home, public = (
        Multiaddr.of(host, 4001) for host in ("0.0.0.0", "127.0.0.1", "192.168.1.2", "8.8.8.8")
    )
    assert worth_telling((nowhere,)) == ()
    assert worth_telling((nowhere, loopback, home)) == (loopback, home)
    assert worth_telling((nowhere, loopback, home, public)) == (public,)


def test_the_announcement_that_expires_later_counts_whatever_the_order() -> None:
    alice = Identity(b"alice".ljust(32))
    old, new = announced(alice, "/ip4/1.1.1.1/tcp/1"), announced(alice, "/ip4/2.2.2.2/tcp/2", now=NOW + 60)
    for order in ((old, new), (new, old)):
        book = PeerBook(OWN.peer_id)
        for each in order:
            book.learn(each)
        entry = book.get(alice.peer_id)
        assert entry is not None
        assert entry.addresses == new.addresses
        assert not book.learn(old)


def test_what_somebody_says_does_not_replace_what_a_node_signed() -> None:
    alice = Identity(b"alice".ljust(32))
    book = PeerBook(OWN.peer_id)
    book.learn(announced(alice, "/ip4/1.1.1.1/tcp/1"))
    book.hear_of(alice.peer_id, (at(9),))
    entry = book.get(alice.peer_id)
    assert entry is not None
    assert entry.addresses[0].host == "1.1.1.1"
    book.hear_of(OWN.peer_id, (at(9),))
    assert not book.learn(announced(OWN, "/ip4/1.1.1.1/tcp/1"))
    assert len(book) == 1


def test_a_group_has_its_limit_and_whom_we_reached_stays() -> None:
    book = PeerBook(OWN.peer_id)
    book.hear_of(peer(0), (at(0, 1),))
    book.reached(peer(0), NOW)
    for number in range(1, 10 * PER_GROUP_MAX):
        book.hear_of(peer(number), (at(0, number),))
        assert len(book) <= PER_GROUP_MAX
    assert book.get(peer(0)) is not None


def test_a_flood_of_nodes_in_made_up_groups_is_bounded_and_drops_nobody_we_reached() -> None:
    book = PeerBook(OWN.peer_id)
    for number in range(20):
        book.hear_of(peer(number), (at(number),))
        book.reached(peer(number), NOW)
    for number in range(20, 3 * ENTRIES_MAX):
        book.hear_of(peer(number), (at(number),))
        assert len(book) <= ENTRIES_MAX + 64
    assert all(book.get(peer(number)) is not None for number in range(20))


def test_announcements_expire_and_who_was_reached_is_remembered() -> None:
    book = PeerBook(OWN.peer_id)
    alice, bob = Identity(b"alice".ljust(32)), Identity(b"bob".ljust(32))
    for each in (alice, bob):
        book.learn(announced(each, "/ip4/1.1.1.1/tcp/1"))
    book.reached(alice.peer_id, NOW)
    book.expire(NOW + LIFE_SECONDS + 299)
    assert len(book) == 2
    book.expire(NOW + LIFE_SECONDS + 301)
    assert (book.get(bob.peer_id), book.known_until(alice.peer_id)) == (None, None)
    assert book.get(alice.peer_id) is not None


def test_the_book_comes_back_from_disk_with_anchors_and_bans() -> None:
    book = PeerBook(OWN.peer_id)
    alice = Identity(b"alice".ljust(32))
    book.learn(announced(alice, "/ip4/1.1.1.1/tcp/1"))
    book.hear_of(peer(1), (at(1),))
    book.reached(peer(1), NOW)
    book.ban(peer(2), NOW + 60)
    book.set_anchors([alice.peer_id, peer(1)])
    again = PeerBook.decode(OWN.peer_id, book.encode())
    again.decode_bans(book.encode_bans())
    assert again.encode() == book.encode()
    assert again.anchors == (alice.peer_id, peer(1))
    assert again.banned(peer(2), NOW)
    assert not again.banned(peer(2), NOW + 61)
    assert again.known_until(alice.peer_id) == NOW + LIFE_SECONDS


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"form":1,"anchors":[],"entries":[]}', b"\xff"])
def test_a_damaged_book_is_refused(data: bytes) -> None:
    with pytest.raises(UserFault) as caught:
        PeerBook.decode(OWN.peer_id, data)
    assert caught.value.reason is Reason.MALFORMED


def test_bans_are_limited_and_lifted() -> None:
    book = PeerBook(OWN.peer_id)
    for number in range(BANS_MAX):
        book.ban(peer(number), NOW + 1)
    book.ban(peer(0), NOW + 2)
    with pytest.raises(UserFault) as caught:
        book.ban(peer(BANS_MAX), NOW + 1)
    assert caught.value.reason is Reason.LIMIT
    assert book.pardon(peer(0))
    assert not book.pardon(peer(0))
    book.expire(NOW + 2)
    assert book.bans() == {}


def test_anchors_are_of_different_groups_where_there_are_any() -> None:
    book = PeerBook(OWN.peer_id)
    for number, group in enumerate((1, 1, 1, 1, 2, 3)):
        book.hear_of(peer(number), (at(group, number),))
    book.set_anchors([peer(number) for number in range(6)])
    assert book.anchors == (peer(0), peer(4), peer(5), peer(1))
    assert len(book.anchors) == ANCHORS_MAX


def outbound(number: int, group: int) -> Linked:
    return Linked(peer(number), at(group, number), True)


def test_outbound_links_go_to_different_groups_while_any_are_left() -> None:
    book = PeerBook(OWN.peer_id)
    for number in range(50):  # an enemy with many addresses in one group
        book.hear_of(peer(number), (at(1, number),))
    for number in range(50, 60):
        book.hear_of(peer(number), (at(number),))
    linked: list[Linked] = []
    while dials := next_dials(book, linked, (), NOW, CHANCE):
        assert len(dials) <= DIALS_AT_ONCE
        linked += [Linked(dialled, address, True) for dialled, address in dials]
    assert len(linked) == OUTBOUND
    assert max(Counter(group_of(link.address) for link in linked).values()) == 1


def test_inbound_links_do_not_count_and_the_same_group_is_better_than_nobody() -> None:
    book = PeerBook(OWN.peer_id)
    for number in range(3):
        book.hear_of(peer(number), (at(1, number),))
    strangers = [Linked(peer(number), at(number), False) for number in range(100, 300)]
    assert len(next_dials(book, strangers, (), NOW, CHANCE)) == 3


def test_anchors_are_dialled_first_and_the_linked_and_banned_never() -> None:
    book = PeerBook(OWN.peer_id)
    for number in range(100):
        book.hear_of(peer(number), (at(number),))
    book.set_anchors([peer(98), peer(99)])
    book.ban(peer(98), NOW + 60)
    dials = next_dials(book, [outbound(0, 0)], (), NOW, CHANCE)
    assert dials[0][0] == peer(99)
    assert not {peer(98), peer(0)} & {dialled for dialled, _ in dials}


def test_who_cannot_be_reached_is_tried_less_and_less_and_then_through_a_relay() -> None:
    book = PeerBook(OWN.peer_id)
    relayed = at(2).to(peer(9)).via()
    book.hear_of(peer(1), (at(1), relayed))
    waits, dialled, now = [], [], NOW
    for _ in range(6):
        ((_, address),) = next_dials(book, (), (), now, CHANCE)
        dialled.append(address)
        book.tried(peer(1), now)
        book.failed(peer(1), address, now)
        tried_at = now
        while not next_dials(book, (), (), now, CHANCE):
            now += 1
        waits.append(now - tried_at)
    assert waits == [20, 40, 80, 160, 320, 640]
    assert dialled[0] == at(1)
    assert relayed in dialled


def test_bootstrap_nodes_are_asked_only_while_nobody_else_is_there() -> None:
    book = PeerBook(OWN.peer_id)
    bootstrap = [at(7).to(peer(7)), at(8)]
    assert next_dials(book, (), bootstrap, NOW, CHANCE) == [(peer(7), at(7).to(peer(7)))]
    assert next_dials(book, [outbound(7, 7)], bootstrap, NOW, CHANCE) == []
    book.hear_of(peer(1), (at(1),))
    assert next_dials(book, (), bootstrap, NOW, CHANCE) == [(peer(1), at(1))]
    full = [outbound(number, number) for number in range(20, 20 + OUTBOUND)]
    assert next_dials(book, full, bootstrap, NOW, CHANCE) == []
    crowd = [Linked(peer(number), at(number), False) for number in range(100, 300)]
    full_of_liars = PeerBook(OWN.peer_id)
    assert next_dials(full_of_liars, crowd, bootstrap, NOW, CHANCE)  # who dialled us is no reason not to ask


def test_a_place_named_for_many_nodes_is_dialled_no_more_often_than_for_one() -> None:
    book, victim = PeerBook(OWN.peer_id), Multiaddr.of("8.8.8.8", 4001)
    for number in range(PER_GROUP_MAX):
        book.hear_of(peer(number), (Multiaddr.of("8.8.8.8", 4001 + number),))
    dials = 0
    for second in range(0, 3600, 5):
        for dialled, address in next_dials(book, (), (), NOW + second, CHANCE):
            dials += 1
            book.tried(dialled, NOW + second)
            book.failed(dialled, address, NOW + second)
    assert dials <= 10  # ten seconds, doubled each time
    assert not book.may_dial(victim, NOW + 3600)
    book.answered(victim)
    assert book.may_dial(victim, NOW + 3600)


def test_a_place_is_not_dialled_for_two_nodes_at_once() -> None:
    book = PeerBook(OWN.peer_id)
    for number in range(20):
        book.hear_of(peer(number), (Multiaddr.of("8.8.8.8", 4001 + number),))
    ((first, address),) = next_dials(book, (), (), NOW, CHANCE)
    assert next_dials(book, [Linked(first, address, True, True)], (), NOW, CHANCE) == []


def test_places_that_failed_are_remembered_up_to_a_limit() -> None:
    book = PeerBook(OWN.peer_id)
    for number in range(ENDPOINTS_MAX + 10):
        book.failed(peer(1), at(number), NOW)
    assert book.may_dial(at(0), NOW)
    assert not book.may_dial(at(ENDPOINTS_MAX), NOW)


def test_nodes_that_were_reached_once_are_dialled_as_often_as_all_the_others() -> None:
    book = PeerBook(OWN.peer_id)
    for number in range(10):
        book.hear_of(peer(number), (at(number),))
        book.reached(peer(number), NOW - 60)
    for number in range(10, 2000):
        book.hear_of(peer(number), (at(number),))
    dials = next_dials(book, (), (), NOW, CHANCE)
    assert sum(dialled in {peer(number) for number in range(10)} for dialled, _ in dials) == DIALS_AT_ONCE // 2


def test_the_largest_book_fits_into_its_file_and_keeps_what_is_worth_most() -> None:
    book = PeerBook(OWN.peer_id)
    features = tuple("f" * 31 + letter for letter in "abcdefghijklmnop")
    for number in range(800):  # of the largest announcements there are
        identity = Identity(number.to_bytes(32))
        addresses = tuple(str(at(number, host)) for host in range(16))
        payload = announce(identity, Node(addresses=addresses, features=features, roles=features), NOW)
        book.learn(read(payload))
        if number % 40 == 0:
            book.reached(identity.peer_id, NOW)
    data = book.encode()
    assert len(data) <= BOOK_BYTES_MAX
    again = PeerBook.decode(OWN.peer_id, data)
    assert len(again) > 100
    reached = {peer for peer, entry in book.entries() if entry.reached_at}
    assert reached <= {peer for peer, _ in again.entries()}


@pytest.mark.parametrize("data", [b"", b"{}", b'{"form":2,"bans":{"x":1}}', b'{"form":2,"bans":[]}', b"\xff"])
def test_a_damaged_list_of_bans_is_refused(data: bytes) -> None:
    with pytest.raises(UserFault) as caught:
        PeerBook(OWN.peer_id).decode_bans(data)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize("seed", range(2))
def test_an_enemy_with_a_few_networks_and_thousands_of_names_does_not_surround_a_node(seed: int) -> None:
    """He runs 300 nodes in three networks, and announces thousands that are nowhere, in networks of their own."""
    chance = random.Random(seed)
    honest = {peer(number): at(number) for number in range(60)}
    hostile = {peer(1000 + number): at(200 + number % 3, number) for number in range(300)}
    ghosts = {peer(10_000 + number): at(300 + number) for number in range(3_500)}
    book = PeerBook(OWN.peer_id)
    for known in (hostile, honest, ghosts):
        for name, address in known.items():
            book.hear_of(name, (address,))
    crowd = [Linked(name, address, False) for name, address in list(hostile.items())[:200]]  # who dialled us
    outbound: dict[PeerId, Linked] = {}
    for second in range(0, 900, 3):
        now = NOW + second
        for name, address in next_dials(book, [*outbound.values(), *crowd], (), now, chance):
            book.tried(name, now)
            if name in honest or name in hostile:
                outbound[name] = Linked(name, address, True)
                book.reached(name, now)
                book.answered(address)
            else:
                book.failed(name, address, now)
    assert len(outbound) == OUTBOUND
    assert sum(name in hostile for name in outbound) <= 3
    book.set_anchors(list(outbound))
    again = PeerBook.decode(OWN.peer_id, book.encode())
    first = [name for name, _ in next_dials(again, (), (), NOW + 1000, chance)]
    assert set(first) == set(again.anchors)
    assert sum(name in hostile for name in first) <= 3
