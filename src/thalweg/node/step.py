"""The node's whole behaviour: `step(node, event)`. Routes each event to the channel or opening it is about.

Greets on every new link (`Hello`), keeps what peers say of themselves, and raises `PeerFault` or `UserFault` for what
breaks a rule: then nothing has changed, and the engine tells whoever is to blame.
"""

from typing import NamedTuple

import msgspec

from thalweg.channel import hashes, opening
from thalweg.channel import step as channels
from thalweg.channel.effects import Effect, Notify, SendMessage, SetTimer, SignDigest, Topic, Watch
from thalweg.channel.events import (
    AcceptRequested,
    AnyEvent,
    ChainReported,
    DeclineRequested,
    DigestSigned,
    FundingAuthorized,
    LinkDown,
    LinkUp,
    MessageReceived,
    OpenRequested,
    ReportReceived,
    Started,
    StateSigned,
    TimerFired,
)
from thalweg.channel.messages import (
    WIRE_VERSION,
    ChannelAccepted,
    ChannelDeclined,
    ChannelProposed,
    Goodbye,
    Hello,
    Synced,
)
from thalweg.channel.onchain import PERMIT_BYTES, BlockObserved, CallSettled, ChannelObserved, fits
from thalweg.channel.opening import Opening, Progress
from thalweg.channel.state import SEQUENCER, Channel, Phase, phase
from thalweg.channel.timing import alarm, is_forlorn
from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason, RuleBroken, UserFault, blame
from thalweg.node.state import (
    CHANNELS_MAX,
    FEATURES,
    OPENINGS_MAX,
    OPENINGS_OF_PEER_MAX,
    PEERS_MAX,
    Identity,
    Node,
    Peer,
)
from thalweg.units import Address, ChannelId, UnixSeconds


class Step(NamedTuple):
    """The node after an event, and what the shell must do."""

    node: Node
    effects: tuple[Effect, ...] = ()


def step(node: Node, event: AnyEvent) -> Step:
    """Return the node after `event`, and the effects the shell must perform.

    Raises:
        PeerFault: the peer broke a rule; nothing changed.
        UserFault: the user asked for what cannot be; nothing changed.
    """
    try:
        return _dispatch(node, event)
    except RuleBroken as broken:
        raise blame(broken, peer=isinstance(event, MessageReceived)) from broken


def _dispatch(node: Node, event: AnyEvent) -> Step:
    match event:
        case MessageReceived():
            return _on_message(node, event)
        case LinkUp():
            return _on_link_up(node, event)
        case LinkDown():
            return _on_link_down(node, event)
        case DigestSigned(channel_id=b""):
            return _greet(node, event)
        case ChainReported():
            return _on_chain(node, event)
        case ReportReceived() | Started():
            return _on_all(node, event)
        case OpenRequested():
            return _on_requested(node, event)
        case AcceptRequested() | DeclineRequested() | FundingAuthorized():
            return _on_opening(node, event)
        case TimerFired():
            return _drop_forlorn(_on_channel(node, event.channel_id, event), event)
        case _:
            return _on_channel(node, event.channel_id, event)


# --- links ----------------------------------------------------------------------------------------------------------


def _on_link_up(node: Node, event: LinkUp) -> Step:
    """Greet; whoever was up before is so again once he has greeted on this link."""
    known, me = node.peers.get(event.peer), node.identity
    if known is not None and known.up:
        again = msgspec.structs.replace(known, up=False)
        node = msgspec.structs.replace(node, peers={**node.peers, event.peer: again})
    binding = hashes.binding_digest(me.separator, me.peer, me.payout, me.payer)
    return Step(node, (SignDigest(ChannelId(b""), f"hello/{event.peer.hex()}", binding),))


def _greet(node: Node, event: DigestSigned) -> Step:
    me = node.identity
    peer = bytes.fromhex(event.subject.partition("/")[2])
    hello = Hello(
        wire_version=WIRE_VERSION,
        required=tuple(sorted(FEATURES)),
        chain_id=me.chain_id,
        contract=me.contract,
        address=me.address,
        payout=me.payout,
        payer=me.payer,
        binding=event.signature,
    )
    return Step(node, (SendMessage(peer, hello),))


