"""What gossip peers send each other: subscriptions, messages, and control (IHAVE, IWANT, GRAFT, PRUNE). Sans-IO.

Messages are anonymous: `from`, `seqno`, `signature` and `key` are neither looked at nor passed on, since a payload
carries its author's signature itself. https://github.com/libp2p/specs/blob/master/pubsub/README.md
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from thalweg.errors import PeerFault, Reason
from thalweg.network import protobuf
from thalweg.network.gossip.parameters import ID_BYTES, TOPIC_BYTES_MAX, Caps

_SUBSCRIPTION, _PUBLISH, _CONTROL = 1, 2, 3
_IS_SUBSCRIBED, _SUBSCRIBED_TOPIC = 1, 2
_DATA, _TOPIC = 2, 4
_IHAVE, _IWANT, _GRAFT, _PRUNE = 1, 2, 3, 4
_IHAVE_TOPIC, _IHAVE_ID, _IWANT_ID, _GRAFT_TOPIC = 1, 2, 1, 1
_PRUNE_TOPIC, _PRUNE_PEER, _PRUNE_BACKOFF = 1, 2, 3
_PEER_ID, _PEER_RECORD = 1, 2
_PEER_FIELDS_MAX: Final = 8
_MESSAGE_FIELDS_MAX: Final = 16
_PRUNE_FIELDS_MAX: Final = 64  # a topic, a backoff, and a few peers


class Subscription(msgspec.Struct, frozen=True):
    """A topic the sender reads from now on, or no longer."""

    topic: str
    is_subscribed: bool


class Message(msgspec.Struct, frozen=True):
    """A payload in a topic."""

    topic: str
    payload: bytes


class IHave(msgspec.Struct, frozen=True):
    """Ids of messages the sender can give."""

    topic: str
    ids: tuple[bytes, ...]


class IWant(msgspec.Struct, frozen=True):
    """Ids of messages the sender asks for."""

    ids: tuple[bytes, ...]


class Graft(msgspec.Struct, frozen=True):
    """The sender pushes a topic's messages to us and wants ours."""

    topic: str


class Exchanged(msgspec.Struct, frozen=True):
    """A peer that a PRUNE names: its id, and its signed record where the sender has one."""

    peer: bytes
    record: bytes = b""


class Prune(msgspec.Struct, frozen=True):
    """The sender ends a GRAFT, names other peers, and says for how many seconds it takes no new one (0: unsaid)."""

    topic: str
    peers: tuple[Exchanged, ...] = ()
    backoff_seconds: int = 0


Control = IHave | IWant | Graft | Prune
_NOTHING: Final[Mapping[bytes, Message]] = MappingProxyType({})


class Rpc(msgspec.Struct, frozen=True, kw_only=True):
    """One RPC."""

    subscriptions: tuple[Subscription, ...] = ()
    messages: tuple[Message, ...] = ()
    controls: tuple[Control, ...] = ()


def subscription_field(topic: str, *, is_subscribed: bool) -> bytes:
    """Return a subscription as a field of an RPC."""
    body = protobuf.number_field(_IS_SUBSCRIBED, int(is_subscribed))
    return protobuf.bytes_field(_SUBSCRIPTION, body + protobuf.bytes_field(_SUBSCRIBED_TOPIC, topic.encode()))


def message_body(topic: str, payload: bytes) -> bytes:
    """Return a message encoded: once, for many."""
    return protobuf.bytes_field(_DATA, payload) + protobuf.bytes_field(_TOPIC, topic.encode())


def message_field(body: bytes) -> bytes:
    """Return an encoded message as a field of an RPC."""
    return protobuf.bytes_field(_PUBLISH, body)


def control_field(controls: list[Control]) -> bytes:
    """Return all controls of an RPC as its one control field."""
    return protobuf.bytes_field(_CONTROL, b"".join(_encode(control) for control in controls))


def encode(rpc: Rpc) -> bytes:
    """Return an RPC without the length that goes before it on a stream."""
    parts = [subscription_field(each.topic, is_subscribed=each.is_subscribed) for each in rpc.subscriptions]
    parts += [message_field(message_body(each.topic, each.payload)) for each in rpc.messages]
    if rpc.controls:
        parts.append(control_field(list(rpc.controls)))
    return b"".join(parts)


def decode(data: bytes, caps: Caps, known: Mapping[bytes, Message] = _NOTHING) -> Rpc:
    """Parse an RPC. Ids of another size than ours, of messages we could not have, are left out.

    `known` messages, by their encoding, are not parsed again: most copies are not the first.

    Raises:
        PeerFault: OVERSIZED; MALFORMED; LIMIT, more of something than an RPC may carry.
    """
    if len(data) > caps.rpc_bytes_max:
        raise PeerFault(Reason.OVERSIZED, f"a gossip RPC of {len(data)} bytes; at most {caps.rpc_bytes_max} are taken")
    subscriptions: list[Subscription] = []
    messages: list[Message] = []
    controls: list[Control] = []
    budget = protobuf.Budget(caps.fields_per_rpc_max)
    for number, value in protobuf.parse(data, caps.messages_per_rpc_max + caps.topics_max, budget):
        if not isinstance(value, bytes):
            continue
        if number == _PUBLISH:
            messages.append(known.get(value) or _message(value, budget))
        elif number == _SUBSCRIPTION:
            subscriptions.append(_subscription(value, budget))
        elif number == _CONTROL:
            controls += _controls(value, caps, budget)
    _check(len(subscriptions), caps.topics_max, "subscriptions")
    _check(len(messages), caps.messages_per_rpc_max, "messages")
    _check(len(controls), caps.controls_per_rpc_max, "control messages")
    return Rpc(subscriptions=tuple(subscriptions), messages=tuple(messages), controls=tuple(controls))


