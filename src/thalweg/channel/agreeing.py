"""Signatures coming together: with the last one a state is agreed; with a refusal it is dead.

A signature on a version acknowledges all below it. A dead version's operations go into the next one; if somebody
signs it after all, it counts like any other, and what is newer supersedes it.
"""

from typing import Final

import msgspec

from thalweg.channel.effects import Effect, Notify, SendMessage, Topic
from thalweg.channel.judging import RETRY_S
from thalweg.channel.messages import StateCountersigned, StateProposed, StateRefused
from thalweg.channel.operations import AddPositions, AnyOperation, Close, CountDeposit, Jump, SettlePositions
from thalweg.channel.proposing import proposal
from thalweg.channel.queueing import DETAIL_MAX, refuse_operation
from thalweg.channel.state import (
    EARLY_MAX,
    SEQUENCER,
    Agreed,
    Channel,
    Early,
    Leaving,
    Offered,
    Step,
    find_live,
    newest,
    others,
)
from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason, RuleBroken
from thalweg.units import VERSION_FINAL, Seat, Signature, UnixSeconds, Version

REFUSALS_MAX: Final = 8  # of states that change something, in a row; then the operations are refused to their authors


def signed_messages(channel: Channel, version: Version, signature: Signature) -> tuple[SendMessage, ...]:
    """Return what tells the others of my signature, with the proposal if I am the sequencer; nothing if it was refused.

    Apart from `on_state_signed`, so that it can be on its way before anything else is worked out.
    """
    entry = find_live(channel, version)
    if entry is None:
        return ()
    if channel.seat == SEQUENCER:
        message: StateProposed | StateCountersigned = proposal(channel.id, entry, signature)
    else:
        message = StateCountersigned(channel.id, version, signature)
    return tuple(SendMessage(peer, message) for peer in others(channel))


def on_state_signed(channel: Channel, version: Version, signature: Signature) -> Step:
    """My own signature is there, and the others are told."""
    entry = find_live(channel, version)
    return Step(channel) if entry is None else _signature_added(channel, entry, channel.seat, signature)


def on_countersigned(channel: Channel, seat: Seat, message: StateCountersigned) -> Step:
    """A participant signed: with the last signature the state is agreed."""
    if message.version <= channel.agreed.version:
        return Step(channel)
    entry = next((item for item in channel.offered if item.version == message.version), None)
    if entry is None:
        return Step(_keep_early(channel, seat, message))
    if not signed_by(entry.digest, message.signature, channel.terms.participants[seat]):
        raise PeerFault(Reason.WRONG_SIGNER, f"not seat {seat}'s signature on version {message.version}")
    return _signature_added(channel, entry, seat, message.signature)


def _keep_early(channel: Channel, seat: Seat, message: StateCountersigned) -> Channel:
    """Keep a signature on a state that the sequencer has not shown me yet: the newest few of each participant."""
    if channel.seat == SEQUENCER:
        raise PeerFault(Reason.STALE_VERSION, f"nobody offered version {message.version}")
    rest = tuple(early for early in channel.early if early.seat != seat)
    his = [early for early in channel.early if early.seat == seat and early.version != message.version]
    his.append(Early(seat, message.version, message.signature))
    return msgspec.structs.replace(channel, early=(*rest, *his[-EARLY_MAX:]))


def _signature_added(channel: Channel, entry: Offered, seat: Seat, signature: Signature) -> Step:
    signatures = (*entry.signatures[:seat], signature, *entry.signatures[seat + 1 :])
    if all(signatures):
        return agree(channel, entry, signatures)
    changed = msgspec.structs.replace(entry, signatures=signatures)
    offered = tuple(changed if item is entry else item for item in channel.offered)
    return Step(msgspec.structs.replace(channel, offered=offered))