def _on_hello(node: Node, peer: bytes, hello: Hello, event: MessageReceived) -> Step:
    _check_hello(node, hello, peer)
    peers = _room_for(node, peer)
    known = msgspec.structs.replace(
        node, peers={**peers, peer: Peer(hello.address, hello.payout, hello.payer, up=True)}
    )
    effects: list[Effect] = [Notify(Topic.PEER_UP, detail=peer.hex())]
    for item in node.openings.values():
        effects.extend(opening.resume(item, peer))
    joined = LinkUp(event.now, peer)
    result = _each(known, joined, [item for item in node.channels.values() if peer in item.peers])
    return Step(result.node, (*effects, *result.effects))


def _check_hello(node: Node, hello: Hello, peer: bytes) -> None:
    me = node.identity
    if hello.wire_version != WIRE_VERSION:
        raise PeerFault(Reason.UNKNOWN_FEATURE, f"wire version {hello.wire_version}; this node speaks {WIRE_VERSION}")
    unknown = sorted(set(hello.required) - FEATURES)
    if unknown:
        raise PeerFault(Reason.UNKNOWN_FEATURE, f"required by the peer, unknown here: {', '.join(unknown)}")
    if hello.chain_id != me.chain_id:
        raise PeerFault(Reason.WRONG_CHAIN, f"the peer is on chain {hello.chain_id}, this node on {me.chain_id}")
    if hello.contract != me.contract:
        raise PeerFault(Reason.WRONG_CONTRACT, f"the peer uses contract 0x{hello.contract.hex()}")
    bound = hashes.binding_digest(me.separator, peer, hello.payout, hello.payer)
    if not signed_by(bound, hello.binding, hello.address):
        raise PeerFault(Reason.WRONG_SIGNER, "the channel key did not sign this network key")


def _room_for(node: Node, peer: bytes) -> dict[bytes, Peer]:
    """Return the known peers with room for one more: where they are too many, strangers that are gone are forgotten."""
    if peer in node.peers or len(node.peers) < PEERS_MAX:
        return node.peers
    needed = {other for channel in node.channels.values() for other in channel.peers}
    needed.update(other for item in node.openings.values() for other in item.peers)
    kept = {key: known for key, known in node.peers.items() if known.up or key in needed}
    if len(kept) >= PEERS_MAX:
        raise PeerFault(Reason.LIMIT, f"this node is linked to {PEERS_MAX} peers already, or needs them")
    return kept


def _is_up(node: Node, peer: bytes) -> bool:
    known = node.peers.get(peer)
    return known is not None and known.up


def _on_link_down(node: Node, event: LinkDown) -> Step:
    known = node.peers.get(event.peer)
    if known is None:
        return Step(node)
    peers = {**node.peers, event.peer: msgspec.structs.replace(known, up=False)}
    result = _each(
        msgspec.structs.replace(node, peers=peers),
        event,
        [item for item in node.channels.values() if event.peer in item.peers],
    )
    return Step(result.node, (Notify(Topic.PEER_DOWN, detail=event.peer.hex()), *result.effects))


def _on_message(node: Node, event: MessageReceived) -> Step:
    peer, message = event.peer, event.message
    if isinstance(message, Hello):
        return Step(node) if _is_up(node, peer) else _on_hello(node, peer, message, event)
    if isinstance(message, Goodbye):
        return Step(node, (Notify(Topic.PEER_DOWN, detail=f"{peer.hex()} {message.detail}", reason=message.reason),))
    if not _is_up(node, peer):
        raise PeerFault(Reason.OUT_OF_ORDER, "say hello first")
    match message:
        case ChannelProposed():
            return _on_proposed(node, peer, message, event.now)
        case ChannelAccepted() | ChannelDeclined():
            return _on_answer(node, peer, message, event.now)
        case Synced(channel_id=unknown) if unknown not in node.channels:
            return Step(node)  # the other side is ahead of me, or remembers what I have lost
        case _:
            if message.channel_id not in node.channels:
                raise PeerFault(Reason.UNKNOWN_CHANNEL, f"no channel {message.channel_id.hex()[:16]} here")
            return _on_channel(node, message.channel_id, event)


# --- openings -------------------------------------------------------------------------------------------------------


