"""The peer book: which nodes there are, where, and how dialling them went. Pure, bounded, kept across restarts.

An enemy may announce as many nodes as he likes, so a group has a limit, and a full book drops nodes of the largest
groups first. Nodes we reached are dropped last. *Anchors* are the peers we
were linked to when we stopped: they are dialled first at the next start, so that a restart is no chance to surround us.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated, Final

import msgspec

from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.network.discovery.announcement import Announcement, read
from thalweg.network.discovery.groups import address_group, group_of, is_public
from thalweg.network.items import CLOCK_SLACK_SECONDS
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId

ENTRIES_MAX: Final = 4096
_DROPPED_AT_ONCE: Final = 64  # beyond ENTRIES_MAX; sorting the book for each would let a flood of nodes cost much
PER_GROUP_MAX: Final = 64
ANCHORS_MAX: Final = 4
BANS_MAX: Final = 1024
ENDPOINTS_MAX: Final = 4096
FORM: Final = 2
RETRY_SECONDS: Final = 10.0  # doubled with each failure
REDIAL_SECONDS: Final = 2.0  # after a link that came up and was lost
RETRY_SECONDS_MAX: Final = 3600.0
FAILURES_MAX: Final = 30
_DOUBLINGS_MAX: Final = 16
_ROOM_FOR_REST: Final = 4096  # of a book on disk, beside its nodes
SAVED_MAX: Final = 1000  # nodes on disk, those worth most
BOOK_BYTES_MAX: Final = 900 * 1024  # on disk: small enough for whoever reads small files whole


class Entry:
    """A node."""

    __slots__ = ("addresses", "announcement", "failures", "group", "reached_at", "tried_at")

    def __init__(self, addresses: tuple[Multiaddr, ...], announcement: Announcement | None = None) -> None:
        self.announcement = announcement
        self.move(addresses)
        self.failures = 0  # in a row
        self.tried_at = 0.0  # seconds since 1970, as all times here
        self.reached_at = 0.0

    def move(self, addresses: tuple[Multiaddr, ...]) -> None:
        """Take new addresses. The first one's group counts: one a node, whatever else it names."""
        self.addresses = addresses
        self.group = group_of(addresses[0]) if addresses else ""

    def is_due(self, now: float) -> bool:
        """Say whether it may be dialled again."""
        return now - self.tried_at >= (_wait_seconds(self.failures) if self.failures else REDIAL_SECONDS)


class _Saved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry on disk."""

    peer: str
    addresses: tuple[str, ...]
    announcement: bytes
    reached_at: float


class _Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The book on disk. A text file, for people to read."""

    form: Annotated[int, msgspec.Meta(ge=FORM, le=FORM)]
    anchors: tuple[str, ...]
    entries: tuple[_Saved, ...]


