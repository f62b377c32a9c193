"""Which connections there are, who may have one more, and which of two to one peer survives. No sockets, no clock.

When both ends dial at once, exactly one link must live, and both must choose the same without talking. The rule: the
link that the peer with the smaller id dialled, and a direct one before one through a relay. It is applied when a peer
has proven who it is, while one end can still stop, so the loser is normally never used. A peer that dials although an
older link to it seems alive has lost that one.
"""

from collections import Counter, OrderedDict
from typing import Generic, Protocol, TypeVar

from thalweg.errors import Reason, Unavailable
from thalweg.network.discovery.groups import Reach, address_group, reach_of, wide_group
from thalweg.network.limits import Limits
from thalweg.network.peer_id import PeerId
from thalweg.network.rate import Bucket


class Connection(Protocol):
    """What is counted."""

    address: str
    born_at: float
    peer: PeerId | None

    @property
    def is_dialer(self) -> bool:
        """Say whether we dialled."""

    @property
    def is_relayed(self) -> bool:
        """Say whether a relay is in between."""


_C = TypeVar("_C", bound=Connection)


class _Door:
    """How often connections come from an address, and how often rules were broken there."""

    __slots__ = ("connects", "fault_at", "faults")

    def __init__(self, limits: Limits, now: float) -> None:
        self.connects = Bucket(limits.connects_per_address_per_second, now)
        self.faults = 0.0
        self.fault_at = now

    def faults_at(self, now: float, limits: Limits) -> float:
        """Return how many count, less those that are forgotten."""
        forgotten = (now - self.fault_at) / limits.fault_seconds * limits.faults_per_address_max
        return max(0.0, self.faults - forgotten)