def _on_requested(node: Node, event: OpenRequested) -> Step:
    """Propose a channel; what others propose never takes the room that my own openings need."""
    _check_room(node, node.identity.peer, OPENINGS_MAX, event.now)
    result = opening.propose(event, node.identity.separator, node.identity.address)
    if result.opening is not None:
        _check_mine(node.identity, result.opening)
    return _progress(node, result, event.now)


def _check_room(node: Node, proposer: bytes, most: int, now: UnixSeconds) -> None:
    """Check that there is room for one more opening by this proposer, of whom I bear `most` that I have not accepted.

    Raises:
        RuleBroken: LIMIT.
    """
    live = [item for key, item in node.openings.items() if item.deadline >= now and key not in node.channels]
    his = sum(item.peers[SEQUENCER] == proposer for item in live)
    foreign = sum(item.peers[SEQUENCER] != node.identity.peer for item in live)
    is_full = proposer != node.identity.peer and foreign >= OPENINGS_MAX
    if his >= most or is_full or len(node.channels) >= CHANNELS_MAX:
        raise RuleBroken(
            Reason.LIMIT, f"{his} openings by the same node and {foreign} by others are under way: let some run out"
        )


def _check_mine(me: Identity, item: Opening) -> None:
    """Check that an opening names me as I named myself: it pays me, out of my wallet, and speaks with me.

    Raises:
        RuleBroken: WRONG_SIGNER, naming the member.
    """
    named = {"payouts": item.terms.payouts, "payers": item.payers, "peers": item.peers}
    for (name, members), own in zip(named.items(), (me.payout, me.payer, me.peer), strict=True):
        if members[item.seat] != own:
            detail = f"{name}[{item.seat}] is 0x{members[item.seat].hex()}, mine is 0x{own.hex()}"
            raise RuleBroken(Reason.WRONG_SIGNER, detail)


def _on_proposed(node: Node, peer: bytes, message: ChannelProposed, now: UnixSeconds) -> Step:
    result = opening.on_proposed(message, peer, node.identity.separator, node.identity.address, now)
    new = result.opening
    if new is not None and new.id in node.openings:
        return Step(node, opening.accepted(node.openings[new.id]))
    if new is not None and new.id in node.channels:
        return Step(node)
    if new is not None:
        _check_room(node, peer, OPENINGS_OF_PEER_MAX, now)
        _check_mine(node.identity, new)
    if new is not None and any(
        seat != new.seat and _address_of(node, other) != new.terms.participants[seat]
        for seat, other in enumerate(new.peers)
    ):
        raise PeerFault(Reason.WRONG_SIGNER, "a participant's key is not the one his peer showed me")
    return _progress(node, result, now)


def _on_answer(node: Node, peer: bytes, message: ChannelAccepted | ChannelDeclined, now: UnixSeconds) -> Step:
    item = _opening(node, message.channel_id)
    if item is None:
        return Step(node)
    if isinstance(message, ChannelDeclined):
        return _progress(node, opening.on_declined(item, peer, message), now, over=item.id)
    if any(len(pull.signature) not in PERMIT_BYTES for pull in message.pulls):
        raise PeerFault(Reason.MALFORMED, f"a permit's signature has one of {PERMIT_BYTES} bytes")
    return _progress(node, opening.on_accepted(item, peer, message), now)


def _address_of(node: Node, peer: bytes) -> Address | None:
    known = node.peers.get(peer)
    return known.address if known else None


def _opening(node: Node, channel_id: ChannelId) -> Opening | None:
    return node.openings.get(channel_id)


def _on_opening(node: Node, event: AcceptRequested | DeclineRequested | FundingAuthorized) -> Step:
    item = _opening(node, event.channel_id)
    if item is None:
        if isinstance(event, FundingAuthorized):
            return Step(node)
        raise UserFault(Reason.UNKNOWN_CHANNEL, "there is no such proposal; it may have run out")
    match event:
        case AcceptRequested():
            return _progress(node, opening.accept(item, event.policy), event.now)
        case DeclineRequested():
            return _progress(node, opening.decline(item, event.detail), event.now, over=item.id)
        case FundingAuthorized():
            return _progress(node, opening.on_authorized(item, event), event.now, over=item.id)


