"""A sorted set of ids that tells the fingerprint of any range at once: order by time, then id, with running sums.

The fingerprint of a range is the first 16 bytes of SHA-256 over the sum of its ids (256-bit little-endian, modulo
2^256) and their count. Whoever grinds ids can make two sets collide, so ids must be hashes and snapshots must stay.
https://github.com/hoytech/negentropy/blob/master/docs/negentropy-protocol-v1.md
"""

from bisect import bisect_left
from collections.abc import Iterable
from hashlib import sha256
from itertools import accumulate
from operator import add
from typing import Final

from thalweg.network.sync import digits

ID_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 16
_MODULUS: Final = 2**256

Key = tuple[int, bytes]  # time in milliseconds since 1970, id


class Index:
    """Keys in order, frozen: made anew after a change, because a range is asked for far more often."""

    __slots__ = ("_sums", "keys")

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = sorted(keys)
        self._sums = list(accumulate((int.from_bytes(key[1], "little") for key in self.keys), add, initial=0))

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, bound: Key, start: int = 0) -> int:
        """Return how many keys are below a bound; those before `start` are known to be."""
        return bisect_left(self.keys, bound, start)

    def fingerprint(self, start: int, end: int) -> bytes:
        """Return the fingerprint of the keys from `start` to before `end`."""
        total = (self._sums[end] - self._sums[start]) % _MODULUS
        return sha256(total.to_bytes(ID_BYTES, "little") + digits.encode(end - start)).digest()[:FINGERPRINT_BYTES]
