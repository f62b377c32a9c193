"""Who may connect, and which of two links survives."""

import pytest

from thalweg.errors import Reason, Unavailable
from thalweg.network.discovery.groups import address_group
from thalweg.network.keeper import backoff_seconds
from thalweg.network.limits import Limits
from thalweg.network.links import Links
from thalweg.network.peer_id import PeerId

SMALL, OWN, GREAT = (PeerId.of_key(bytes((value,)) * 32) for value in (1, 5, 9))
LIMITS = Limits(
    links_max=8,
    outbound_reserve=0,
    half_open_max=6,
    half_open_per_address_max=2,
    links_per_address_max=4,
    ban_seconds=30,
)


class Wire:
    """A connection without a socket."""

    def __init__(
        self, *, dialed: bool = False, address: str = "192.0.2.1", born_at: float = 0.0, relayed: bool = False
    ) -> None:
        self.is_dialer = dialed
        self.is_relayed = relayed
        self.address = address
        self.born_at = born_at
        self.peer: PeerId | None = None


def links(limits: Limits = LIMITS) -> Links[Wire]:
    return Links(OWN, limits)


def connect(book: Links[Wire], wire: Wire, peer: PeerId, now: float = 0.0) -> Wire | None:
    book.enter(wire)
    replaced = book.admit(wire, peer, now)
    wire.peer = peer
    return replaced


def test_half_open_connections_are_limited_per_address_and_freed_by_a_handshake() -> None:
    book = links()
    first = Wire()
    book.enter(first)
    book.enter(Wire())
    with pytest.raises(Unavailable, match=r"without handshake from 192\.0\.2\.1") as caught:
        book.enter(Wire())
    assert caught.value.reason is Reason.LIMIT
    book.enter(Wire(address="192.0.2.2"))
    book.admit(first, GREAT, 0.0)
    book.enter(Wire())


def test_half_open_connections_are_limited_in_all_and_freed_by_a_close() -> None:
    book = links()
    wires = [Wire(address=f"192.0.2.{index}") for index in range(6)]
    for wire in wires:
        book.enter(wire)
    with pytest.raises(Unavailable, match="without handshake"):
        book.enter(Wire(address="192.0.2.99"))
    book.leave(wires[0])
    book.leave(wires[0])
    book.enter(Wire(address="192.0.2.99"))
    with pytest.raises(Unavailable):
        book.enter(Wire(address="192.0.2.98"))


def test_connections_are_limited_per_address_and_in_all() -> None:
    book = links()
    for index in range(4):
        connect(book, Wire(), PeerId.of_key(bytes((100 + index,)) * 32))
    with pytest.raises(Unavailable, match="connections from"):
        book.enter(Wire())
    for index in range(4):
        connect(book, Wire(address="192.0.2.7"), PeerId.of_key(bytes((200 + index,)) * 32))
    with pytest.raises(Unavailable, match="too many connections"):
        book.enter(Wire(dialed=True))
    assert len(book.all()) == 8


def test_a_newcomer_from_elsewhere_takes_the_place_of_the_youngest_of_a_crowd() -> None:
    book = links()
    alone = Wire(address="203.0.113.1")
    book.enter(alone)
    crowd = [Wire(address=f"192.0.{index}.9", born_at=float(index)) for index in range(4)]  # of one network
    others = [Wire(address="198.51.100.8", born_at=5.0) for _ in range(3)]
    for index, wire in enumerate([*crowd, *others]):
        connect(book, wire, PeerId.of_key(bytes((100 + index,)) * 32))
    newcomer = Wire(address="8.8.8.8", born_at=9.0)
    assert book.enter(newcomer) is crowd[-1]
    book.leave(crowd[-1])
    with pytest.raises(Unavailable, match="too many connections"):
        book.enter(Wire(address="198.51.100.8", born_at=9.0))  # of a crowd as large as any


def test_nobody_can_dial_us_so_full_that_we_cannot_dial() -> None:
    book = links(Limits(links_max=8, outbound_reserve=3, half_open_max=2))
    for index in range(5):
        connect(book, Wire(address=f"192.0.2.{index}"), PeerId.of_key(bytes((100 + index,)) * 32))
    with pytest.raises(Unavailable, match="too many connections"):
        book.enter(Wire(address="192.0.2.99"))
    for index in range(3):  # though none of them has finished its handshake
        book.enter(Wire(address=f"198.51.100.{index}", dialed=True))
    with pytest.raises(Unavailable, match="too many connections"):
        book.enter(Wire(address="198.51.100.9", dialed=True))
    for wire in book.all():
        book.leave(wire)
    assert book.enter(Wire(address="192.0.2.1")) is None


def test_half_open_connections_do_not_keep_us_from_dialling() -> None:
    book = links()
    for index in range(6):
        book.enter(Wire(address=f"192.0.2.{index}"))
    book.enter(Wire(dialed=True))


def test_connections_have_a_rate_per_address_and_in_all_and_loopback_has_none() -> None:
    many = Limits(
        links_max=10_000,
        half_open_max=10_000,
        half_open_per_address_max=10_000,
        links_per_address_max=10_000,
        connects_per_address_per_second=2,
        connects_per_second=5,
    )
    book = links(many)
    for _ in range(4):  # a bucket holds two seconds
        book.enter(Wire())
    with pytest.raises(Unavailable, match=r"connections a second from 192\.0\.2\.1"):
        book.enter(Wire())
    for index in range(6):
        book.enter(Wire(address=f"198.51.100.{index}"))
    with pytest.raises(Unavailable, match="too many connections a second"):
        book.enter(Wire(address="198.51.100.9"))
    for _ in range(50):
        book.enter(Wire(address="127.0.0.1"))
    book.enter(Wire(dialed=True))
    book.enter(Wire(born_at=1.0))


