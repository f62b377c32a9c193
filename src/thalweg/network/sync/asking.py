"""What an asker says, as generators: they yield a request and are sent its answer. Pure.

Whoever drives one checks the items of every `Items` answer and puts the good ones on the shelf before he sends it in.

    session = rejoin(shelf, "orders", since, salt)
    request = next(session)                     # StopIteration carries the Outcome
    request = session.send(answer)

A peer that says it has an item and does not give it withholds it: `Outcome.withheld`.
"""

from collections.abc import Generator, Sequence
from hashlib import sha256
from typing import Final, TypeVar

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.network import items
from thalweg.network.sync import messages, negentropy, reconciling
from thalweg.network.sync.index import Index
from thalweg.network.sync.messages import (
    FETCHED_MAX,
    GIVEN_MAX,
    Answer,
    Fetch,
    GetPage,
    GetShortIds,
    Give,
    Ids,
    Items,
    Reconcile,
    Reconciled,
    Request,
    Taken,
)
from thalweg.network.sync.shelf import PARTS_MAX, SHORT_BYTES, Shelf, fresh, short_id

ROUNDS_MAX: Final = 64  # of reconciliation; each splits ranges at least by four
PAGES_MAX: Final = 4096  # of one part
ITEMS_ASKED_MAX: Final = 100_000  # in one session
_LISTED_MIN: Final = 1024  # items, for a list of short ids to be thought of at all
_MANY: Final = 20_000  # items, from which on the first answer says too little about how many differ
_SHORT_IDS_A_PART: Final = 16_384
_GIVEN_BYTES_MAX: Final = 128 * 1024
_A = TypeVar("_A", bound=Answer)


class Outcome(msgspec.Struct):
    """What a session came to."""

    got: int = 0
    gave: int = 0
    withheld: int = 0  # the peer has them, it said
    lacked: frozenset[bytes] = frozenset()  # by the peer, and given to it
    found: frozenset[bytes] = frozenset()  # at the peer, that we did not have


Session = Generator[Request, Answer, Outcome]


def rejoin(shelf: Shelf, topic: str, since: int, salt: bytes) -> Session:
    """Make two shelves equal: learn what differs among items that expire from `since` on, fetch and give."""
    found = reconciling.Differences()
    index = shelf.index
    message: bytes | None = reconciling.begin(index, (since, b""))
    for turn in range(ROUNDS_MAX):
        if message is None:
            break
        said = _expect((yield Reconcile(topic, message)), Reconciled)
        if _is_list_shorter(index, said.message, turn):
            return (yield from _by_list(shelf, topic, since, salt))
        message = reconciling.proceed(index, said.message, found)
    else:
        raise PeerFault(Reason.LIMIT, f"no end of reconciliation after {ROUNDS_MAX} rounds")
    outcome = Outcome(found=frozenset(found.theirs))
    yield from _fetch(shelf, topic, fresh(shelf, found.theirs), b"", outcome)
    yield from _give(shelf, topic, found.ours, outcome)
    return outcome


def snapshot(topic: str, part: int, parts: int) -> Session:
    """Get every item of one part of the id space, page by page."""
    outcome = Outcome()
    time, last = 0, b""
    got: set[bytes] = set()
    for _ in range(PAGES_MAX):
        page = _expect((yield GetPage(topic, part, parts, time, last)), Items)
        for payload in page.payloads:
            key = round(items.read(payload).expires_at * 1000), sha256(payload).digest()
            if key <= (time, last) or key[1][0] % parts != part:
                raise PeerFault(Reason.OUT_OF_ORDER, "a page holds items that were not asked for")
            time, last = key
            got.add(last)
        if not page.more:
            break
        if not page.payloads:
            raise PeerFault(Reason.MALFORMED, "an empty page says that there is more")
    outcome.got, outcome.found = len(got), frozenset(got)
    return outcome


def _by_list(shelf: Shelf, topic: str, since: int, salt: bytes) -> Session:
    """As `rejoin`, where so much differs that a list of short ids costs less."""
    outcome = Outcome()
    parts = min(PARTS_MAX, 1 + len(shelf) // _SHORT_IDS_A_PART)
    theirs: set[bytes] = set()
    for part in range(parts):
        listed = _expect((yield GetShortIds(topic, salt, since, part, parts)), Ids)
        theirs.update(messages.split(listed.joined, SHORT_BYTES))
    named = shelf.short_ids(salt)
    living = {key[1] for key in shelf.index.keys[shelf.index.find((since, b"")) :]}
    ours = {item_id for short, item_id in named.items() if item_id in living and short not in theirs}
    yield from _fetch(shelf, topic, sorted(theirs - named.keys() - shelf.refused(salt)), salt, outcome)
    yield from _give(shelf, topic, ours, outcome)
    return outcome


def _is_list_shorter(index: Index, answer: bytes, turn: int) -> bool:
    """Say whether so few of our keys lie in ranges that agree (3 % or more differ) that a list of all costs less."""
    alike_min = {0: 0.2, 1: 0.75}.get(turn)
    if alike_min is None or len(index) < _LISTED_MIN or (turn == 0) != (len(index) < _MANY):
        return False
    start = differ = 0
    for each in negentropy.decode(answer):
        end = index.find(each.bound, start)
        differ += 0 if each.is_skipped else end - start
        start = end
    return 1 - differ / len(index) < alike_min


def _fetch(
    shelf: Shelf, topic: str, ids: Sequence[bytes], salt: bytes, outcome: Outcome
) -> Generator[Request, Answer, None]:
    left = list(ids[:ITEMS_ASKED_MAX])
    while left:
        asked, left = left[:FETCHED_MAX], left[FETCHED_MAX:]
        answer = _expect((yield Fetch(topic, b"".join(asked), salt)), Items)
        got = {sha256(payload).digest() for payload in answer.payloads}
        got = {short_id(salt, each) for each in got} if salt else got
        if not got <= set(asked):
            raise PeerFault(Reason.MALFORMED, "an answer holds items that were not asked for")
        outcome.got += len(got)
        missing = [each for each in asked if each not in got]
        if answer.more and got:
            left = missing + left
        else:
            outcome.withheld += len(missing)


def _give(shelf: Shelf, topic: str, ids: set[bytes], outcome: Outcome) -> Generator[Request, Answer, None]:
    gift: list[bytes] = []
    given: list[bytes] = []
    size = 0
    for item_id in sorted(ids)[:ITEMS_ASKED_MAX]:
        payload = shelf.get(item_id)
        if payload is None:
            continue
        if gift and (len(gift) == GIVEN_MAX or size + len(payload) > _GIVEN_BYTES_MAX):
            _expect((yield Give(topic, tuple(gift))), Taken)
            gift, size = [], 0
        gift.append(payload)
        given.append(item_id)
        size += len(payload)
    if gift:
        _expect((yield Give(topic, tuple(gift))), Taken)
    outcome.gave, outcome.lacked = len(given), frozenset(given)


def _expect(answer: Answer, kind: type[_A]) -> _A:
    if not isinstance(answer, kind):
        raise PeerFault(Reason.MALFORMED, f"a {type(answer).__name__} is no answer to what was asked")
    return answer