def agree(channel: Channel, entry: Offered, signatures: tuple[Signature, ...]) -> Step:
    """Take over an offered state that has every signature now."""
    below = [item for item in channel.offered if item.version <= entry.version]
    used = {
        (operation.offer, operation.maker, operation.author)
        for item in below
        if item is entry or not item.dead
        for operation in item.operations
        if isinstance(operation, AddPositions)
    }
    queue = channel.queue
    if any(item.dead for item in channel.offered):
        numbers = entry.sheet.numbers
        again = _mine_again(channel, entry)
        queue = tuple(item for item in again + queue if item.number > numbers[item.author])
    closes = entry.version == VERSION_FINAL and channel.leaving == Leaving.NO
    channel = msgspec.structs.replace(
        channel,
        agreed=Agreed(entry.state, entry.sheet, signatures),
        offered=tuple(item for item in channel.offered if item.version > entry.version),
        early=tuple(early for early in channel.early if early.version > entry.version),
        queue=queue,
        offers=tuple(offer for offer in channel.offers if (offer.id, offer.maker, offer.taker) not in used),
        refusals=0 if entry.operations else channel.refusals,
        ask_after=UnixSeconds(0) if channel.ask_after and _answers_me(channel, entry) else channel.ask_after,
        recovering=channel.recovering and not _restarts(entry),
        leave_by=entry.answer_by if closes else channel.leave_by,
    )
    taken = " ".join(sorted(offer.hex() for offer, _, _ in used))
    notice = Notify(Topic.AGREED, channel.id, version=entry.version, numbers=entry.sheet.numbers, detail=taken)
    return Step(channel, (notice,))


def _answers_me(channel: Channel, entry: Offered) -> bool:
    """Say whether a state holds what my node asked for by itself: what is due next need not wait."""
    asked = (item for item in entry.operations if isinstance(item, CountDeposit | SettlePositions))
    return any(item.author == channel.seat for item in asked)


def _restarts(entry: Offered) -> bool:
    """Say whether a state makes void whatever a restored node has forgotten."""
    return any(isinstance(operation, Jump | Close) for operation in entry.operations)


def _mine_again(channel: Channel, agreed: Offered) -> tuple[AnyOperation, ...]:
    """Return my operations that were in states now void and are not in the agreed one: they wait to be included."""
    if channel.seat == SEQUENCER:
        return ()
    last = newest(channel).sheet.numbers[channel.seat]
    lost = {
        operation.number: operation
        for item in channel.offered
        if item.dead and item.version < agreed.version
        for operation in item.operations
        if operation.author == channel.seat and operation.number > last
    }
    return tuple(lost[number] for number in sorted(lost))


def on_state_refused(channel: Channel, seat: Seat, message: StateRefused, now: UnixSeconds) -> Step:
    """Somebody does not sign: that version and what builds on it is dead; its other operations are queued again.

    Who refuses a state that changes nothing sees the chain differently: he is given a moment to see it as I do. A final
    state that was refused could be signed at any later time, and nothing can supersede it: only a challenge
    decides then.
    """
    if channel.seat != SEQUENCER:
        raise PeerFault(Reason.NOT_SEQUENCER, "refusals go to seat 0")
    entry = find_live(channel, message.version)
    if entry is None:
        return Step(channel)
    why = RuleBroken(message.reason, f"seat {seat} does not sign: {message.detail[:DETAIL_MAX]}")
    give_up = channel.refusals + 1 > REFUSALS_MAX or message.version == VERSION_FINAL
    again: list[AnyOperation] = []
    refused: list[AnyOperation] = []
    for item in channel.offered:
        if item.version >= message.version and not item.dead:
            for index, operation in enumerate(item.operations):
                at_fault = item is entry and index == message.operation
                (refused if at_fault or give_up else again).append(operation)
    channel = msgspec.structs.replace(
        bury(channel, message.version),
        queue=(*again, *channel.queue),
        refusals=0 if give_up else channel.refusals + 1,
        offer_after=channel.offer_after if entry.operations else UnixSeconds(now + RETRY_S),
        leaving=Leaving.ALONE if message.version == VERSION_FINAL else channel.leaving,
    )
    effects: tuple[Effect, ...] = tuple(refuse_operation(channel, operation, why) for operation in refused)
    return Step(channel, effects)


def bury(channel: Channel, version: Version) -> Channel:
    """Count every offered state from `version` on as dead."""
    offered = tuple(
        msgspec.structs.replace(item, dead=True) if item.version >= version else item for item in channel.offered
    )
    return msgspec.structs.replace(channel, offered=offered)
