"""What the user asks for, and what a node asks for by itself: counting deposits and settling what has a price."""

from collections.abc import Iterable
from typing import Final

import msgspec

from thalweg.channel import hashes, reports
from thalweg.channel.draft import Draft
from thalweg.channel.effects import Effect, Notify, SendMessage, SignDigest, Topic
from thalweg.channel.events import (
    CloseRequested,
    DepositRequested,
    OfferRequested,
    OperationsRequested,
    TakeRequested,
)
from thalweg.channel.judging import RETRY_S, submit
from thalweg.channel.messages import OPERATIONS_MAX, OfferDeclined, OfferMade, OperationsSent
from thalweg.channel.onchain import Pull, TopUp
from thalweg.channel.operations import (
    AddPositions,
    AnyOperation,
    Close,
    CountDeposit,
    Jump,
    Offer,
    SettlePositions,
    is_in_range,
)
from thalweg.channel.queueing import queue_operations
from thalweg.channel.state import (
    QUEUE_MAX,
    SEQUENCER,
    Channel,
    Leaving,
    Phase,
    Step,
    is_final,
    newest,
    phase,
    version_max,
)
from thalweg.errors import PeerFault, Reason, RuleBroken, UserFault
from thalweg.units import AMOUNT_MAX, VERSION_FINAL, Amount, AssetIndex, Seat, Signature, UnixSeconds

OWN_VALID_S: Final = 3600  # how long what the node asks for by itself may wait


def enqueue(channel: Channel, operations: Iterable[AnyOperation], request: str = "") -> Step:
    """Number operations as mine, queue them, and send them to the sequencer if that is not me."""
    numbered = tuple(
        msgspec.structs.replace(operation, author=channel.seat, number=channel.next_number + offset)
        for offset, operation in enumerate(operations)
    )
    if len(numbered) > OPERATIONS_MAX:
        raise RuleBroken(Reason.LIMIT, f"at most {OPERATIONS_MAX} operations at once")
    first, last = channel.next_number, channel.next_number + len(numbered) - 1
    channel = msgspec.structs.replace(queue_operations(channel, numbered), next_number=last + 1)
    effects: list[Effect] = []
    if channel.seat != SEQUENCER:
        effects.append(SendMessage(channel.peers[SEQUENCER], OperationsSent(channel.id, numbered)))
    if request:
        effects.append(Notify(Topic.ACCEPTED, channel.id, request=request, numbers=(first, last)))
    return Step(channel, tuple(effects))


def on_operations(channel: Channel, event: OperationsRequested) -> Step:
    """Take the user's operations; never one that would cost me the link to the sequencer."""
    if not all(map(is_in_range, event.operations)):
        detail = f"an amount is negative, or over {AMOUNT_MAX}: no contract counts with it"
        raise UserFault(Reason.OVERFLOW, detail)
    leaving = all(isinstance(operation, Jump | Close) for operation in event.operations)
    _check_usable(channel, recovering_too=leaving)
    return enqueue(channel, event.operations, event.request)


def _check_usable(channel: Channel, *, recovering_too: bool = False) -> None:
    at = phase(channel)
    if at == Phase.RECOVERING and not recovering_too:
        raise UserFault(Reason.RECOVERING, "this journal is a restored one: resume the channel by a jump, or close it")
    if at not in (Phase.LIVE, Phase.RECOVERING) or is_final(newest(channel)):
        raise UserFault(Reason.WRONG_PHASE, f"the channel is {at}; nothing more can be agreed in it")
    if version_max(channel) == VERSION_FINAL:
        raise UserFault(Reason.WRONG_PHASE, "the final state is signed already; wait for the others, or close alone")


# --- trades ---------------------------------------------------------------------------------------------------------


def on_offer(channel: Channel, event: OfferRequested) -> Step:
    """Offer a trade, after trying it on the newest sheet: what cannot be signed is not offered.

    An offer ends before its instruments do: nobody may take it when the settlement price is known.
    """
    _check_usable(channel)
    offer = event.offer
    if offer.maker != channel.seat or offer.taker == channel.seat or not 0 <= offer.taker < len(channel.peers):
        raise UserFault(Reason.NOT_AUTHOR, "an offer is from me to another participant")
    open_count = sum(known.maker == channel.seat for known in channel.offers)
    if open_count >= channel.policy.offers_max:
        raise UserFault(Reason.LIMIT, f"{open_count} offers are open; wait until some are taken or expire")
    if offer.valid_until < event.now:
        raise UserFault(Reason.EXPIRED, f"the offer was good until {offer.valid_until}, now is {event.now}")
    _try(channel, offer)
    channel = msgspec.structs.replace(channel, offers=(*channel.offers, offer))
    return Step(
        channel,
        (
            SendMessage(channel.peers[offer.taker], OfferMade(channel.id, offer)),
            Notify(Topic.ACCEPTED, channel.id, request=event.request, detail=offer.id.hex()),
        ),
    )