class Links(Generic[_C]):
    """Every connection from its first byte to its last, and the one link of each peer."""

    def __init__(self, own: PeerId, limits: Limits) -> None:
        self._own = own
        self._limits = limits
        self._all: set[_C] = set()
        self._half_open: set[_C] = set()
        self._by_peer: dict[PeerId, _C] = {}
        self._per_address: Counter[str] = Counter()
        self._half_open_per_address: Counter[str] = Counter()
        self._outbound = 0
        self._bans: dict[PeerId, float] = {}  # until when
        self._connects: Bucket | None = None
        self._doors: OrderedDict[str, _Door] = OrderedDict()  # by address, longest unused first

    def all(self) -> tuple[_C, ...]:
        """Return every connection, those that are closing included."""
        return tuple(self._all)

    def of(self, peer: PeerId) -> _C | None:
        """Return the link of a peer."""
        return self._by_peer.get(peer)

    def enter(self, link: _C) -> _C | None:
        """Count a new connection, and return one that has to make room for it.

        Raises:
            Unavailable: LIMIT, one too many in all, half open, or from its address, or too many a second.
        """
        limits, group = self._limits, address_group(link.address)
        evicted = None
        if link.is_dialer:
            _refuse_if(len(self._all) >= limits.links_max, "connections")
            self._outbound += 1
        else:
            _refuse_if(self._per_address[group] >= limits.links_per_address_max, f"connections from {group}")
            half_open = self._half_open_per_address[group]
            _refuse_if(half_open >= limits.half_open_per_address_max, f"connections without handshake from {group}")
            self._check_rates(group, link)
            evicted = self._make_room(wide_group(link.address))
            self._half_open.add(link)
            self._half_open_per_address[group] += 1
        self._all.add(link)
        self._per_address[group] += 1
        return evicted

    def _check_rates(self, group: str, link: _C) -> None:
        """Neither handshakes nor broken rules come faster than we take them. This machine's own are not counted."""
        if reach_of(link.address) is Reach.LOOPBACK:
            return
        now, limits = link.born_at, self._limits
        door = self._door(group, now)
        _refuse_if(door.faults_at(now, limits) >= limits.faults_per_address_max, f"rules broken from {group}")
        _refuse_if(not door.connects.take_if_held(1, now), f"connections a second from {group}")
        if self._connects is None:
            self._connects = Bucket(limits.connects_per_second, now)
        _refuse_if(not self._connects.take_if_held(1, now), "connections a second")

    def _make_room(self, group: str) -> _C | None:
        """Return who goes for a newcomer: the youngest of the group of addresses with most, if that has more."""
        limits = self._limits
        evicted = None
        if len(self._half_open) >= limits.half_open_max:
            evicted = self._youngest_of_most(self._half_open, group)
            _refuse_if(evicted is None, "connections without handshake")
        reserve = min(limits.outbound_reserve, limits.links_max // 2)
        if evicted is None and len(self._all) - self._outbound >= limits.links_max - reserve:
            evicted = self._youngest_of_most({link for link in self._all if not link.is_dialer}, group)
            _refuse_if(evicted is None, "connections")
        return evicted

    def _youngest_of_most(self, links: set[_C], group: str) -> _C | None:
        """Groups are wide here: who has many addresses mostly has them next to each other."""
        by_group: dict[str, list[_C]] = {}
        for link in links:
            by_group.setdefault(wide_group(link.address), []).append(link)
        most = max(by_group.values(), key=len)
        return max(most, key=lambda link: link.born_at) if len(most) > len(by_group.get(group, ())) + 1 else None

    def _door(self, group: str, now: float) -> "_Door":
        door = self._doors.pop(group, None)
        if door is None:
            door = _Door(self._limits, now)
        self._doors[group] = door
        if len(self._doors) > self._limits.addresses_max:
            self._doors.popitem(last=False)
        return door

    def fault(self, link: _C, now: float) -> None:
        """Note that a rule was broken on a connection that came from outside."""
        if not link.is_dialer and reach_of(link.address) is not Reach.LOOPBACK:
            door = self._door(address_group(link.address), now)
            door.faults, door.fault_at = door.faults_at(now, self._limits) + 1, now

    def admit(self, link: _C, peer: PeerId, now: float) -> _C | None:
        """Make `link` the one of an authenticated peer, and return the link it replaces.

        Raises:
            Unavailable: FLOOD, the peer is banned; LIMIT, another link to it survives; UNREACHABLE, it is ourselves.
        """
        if peer == self._own:
            raise Unavailable(Reason.UNREACHABLE, "the peer is this node itself")
        if self._bans.get(peer, now) > now:
            raise Unavailable(Reason.FLOOD, f"{peer} broke a rule and is refused for a while")
        old = self._by_peer.get(peer)
        if old is not None and not self._replaces(link, old, peer, now):
            raise Unavailable(Reason.LIMIT, f"another link to {peer} is there")
        self._by_peer[peer] = link
        self._authenticated(link)
        return old

    def lose(self, link: _C) -> bool:
        """Note that a link is of no use any more, though its socket may still close; say whether it was its peer's."""
        self._authenticated(link)
        if link.peer is None or self._by_peer.get(link.peer) is not link:
            return False
        del self._by_peer[link.peer]
        return True

    def leave(self, link: _C) -> None:
        """Note that a connection's socket is closed."""
        self.lose(link)
        if link in self._all:
            self._all.discard(link)
            self._outbound -= link.is_dialer
            _decrement(self._per_address, address_group(link.address))

    def ban(self, peer: PeerId, until: float) -> None:
        """Refuse a peer until a time; a later one that was said before stays."""
        until = max(until, self._bans.get(peer, until))
        self._bans[peer] = until
        if len(self._bans) > self._limits.bans_max:  # names are free: many short bans must not end a long one
            del self._bans[min(self._bans, key=self._bans.__getitem__)]

    def pardon(self, peer: PeerId) -> None:
        """Refuse a peer no longer."""
        self._bans.pop(peer, None)

    def _replaces(self, link: _C, old: _C, peer: PeerId, now: float) -> bool:
        if link.is_relayed != old.is_relayed:
            return old.is_relayed  # a direct link replaces one through a relay, at both ends
        if link.is_dialer:
            return False  # we dial only where there is none: the old one came up while this was dialled
        if not old.is_dialer or peer < self._own:
            return True  # the peer dialled anew, or its dial wins over ours
        simultaneous_seconds = self._limits.dial_seconds + self._limits.handshake_seconds
        return now - old.born_at > simultaneous_seconds

    def _authenticated(self, link: _C) -> None:
        if link in self._half_open:
            self._half_open.discard(link)
            _decrement(self._half_open_per_address, address_group(link.address))


def _decrement(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


def _refuse_if(is_full: bool, what: str) -> None:
    if is_full:
        raise Unavailable(Reason.LIMIT, f"too many {what}")
