"""Operations on their way into a state: queued in order, sent to the sequencer, or refused with a signed reason.

First in, first out per author; an author's numbers only rise, so what is sent again after a reconnect is known.
Nothing is queued for a channel that is over, nor more than `AUTHOR_WEIGHT_MAX` by another author. A refusal costs the
sequencer a signature: who has made it refuse `REFUSED_MAX` within `REFUSED_S` is heard again when they are over.
"""

from typing import Final

import msgspec

from thalweg.channel import hashes
from thalweg.channel.effects import Effect, Notify, SendMessage, SignDigest, Topic
from thalweg.channel.messages import DETAIL_MAX as DETAIL_MAX
from thalweg.channel.messages import OPERATIONS_MAX, OperationRefused, OperationsSent
from thalweg.channel.operations import NUMBER_MAX, AnyOperation, is_in_range, weight
from thalweg.channel.state import QUEUE_MAX, SEQUENCER, Channel, Phase, Step, newest, phase
from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason, RuleBroken
from thalweg.units import Seat, Signature, UnixSeconds

AUTHOR_WEIGHT_MAX: Final = 16_384  # of one author's operations in a queue, see `weight`
REFUSED_MAX: Final = 1024
REFUSED_S: Final = 60


def queue_operations(channel: Channel, operations: tuple[AnyOperation, ...]) -> Channel:
    """Append operations to the queue.

    Raises:
        RuleBroken: LIMIT, when the queue is full.
    """
    if len(channel.queue) + len(operations) > QUEUE_MAX:
        raise RuleBroken(Reason.LIMIT, f"{len(channel.queue)} operations wait already; the peer is slow or away")
    return msgspec.structs.replace(channel, queue=channel.queue + operations)


def on_operations_sent(channel: Channel, seat: Seat, message: OperationsSent, now: UnixSeconds) -> Step:
    """At the sequencer: queue what a participant sent; what is known already (a resend) is skipped."""
    _check_sent(channel, seat, message)
    if phase(channel) == Phase.CLOSED:
        return Step(channel)  # whoever sent them sees the same on chain; a dispute may go away again
    last = max([newest(channel).sheet.numbers[seat], *(item.number for item in channel.queue if item.author == seat)])
    fresh = tuple(operation for operation in message.operations if operation.number > last)
    if not fresh:
        return Step(channel)
    if channel.refused and now < channel.refused_since + REFUSED_S and channel.refused[seat] >= REFUSED_MAX:
        raise PeerFault(Reason.LIMIT, f"{channel.refused[seat]} of your operations were refused; wait {REFUSED_S} s")
    total = sum(weight(item) for item in (*channel.queue, *fresh) if item.author == seat)
    if total > AUTHOR_WEIGHT_MAX:
        raise PeerFault(Reason.LIMIT, f"your operations would weigh {total}, at most {AUTHOR_WEIGHT_MAX} wait here")
    return Step(queue_operations(channel, fresh))


def _check_sent(channel: Channel, seat: Seat, message: OperationsSent) -> None:
    if channel.seat != SEQUENCER:
        raise PeerFault(Reason.NOT_SEQUENCER, "send operations to seat 0")
    if len(message.operations) > OPERATIONS_MAX:
        raise PeerFault(Reason.OVERSIZED, f"{len(message.operations)} operations at once, at most {OPERATIONS_MAX}")
    if any(operation.author != seat for operation in message.operations):
        raise PeerFault(Reason.NOT_AUTHOR, f"seat {seat} sent another's operation")
    if any(operation.number > NUMBER_MAX for operation in message.operations):
        raise PeerFault(Reason.OVERFLOW, f"an operation's number is at most {NUMBER_MAX}")
    if not all(map(is_in_range, message.operations)):
        raise PeerFault(Reason.OVERFLOW, "an amount or a knot is beyond what the contracts count with")