def _try(channel: Channel, offer: Offer) -> None:
    """Return if the trade could be signed now, and its instruments live longer than the offer.

    At the sequencer also if it could ever be proposed: what alone is more than may be undecided is refused when taken.

    Raises:
        RuleBroken: why it could not.
    """
    sheet = newest(channel).sheet
    trial = AddPositions(
        offer.taker, sheet.numbers[offer.taker] + 1, offer.valid_until, offer.maker, offer.id, offer.legs
    )
    room = channel.policy.undecided_max if channel.seat == SEQUENCER else None
    Draft(channel.terms, sheet, offer.valid_until, room).apply(trial)


def on_offer_made(channel: Channel, seat: Seat, message: OfferMade, now: UnixSeconds) -> Step:
    """Keep a peer's offer for the user, or decline it at once."""
    offer = message.offer
    if offer.maker != seat or offer.taker != channel.seat:
        raise PeerFault(Reason.NOT_AUTHOR, "an offer is from its sender to me")
    if any(known.id == offer.id for known in channel.offers):
        return Step(channel)
    try:
        if sum(known.maker == seat for known in channel.offers) >= channel.policy.offers_max:
            raise RuleBroken(Reason.LIMIT, f"{channel.policy.offers_max} offers by you are open")
        if offer.valid_until < now:
            raise RuleBroken(Reason.EXPIRED, f"the offer was good until {offer.valid_until}, now is {now}")
        _try(channel, offer)
    except RuleBroken as why:
        declined = OfferDeclined(channel.id, offer.id, why.reason, why.detail)
        return Step(channel, (SendMessage(channel.peers[seat], declined),))
    channel = msgspec.structs.replace(channel, offers=(*channel.offers, offer))
    return Step(channel, (Notify(Topic.OFFERED, channel.id, detail=offer.id.hex()),))


def on_offer_declined(channel: Channel, seat: Seat, message: OfferDeclined) -> Step:
    """The taker does not want it: the offer is withdrawn."""
    to_him = {offer.id for offer in channel.offers if offer.maker == channel.seat and offer.taker == seat}
    if message.offer not in to_him:
        return Step(channel)
    offers = tuple(offer for offer in channel.offers if offer.id != message.offer)
    notice = Notify(
        Topic.OFFER_DECLINED,
        channel.id,
        reason=message.reason,
        detail=f"{message.offer.hex()} {message.detail}".rstrip(),
    )
    return Step(msgspec.structs.replace(channel, offers=offers), (notice,))


def find_offer(channel: Channel, offer_id: bytes) -> Offer:
    """Return an offer made to me.

    Raises:
        UserFault: UNKNOWN_OFFER.
    """
    for offer in channel.offers:
        if offer.id == offer_id and offer.taker == channel.seat:
            return offer
    raise UserFault(Reason.UNKNOWN_OFFER, "there is no such offer to you; it may have expired")


def on_take(channel: Channel, event: TakeRequested) -> Step:
    """Take an offer: an operation by me, with the maker's consent in it. Declining is taking it off the list."""
    offer = find_offer(channel, event.offer)
    rest = msgspec.structs.replace(channel, offers=tuple(known for known in channel.offers if known.id != offer.id))
    if not event.accept:
        message = OfferDeclined(channel.id, offer.id, Reason.NO_CONSENT, event.detail)
        return Step(rest, (SendMessage(channel.peers[offer.maker], message),))
    _check_usable(channel)
    # not for as long as the offer stands: the maker could wait and include it only when it suits him
    valid_until = UnixSeconds(min(offer.valid_until, event.now + channel.policy.answer_s))
    trade = AddPositions(channel.seat, 0, valid_until, offer.maker, offer.id, offer.legs)
    return enqueue(rest, (trade,), event.request)


# --- money in and out -----------------------------------------------------------------------------------------------


