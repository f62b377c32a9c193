"""The messages of the Negentropy protocol, version 1: ranges over the space of times and ids.

A range says where it ends; it begins where the one before it ended, the first at nothing. What follows the last is
skipped. https://github.com/hoytech/negentropy/blob/master/docs/negentropy-protocol-v1.md
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.network.sync import digits
from thalweg.network.sync.index import FINGERPRINT_BYTES, ID_BYTES, Key

VERSION: Final = 0x61
TIME_INFINITE: Final = 2**64 - 1
END: Final[Key] = (TIME_INFINITE, b"")
START: Final[Key] = (0, b"")
RANGES_MAX: Final = 16_384  # in a message
SKIP, FINGERPRINT, IDS = range(3)


class Range(msgspec.Struct, frozen=True):
    """Up to `bound` (exclusive): skipped where there is nothing else, or its fingerprint, or all its ids."""

    bound: Key
    fingerprint: bytes | None = None
    ids: tuple[bytes, ...] | None = None

    @property
    def is_skipped(self) -> bool:
        """Say whether there is nothing to do about it."""
        return self.fingerprint is None and self.ids is None


def encode(ranges: Iterable[Range]) -> bytes:
    """Return a message. Skipped ranges next to each other are joined, those at the end left out."""
    out = [bytes((VERSION,))]
    time, skipped = 0, False
    bound_before = START
    for each in ranges:
        if each.is_skipped:
            skipped, bound_before = True, each.bound
            continue
        if skipped:
            time = _put_bound(out, bound_before, time)
            out.append(bytes((SKIP,)))
            skipped = False
        time = _put_bound(out, each.bound, time)
        if each.fingerprint is not None:
            out += (bytes((FINGERPRINT,)), each.fingerprint)
        elif each.ids is not None:
            out += (bytes((IDS,)), digits.encode(len(each.ids)), *each.ids)
    return b"".join(out)


def decode(message: bytes) -> list[Range]:
    """Parse a message.

    Raises:
        PeerFault: MALFORMED; UNKNOWN_FEATURE, another version; LIMIT.
    """
    if message[:1] != bytes((VERSION,)):
        raise PeerFault(Reason.UNKNOWN_FEATURE, "not a message of Negentropy version 1")
    ranges: list[Range] = []
    offset, bound = 1, START
    while offset < len(message):
        if len(ranges) == RANGES_MAX or bound == END:
            raise PeerFault(Reason.LIMIT, "more Negentropy ranges than there can be")
        bound, offset = _bound(message, offset, bound)
        mode, offset = digits.decode(message, offset)
        if mode == SKIP:
            ranges.append(Range(bound))
        elif mode == FINGERPRINT:
            ranges.append(Range(bound, fingerprint=_take(message, offset, FINGERPRINT_BYTES)))
            offset += FINGERPRINT_BYTES
        elif mode == IDS:
            count, offset = digits.decode(message, offset)
            ids = _take(message, offset, count * ID_BYTES)
            ranges.append(Range(bound, ids=tuple(ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES))))
            offset += count * ID_BYTES
        else:
            raise PeerFault(Reason.MALFORMED, f"Negentropy mode {mode} is unknown")
    return ranges


def between(lower: Key, upper: Key) -> Key:
    """Return the shortest bound above one key and not above the next."""
    if lower[0] != upper[0]:
        return upper[0], b""
    size = next(at for at in range(ID_BYTES) if lower[1][at] != upper[1][at]) + 1
    return upper[0], upper[1][:size]


def _put_bound(out: list[bytes], bound: Key, time: int) -> int:
    """Write a bound after one with this time; return its time."""
    if bound[0] == TIME_INFINITE:
        out.append(b"\0\0")
        return TIME_INFINITE
    out += (digits.encode(bound[0] - time + 1), bytes((len(bound[1]),)), bound[1])
    return bound[0]


def _bound(message: bytes, offset: int, before: Key) -> tuple[Key, int]:
    coded, offset = digits.decode(message, offset)
    size, offset = digits.decode(message, offset)
    if size > ID_BYTES:
        raise PeerFault(Reason.MALFORMED, f"a Negentropy bound with {size} bytes of an id")
    prefix = _take(message, offset, size)
    time = TIME_INFINITE if coded == 0 else before[0] + coded - 1
    bound = END if time >= TIME_INFINITE else (time, prefix)
    if bound < before:
        raise PeerFault(Reason.OUT_OF_ORDER, "Negentropy ranges go back")
    return bound, offset + size


def _take(message: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(message):
        raise PeerFault(Reason.MALFORMED, "a Negentropy message is truncated")
    return message[offset : offset + size]
