"""Whom to dial next. Pure: the book, who is linked, and chance come from outside.

Outbound links are what an enemy cannot choose for us. So they go to different address groups while any are left: an
enemy needs addresses in most of the internet to surround a node, not many addresses.
"""

from collections.abc import Collection, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from thalweg.network.discovery.book import Entry, PeerBook, endpoint_of
from thalweg.network.discovery.groups import group_of
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId

OUTBOUND: Final = 8  # links we dial and keep up
DIALS_AT_ONCE: Final = 4
LOOKED_AT_MAX: Final = 256  # nodes a turn, of those we reached once and of the others
_T = TypeVar("_T")


class Chance(Protocol):
    """A `random.Random`."""

    def sample(self, population: Sequence[_T], k: int) -> list[_T]:
        """Return `k` different elements."""


class Linked(msgspec.Struct, frozen=True):
    """A link there is, or a dial on its way."""

    peer: PeerId
    address: Multiaddr
    is_outbound: bool
    is_dial: bool = False  # on its way


def next_dials(
    book: PeerBook,
    linked: Collection[Linked],
    bootstrap: Sequence[Multiaddr],
    now: float,
    chance: Chance,
    *,
    wanted: int = OUTBOUND,
) -> list[tuple[PeerId, Multiaddr]]:
    """Return whom to dial now, and where, until as many are dialled as wanted.

    Bootstrap nodes are asked only while nobody else is known or dialled.
    """
    outbound = [link for link in linked if link.is_outbound]
    room = min(wanted - len(outbound), DIALS_AT_ONCE)
    if room <= 0:
        return []
    here = {link.peer for link in linked}
    groups = {group_of(link.address) for link in outbound}
    due = [
        (peer, entry)
        for peer, entry in _candidates(book, chance)
        if peer not in here and entry.addresses and entry.is_due(now) and not book.banned(peer, now)
    ]
    chosen: list[tuple[PeerId, Multiaddr]] = []
    places = {endpoint_of(link.address) for link in linked if link.is_dial}
    for peer, entry in _in_order(book, due, groups):
        if len(chosen) == room:
            break
        address = _address(entry, chance)
        if endpoint_of(address) in places or not book.may_dial(address, now):
            continue
        chosen.append((peer, address))
        places.add(endpoint_of(address))
        groups.add(entry.group)
    if not chosen and len(outbound) < 2:
        for address in chance.sample(bootstrap, len(bootstrap)):
            if address.peer is not None and address.peer not in here and len(chosen) < room:
                chosen.append((address.peer, address))
    return chosen


def _candidates(book: PeerBook, chance: Chance) -> list[tuple[PeerId, Entry]]:
    """Return nodes to choose from, by chance, anchors first, and not more than there is time to look at.

    Nodes we reached once take turns with those we only heard of: names are free, so an enemy can fill the book with
    nodes that are not there.
    """
    anchors = [(peer, entry) for peer in book.anchors if (entry := book.get(peer)) is not None]
    entries = [each for each in book.entries() if each[0] not in book.anchors]
    reached = _some([each for each in entries if each[1].reached_at], chance)
    heard_of = _some([each for each in entries if not each[1].reached_at], chance)
    both = min(len(reached), len(heard_of))
    turns = [each for pair in zip(reached, heard_of, strict=False) for each in pair]
    return chance.sample(anchors, len(anchors)) + turns + reached[both:] + heard_of[both:]


def _some(entries: list[tuple[PeerId, Entry]], chance: Chance) -> list[tuple[PeerId, Entry]]:
    return chance.sample(entries, min(LOOKED_AT_MAX, len(entries)))


def _in_order(book: PeerBook, due: list[tuple[PeerId, Entry]], groups: set[str]) -> list[tuple[PeerId, Entry]]:
    """Return anchors first, then one node of each new group, then the rest."""
    anchors = [each for each in due if each[0] in book.anchors]
    seen = groups | {entry.group for _, entry in anchors}
    fresh: list[tuple[PeerId, Entry]] = []
    rest: list[tuple[PeerId, Entry]] = []
    for peer, entry in due:
        if peer in book.anchors:
            continue
        if entry.group in seen:
            rest.append((peer, entry))
        else:
            seen.add(entry.group)
            fresh.append((peer, entry))
    return anchors + fresh + rest


def _address(entry: Entry, chance: Chance) -> Multiaddr:
    """Return where to dial a node: directly, and after a failure through a relay, by turns."""
    relayed = [address for address in entry.addresses if address.relay is not None]
    direct = [address for address in entry.addresses if address.relay is None]
    first, second = (relayed, direct) if entry.failures % 2 else (direct, relayed)
    return chance.sample(first or second, 1)[0]
