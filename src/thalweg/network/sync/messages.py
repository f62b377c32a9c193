"""What is said on a synchronisation stream: a request, its answer, and so on. MessagePack, one framed message each.

Every request can be answered from the shelf alone: an answerer keeps nothing between two of them. Ids travel joined.
"""

from typing import Annotated, Final

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.network.gossip.parameters import TOPIC_BYTES_MAX
from thalweg.network.items import BODY_BYTES_MAX
from thalweg.network.sync.index import FINGERPRINT_BYTES, ID_BYTES
from thalweg.network.sync.shelf import PARTS_MAX, SHORT_BYTES

PROTOCOL: Final = "/thalweg/sync/1"
MESSAGE_BYTES_MAX: Final = 384 * 1024
TOPICS_MAX: Final = 256  # in a beat
FETCHED_MAX: Final = 256  # ids in a fetch
GIVEN_MAX: Final = 256  # items in a gift
_ITEM_BYTES_MAX: Final = BODY_BYTES_MAX + 128

_Topic = Annotated[str, msgspec.Meta(min_length=1, max_length=TOPIC_BYTES_MAX)]
_Millis = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Part = Annotated[int, msgspec.Meta(ge=0, lt=PARTS_MAX)]
_Parts = Annotated[int, msgspec.Meta(ge=1, le=PARTS_MAX)]
_Payload = Annotated[bytes, msgspec.Meta(max_length=_ITEM_BYTES_MAX)]
_Fingerprint = Annotated[bytes, msgspec.Meta(min_length=FINGERPRINT_BYTES, max_length=FINGERPRINT_BYTES)]
_Salt = Annotated[bytes, msgspec.Meta(min_length=SHORT_BYTES, max_length=SHORT_BYTES)]
_IdPrefix = Annotated[bytes, msgspec.Meta(max_length=ID_BYTES)]


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all."""


class Print(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A topic's fingerprint."""

    topic: _Topic
    fingerprint: _Fingerprint


class Beat(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=0):
    """Tell which topics differ from these, over all items that expire from `since` on."""

    since: _Millis
    prints: Annotated[tuple[Print, ...], msgspec.Meta(max_length=TOPICS_MAX)]


class Differ(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """These topics differ; so many items are here."""

    counts: Annotated[dict[_Topic, _Millis], msgspec.Meta(max_length=TOPICS_MAX)]


class Reconcile(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Answer a Negentropy message."""

    topic: _Topic
    message: bytes


class Reconciled(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The answer."""

    message: bytes


class GetPage(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Give the next items of one part of the id space, after a key."""

    topic: _Topic
    part: _Part
    parts: _Parts
    after_time: _Millis = 0
    after_id: _IdPrefix = b""


class Items(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """Items; `more` says that the last is not the last there is."""

    payloads: Annotated[tuple[_Payload, ...], msgspec.Meta(max_length=4096)]
    more: bool = False


class GetShortIds(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """Give the short ids under a salt of one part of the id space, of items that expire from `since` on."""

    topic: _Topic
    salt: _Salt
    since: _Millis
    part: _Part
    parts: _Parts


class Ids(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """Ids or short ids, joined."""

    joined: bytes


class Fetch(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """Give the items with these ids, joined: 32 bytes each, or under a salt 8 bytes each."""

    topic: _Topic
    joined: bytes
    salt: bytes = b""


class Give(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=9):
    """Take these items."""

    topic: _Topic
    payloads: Annotated[tuple[_Payload, ...], msgspec.Meta(max_length=GIVEN_MAX)]


class Taken(_Message, frozen=True, array_like=True, forbid_unknown_fields=True, tag=10):
    """Thanks."""


Request = Beat | Reconcile | GetPage | GetShortIds | Fetch | Give
Answer = Differ | Reconciled | Items | Ids | Taken


_ENCODER: Final = msgspec.msgpack.Encoder()
_REQUESTS: Final[msgspec.msgpack.Decoder[Request]] = msgspec.msgpack.Decoder(Request)
_ANSWERS: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    """Return a message as bytes."""
    return _ENCODER.encode(message)


def read_request(data: bytes) -> Request:
    """Parse a request.

    Raises:
        PeerFault: MALFORMED or OVERSIZED.
    """
    _check_size(data)
    try:
        return _REQUESTS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerFault(Reason.MALFORMED, f"a synchronisation request: {error}") from error


def read_answer(data: bytes) -> Answer:
    """Parse an answer.

    Raises:
        PeerFault: MALFORMED or OVERSIZED.
    """
    _check_size(data)
    try:
        return _ANSWERS.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerFault(Reason.MALFORMED, f"a synchronisation answer: {error}") from error


def split(joined: bytes, size: int) -> list[bytes]:
    """Return the ids in a joined list.

    Raises:
        PeerFault: MALFORMED, its length is no multiple of theirs.
    """
    if len(joined) % size:
        raise PeerFault(Reason.MALFORMED, f"{len(joined)} bytes are no ids of {size} bytes each")
    return [joined[at : at + size] for at in range(0, len(joined), size)]


def _check_size(data: bytes) -> None:
    if len(data) > MESSAGE_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"{len(data)} bytes; a synchronisation message has {MESSAGE_BYTES_MAX}")