def _progress(node: Node, result: Progress, now: UnixSeconds, over: ChannelId | None = None) -> Step:
    """Take over what an opening has become; those past their deadline are forgotten on the way."""
    openings = {key: item for key, item in node.openings.items() if item.deadline >= now and key != over}
    if result.opening is not None:
        openings[result.opening.id] = result.opening
    if result.channel is None:
        return Step(msgspec.structs.replace(node, openings=openings), result.effects)
    new = result.channel
    after = msgspec.structs.replace(node, openings=openings, channels={**node.channels, new.id: new})
    return Step(after, (*result.effects, SetTimer(new.id, alarm(new))))


# --- channels -------------------------------------------------------------------------------------------------------


def _on_channel(node: Node, channel_id: ChannelId, event: AnyEvent) -> Step:
    channel = node.channels.get(channel_id)
    if channel is None:
        if isinstance(event, DigestSigned | StateSigned):
            return Step(node)  # it was forgotten while the signer was at it
        raise UserFault(Reason.UNKNOWN_CHANNEL, f"no channel {channel_id.hex()[:16]} here")
    after, effects = channels.step(channel, event)
    if after is channel:
        return Step(node, effects)
    return Step(msgspec.structs.replace(node, channels={**node.channels, channel_id: after}), effects)


def _each(node: Node, event: AnyEvent, items: list[Channel]) -> Step:
    changed: dict[ChannelId, Channel] = {}
    effects: list[Effect] = []
    for item in items:
        after, more = channels.step(item, event)
        effects.extend(more)
        if after is not item:
            changed[item.id] = after
    if changed:
        node = msgspec.structs.replace(node, channels={**node.channels, **changed})
    return Step(node, tuple(effects))


def _on_all(node: Node, event: ReportReceived | Started) -> Step:
    if isinstance(event, ReportReceived):
        return _each(node, event, [item for item in node.channels.values() if phase(item) != Phase.CLOSED])
    peers = {key: msgspec.structs.replace(peer, up=False) for key, peer in node.peers.items()}
    result = _each(msgspec.structs.replace(node, peers=peers), event, list(node.channels.values()))
    again: list[Effect] = []
    for item in result.node.channels.values():
        if phase(item) != Phase.CLOSED:
            again += [Watch(item.id), SetTimer(item.id, alarm(item))]
    for proposed in node.openings.values():
        again += opening.restart(proposed)
    return Step(result.node, (*again, *result.effects))


def _on_chain(node: Node, event: ChainReported) -> Step:
    match event.event:
        case BlockObserved():
            return Step(node)
        case ChannelObserved() as seen:
            channel = node.channels.get(seen.channel_id)
            if channel is None or not (fits(seen.head, channel.terms) and fits(seen.final, channel.terms)):
                return Step(node)  # not mine, or a view that no such channel can have: the endpoint lies
            return _on_channel(node, seen.channel_id, event)
        case CallSettled(tag=tag):
            channel_id = ChannelId(bytes.fromhex(tag.partition("/")[0]))
            if channel_id not in node.channels:
                return Step(node)
            return _tell_unopened(_on_channel(node, channel_id, event), channel_id, event.event)


def _tell_unopened(result: Step, channel_id: ChannelId, settled: CallSettled) -> Step:
    """Say that an opening transaction failed. The channel stays known: somebody may have sent the same one first."""
    if not settled.error or not settled.tag.endswith("/open") or result.node.channels[channel_id].head.opened:
        return result
    notice = Notify(Topic.OPENING_DECLINED, channel_id, detail=settled.error)
    return Step(result.node, (*result.effects, notice))


def _drop_forlorn(result: Step, event: TimerFired) -> Step:
    """Forget a channel that can never come to be any more."""
    channel = result.node.channels.get(event.channel_id)
    if channel is None or not is_forlorn(channel, event.block_time):
        return result
    rest = {key: item for key, item in result.node.channels.items() if key != event.channel_id}
    notice = Notify(Topic.OPENING_DECLINED, event.channel_id, detail="the chain did not show it before its deadline")
    return Step(msgspec.structs.replace(result.node, channels=rest), (*result.effects, notice))
