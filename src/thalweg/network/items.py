"""Signed items: what is gossiped and reconciled before anybody asks what it means. Sans-IO.

    key 32 | expires_at 8 (milliseconds since 1970, big-endian) | body | signature 64

The author's Ed25519 key signs domain, topic and everything before the signature, so an item counts in one topic only.
Clocks may disagree by `CLOCK_SLACK_SECONDS`: an item lives that much longer for others, and what is out of date for us
is ignored and held against nobody.
"""

import struct
from collections.abc import Callable
from itertools import islice
from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.network.gossip.validation import ACCEPTED, Judgement, Verdict
from thalweg.network.peer_id import SIGNATURE_BYTES, Identity, signed_by

DOMAIN: Final = b"thalweg-item:1\0"
KEY_BYTES: Final = 32
BODY_BYTES_MAX: Final = 16 * 1024
LIFE_SECONDS_MAX: Final = 7 * 86_400  # nothing is kept longer, whatever its author says
CLOCK_SLACK_SECONDS: Final = 300.0
PASSED_MAX: Final = 100_000  # items remembered as taken, about 15 MB
_HEAD: Final = struct.Struct(f">{KEY_BYTES}sQ")
_LEAST_BYTES: Final = _HEAD.size + SIGNATURE_BYTES


class Item(msgspec.Struct, frozen=True):
    """An item as read; its signature is checked apart."""

    author: bytes
    expires_at: float
    body: bytes


def sign(identity: Identity, topic: str, body: bytes, expires_at: float) -> bytes:
    """Return a signed item.

    Raises:
        UserFault: OVERSIZED.
    """
    if len(body) > BODY_BYTES_MAX:
        raise UserFault(Reason.OVERSIZED, f"an item of {len(body)} bytes; at most {BODY_BYTES_MAX} are passed on")
    head = _HEAD.pack(identity.peer_id.key, round(expires_at * 1000))
    return head + body + identity.sign(_signed(topic, head + body))


def read(payload: bytes) -> Item:
    """Parse an item.

    Raises:
        PeerFault: MALFORMED or OVERSIZED.
    """
    if len(payload) < _LEAST_BYTES:
        raise PeerFault(Reason.MALFORMED, f"an item has at least {_LEAST_BYTES} bytes, not {len(payload)}")
    if len(payload) > _LEAST_BYTES + BODY_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"an item of {len(payload)} bytes")
    author, expires_at = _HEAD.unpack_from(payload)
    return Item(author, expires_at / 1000, payload[_HEAD.size : -SIGNATURE_BYTES])


def is_signed(topic: str, payload: bytes) -> bool:
    """Say whether the author of a well-formed item signed it for this topic."""
    return signed_by(payload[:KEY_BYTES], _signed(topic, payload[:-SIGNATURE_BYTES]), payload[-SIGNATURE_BYTES:])


def _signed(topic: str, data: bytes) -> bytes:
    name = topic.encode()
    return DOMAIN + len(name).to_bytes(2) + name + data


class Passed:
    """Which items were taken already, until they expire: gossip forgets sooner, and whoever sends one again would use
    up its author's rate. Bounded: past `PASSED_MAX` the first are forgotten.
    """

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}  # by the front of the signature

    def __len__(self) -> int:
        return len(self._until)

    def add(self, payload: bytes, expires_at: float, now: float) -> None:
        """Remember an item whose signature is good."""
        self._until[_name(payload)] = expires_at
        if len(self._until) > PASSED_MAX:
            self._until = {name: until for name, until in self._until.items() if until + CLOCK_SLACK_SECONDS >= now}
            for name in [*islice(self._until, max(0, len(self._until) - PASSED_MAX + PASSED_MAX // 8))]:
                del self._until[name]

    def __contains__(self, payload: bytes) -> bool:
        return _name(payload) in self._until


def _name(payload: bytes) -> bytes:
    """Return a name of 24 bytes. Nobody but its author makes an item under the name of another: it holds his key."""
    return payload[: KEY_BYTES // 4] + payload[-SIGNATURE_BYTES : -SIGNATURE_BYTES + 16]


class ItemRules:
    """The validator of a topic of items. `clock` gives seconds since 1970."""

    payload_bytes_max = _LEAST_BYTES + BODY_BYTES_MAX

    def __init__(self, topic: str, clock: Callable[[], float]) -> None:
        self._topic = topic
        self._clock = clock
        self._passed = Passed()

    def glance(self, payload: bytes) -> bytes | Judgement:
        """Check form and time; return the author."""
        item = read(payload)
        now = self._clock()
        if item.expires_at + CLOCK_SLACK_SECONDS < now:
            return Judgement(Verdict.IGNORE, Reason.EXPIRED, f"expired {now - item.expires_at:.0f} s ago")
        if item.expires_at - CLOCK_SLACK_SECONDS > now + LIFE_SECONDS_MAX:
            return Judgement(Verdict.IGNORE, Reason.NOT_YET, f"expires in {item.expires_at - now:.0f} s")
        if payload in self._passed:
            return Judgement(Verdict.IGNORE, Reason.EXISTS, "it was taken before")
        return item.author

    def passed(self, payload: bytes) -> None:
        """Note that an item's signature is good: it is taken once."""
        self._passed.add(payload, read(payload).expires_at, self._clock())

    def verify(self, payload: bytes) -> Judgement:
        """Check the signature."""
        if is_signed(self._topic, payload):
            self.passed(payload)
            return ACCEPTED
        return Judgement(Verdict.REJECT, Reason.WRONG_SIGNER, "the author did not sign it")