def _check(found: int, limit: int, what: str) -> None:
    if found > limit:
        raise PeerFault(Reason.LIMIT, f"a gossip RPC carries {found} {what}; at most {limit} are taken")


def _encode(control: Control) -> bytes:
    match control:
        case IHave(topic, ids):
            body = protobuf.bytes_field(_IHAVE_TOPIC, topic.encode())
            return protobuf.bytes_field(_IHAVE, body + b"".join(protobuf.bytes_field(_IHAVE_ID, each) for each in ids))
        case IWant(ids):
            return protobuf.bytes_field(_IWANT, b"".join(protobuf.bytes_field(_IWANT_ID, each) for each in ids))
        case Graft(topic):
            return protobuf.bytes_field(_GRAFT, protobuf.bytes_field(_GRAFT_TOPIC, topic.encode()))
        case Prune(topic, peers, backoff):
            body = protobuf.bytes_field(_PRUNE_TOPIC, topic.encode())
            for each in peers:
                record = protobuf.bytes_field(_PEER_RECORD, each.record) if each.record else b""
                body += protobuf.bytes_field(_PRUNE_PEER, protobuf.bytes_field(_PEER_ID, each.peer) + record)
            if backoff:
                body += protobuf.number_field(_PRUNE_BACKOFF, backoff)
            return protobuf.bytes_field(_PRUNE, body)


def _subscription(data: bytes, budget: protobuf.Budget) -> Subscription:
    topic, is_subscribed = b"", False
    for number, value in protobuf.parse(data, _MESSAGE_FIELDS_MAX, budget):
        if number == _SUBSCRIBED_TOPIC and isinstance(value, bytes):
            topic = value
        elif number == _IS_SUBSCRIBED and isinstance(value, int):
            is_subscribed = bool(value)
    return Subscription(_topic(topic), is_subscribed)


def _message(data: bytes, budget: protobuf.Budget) -> Message:
    topic: bytes | None = None
    payload = b""
    for number, value in protobuf.parse(data, _MESSAGE_FIELDS_MAX, budget):
        if not isinstance(value, bytes):
            continue
        if number == _DATA:
            payload = value
        elif number == _TOPIC:
            if topic is not None:
                raise PeerFault(Reason.MALFORMED, "a gossip message is in more than one topic")
            topic = value
    return Message(_topic(topic or b""), payload)


def _controls(data: bytes, caps: Caps, budget: protobuf.Budget) -> list[Control]:
    controls: list[Control] = []
    ids_left = caps.ids_per_rpc_max
    for number, value in protobuf.parse(data, caps.controls_per_rpc_max + 1, budget):
        if not isinstance(value, bytes):
            continue
        if number in (_IHAVE, _IWANT):
            have = _ids(value, number, ids_left, budget)
            ids_left -= len(have.ids)
            controls.append(have)
        elif number == _GRAFT:
            controls.append(Graft(_topic(_bytes(value, _GRAFT_TOPIC, budget))))
        elif number == _PRUNE:
            controls.append(_prune(value, caps, budget))
    return controls


def _ids(data: bytes, number: int, ids_left: int, budget: protobuf.Budget) -> IHave | IWant:
    fields = protobuf.parse(data, ids_left + 1, budget)
    wanted = _IHAVE_ID if number == _IHAVE else _IWANT_ID
    ids = tuple(
        value for found, value in fields if found == wanted and isinstance(value, bytes) and len(value) == ID_BYTES
    )
    if number == _IWANT:
        return IWant(ids)
    topic = next((value for found, value in fields if found == _IHAVE_TOPIC and isinstance(value, bytes)), b"")
    return IHave(_topic(topic), ids)


def _prune(data: bytes, caps: Caps, budget: protobuf.Budget) -> Prune:
    topic, backoff = b"", 0
    peers: list[Exchanged] = []
    for number, value in protobuf.parse(data, _PRUNE_FIELDS_MAX, budget):
        if number == _PRUNE_BACKOFF and isinstance(value, int):
            backoff = value
        elif number == _PRUNE_TOPIC and isinstance(value, bytes):
            topic = value
        elif number == _PRUNE_PEER and isinstance(value, bytes):
            record = _bytes(value, _PEER_RECORD, budget)
            peer = _bytes(value, _PEER_ID, budget)
            peers.append(Exchanged(peer, record if len(record) <= caps.records_bytes_max else b""))
    return Prune(_topic(topic), tuple(peers), backoff)


def _bytes(data: bytes, number: int, budget: protobuf.Budget) -> bytes:
    found = b""
    for each, value in protobuf.parse(data, _PEER_FIELDS_MAX, budget):
        if each == number and isinstance(value, bytes):
            found = value
    return found


def _topic(raw: bytes) -> str:
    if len(raw) > TOPIC_BYTES_MAX:
        raise PeerFault(Reason.OVERSIZED, f"a topic of {len(raw)} bytes; at most {TOPIC_BYTES_MAX} are taken")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise PeerFault(Reason.MALFORMED, "a topic is not UTF-8") from error
