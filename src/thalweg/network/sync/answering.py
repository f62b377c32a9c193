"""How a request is answered: from the shelf alone, in bounded time and space. Pure."""

from collections.abc import Mapping
from typing import Final

from thalweg.errors import PeerFault, Reason
from thalweg.network.sync import messages, reconciling
from thalweg.network.sync.index import ID_BYTES
from thalweg.network.sync.messages import (
    FETCHED_MAX,
    Answer,
    Beat,
    Differ,
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
from thalweg.network.sync.shelf import PAGE_BYTES_MAX, SHORT_BYTES, Shelf

CHECK_COST: Final = 64  # of an item's signature, in looks at an id
_NOTHING: Final = Shelf()


def answer(shelves: Mapping[str, Shelf], request: Request) -> Answer:
    """Return the answer. Of a topic that is not kept here there is nothing; `Give` is the caller's to take.

    Raises:
        PeerFault: MALFORMED, LIMIT, OUT_OF_ORDER, UNKNOWN_FEATURE.
    """
    match request:
        case Beat():
            return _differ(shelves, request)
        case Reconcile(topic, message):
            return Reconciled(reconciling.answer(shelves.get(topic, _NOTHING).index, message))
        case GetPage(topic, part, parts, after_time, after_id):
            page, after = shelves.get(topic, _NOTHING).page(part, parts, (after_time, after_id))
            return Items(tuple(page), after is not None)
        case GetShortIds():
            return _short_ids(shelves.get(request.topic, _NOTHING), request)
        case Fetch():
            return _fetch(shelves.get(request.topic, _NOTHING), request)
        case Give():
            return Taken()


def cost(shelves: Mapping[str, Shelf], request: Request) -> int:
    """Return about how many ids an answer makes us look at, to limit what a peer may ask."""
    match request:
        case Beat(_, prints):
            return 1 + len(prints)
        case Give(_, payloads):
            return 1 + CHECK_COST * len(payloads)
        case Reconcile(_, message):
            return 16 + len(message) // ID_BYTES
        case Fetch(topic, joined, salt) if salt:
            return 16 + len(joined) // SHORT_BYTES + _shortening(shelves.get(topic, _NOTHING), salt)
        case Fetch(_, joined, _):
            return 16 + len(joined) // ID_BYTES
        case GetPage(topic):
            return 16 + len(shelves.get(topic, _NOTHING)) // 16
        case GetShortIds(topic, salt):
            return 16 + _shortening(shelves.get(topic, _NOTHING), salt)


def _shortening(shelf: Shelf, salt: bytes) -> int:
    """Return what short forms under a salt cost: a hash an item, unless they are at hand."""
    return len(shelf) // (16 if shelf.has_shortened(salt) else 2)


def _differ(shelves: Mapping[str, Shelf], beat: Beat) -> Differ:
    counts = {}
    for each in beat.prints:
        shelf = shelves.get(each.topic)
        if shelf is not None:
            fingerprint, count = shelf.fingerprint((beat.since, b""))
            if fingerprint != each.fingerprint:
                counts[each.topic] = count
    return Differ(counts)


def _short_ids(shelf: Shelf, request: GetShortIds) -> Ids:
    if request.part >= request.parts:
        raise PeerFault(Reason.MALFORMED, f"part {request.part} of {request.parts}")
    named = shelf.short_ids(request.salt)
    start = shelf.index.find((request.since, b""))
    living = {key[1] for key in shelf.index.keys[start:]}
    joined = b"".join(
        short for short, each in named.items() if each[0] % request.parts == request.part and each in living
    )
    return Ids(joined[: messages.MESSAGE_BYTES_MAX // 2 // SHORT_BYTES * SHORT_BYTES])


def _fetch(shelf: Shelf, request: Fetch) -> Items:
    if len(request.salt) not in (0, SHORT_BYTES):
        raise PeerFault(Reason.MALFORMED, f"a salt of {len(request.salt)} bytes")
    ids = messages.split(request.joined, SHORT_BYTES if request.salt else ID_BYTES)
    if len(ids) > FETCHED_MAX:
        raise PeerFault(Reason.LIMIT, f"{len(ids)} items asked for at once; at most {FETCHED_MAX} are given")
    named = shelf.short_ids(request.salt) if request.salt else {}
    payloads: list[bytes] = []
    size = 0
    for asked in ids:
        payload = shelf.get(named.get(asked, b"") if request.salt else asked)
        if payload is None:
            continue
        if payloads and size + len(payload) > PAGE_BYTES_MAX:
            return Items(tuple(payloads), True)
        payloads.append(payload)
        size += len(payload)
    return Items(tuple(payloads))