class _Bans(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bans on disk, in a file of their own: losing the book must not lose them."""

    form: Annotated[int, msgspec.Meta(ge=FORM, le=FORM)]
    bans: dict[str, float]


class Endpoint:
    """Where somebody was dialled, whoever was meant: naming a place for many nodes makes nobody dial it more often."""

    __slots__ = ("failures", "tried_at")

    def __init__(self) -> None:
        self.failures = 0  # in a row
        self.tried_at = 0.0

    def is_due(self, now: float) -> bool:
        """Say whether it may be dialled again."""
        return now - self.tried_at >= _wait_seconds(self.failures)


class PeerBook:
    """Nodes by their id."""

    def __init__(self, own: PeerId) -> None:
        self._own = own
        self._entries: dict[PeerId, Entry] = {}
        self._groups: Counter[str] = Counter()
        self.anchors: tuple[PeerId, ...] = ()
        self._bans: dict[PeerId, float] = {}  # until when
        self._endpoints: dict[str, Endpoint] = {}  # that failed, oldest first

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, peer: PeerId) -> Entry | None:
        """Return what is known of a node."""
        return self._entries.get(peer)

    def entries(self) -> tuple[tuple[PeerId, Entry], ...]:
        """Return every node."""
        return tuple(self._entries.items())

    def known_until(self, peer: PeerId) -> float | None:
        """Return until when the newest announcement of a node counts."""
        entry = self._entries.get(peer)
        return None if entry is None or entry.announcement is None else entry.announcement.expires_at

    def learn(self, announcement: Announcement, addresses: tuple[Multiaddr, ...] | None = None) -> bool:
        """Take a checked announcement and those of its addresses that are believed; say whether it was news."""
        known = self.known_until(announcement.peer)
        if announcement.peer == self._own or (known is not None and announcement.expires_at <= known):
            return False
        self._put(announcement.peer, announcement.addresses if addresses is None else addresses, announcement)
        return announcement.peer in self._entries

    def hear_of(self, peer: PeerId, addresses: tuple[Multiaddr, ...]) -> None:
        """Take addresses that nobody signed, of a node that has not announced any itself."""
        entry = self._entries.get(peer)
        if peer != self._own and addresses and (entry is None or entry.announcement is None):
            self._put(peer, addresses, None)

    def tried(self, peer: PeerId, now: float) -> None:
        """Note that a node is being dialled."""
        if (entry := self._entries.get(peer)) is not None:
            entry.tried_at = now

    def failed(self, peer: PeerId, address: Multiaddr, now: float) -> None:
        """Note that a node could not be reached there, or that somebody else answered."""
        if (entry := self._entries.get(peer)) is not None:
            entry.failures = min(entry.failures + 1, FAILURES_MAX)
        name = endpoint_of(address)
        endpoint = self._endpoints.pop(name) if name in self._endpoints else Endpoint()
        self._endpoints[name] = endpoint
        endpoint.failures, endpoint.tried_at = min(endpoint.failures + 1, FAILURES_MAX), now
        if len(self._endpoints) > ENDPOINTS_MAX:
            del self._endpoints[next(iter(self._endpoints))]

    def answered(self, address: Multiaddr) -> None:
        """Note that whom we dialled was there."""
        self._endpoints.pop(endpoint_of(address), None)

    def may_dial(self, address: Multiaddr, now: float) -> bool:
        """Say whether a place may be dialled, as far as it goes by how earlier dials there went."""
        endpoint = self._endpoints.get(endpoint_of(address))
        return endpoint is None or endpoint.is_due(now)

    def reached(self, peer: PeerId, now: float) -> None:
        """Note that a node is linked."""
        if (entry := self._entries.get(peer)) is not None:
            entry.failures, entry.reached_at = 0, now

    def expire(self, now: float) -> None:
        """Drop announcements that are out of date, and nodes that were never reached with them."""
        for peer, entry in self.entries():
            if entry.announcement is not None and entry.announcement.expires_at + CLOCK_SLACK_SECONDS < now:
                if entry.reached_at:
                    entry.announcement = None
                else:
                    self._drop(peer)
        self._bans = {peer: until for peer, until in self._bans.items() if until > now}

    # bans: what a person wants, kept across restarts

    def ban(self, peer: PeerId, until: float) -> None:
        """Have nothing to do with a node.

        Raises:
            UserFault: LIMIT.
        """
        if len(self._bans) >= BANS_MAX and peer not in self._bans:
            raise UserFault(Reason.LIMIT, f"{BANS_MAX} peers are banned; pardon one first")
        self._bans[peer] = until

    def pardon(self, peer: PeerId) -> bool:
        """Lift a ban; say whether there was one."""
        return self._bans.pop(peer, None) is not None

    def banned(self, peer: PeerId, now: float) -> bool:
        """Say whether a node is banned."""
        return self._bans.get(peer, 0.0) > now

    def bans(self) -> dict[PeerId, float]:
        """Return every ban and until when."""
        return dict(self._bans)

    # on disk

    def encode(self) -> bytes:
        """Return the book as JSON: the nodes worth most, as many as there is room for."""
        worthy = sorted(self._entries, key=self._worth, reverse=True)
        room = BOOK_BYTES_MAX - _ROOM_FOR_REST
        entries: list[msgspec.Raw] = []
        for peer in islice(worthy, SAVED_MAX):
            raw = msgspec.json.encode(_saved(peer, self._entries[peer]))
            room -= len(raw) + 1
            if room < 0:
                break
            entries.append(msgspec.Raw(raw))
        return msgspec.json.encode({"form": FORM, "anchors": tuple(map(str, self.anchors)), "entries": entries})

    def encode_bans(self) -> bytes:
        """Return the bans as JSON."""
        return msgspec.json.encode(_Bans(FORM, {str(peer): until for peer, until in self._bans.items()}))

    def decode_bans(self, data: bytes) -> None:
        """Take saved bans.

        Raises:
            UserFault: MALFORMED.
        """
        try:
            saved = msgspec.json.decode(data, type=_Bans)
            self._bans |= {PeerId.parse(peer): until for peer, until in islice(saved.bans.items(), BANS_MAX)}
        except (ValueError, msgspec.DecodeError, UserFault) as error:
            raise UserFault(Reason.MALFORMED, f"the list of bans is damaged: {error}") from error

    @classmethod
    def decode(cls, own: PeerId, data: bytes) -> "PeerBook":
        """Return a saved book. Signatures were checked before it was saved.

        Raises:
            UserFault: MALFORMED.
        """
        book = cls(own)
        try:
            if len(data) > BOOK_BYTES_MAX:
                raise ValueError(f"more than {BOOK_BYTES_MAX} bytes")
            saved = msgspec.json.decode(data, type=_Book)
            for each in saved.entries:
                peer = PeerId.parse(each.peer)
                announcement = read(each.announcement) if each.announcement else None
                book._put(peer, tuple(map(Multiaddr.parse, each.addresses)), announcement)
                if peer in book._entries:
                    book._entries[peer].reached_at = each.reached_at
            book.anchors = tuple(map(PeerId.parse, saved.anchors))[:ANCHORS_MAX]
        except (ValueError, msgspec.DecodeError, PeerFault, UserFault) as error:
            raise UserFault(Reason.MALFORMED, f"the peer book is damaged: {error}") from error
        return book

    def set_anchors(self, linked: Sequence[PeerId]) -> None:
        """Remember whom to dial first at the next start: of different groups, longest known first."""
        chosen: dict[str, PeerId] = {}
        for peer in linked:
            if (entry := self._entries.get(peer)) is not None:
                chosen.setdefault(entry.group, peer)
        spare = [peer for peer in linked if peer in self._entries and peer not in chosen.values()]
        self.anchors = tuple([*chosen.values(), *spare][:ANCHORS_MAX])

    def _put(self, peer: PeerId, addresses: tuple[Multiaddr, ...], announcement: Announcement | None) -> None:
        entry = self._entries.get(peer)
        if entry is None:
            entry = Entry(addresses, announcement)
            self._entries[peer] = entry
            self._groups[entry.group] += 1
        else:
            self._groups[entry.group] -= 1
            entry.move(addresses or entry.addresses)
            entry.announcement = announcement
            self._groups[entry.group] += 1
        if self._groups[entry.group] > PER_GROUP_MAX:
            self._drop_from(entry.group)
        if len(self._entries) >= ENTRIES_MAX + _DROPPED_AT_ONCE:
            by_worth = sorted(self._entries, key=self._worth)
            for worst in by_worth[:_DROPPED_AT_ONCE]:
                self._drop(worst)

    def _drop_from(self, group: str) -> None:
        """Drop the node of a group that is worth least."""
        self._drop(min((peer for peer, entry in self._entries.items() if entry.group == group), key=self._worth))

    def _worth(self, peer: PeerId) -> tuple[bool, float, int, int]:
        """Return what a node is worth: anchors, then whom we reached last, small groups, whom we did not fail at."""
        entry = self._entries[peer]
        return peer in self.anchors, entry.reached_at, -self._groups[entry.group], -entry.failures

    def _drop(self, peer: PeerId) -> None:
        entry = self._entries.pop(peer)
        self._groups[entry.group] -= 1
        if not self._groups[entry.group]:
            del self._groups[entry.group]


@lru_cache(maxsize=2 * ENTRIES_MAX)
def endpoint_of(address: Multiaddr) -> str:
    """Return what counts as one place to dial: a public host whatever its port, else host and port."""
    if address.ip is not None and is_public(address):
        return address_group(address.host)
    return f"{address.host} {address.port}"


def _wait_seconds(failures: int) -> float:
    return min(RETRY_SECONDS * 2.0 ** min(failures, _DOUBLINGS_MAX), RETRY_SECONDS_MAX)


def _saved(peer: PeerId, entry: Entry) -> _Saved:
    payload = b"" if entry.announcement is None else entry.announcement.payload
    return _Saved(str(peer), tuple(map(str, entry.addresses)), payload, entry.reached_at)
