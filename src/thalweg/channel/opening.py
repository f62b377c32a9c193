"""Opening a channel: everybody's wallet signs one opening, then one transaction funds all sides.

The proposer takes seat 0. He asks the others first and signs last, so nobody holds his signature as an option; every
signature dies at the opening's deadline. Until the chain shows the channel, nothing is owed to anybody.
"""

from typing import Final

import msgspec

from thalweg.channel import hashes
from thalweg.channel.effects import Authorize, Effect, Notify, SendMessage, Submit, Topic, Watch
from thalweg.channel.events import FundingAuthorized, OpenRequested, Policy
from thalweg.channel.messages import ChannelAccepted, ChannelDeclined, ChannelProposed
from thalweg.channel.onchain import OpenChannel, Pull
from thalweg.channel.state import SEQUENCER, Channel, new_channel
from thalweg.channel.terms import ASSETS_MAX, PARTICIPANTS_MAX, PARTICIPANTS_MIN, CloseOut, Terms
from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason, RuleBroken, UserFault, blame
from thalweg.units import AMOUNT_MAX, NATIVE, Address, Amount, ChannelId, Hash, Seat, Signature, UnixSeconds

FORGET_S: Final = 3600  # past its deadline, until an opening that the chain never showed is forgotten
MISSED_S: Final = 1800  # past its deadline, a block that does not show an opening proves that none ever will
DEADLINE_MAX_S: Final = 3600  # a funding signature is an option on the signer's money: keep it short
CHALLENGE_PERIOD_S_MAX: Final = 30 * 86_400
_HASH_BYTES: Final = 32


