"""What a peer may say has a limit in every member, checked before anything else looks at it."""

from collections.abc import Iterator

import msgspec
import pytest

from thalweg.channel.messages import (
    ChannelAccepted,
    Goodbye,
    Hello,
    Message,
    OfferMade,
    OperationsSent,
    StateCountersigned,
)
from thalweg.channel.onchain import Pull
from thalweg.channel.operations import Close, Offer, Transfer
from thalweg.codec import decode, encode
from thalweg.errors import PeerFault, Reason

# Wider than a machine word, so decoding cannot check them; whoever keeps one checks it first.
WIDE = {
    "amount",
    "amounts",
    "total",
    "premium",
    "knots",
    "nonce",
    "exit_spread",
    "balance",
    "free",
    "deposited",
    "withdrawn",
    "required",
    "allocations",
    "id",
    "next_claim",
    "chain_id",
}


def is_bounded(kind: msgspec.inspect.Type, name: str) -> bool:
    match kind:
        case msgspec.inspect.VarTupleType() | msgspec.inspect.BytesType() | msgspec.inspect.StrType():
            return kind.max_length is not None
        case msgspec.inspect.IntType():
            return name in WIDE or (kind.ge is not None and (kind.le is not None or kind.lt is not None))
        case _:
            kinds = msgspec.inspect
            return isinstance(kind, kinds.StructType | kinds.UnionType | kinds.EnumType | kinds.BoolType)


def unbounded(kind: msgspec.inspect.Type, where: str, name: str, seen: set[type]) -> Iterator[str]:
    """Yield the members below a type that may be of any length or size."""
    if not is_bounded(kind, name):
        yield f"{where}.{name}"
    if isinstance(kind, msgspec.inspect.UnionType):
        for choice in kind.types:
            yield from unbounded(choice, where, name, seen)
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        yield from unbounded(kind.item_type, where, name, seen)
    elif isinstance(kind, msgspec.inspect.StructType) and kind.cls not in seen:
        seen.add(kind.cls)
        for member in kind.fields:
            yield from unbounded(member.type, kind.cls.__name__, member.name, seen)


def test_every_member_of_every_message_has_a_limit() -> None:
    assert sorted(unbounded(msgspec.inspect.type_info(Message), "", "", set())) == []


ADDRESS, WORD, SIGNED = bytes(20), bytes(32), bytes(64)
HELLO = Hello(1, (), 1, ADDRESS, ADDRESS, ADDRESS, ADDRESS, SIGNED)  # type: ignore[arg-type]
SIGNATURE = StateCountersigned(WORD, 1, SIGNED)  # type: ignore[arg-type]
OFFER = Offer(WORD, 0, 1, (), 10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        msgspec.structs.replace(HELLO, payout=bytes(3_000_000)),
        msgspec.structs.replace(HELLO, payout=b""),
        msgspec.structs.replace(HELLO, required=("x",) * 17),
        Goodbye(Reason.FLOOD, "x" * 501),
        ChannelAccepted(WORD, SIGNED, (Pull(0, bytes(65)),)),  # type: ignore[arg-type]
        ChannelAccepted(WORD, SIGNED, (Pull(),) * 5),  # type: ignore[arg-type]
        msgspec.structs.replace(SIGNATURE, signature=bytes(65)),
        msgspec.structs.replace(SIGNATURE, version=2**40),
        msgspec.structs.replace(SIGNATURE, version=10**30),
        msgspec.structs.replace(SIGNATURE, version=-1),
        OfferMade(WORD, msgspec.structs.replace(OFFER, id=bytes(33))),  # type: ignore[arg-type]
        OfferMade(WORD, msgspec.structs.replace(OFFER, valid_until=2**63)),  # type: ignore[arg-type]
        OperationsSent(WORD, (Close(0, 2**256, 10),)),  # type: ignore[arg-type]
        OperationsSent(WORD, (Transfer(0, 1, 10, 1, 0, 1, "m" * 65),)),  # type: ignore[arg-type]
        OperationsSent(WORD, (Close(0, 1, 10),) * 4097),  # type: ignore[arg-type]
    ],
)
def test_a_member_out_of_its_bounds_makes_a_message_malformed(message: Message) -> None:
    with pytest.raises(PeerFault, match=str(Reason.MALFORMED)):
        decode(encode(message), Message)  # type: ignore[arg-type]


@pytest.mark.parametrize("message", [HELLO, SIGNATURE, OfferMade(WORD, OFFER)])  # type: ignore[arg-type]
def test_a_message_within_its_bounds_is_read(message: Message) -> None:
    assert decode(encode(message), Message) == message  # type: ignore[arg-type]


@pytest.mark.parametrize("message", [HELLO, SIGNATURE, OfferMade(WORD, OFFER)])  # type: ignore[arg-type]
def test_a_member_of_a_later_release_is_ignored(message: Message) -> None:
    later = encode(message)[:-1] + b',"telepathy":[7]}'
    assert decode(later, Message) == message  # type: ignore[arg-type]


def test_an_unknown_member_in_what_is_signed_is_no_message() -> None:
    said = encode(OfferMade(WORD, OFFER))  # type: ignore[arg-type]
    inside = said.replace(b'"valid_until":', b'"telepathy":7,"valid_until":')
    assert inside != said
    with pytest.raises(PeerFault, match="telepathy"):
        decode(inside, Message)  # type: ignore[arg-type]
