"""Set reconciliation: who asks learns which ids only he has and which only the other has. Pure.

The asker sends fingerprints of ranges; where one differs the other sends fingerprints of its parts, and so on by turns,
until a part is so small that its ids are listed. The answerer keeps nothing between two messages. How finely to split
is each one's choice: an answerer's list costs its ids once, an asker's twice (it is answered by another), so the asker
splits down to single ids.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from thalweg.network.sync import negentropy
from thalweg.network.sync.index import Index, Key
from thalweg.network.sync.negentropy import END, START, Range

MESSAGE_BYTES_MAX: Final = 192 * 1024  # what does not fit is a fingerprint over all the rest
PARTS_MAX: Final = 256
PART_IDS: Final = 40  # in a part of a large range; the next splits lead to lists of a few
LISTED_MAX: Final = 5  # by an answerer
_RANGE_BYTES: Final = 36  # about what a fingerprint takes, more than most
_ID_BYTES: Final = 32


class Differences(msgspec.Struct):
    """What an asker has learnt so far."""

    ours: set[bytes] = msgspec.field(default_factory=set)  # the other lacks them
    theirs: set[bytes] = msgspec.field(default_factory=set)  # we lack them


def begin(index: Index, since: Key) -> bytes:
    """Return the first message about all keys from `since` on."""
    start = index.find(since)
    ranges = [Range(since)] if since > START else []
    return negentropy.encode([*ranges, *_split(index, start, len(index), END, PARTS_MAX, 1)])


def answer(index: Index, message: bytes) -> bytes:
    """Return an answerer's answer.

    Raises:
        PeerFault: MALFORMED, UNKNOWN_FEATURE, OUT_OF_ORDER, LIMIT.
    """
    return negentropy.encode(_respond(index, negentropy.decode(message), None))


def proceed(index: Index, message: bytes, found: Differences) -> bytes | None:
    """Take an answer: note in `found` what it tells, and return the next message, or None where nothing is open.

    Raises:
        PeerFault: MALFORMED, UNKNOWN_FEATURE, OUT_OF_ORDER, LIMIT.
    """
    ranges = list(_respond(index, negentropy.decode(message), found))
    return None if all(each.is_skipped for each in ranges) else negentropy.encode(ranges)


def _respond(index: Index, asked: list[Range], found: Differences | None) -> Iterator[Range]:
    """Go through ranges in order. `found` is an asker's; an answerer has none."""
    start, budget = 0, MESSAGE_BYTES_MAX
    for each in asked:
        end = index.find(each.bound, start)
        said: list[Range] = []
        if each.fingerprint is not None and each.fingerprint != index.fingerprint(start, end):
            listed_max = 1 if found is not None else LISTED_MAX
            said = list(_split(index, start, end, each.bound, PARTS_MAX, listed_max))
        elif each.ids is not None and found is not None:
            ours, theirs = {key[1] for key in index.keys[start:end]}, set(each.ids)
            found.ours |= ours - theirs
            found.theirs |= theirs - ours
        elif each.ids is not None:
            listed = min(end, start + max(0, budget // _ID_BYTES - 2))
            if listed < end:
                if listed > start:
                    yield _listed(index, start, listed, negentropy.between(index.keys[listed - 1], index.keys[listed]))
                yield Range(END, fingerprint=index.fingerprint(listed, len(index)))
                return
            said = [_listed(index, start, end, each.bound)]
        budget -= sum(_RANGE_BYTES + _ID_BYTES * len(part.ids or ()) for part in said)
        if budget < 0:
            yield Range(END, fingerprint=index.fingerprint(start, len(index)))
            return
        yield from said or [Range(each.bound)]
        start = end


def _split(index: Index, start: int, end: int, bound: Key, parts_max: int, listed_max: int) -> Iterator[Range]:
    size = end - start
    if size <= listed_max:
        yield _listed(index, start, end, bound)
        return
    parts = min(parts_max, -(-size // PART_IDS)) if size > 2 * PART_IDS else min(4, size)
    for part in range(parts):
        first, last = start + size * part // parts, start + size * (part + 1) // parts
        upper = bound if last == end else negentropy.between(index.keys[last - 1], index.keys[last])
        yield Range(upper, fingerprint=index.fingerprint(first, last))


def _listed(index: Index, start: int, end: int, bound: Key) -> Range:
    return Range(bound, ids=tuple(key[1] for key in index.keys[start:end]))