class Authorization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One payer's consent: his signature over the opening, and how his tokens may be taken, by asset."""

    signature: Signature
    pulls: tuple[Pull, ...]


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A channel that is being opened. `authorizations` by seat; `policy` is set once this node has agreed."""

    id: ChannelId
    separator: Hash
    terms: Terms
    seat: Seat
    amounts: tuple[Amount, ...]
    payers: tuple[Address, ...]
    peers: tuple[bytes, ...]
    deadline: UnixSeconds
    secret: Hash
    authorizations: tuple[Authorization | None, ...]
    policy: Policy | None = None
    request: str = ""

    def digest(self) -> Hash:
        """Return what every payer signs."""
        return hashes.open_digest(self.separator, self.id, self.amounts, self.payers, self.deadline)


class Progress(msgspec.Struct, frozen=True):
    """The opening after an event (None: it is over), the channel if it came to be, and what to do."""

    opening: Opening | None
    channel: Channel | None = None
    effects: tuple[Effect, ...] = ()


def propose(event: OpenRequested, separator: Hash, me: Address) -> Progress:
    """Start an opening from the user's request, and ask the others.

    Raises:
        UserFault: what is wrong with the request.
    """
    proposal = ChannelProposed(event.terms, event.amounts, event.payers, event.peers, event.deadline, event.secret)
    try:
        opening = _opening(proposal, separator, me, event.now)
    except RuleBroken as broken:
        raise blame(broken, peer=False) from broken
    if opening.seat != SEQUENCER:
        raise UserFault(Reason.NOT_SEQUENCER, "who proposes a channel takes seat 0")
    _check_policy(opening.terms, event.policy)
    opening = msgspec.structs.replace(opening, policy=event.policy, request=event.request)
    sends = tuple(SendMessage(peer, proposal) for peer in event.peers[1:])
    accepted = Notify(Topic.ACCEPTED, opening.id, request=event.request)
    return Progress(opening, effects=(accepted, *sends))


def on_proposed(message: ChannelProposed, peer: bytes, separator: Hash, me: Address, now: UnixSeconds) -> Progress:
    """Keep a peer's proposal for the user to decide.

    Raises:
        PeerFault: what is wrong with it.
    """
    try:
        opening = _opening(message, separator, me, now)
    except RuleBroken as broken:
        raise blame(broken, peer=True) from broken
    if opening.seat == SEQUENCER or opening.peers[SEQUENCER] != peer:
        raise PeerFault(Reason.NOT_SEQUENCER, "a channel is proposed by its seat 0")
    return Progress(opening, effects=(Notify(Topic.OPENING_PROPOSED, opening.id),))


def _opening(message: ChannelProposed, separator: Hash, me: Address, now: UnixSeconds) -> Opening:
    check_terms(message.terms)
    terms = message.terms
    seats = len(terms.participants)
    if me not in terms.participants:
        raise RuleBroken(Reason.WRONG_SIGNER, "my key is not among the participants")
    if len(message.amounts) != seats * len(terms.assets) or len(message.payers) != seats:
        raise RuleBroken(Reason.MALFORMED, "one amount a participant and asset, one payer a participant")
    if len(message.peers) != seats or len(set(message.peers)) != seats:
        raise RuleBroken(Reason.MALFORMED, "one distinct peer a participant")
    if any(amount < 0 for amount in message.amounts):
        raise RuleBroken(Reason.NEGATIVE, "an amount is negative")
    if any(sum(message.amounts[asset :: len(terms.assets)]) > AMOUNT_MAX for asset in range(len(terms.assets))):
        raise RuleBroken(Reason.OVERFLOW, f"at most {AMOUNT_MAX} of an asset fit into a channel")
    if len(message.secret) != _HASH_BYTES or any(len(payer) != len(NATIVE) for payer in message.payers):
        raise RuleBroken(Reason.MALFORMED, "the secret has 32 bytes, a payer 20")
    if terms.nonce != hashes.opening_nonce(terms.nonce >> 128, message.payers):
        raise RuleBroken(Reason.WRONG_HASH, "the low half of the nonce is not that of the payers' hash")
    if not now < message.deadline <= now + DEADLINE_MAX_S:
        raise RuleBroken(Reason.EXPIRED, f"the deadline must be within {DEADLINE_MAX_S} s from now")
    return Opening(
        id=hashes.channel_id(separator, terms),
        separator=separator,
        terms=terms,
        seat=Seat(terms.participants.index(me)),
        amounts=message.amounts,
        payers=message.payers,
        peers=message.peers,
        deadline=message.deadline,
        secret=message.secret,
        authorizations=(None,) * seats,
    )


def check_terms(terms: Terms) -> None:
    """Return if these terms can make a channel.

    Raises:
        RuleBroken: what is wrong with them.
    """
    seats = len(terms.participants)
    if not PARTICIPANTS_MIN <= seats <= PARTICIPANTS_MAX or len(set(terms.participants)) != seats:
        raise RuleBroken(Reason.MALFORMED, f"{PARTICIPANTS_MIN} to {PARTICIPANTS_MAX} distinct participants")
    if len(terms.payouts) != seats or any(payout == NATIVE for payout in terms.payouts):
        raise RuleBroken(Reason.MALFORMED, "one payout address a participant, none of them zero")
    if not 0 < len(terms.assets) <= ASSETS_MAX or len(set(terms.assets)) != len(terms.assets):
        raise RuleBroken(Reason.MALFORMED, f"1 to {ASSETS_MAX} distinct assets")
    if not 0 <= terms.settlement < len(terms.assets):
        raise RuleBroken(Reason.MALFORMED, "the settlement asset is not among the assets")
    if not 0 < terms.challenge_period_s <= CHALLENGE_PERIOD_S_MAX:
        raise RuleBroken(Reason.MALFORMED, f"the challenge period is 1 to {CHALLENGE_PERIOD_S_MAX} s")
    if terms.close_out != CloseOut.EXPIRY:
        raise RuleBroken(Reason.UNKNOWN_FEATURE, "close-out at the mark is not supported yet")
    addresses = (*terms.participants, *terms.payouts, *terms.assets, terms.oracle)
    if any(len(address) != len(NATIVE) for address in addresses) or len(terms.risk_params_hash) != _HASH_BYTES:
        raise RuleBroken(Reason.MALFORMED, "an address has 20 bytes, a hash 32")
    if not (0 <= terms.exit_spread < 2**64 and 0 <= terms.nonce < 2**256):
        raise RuleBroken(Reason.OVERFLOW, "the exit spread has 64 bits, the nonce 256")


def accept(opening: Opening, policy: Policy) -> Progress:
    """The user agrees: his wallet signs his share.

    Raises:
        UserFault: the policy does not fit the terms.
    """
    _check_policy(opening.terms, policy)
    opening = msgspec.structs.replace(opening, policy=policy)
    return Progress(opening, effects=(_authorize(opening),))


def _check_policy(terms: Terms, policy: Policy) -> None:
    if len(policy.undecided_max) != len(terms.assets):
        raise UserFault(Reason.MALFORMED, f"undecided_max needs one amount an asset, {len(terms.assets)} of them")


def decline(opening: Opening, detail: str) -> Progress:
    """The user does not agree."""
    message = ChannelDeclined(opening.id, Reason.NO_CONSENT, detail)
    return Progress(None, effects=(SendMessage(opening.peers[SEQUENCER], message),))


def _authorize(opening: Opening) -> Authorize:
    assets = len(opening.terms.assets)
    mine = opening.amounts[opening.seat * assets : (opening.seat + 1) * assets]
    return Authorize(opening.id, opening.terms, mine, opening.seat, opening.digest(), opening.deadline)


def on_authorized(opening: Opening, event: FundingAuthorized) -> Progress:
    """My wallet signed: pass it to the proposer, or, being the proposer, send the transaction."""
    policy = opening.policy
    if event.error or policy is None:
        return decline(opening, event.error) if opening.seat != SEQUENCER else _failed(opening, event.error)
    own = Authorization(event.signature, event.pulls)
    opening = _with(opening, opening.seat, own)
    channel = new_channel(opening.separator, opening.terms, opening.seat, opening.peers, opening.secret, policy)
    channel = msgspec.structs.replace(channel, open_by=opening.deadline)
    if opening.seat != SEQUENCER:
        return Progress(opening, channel, (Watch(opening.id), *accepted(opening)))
    given = [item for item in opening.authorizations if item is not None]
    call = OpenChannel(
        terms=opening.terms,
        amounts=opening.amounts,
        payers=opening.payers,
        deadline=opening.deadline,
        signatures=tuple(item.signature for item in given),
        pulls=tuple(pull for item in given for pull in item.pulls),
    )
    submit = Submit(f"{opening.id.hex()}/open", call)
    channel = msgspec.structs.replace(channel, calls=(submit,))
    return Progress(None, channel, (Watch(opening.id), submit))


def accepted(opening: Opening) -> tuple[Effect, ...]:
    """Return my acceptance, once more where the proposer has missed it; nothing before my wallet has signed."""
    own = opening.authorizations[opening.seat]
    if own is None or opening.seat == SEQUENCER:
        return ()
    message = ChannelAccepted(opening.id, own.signature, own.pulls)
    return (SendMessage(opening.peers[SEQUENCER], message),)


def restart(opening: Opening) -> tuple[Effect, ...]:
    """Return what to ask of my wallet again: a crash came in between."""
    missing = [seat for seat, given in enumerate(opening.authorizations) if given is None]
    mine = opening.seat in missing and opening.policy is not None
    return (_authorize(opening),) if mine and (opening.seat != SEQUENCER or len(missing) == 1) else ()


def _failed(opening: Opening, error: str) -> Progress:
    notice = Notify(Topic.OPENING_DECLINED, opening.id, request=opening.request, detail=error)
    return Progress(None, effects=(notice,))


def _with(opening: Opening, seat: int, authorization: Authorization) -> Opening:
    given = opening.authorizations
    return msgspec.structs.replace(opening, authorizations=(*given[:seat], authorization, *given[seat + 1 :]))


def on_accepted(opening: Opening, peer: bytes, message: ChannelAccepted) -> Progress:
    """A participant agreed; when all have, my own wallet signs."""
    if opening.seat != SEQUENCER or peer not in opening.peers:
        raise PeerFault(Reason.NOT_SEQUENCER, "acceptances go to seat 0, from participants")
    seat = opening.peers.index(peer)
    if len(message.pulls) != len(opening.terms.assets):
        raise PeerFault(Reason.MALFORMED, "one way to take the tokens an asset")
    if not signed_by(opening.digest(), message.signature, opening.payers[seat]):
        raise PeerFault(Reason.WRONG_SIGNER, "the acceptance is not signed by its payer")
    opening = _with(opening, seat, Authorization(message.signature, message.pulls))
    missing = [other for other, given in enumerate(opening.authorizations) if given is None]
    return Progress(opening, effects=(_authorize(opening),) if missing == [opening.seat] else ())


def on_declined(opening: Opening, peer: bytes, message: ChannelDeclined) -> Progress:
    """A participant does not agree: the opening is over."""
    if peer not in opening.peers:
        raise PeerFault(Reason.UNKNOWN_CHANNEL, "the sender has no seat in this opening")
    return _failed(opening, f"{message.reason} {message.detail}".rstrip())


def resume(opening: Opening, peer: bytes) -> tuple[Effect, ...]:
    """Return what to say again to a peer whose link is back."""
    if opening.seat != SEQUENCER or peer not in opening.peers or peer == opening.peers[SEQUENCER]:
        return ()
    if opening.authorizations[opening.peers.index(peer)] is not None:
        return ()
    proposal = ChannelProposed(
        opening.terms, opening.amounts, opening.payers, opening.peers, opening.deadline, opening.secret
    )
    return (SendMessage(peer, proposal),)