def on_deposit(channel: Channel, event: DepositRequested) -> Step:
    """Have the channel key sign a greater deposit; the wallet sends it."""
    _check_usable(channel)
    if channel.calls:
        raise UserFault(Reason.WRONG_PHASE, "a transaction of this channel is on its way; try again when it is mined")
    if not 0 <= event.asset < len(channel.terms.assets):
        raise UserFault(Reason.UNKNOWN_INSTRUMENT, f"the channel has no asset {event.asset}")
    index = channel.seat * len(channel.terms.assets) + event.asset
    total = channel.head.deposited[index] + event.amount
    if event.amount <= 0 or total > AMOUNT_MAX:
        raise UserFault(Reason.OVERFLOW, f"a deposit is positive and brings the total to at most {AMOUNT_MAX}")
    subject = f"deposit/{event.asset}/{event.amount}/{event.deadline}"
    digest = hashes.deposit_digest(channel.separator, channel.id, channel.seat, event.asset, total, event.deadline)
    return Step(channel, (SignDigest(channel.id, subject, digest),))


def on_deposit_signed(channel: Channel, subject: str, signature: Signature) -> Step:
    """Send the deposit."""
    _, asset, amount, deadline = subject.split("/")
    if channel.calls:
        return Step(channel)
    call = TopUp(
        terms=channel.terms,
        deposited=channel.head.deposited,
        withdrawn=channel.head.withdrawn,
        participant=channel.seat,
        asset=int(asset),
        amount=Amount(int(amount)),
        deadline=UnixSeconds(int(deadline)),
        signature=signature,
        pull=Pull(),
    )
    return submit(channel, call)


def on_close(channel: Channel, event: CloseRequested) -> Step:
    """Leave: together by a final state, or alone by a challenge with the newest agreed one."""
    if event.alone:
        if phase(channel) not in (Phase.LIVE, Phase.RECOVERING):
            raise UserFault(Reason.WRONG_PHASE, f"the channel is {phase(channel)}")
        notice = Notify(Topic.ACCEPTED, channel.id, request=event.request)
        return Step(msgspec.structs.replace(channel, leaving=Leaving.ALONE), (notice,))
    _check_usable(channel, recovering_too=True)
    claims = len(newest(channel).sheet.claims)
    if claims:
        raise UserFault(Reason.OPEN_CLAIMS, f"{claims} claims are open: wait for their expiry, or close alone")
    channel = msgspec.structs.replace(channel, leaving=Leaving.TOGETHER, leave_by=event.valid_until)
    return enqueue(channel, (Close(channel.seat, 0, event.valid_until),), event.request)


# --- what the node asks for by itself -------------------------------------------------------------------------------


def count_and_settle(channel: Channel, now: UnixSeconds) -> Step:
    """Queue what follows from the chain and the oracle: final deposits to count, expired positions to settle."""
    channel = reports.prune(channel)
    if phase(channel) != Phase.LIVE or version_max(channel) == VERSION_FINAL or now < channel.ask_after:
        return Step(channel)
    valid_until = UnixSeconds(now + OWN_VALID_S)
    wanted = [*_deposits(channel, valid_until), *_settlements(channel, now, valid_until)]
    if not wanted or len(channel.queue) + len(wanted) > QUEUE_MAX:
        return Step(channel)
    channel = msgspec.structs.replace(channel, ask_after=UnixSeconds(now + RETRY_S))
    return enqueue(channel, wanted)


def _deposits(channel: Channel, valid_until: UnixSeconds) -> Iterable[AnyOperation]:
    """Yield the counting of others' deposits: the sequencer's duty, and for his own that of seat 1."""
    if channel.seat > 1:
        return
    assets = len(channel.terms.assets)
    waiting = {(item.seat, item.asset) for item in channel.queue if isinstance(item, CountDeposit)}
    for index, holding in enumerate(newest(channel).sheet.holdings):
        seat, asset = divmod(index, assets)
        mine = seat == SEQUENCER if channel.seat == 1 else seat != SEQUENCER
        total = channel.final.deposited[index] if index < len(channel.final.deposited) else 0
        if mine and total > holding.deposited and (seat, asset) not in waiting:
            yield CountDeposit(channel.seat, 0, valid_until, Seat(seat), AssetIndex(asset), Amount(total))


def _settlements(channel: Channel, now: UnixSeconds, valid_until: UnixSeconds) -> Iterable[AnyOperation]:
    """Yield the settling of what has a price: the sequencer's duty, and of whoever has waited for him for long.

    He may not have heard of the report: it is in the operation.
    """
    patience = 0 if channel.seat == SEQUENCER else channel.policy.answer_s
    waiting = {item.report.report for item in channel.queue if isinstance(item, SettlePositions)}
    for *voids, price in reports.due(channel, newest(channel).sheet) if channel.reports else ():
        if now >= price.since + patience and price.signed.report not in waiting:
            signed = tuple(void.signed for void in voids)
            yield SettlePositions(channel.seat, 0, valid_until, price.signed, signed)
