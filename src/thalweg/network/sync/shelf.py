"""A shelf: the living items of one topic, which peers keep equal. Pure; an item's id is the SHA-256 of its payload.

Limits: items of an author, items and bytes in all. Of one author the items that expire first go. Where the whole shelf
is full, room is made at the author who takes most of it; and where nobody takes more than a fair share, at the one who
came last: keys cost nothing, so however many newcomers crowd in, who was here and is modest loses nothing. What was
dropped for a limit is not asked for again for a while.

An item that gossip just brought is *young*: it is under way to others too, so peers compare and exchange only the rest.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.network import items
from thalweg.network.sync.index import Index, Key, Ordered

PAGE_BYTES_MAX: Final = 96 * 1024
REFUSED_MAX: Final = 50_000  # ids
SHORT_BYTES: Final = 8
PARTS_MAX: Final = 256  # one byte of an id decides


class Caps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a shelf holds."""

    items_max: int = 100_000
    bytes_max: int = 64 * 1024 * 1024
    author_items_max: int = 2_000
    author_share_bytes: int = 64 * 1024  # that nobody who comes later takes from an author


class Shelf:
    """Items by id."""

    def __init__(self, caps: Caps | None = None) -> None:
        self._caps = caps or Caps()
        self._payloads: dict[bytes, tuple[int, bytes]] = {}  # id: expiry in milliseconds, payload
        self._authors: dict[bytes, dict[Key, None]] = {}  # in the order in which they came
        self._weights: dict[bytes, int] = {}  # bytes of each author
        self._heavy: list[tuple[int, bytes]] = []  # a heap of authors above their share: negative bytes; old ones, too
        self._refused: OrderedDict[bytes, None] = OrderedDict()
        self._queue: list[Key] = []  # a heap: what expires first; what is gone already is still in it
        self._bytes = 0
        self._keys = Ordered()  # of what is not young
        self._young: set[bytes] = set()  # ids
        self._growing: deque[tuple[float, Key]] = deque()  # until when what is young is; dropped ones are still in it
        self._salt = b""  # of the short ids below
        self._shortened: dict[bytes, bytes] = {}  # ids by their short forms
        self._unshortened: list[bytes] = []  # ids that are missing there

    def __len__(self) -> int:
        return len(self._payloads)

    def __contains__(self, item_id: bytes) -> bool:
        return item_id in self._payloads

    @property
    def index(self) -> Index:
        """Return the keys in order, without the young."""
        return self._keys.frozen()

    def get(self, item_id: bytes) -> bytes | None:
        """Return an item's payload."""
        found = self._payloads.get(item_id)
        return None if found is None else found[1]

    def payloads(self) -> tuple[bytes, ...]:
        """Return every item, those that expire first in front."""
        return tuple(payload for _, (_, payload) in sorted(self._payloads.items(), key=_expiry))

    def refuses(self, item_id: bytes) -> bool:
        """Say whether an item was dropped for a limit not long ago."""
        return item_id in self._refused

    def add(self, payload: bytes, *, young_until: float | None = None) -> bool:
        """Take a checked item; say whether it is here now and was not before. Young ones come in order of their time.

        Raises:
            PeerFault: MALFORMED or OVERSIZED.
        """
        item_id = sha256(payload).digest()
        if item_id in self._payloads:
            return False
        item = items.read(payload)
        expiry = round(item.expires_at * 1000)
        self._payloads[item_id] = (expiry, payload)
        self._bytes += len(payload)
        mine = self._authors.setdefault(item.author, {})
        mine[expiry, item_id] = None
        self._weigh(item.author, len(payload))
        heapq.heappush(self._queue, (expiry, item_id))
        if young_until is None:
            self._keys.add((expiry, item_id))
        else:
            self._young.add(item_id)
            self._growing.append((young_until, (expiry, item_id)))
        if self._salt:
            self._shortened[short_id(self._salt, item_id)] = item_id
        if len(mine) > self._caps.author_items_max:
            self._refuse(min(mine))
        while len(self._payloads) > self._caps.items_max or self._bytes > self._caps.bytes_max:
            self._refuse(min(self._authors[self._greediest()]))
        return item_id in self._payloads

    def settle(self, now: float) -> None:
        """Let peers see what is young no longer."""
        while self._growing and self._growing[0][0] <= now:
            _, key = self._growing.popleft()
            if key[1] in self._young:
                self._young.remove(key[1])
                self._keys.add(key)

    def expire(self, now: float) -> None:
        """Drop what is out of date for everybody, whatever clocks say."""
        before = round((now - items.CLOCK_SLACK_SECONDS) * 1000)
        while self._payloads and (key := self._first())[0] < before:
            self._drop(key)

    # what peers ask for

    def fingerprint(self, since: Key) -> tuple[bytes, int]:
        """Return the fingerprint of all keys from `since` on, and how many they are."""
        start, end = self.index.find(since), len(self.index)
        return self.index.fingerprint(start, end), end - start

    def page(self, part: int, parts: int, after: Key) -> tuple[list[bytes], Key | None]:
        """Return the next items of one part of the id space, and the key to go on after, where there are more.

        Raises:
            PeerFault: MALFORMED.
        """
        if not 0 <= part < parts <= PARTS_MAX:
            raise PeerFault(Reason.MALFORMED, f"part {part} of {parts}; there are at most {PARTS_MAX}")
        page: list[bytes] = []
        size = 0
        for key in self.index.keys[self.index.find((after[0], after[1] + b"\0")) if after[1] else 0 :]:
            if key[1][0] % parts != part:
                continue
            payload = self._payloads[key[1]][1]
            if page and size + len(payload) > PAGE_BYTES_MAX:
                return page, after
            page.append(payload)
            size += len(payload)
            after = key
        return page, None

    def short_ids(self, salt: bytes) -> dict[bytes, bytes]:
        """Return all ids by their short forms. The salt keeps a collision from working twice."""
        self.shorten(salt, len(self._payloads))
        return self._shortened

    def shorten(self, salt: bytes, count: int) -> bool:
        """Prepare `short_ids` for so many ids more; say whether it is ready. Changes of the shelf are followed."""
        if self._salt != salt:
            self._salt, self._shortened, self._unshortened = salt, {}, list(self._payloads)
        if self._unshortened:
            first = max(0, len(self._unshortened) - count)
            for item_id in self._unshortened[first:]:
                if item_id in self._payloads:
                    self._shortened[short_id(salt, item_id)] = item_id
            del self._unshortened[first:]
        return not self._unshortened

    def has_shortened(self, salt: bytes) -> bool:
        """Say whether the short forms under a salt are at hand."""
        return self._salt == salt and not self._unshortened

    def refused(self, salt: bytes) -> set[bytes]:
        """Return the short forms of what is not to be asked for."""
        return {short_id(salt, item_id) for item_id in self._refused}

    def refuse(self, item_id: bytes) -> None:
        """Do not ask for an item again for a while."""
        self._refused[item_id] = None
        if len(self._refused) > REFUSED_MAX:
            self._refused.popitem(last=False)

    # dropping

    def _refuse(self, key: Key) -> None:
        self._drop(key)
        self.refuse(key[1])

    def _weigh(self, author: bytes, change: int) -> None:
        weight = self._weights[author] = self._weights.get(author, 0) + change
        if weight > self._caps.author_share_bytes:
            heapq.heappush(self._heavy, (-weight, author))
            if len(self._heavy) > 2 * len(self._payloads) + 64:
                share = self._caps.author_share_bytes
                self._heavy = [(-weight, author) for author, weight in self._weights.items() if weight > share]
                heapq.heapify(self._heavy)

    def _greediest(self) -> bytes:
        """Return the author who takes most, above his share; where nobody is above it, the one who came last."""
        share = self._caps.author_share_bytes
        while self._heavy:
            weight, author = self._heavy[0]
            if -weight > share and self._weights.get(author) == -weight:
                return author
            heapq.heappop(self._heavy)
        return next(reversed(self._authors))

    def _first(self) -> Key:
        """Return the key that expires first."""
        while self._queue[0][1] not in self._payloads:
            heapq.heappop(self._queue)
        return self._queue[0]

    def _drop(self, key: Key) -> None:
        _, payload = self._payloads.pop(key[1])
        self._bytes -= len(payload)
        author = payload[: items.KEY_BYTES]
        self._authors[author].pop(key)
        self._weigh(author, -len(payload))
        if not self._authors[author]:
            del self._authors[author], self._weights[author]
        if key[1] in self._young:
            self._young.remove(key[1])
        else:
            self._keys.remove(key)
        if self._salt:
            self._shortened.pop(short_id(self._salt, key[1]), None)


def _expiry(named: tuple[bytes, tuple[int, bytes]]) -> Key:
    item_id, (expiry, _) = named
    return expiry, item_id


def short_id(salt: bytes, item_id: bytes) -> bytes:
    """Return the short form of an id under a salt."""
    return sha256(salt + item_id).digest()[:SHORT_BYTES]


def fresh(shelf: Shelf, ids: Iterable[bytes]) -> list[bytes]:
    """Return the ids to ask for: not here, and not dropped not long ago."""
    return sorted(item_id for item_id in ids if item_id not in shelf and not shelf.refuses(item_id))