def count_refusals(channel: Channel, effects: tuple[Effect, ...], now: UnixSeconds) -> Channel:
    """Count by author the refusals that are about to be signed."""
    authors = [
        int(effect.subject.split("/")[1])
        for effect in effects
        if isinstance(effect, SignDigest) and effect.subject.startswith("refusal/")
    ]
    if not authors:
        return channel
    is_over = now >= channel.refused_since + REFUSED_S or not channel.refused
    refused = [0] * len(channel.peers) if is_over else list(channel.refused)
    for author in authors:
        refused[author] += 1
    since = now if is_over else channel.refused_since
    return msgspec.structs.replace(channel, refused=tuple(refused), refused_since=since)


def refuse_operation(channel: Channel, operation: AnyOperation, why: RuleBroken) -> Effect:
    """Return how the author of an operation learns that it is not included: the sequencer's refusals are signed."""
    if operation.author == channel.seat:
        return Notify(Topic.REFUSED, channel.id, numbers=(operation.number,), reason=why.reason, detail=why.detail)
    subject = refusal_subject(operation.author, operation.number, why.reason, why.detail[:DETAIL_MAX])
    digest = hashes.refusal_digest(channel.separator, channel.id, operation.author, operation.number, why.reason)
    return SignDigest(channel.id, subject, digest)


def refusal_subject(author: int, number: int, reason: Reason, detail: str) -> str:
    """Return the subject under which a refusal's signature comes back."""
    return f"refusal/{author}/{number}/{reason.name}/{detail}"


def on_refusal_signed(channel: Channel, subject: str, signature: Signature) -> Step:
    """Send a signed refusal to its author."""
    _, author, number, name, detail = subject.split("/", 4)
    message = OperationRefused(channel.id, Seat(int(author)), int(number), Reason[name], detail, signature)
    return Step(channel, (SendMessage(channel.peers[int(author)], message),))


def on_operation_refused(channel: Channel, seat: Seat, message: OperationRefused) -> Step:
    """The sequencer did not include mine: forget it wherever it waits, and say so, once."""
    if seat != SEQUENCER or message.author != channel.seat:
        raise PeerFault(Reason.NOT_SEQUENCER, "only the sequencer refuses operations, to their author")
    digest = hashes.refusal_digest(channel.separator, channel.id, message.author, message.number, message.reason)
    if not signed_by(digest, message.signature, channel.terms.participants[SEQUENCER]):
        raise PeerFault(Reason.WRONG_SIGNER, "a refusal must carry the sequencer's signature")
    after = msgspec.structs.replace(
        channel,
        queue=_without(channel.queue, channel.seat, message.number),
        offered=tuple(
            msgspec.structs.replace(item, operations=_without(item.operations, channel.seat, message.number))
            if item.dead
            else item
            for item in channel.offered
        ),
    )
    if _count(after) == _count(channel):
        return Step(channel)
    detail = message.detail[:DETAIL_MAX]
    notice = Notify(Topic.REFUSED, channel.id, numbers=(message.number,), reason=message.reason, detail=detail)
    return Step(after, (notice,))


def _count(channel: Channel) -> int:
    """Return how many operations wait, or are in states that are void."""
    return len(channel.queue) + sum(len(item.operations) for item in channel.offered if item.dead)


def _without(operations: tuple[AnyOperation, ...], author: int, number: int) -> tuple[AnyOperation, ...]:
    return tuple(operation for operation in operations if (operation.author, operation.number) != (author, number))


def refuse_own(channel: Channel, why: RuleBroken) -> Step:
    """Give up everything that waits; tell my user what of it was mine."""
    mine = tuple(operation.number for operation in channel.queue if operation.author == channel.seat)
    channel = msgspec.structs.replace(channel, queue=())
    if not mine:
        return Step(channel)
    return Step(channel, (Notify(Topic.REFUSED, channel.id, numbers=mine, reason=why.reason, detail=why.detail),))