def test_an_address_at_which_rules_are_broken_again_and_again_is_refused_for_a_while() -> None:
    book = links(Limits(faults_per_address_max=3, fault_seconds=60.0, addresses_max=10))
    for _ in range(3):
        book.fault(Wire(), 0.0)
        book.fault(Wire(address="127.0.0.1"), 0.0)
        book.fault(Wire(address="198.51.100.1", dialed=True), 0.0)
    for _ in range(2):
        with pytest.raises(Unavailable, match="rules broken"):
            book.enter(Wire())
    book.enter(Wire(address="127.0.0.1"))
    book.enter(Wire(address="198.51.100.1"))
    book.enter(Wire(born_at=21.0))
    for index in range(100):  # many addresses push each other out of memory, which is bounded
        book.fault(Wire(address=f"192.0.3.{index}"), 30.0)
    assert len(book._doors) <= 10


def test_many_short_bans_do_not_end_a_long_one() -> None:
    book = links(Limits(bans_max=2))
    book.ban(GREAT, 1000.0)
    for value in range(20, 40):
        book.ban(PeerId.of_key(bytes((value,)) * 32), 30.0 + value)
    with pytest.raises(Unavailable):
        connect(book, Wire(), GREAT, 1.0)


def test_one_ipv6_user_counts_once() -> None:
    assert address_group("2001:db8::1") == address_group("2001:db8::ffff:1") != address_group("2001:db8:0:1::1")
    assert address_group("::ffff:192.0.2.1") == address_group("192.0.2.1")
    assert address_group("fe80::1%eth0") == "fe80::/64"
    assert address_group("") == ""


def test_when_both_dial_the_link_of_the_smaller_id_survives_on_both_sides() -> None:
    # We are the greater id: the peer's dial wins, whenever it arrives.
    book, ours, theirs = links(), Wire(dialed=True), Wire()
    assert connect(book, ours, SMALL) is None
    assert connect(book, theirs, SMALL) is ours
    # We are the smaller id: our dial stays.
    book, ours, theirs = links(), Wire(dialed=True), Wire()
    assert connect(book, ours, GREAT) is None
    with pytest.raises(Unavailable, match="another link"):
        connect(book, theirs, GREAT)
    assert book.of(GREAT) is ours
    # Their dial was complete before ours: ours stops before it shows itself, so both keep theirs.
    book, ours, theirs = links(), Wire(dialed=True), Wire()
    assert connect(book, theirs, GREAT) is None
    with pytest.raises(Unavailable, match="another link"):
        connect(book, ours, GREAT)
    assert book.of(GREAT) is theirs


def test_a_peer_that_dials_again_has_lost_the_old_link() -> None:
    book, old, new = links(), Wire(), Wire()
    connect(book, old, GREAT)
    assert connect(book, new, GREAT) is old
    assert not book.lose(old)
    assert book.of(GREAT) is new
    # Even where our own dial would win, once it is too old to be simultaneous.
    late = LIMITS.dial_seconds + LIMITS.handshake_seconds + 1
    book, ours, theirs = links(), Wire(dialed=True), Wire()
    connect(book, ours, GREAT)
    assert connect(book, theirs, GREAT, late) is ours


def test_this_node_itself_is_refused() -> None:
    with pytest.raises(Unavailable, match="itself"):
        connect(links(), Wire(), OWN)


def test_a_ban_ends_and_the_one_that_ends_first_is_forgotten_first() -> None:
    book = links(Limits(bans_max=2))
    book.ban(GREAT, 30.0)
    with pytest.raises(Unavailable) as caught:
        connect(book, Wire(), GREAT, 29.0)
    assert caught.value.reason is Reason.FLOOD
    assert connect(book, Wire(), GREAT, 30.0) is None
    book.ban(GREAT, 60.0)
    book.ban(GREAT, 40.0)  # the longer one counts
    with pytest.raises(Unavailable):
        connect(book, Wire(), GREAT, 59.0)
    book.pardon(GREAT)
    connect(book, Wire(), GREAT, 59.0)
    book = links(Limits(bans_max=2))
    others = [PeerId.of_key(bytes((value,)) * 32) for value in (20, 21)]
    for peer in (GREAT, *others):
        book.ban(peer, 30.0)
    connect(book, Wire(), GREAT, 1.0)
    with pytest.raises(Unavailable):
        connect(book, Wire(), others[0], 1.0)


def test_backoff_doubles_to_its_limit_with_chance_in_the_upper_half() -> None:
    limits = Limits(retry_seconds_min=1, retry_seconds_max=60)
    assert [backoff_seconds(failures, limits, 1.0) for failures in (0, 1, 2, 6, 1000)] == [1, 2, 4, 60, 60]
    assert backoff_seconds(3, limits, 0.0) == 4
    assert 4 < backoff_seconds(3, limits, 0.5) < 8


@pytest.mark.parametrize("dialed", [False, True])
@pytest.mark.parametrize("peer", [SMALL, GREAT])
def test_a_direct_link_replaces_a_relayed_one_and_never_the_other_way_round(peer: PeerId, dialed: bool) -> None:
    book = links()
    relayed, direct = Wire(relayed=True, dialed=not dialed), Wire(dialed=dialed)
    assert connect(book, relayed, peer) is None
    assert connect(book, direct, peer, now=1.0) is relayed
    with pytest.raises(Unavailable, match="another link"):
        connect(book, Wire(relayed=True, dialed=not dialed), peer, now=100.0)
    assert book.of(peer) is direct
