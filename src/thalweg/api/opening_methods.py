"""Methods about opening channels: ask for one, see what others ask for, accept or decline."""

import asyncio
import secrets
from typing import Any, Final

from thalweg.api.backend import Backend
from thalweg.api.joining import check_challenge_period, check_opening, check_room
from thalweg.api.node_methods import connected
from thalweg.api.params import Accept, Decline, Nothing, Open
from thalweg.api.verdicts import OpeningJudge
from thalweg.api.views import ProposalView, channel_view, proposal_view
from thalweg.api.waiting import ask, counted, new_request
from thalweg.channel.events import AcceptRequested, AnyEvent, DeclineRequested, OpenRequested, Policy
from thalweg.channel.hashes import opening_nonce
from thalweg.channel.opening import Opening
from thalweg.channel.terms import CloseOut, Terms
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.units import AMOUNT_MAX, ZERO_HASH, Amount, AssetIndex, Hash, UnixSeconds

_NONCE_BITS: Final = 128
_CONNECT_S_MAX: Final = 15.0
QUORUM_POLLS: Final = 100
QUORUM_POLL_S: Final = 0.05


async def open_channel(backend: Backend, params: Open) -> Any:
    """Propose a channel and wait until it is on chain."""
    peer = await _peer(backend, params)
    asset = backend.settlement
    amounts = tuple(_amount(asset.parse(text, "deposit")) for text in (params.own, params.other))
    if not any(amounts):
        raise UserFault(Reason.NEGATIVE, "a channel without any deposit is of no use: give an amount")
    check_challenge_period(backend, params.challenge_period_s)
    check_room(backend)
    me, other = backend.engine.node.identity, backend.engine.node.peers[peer]
    now, request = backend.now(), new_request()
    payers = (me.payer, other.payer)
    terms = Terms(
        participants=(me.address, other.address),
        payouts=(me.payout, other.payout),
        assets=(asset.address,),
        settlement=AssetIndex(0),
        challenge_period_s=params.challenge_period_s,
        close_out=CloseOut.EXPIRY,
        exit_spread=0,
        oracle=backend.oracle,
        risk_params_hash=ZERO_HASH,
        nonce=opening_nonce(secrets.randbits(_NONCE_BITS), payers),
    )
    event = OpenRequested(
        now=now,
        request=request,
        terms=terms,
        amounts=amounts,
        payers=payers,
        peers=(me.peer, peer),
        deadline=UnixSeconds(now + params.valid_s),
        secret=Hash(secrets.token_bytes(32)),
        policy=await _policy(backend, terms, amounts, params.undecided_max),
    )
    return await _opened(backend, event, OpeningJudge(request), params.wait_s)


async def _opened(backend: Backend, event: AnyEvent, judge: OpeningJudge, wait_s: float) -> Any:
    """Return the channel once it is on chain; where the chain is quick, with its deposits counted."""
    opened = await ask(backend, event, judge, wait_s, "the opening")
    await counted(backend, opened, wait_s)
    return channel_view(backend, backend.engine.node.channels[opened])


async def _policy(backend: Backend, terms: Terms, amounts: tuple[Amount, ...], undecided_max: str) -> Policy:
    """Return the policy; a node that has just started is given a moment to read the oracle's quorum."""
    undecided = _undecided(backend, undecided_max)
    for _ in range(QUORUM_POLLS):
        try:
            return backend.policy(terms, amounts, undecided)
        except Unavailable:
            await asyncio.sleep(QUORUM_POLL_S)
    return backend.policy(terms, amounts, undecided)


def _amount(amount: int) -> Amount:
    if not 0 <= amount <= AMOUNT_MAX:
        raise UserFault(Reason.NEGATIVE, "an amount is not negative, and below 2^128 base units")
    return Amount(amount)


def _undecided(backend: Backend, text: str) -> Amount | None:
    """Return the limit the user gave, if any."""
    return _amount(backend.settlement.parse(text, "undecided_max")) if text else None


async def _peer(backend: Backend, params: Open) -> bytes:
    """Return the peer that a channel is to be opened with; it must be up."""
    if params.peer.startswith("/"):
        return await connected(backend, Multiaddr.parse(params.peer), min(params.wait_s, _CONNECT_S_MAX))
    peer = PeerId.parse(params.peer)
    known = backend.engine.node.peers.get(peer)
    if known is None or not known.up:
        raise Unavailable(Reason.UNREACHABLE, f"no link to {peer}: give its whole address, /ip4/.../tcp/.../p2p/{peer}")
    return bytes(peer)


async def proposals(backend: Backend, _: Nothing) -> list[ProposalView]:
    """Return the openings under way: those of others wait for `accept` or `decline`."""
    now = backend.now()
    return [proposal_view(backend, item) for item in backend.engine.node.openings.values() if item.deadline >= now]


def _proposal(backend: Backend, text: str) -> Opening:
    given = text[:66].lower().removeprefix("0x")
    found = [item for key, item in backend.engine.node.openings.items() if key.hex().startswith(given)]
    if len(found) != 1:
        raise UserFault(Reason.UNKNOWN_CHANNEL, f"{len(found)} proposals begin with {given!r}; it may have run out")
    return found[0]


async def accept(backend: Backend, params: Accept) -> Any:
    """Accept a proposed channel and wait until it is on chain."""
    item = _proposal(backend, params.channel)
    check_opening(backend, item)
    check_room(backend, item.id)
    policy = await _policy(backend, item.terms, item.amounts, params.undecided_max)
    event = AcceptRequested(backend.now(), item.id, policy)
    return await _opened(backend, event, OpeningJudge(channel_id=item.id), params.wait_s)


async def decline(backend: Backend, params: Decline) -> dict[str, Any]:
    """Decline a proposed channel."""
    item = _proposal(backend, params.channel)
    backend.request(DeclineRequested(backend.now(), item.id, params.why))
    return {"declined": item.id.hex()}


METHODS: Final = {
    "open": (Open, open_channel),
    "proposals": (Nothing, proposals),
    "accept": (Accept, accept),
    "decline": (Decline, decline),
}
