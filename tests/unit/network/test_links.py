"""Who may connect, and which of two links survives."""

import pytest

from thalweg.errors import Reason, Unavailable
from thalweg.network.keeper import backoff_seconds
from thalweg.network.limits import Limits
from thalweg.network.links import Links, address_group
from thalweg.network.peer_id import PeerId

SMALL, OWN, GREAT = (PeerId.of_key(bytes((value,)) * 32) for value in (1, 5, 9))
LIMITS = Limits(links_max=8, half_open_max=6, half_open_per_address_max=2, links_per_address_max=4, ban_seconds=30)


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
        book.enter(Wire(address="192.0.2.8"))
    assert len(book.all()) == 8


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


def test_a_ban_ends_and_the_oldest_is_forgotten_first() -> None:
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
