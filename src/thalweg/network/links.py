"""Which connections there are, who may have one more, and which of two to one peer survives. No sockets, no clock.

When both ends dial at once, exactly one link must live, and both must choose the same without talking. The rule: the
link that the peer with the smaller id dialled, and a direct one before one through a relay. It is applied when a peer
has proven who it is, while one end can still stop, so the loser is normally never used. A peer that dials although an
older link to it seems alive has lost that one.
"""

import ipaddress
from collections import Counter, OrderedDict
from typing import Generic, Protocol, TypeVar

from thalweg.errors import Reason, Unavailable
from thalweg.network.limits import Limits
from thalweg.network.peer_id import PeerId


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
        self._bans: OrderedDict[PeerId, float] = OrderedDict()  # until when

    def all(self) -> tuple[_C, ...]:
        """Return every connection, those that are closing included."""
        return tuple(self._all)

    def of(self, peer: PeerId) -> _C | None:
        """Return the link of a peer."""
        return self._by_peer.get(peer)

    def enter(self, link: _C) -> None:
        """Count a new connection.

        Raises:
            Unavailable: LIMIT, one too many in all, half open, or from its address.
        """
        limits, group = self._limits, address_group(link.address)
        checks = [
            (len(self._all) >= limits.links_max, "connections"),
            (len(self._half_open) >= limits.half_open_max, "connections without handshake"),
        ]
        if not link.is_dialer:
            checks += [
                (self._per_address[group] >= limits.links_per_address_max, f"connections from {group}"),
                (
                    self._half_open_per_address[group] >= limits.half_open_per_address_max,
                    f"connections without handshake from {group}",
                ),
            ]
        for is_full, what in checks:
            if is_full:
                raise Unavailable(Reason.LIMIT, f"too many {what}")
        self._all.add(link)
        self._half_open.add(link)
        self._per_address[group] += 1
        self._half_open_per_address[group] += 1

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
            _decrement(self._per_address, address_group(link.address))

    def ban(self, peer: PeerId, until: float) -> None:
        """Refuse a peer until a time; a later one that was said before stays."""
        until = max(until, self._bans.pop(peer, until))
        self._bans[peer] = until
        if len(self._bans) > self._limits.bans_max:
            self._bans.popitem(last=False)

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


def address_group(address: str) -> str:
    """Return what is limited together: an IPv4 address, or the /64 that one IPv6 user commonly has."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip, 64), strict=False))


def _decrement(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
