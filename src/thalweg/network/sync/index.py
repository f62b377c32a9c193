"""Sorted sets of ids that tell the fingerprint of any range at once: order by time, then id, with running sums.

The fingerprint of a range is the first 16 bytes of SHA-256 over the sum of its ids (256-bit little-endian, modulo
2^256) and their count. Whoever grinds ids can make two sets collide, so ids must be hashes and snapshots must stay.
https://github.com/hoytech/negentropy/blob/master/docs/negentropy-protocol-v1.md

Keys lie in blocks of some hundreds, which never change: a change makes one block anew, so that neither it nor the next
`Index`, a frozen view of all blocks, costs a walk through the whole set. A peer that asks after every item would
otherwise keep the event loop for a quarter of a second each time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import accumulate
from operator import add
from typing import Final, overload

from thalweg.network.sync import digits

ID_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 16
BLOCK_KEYS: Final = 256  # in a block; a change may halve or double it
_MODULUS: Final = 2**256

Key = tuple[int, bytes]  # time in milliseconds since 1970, id


class _Block:
    """Some keys in order, at least one, and the sums of their ids up to each, once anybody asks."""

    __slots__ = ("_sums", "keys")

    def __init__(self, keys: list[Key]) -> None:
        self.keys = keys
        self._sums: list[int] | None = None

    @property
    def sums(self) -> list[int]:
        """Return the sum of the ids before each key, and of all."""
        if self._sums is None:
            self._sums = list(accumulate((int.from_bytes(key[1], "little") for key in self.keys), add, initial=0))
        return self._sums


class Keys(Sequence[Key]):
    """The keys of an index, in order."""

    __slots__ = ("_blocks", "_starts")

    def __init__(self, blocks: tuple[_Block, ...], starts: list[int]) -> None:
        self._blocks = blocks
        self._starts = starts  # how many keys are before each block, and in all

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[Key]:
        for block in self._blocks:
            yield from block.keys

    @overload
    def __getitem__(self, place: int) -> Key: ...

    @overload
    def __getitem__(self, place: slice) -> list[Key]: ...

    def __getitem__(self, place: int | slice) -> Key | list[Key]:
        if isinstance(place, slice):
            start, end, _ = place.indices(len(self))
            return self._part(start, end)
        if not 0 <= place < len(self):
            raise IndexError(place)
        number = bisect_right(self._starts, place) - 1
        return self._blocks[number].keys[place - self._starts[number]]

    def _part(self, start: int, end: int) -> list[Key]:
        part: list[Key] = []
        number = bisect_right(self._starts, start) - 1
        while start < end:
            keys, first = self._blocks[number].keys, self._starts[number]
            part += keys[start - first : end - first]
            number += 1
            start = first + len(keys)
        return part


class Index:
    """Keys in order, frozen."""

    __slots__ = ("_blocks", "_firsts", "_starts", "_sums", "keys")

    def __init__(self, keys: Iterable[Key] = (), *, blocks: tuple[_Block, ...] | None = None) -> None:
        self._blocks = tuple(_cut(sorted(keys))) if blocks is None else blocks
        self._firsts = [block.keys[0] for block in self._blocks]
        self._starts = list(accumulate((len(block.keys) for block in self._blocks), add, initial=0))
        self._sums = list(accumulate((block.sums[-1] for block in self._blocks), add, initial=0))
        self.keys = Keys(self._blocks, self._starts)

    def __len__(self) -> int:
        return self._starts[-1]

    def find(self, bound: Key, start: int = 0) -> int:
        """Return how many keys are below a bound; those before `start` are known to be."""
        number = bisect_right(self._firsts, bound) - 1
        if number < 0:
            return start
        return max(start, self._starts[number] + bisect_left(self._blocks[number].keys, bound))

    def fingerprint(self, start: int, end: int) -> bytes:
        """Return the fingerprint of the keys from `start` to before `end`."""
        total = (self._sum(end) - self._sum(start)) % _MODULUS
        return sha256(total.to_bytes(ID_BYTES, "little") + digits.encode(end - start)).digest()[:FINGERPRINT_BYTES]

    def _sum(self, end: int) -> int:
        """Return the sum of the ids before a place."""
        number = bisect_right(self._starts, end) - 1
        inside = end - self._starts[number]
        return self._sums[number] + (self._blocks[number].sums[inside] if inside else 0)


class Ordered:
    """A sorted set of keys that changes."""

    __slots__ = ("_blocks", "_firsts", "_index")

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._firsts: list[Key] = []  # of each block
        self._index: Index | None = None  # of the set as it is

    def add(self, key: Key) -> None:
        """Put in a key that is not there."""
        self._index = None
        if not self._blocks:
            self._blocks, self._firsts = [_Block([key])], [key]
            return
        number = max(0, bisect_right(self._firsts, key) - 1)
        keys = self._blocks[number].keys
        place = bisect_left(keys, key)
        self._replace(number, [*keys[:place], key, *keys[place:]])

    def remove(self, key: Key) -> None:
        """Take out a key that is there."""
        self._index = None
        number = bisect_right(self._firsts, key) - 1
        keys = self._blocks[number].keys
        place = bisect_left(keys, key)
        self._replace(number, keys[:place] + keys[place + 1 :])

    def frozen(self) -> Index:
        """Return the set as it is; later changes do not show."""
        if self._index is None:
            self._index = Index(blocks=tuple(self._blocks))
        return self._index

    def _replace(self, number: int, keys: list[Key]) -> None:
        halves = [keys] if len(keys) <= 2 * BLOCK_KEYS else [keys[:BLOCK_KEYS], keys[BLOCK_KEYS:]]
        made = [_Block(half) for half in halves if half]
        self._blocks[number : number + 1] = made
        self._firsts[number : number + 1] = [block.keys[0] for block in made]


def _cut(keys: list[Key]) -> Iterator[_Block]:
    for start in range(0, len(keys), BLOCK_KEYS):
        yield _Block(keys[start : start + BLOCK_KEYS])
