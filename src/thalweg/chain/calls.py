"""Calls as transactions, and logs as views. Pure: bytes in, bytes out; the adapter does the talking.

Layouts come from the contracts' own interfaces (`artefacts`), so what is encoded here is what was compiled. Folding a
channel's logs in chain order, from `View()`, gives its view; a reorganisation is a shorter list of logs.
"""

from typing import Any, Final

import msgspec

from thalweg.chain import abi as codec
from thalweg.chain.artefacts import ADJUDICATOR, QUORUM_ORACLE, RESOLVER, entries, load
from thalweg.channel.claims import CLAIMS_MAX, Claim, HashLock, Position, Subchannel
from thalweg.channel.hashes import NO_CLAIMS, balances_hash, leaf, leaf_salt, merkle_range, merkle_root
from thalweg.channel.onchain import (
    Call,
    ChallengeState,
    CloseChannel,
    Dispute,
    OpenChannel,
    PayWithdrawal,
    Progress,
    Pull,
    RegisterReport,
    RespondState,
    SettleClaims,
    TopUp,
    View,
)
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import ASSETS_MAX, PARTICIPANTS_MAX, PARTICIPANTS_MIN, Terms
from thalweg.codec import words
from thalweg.errors import InvariantBroken
from thalweg.units import (
    AMOUNT_MAX,
    NATIVE,
    ZERO_HASH,
    Address,
    Amount,
    ChannelId,
    Hash,
    Seat,
    Signature,
    UnixSeconds,
    Version,
)

CELLS_MIN: Final = PARTICIPANTS_MIN
CELLS_MAX: Final = PARTICIPANTS_MAX * ASSETS_MAX
TIME_MAX: Final = UnixSeconds(2**40)  # far beyond any expiry: no honest chain gets near it
CLAIMS_A_CALL: Final = 8  # `resolve` takes no more at once; what a call leaves, the next one walks
NO_SALT: Final = ZERO_HASH  # of version 0's balances, which nobody signs
_PAIR: Final = 2  # participants, with one asset: the common kind has cheaper calls
_KIND_POSITION, _KIND_HASH_LOCK, _KIND_SUBCHANNEL = 0, 1, 2
_PULL_ALLOWANCE, _PULL_PERMIT = 0, 1


class Invocation(msgspec.Struct, frozen=True):
    """What a transaction carries: where to, calldata, and native coin in wei."""

    to: Address
    data: bytes
    value: Amount = Amount(0)


class Log(msgspec.Struct, frozen=True):
    """One event as the chain reports it. For ours, `topics[0]` names the event and `topics[1]` the channel."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes


def encode(call: Call, adjudicator: Address, resolver: Address | None = None) -> Invocation:
    """Return the transaction that makes `call`.

    Reports go to their oracle, settlements of states with claims to the adjudicator's resolver, all else to the
    adjudicator.

    Raises:
        Unencodable: something in it, which a peer may have sent, is not what the contract takes.
    """
    try:
        return _invocation(call, adjudicator, resolver)
    except (IndexError, OverflowError, TypeError, ValueError) as error:
        raise codec.Unencodable(f"{type(call).__name__} cannot be encoded: {error}") from error


def _invocation(call: Call, adjudicator: Address, resolver: Address | None) -> Invocation:
    if isinstance(call, RegisterReport):
        return Invocation(call.oracle, _data(QUORUM_ORACLE, "register", *_report(call)))
    if isinstance(call, SettleClaims) and call.claims:
        if resolver is None:
            raise ValueError("the adjudicator's resolver is not known yet")
        return Invocation(resolver, _data(RESOLVER, "resolve", adjudicator, *_run(call)))
    function, arguments = _arguments(call)
    return Invocation(adjudicator, _data(ADJUDICATOR, function, *arguments), _value(call))


def deployment(name: str, *arguments: Any) -> bytes:
    """Return the data of the transaction that creates a contract (`artefacts.NAMES`).

    Arguments: the resolver's address for ADJUDICATOR, the pricer's for RESOLVER, the adjudicator's and the resolver's
    for SUBCHANNELS; the signers' addresses and the threshold for QUORUM_ORACLE; none for PRICER and TEST_TOKEN.
    """
    constructor = entries(name).get("constructor")
    return load(name).creation_code() + (codec.encode(constructor.inputs, arguments) if constructor else b"")


def channel_of(log: Log) -> ChannelId:
    """Return the channel a log of `CHANNEL_TOPICS` is about."""
    return ChannelId(log.topics[1])


def fold(view: View, log: Log) -> View:
    """Return `view` after one more log; a log that is not a channel's changes nothing.

    Raises:
        InvariantBroken: the log cannot follow what was folded before (a log was missed).
    """
    name = _EVENTS.get(log.topics[0]) if log.topics else None
    if name is None:
        return view
    if view.opened == (name == "Opened"):
        raise InvariantBroken(f"{name} for a channel whose opening was {'folded before' if view.opened else 'missed'}")
    members = _members(name, log)
    match name:
        case "Opened":
            (amounts,) = members
            if not CELLS_MIN <= len(amounts) <= CELLS_MAX or max(amounts) > AMOUNT_MAX:
                raise InvariantBroken(f"Opened with {len(amounts)} deposits, or one beyond all bounds")
            return View(opened=True, deposited=amounts, withdrawn=(Amount(0),) * len(amounts))
        case "Deposited":
            cell, amount = members
            if cell >= len(view.deposited) or view.deposited[cell] + amount > AMOUNT_MAX:
                raise InvariantBroken(f"Deposited {amount} in cell {cell} of {len(view.deposited)}")
            deposited = (*view.deposited[:cell], Amount(view.deposited[cell] + amount), *view.deposited[cell + 1 :])
            return msgspec.structs.replace(view, deposited=deposited)
        case "Withdrawn":
            _, paid = members
            return _paid(view, paid)
        case "Closed":
            return msgspec.structs.replace(view, closed=True, dispute=None)
        case "Resumed":
            return msgspec.structs.replace(view, dispute=None)
        case _:
            return _fold_dispute(view, name, members)


def _fold_dispute(view: View, name: str, members: tuple[Any, ...]) -> View:
    if name == "Challenged":
        version, _, _, challenger, deadline = members
        if challenger >= PARTICIPANTS_MAX or deadline > TIME_MAX:
            raise InvariantBroken(f"Challenged by seat {challenger} until {deadline}")
        dispute = Dispute(Version(version), UnixSeconds(deadline), Seat(challenger))
        return msgspec.structs.replace(view, dispute=dispute)
    if view.dispute is None:
        raise InvariantBroken(f"{name} for a channel whose challenge was missed")
    if name == "Responded":
        version, _, _ = members
        dispute = msgspec.structs.replace(view.dispute, version=Version(version))
        return msgspec.structs.replace(view, dispute=dispute)
    paid, (cursor, accruals) = members
    if len(accruals) != (len(view.deposited) if cursor else 0) or cursor > CLAIMS_MAX:
        raise InvariantBroken(f"Progressed to claim {cursor} in {len(accruals)} of {len(view.deposited)} cells")
    deltas, escrow = tuple(delta for delta, _ in accruals), tuple(credit for _, credit in accruals)
    dispute = msgspec.structs.replace(view.dispute, progress=Progress(cursor, True, deltas, escrow))
    return msgspec.structs.replace(_paid(view, paid), dispute=dispute)


def _paid(view: View, paid: tuple[Amount, ...]) -> View:
    if len(paid) != len(view.withdrawn):
        raise InvariantBroken(f"{len(paid)} payments in a channel of {len(view.withdrawn)} cells")
    withdrawn = tuple(Amount(before + now) for before, now in zip(view.withdrawn, paid, strict=True))
    if max(withdrawn) > AMOUNT_MAX:
        raise InvariantBroken("more was paid out than can exist")
    return msgspec.structs.replace(view, withdrawn=withdrawn)


def _data(contract: str, function: str, *arguments: Any) -> bytes:
    entry = entries(contract)[function]
    return entry.selector + codec.encode(entry.inputs, arguments)


def _members(name: str, log: Log) -> tuple[Any, ...]:
    entry = entries(ADJUDICATOR)[name]
    plain = [kind for kind, indexed in zip(entry.inputs, entry.indexed, strict=True) if not indexed]
    return codec.decode(plain, log.data)


def _arguments(call: Call) -> tuple[str, tuple[Any, ...]]:
    """Name the function of the adjudicator that makes `call`, and give its arguments in order."""
    match call:
        case OpenChannel():
            members = call.amounts, call.payers, call.deadline, signatures_of(call.signatures)
            if _is_pair(call.terms) and {len(call.payers), len(call.signatures), len(call.pulls)} == {_PAIR}:
                return "open_pair", (_pair_of(call.terms), *members, [_permit(pull) for pull in call.pulls])
            return "open", (terms_of(call.terms), *members, _permits(call.pulls))
        case TopUp():
            return "deposit", (
                *_channel(call), call.participant, call.asset, call.amount,
                call.deadline, _signature(call.signature), _permit(call.pull),
            )  # fmt: skip
        case PayWithdrawal():
            state, signatures = call.shown.state, signatures_of(call.shown.signatures)
            return "withdraw", (*_channel(call), state.version, *_balances(call), state.claims_root, signatures)
        case CloseChannel():
            signatures = signatures_of(call.shown.signatures)
            if _is_pair(call.terms) and len(signatures) == _PAIR:
                return "close_pair", (_pair_of(call.terms), _totals(call), *_balances(call), signatures)
            return "close", (*_channel(call), *_balances(call), signatures)
        case ChallengeState():
            return "challenge", (
                terms_of(call.terms), *_shown(call), call.challenger, call.valid_until, _signature(call.signature),
            )  # fmt: skip
        case RespondState():
            return "respond", (terms_of(call.terms), *_shown(call))
        case SettleClaims():
            return "settle", _disputed(call)
        case _:
            raise InvariantBroken(f"{type(call).__name__} is not a call of the adjudicator")


def _disputed(call: SettleClaims) -> tuple[Any, ...]:
    payees = (call.terms.payouts, call.terms.assets, rules_of(call.terms))
    return call.state.channel_id, payees, _totals(call), *_balances(call)


def _run(call: SettleClaims) -> tuple[Any, ...]:
    return *_disputed(call), *run_of(call.claims, call.secret, call.mark_time, call.progress, call.upto)


def run_of(
    claims: tuple[Claim, ...], secret: bytes, mark_time: UnixSeconds, progress: Progress, upto: int
) -> tuple[Any, ...]:
    """Return (tree, progress, proof, run) as `resolve` takes them: the next claims, as far as one call takes them.

    None of them: only what is free leaves.
    """
    stop = min(upto, progress.cursor + CLAIMS_A_CALL)
    leaves = tuple(leaf(claim, secret) for claim in claims)
    tree = (len(leaves), mark_time, merkle_root(leaves))
    walked = (progress.cursor, list(zip(progress.deltas, progress.escrow, strict=True)))
    proof = merkle_range(leaves, progress.cursor, stop) if progress.cursor < stop else ()
    run = [claim_words(claim, leaf_salt(secret, claim.id)) for claim in claims[progress.cursor : stop]]
    return tree, walked, proof, run


def _value(call: Call) -> Amount:
    match call:
        case OpenChannel():
            assets = call.terms.assets * len(call.terms.participants)
            return Amount(sum(amount for amount, asset in zip(call.amounts, assets, strict=True) if asset == NATIVE))
        case TopUp():
            return call.amount if call.terms.assets[call.asset] == NATIVE else Amount(0)
        case _:
            return Amount(0)


def terms_of(terms: Terms) -> tuple[Any, ...]:
    """Return terms as the contracts take them."""
    return (
        terms.participants, terms.payouts, terms.assets, terms.settlement, terms.challenge_period_s,
        int(terms.close_out), terms.exit_spread, terms.oracle, terms.risk_params_hash, terms.nonce,
    )  # fmt: skip


def rules_of(terms: Terms) -> int:
    """Return what a settlement needs of the terms besides whom it pays, in one word."""
    return terms.settlement | int(terms.close_out) << 8 | terms.exit_spread << 16


def _is_pair(terms: Terms) -> bool:
    return len(terms.participants) == len(terms.payouts) == _PAIR and len(terms.assets) == 1 and not terms.settlement


def _pair_of(terms: Terms) -> tuple[Any, ...]:
    """Return the terms of two participants with one asset, as calls that know no others take them."""
    return (
        terms.participants, terms.payouts, terms.assets[0], terms.challenge_period_s, int(terms.close_out),
        terms.exit_spread, terms.oracle, terms.risk_params_hash, terms.nonce,
    )  # fmt: skip


def _channel(call: TopUp | PayWithdrawal | CloseChannel) -> tuple[Any, ...]:
    return terms_of(call.terms), _totals(call)


def _totals(call: TopUp | PayWithdrawal | CloseChannel | SettleClaims) -> list[int]:
    return [pack(*total) for total in zip(call.deposited, call.withdrawn, strict=True)]


def _balances(call: PayWithdrawal | CloseChannel | SettleClaims) -> tuple[Any, ...]:
    holdings = [
        (pack(holding.balance, holding.free), pack(holding.deposited, holding.withdrawn)) for holding in call.holdings
    ]
    is_implicit = isinstance(call, SettleClaims) and not call.state.version
    return holdings, NO_SALT if is_implicit else call.salt


def pack(high: int, low: int) -> int:
    """Return two amounts in one word: they are below 2^128."""
    return high << 128 | low


def _shown(call: ChallengeState | RespondState) -> tuple[Any, ...]:
    state = call.shown.state
    if state.version:
        return state.version, state.balances_hash, state.claims_root, signatures_of(call.shown.signatures)
    cells = len(call.terms.participants) * len(call.terms.assets)
    return 0, balances_hash((Holding(),) * cells, NO_SALT), NO_CLAIMS, []


def _report(call: RegisterReport) -> tuple[Any, ...]:
    return call.feed, call.time, call.price, call.is_void, call.signers, signatures_of(call.signatures)


def _signature(signature: Signature) -> tuple[bytes, bytes]:
    return signature[:32], signature[32:]


def signatures_of(signatures: tuple[Signature, ...]) -> list[tuple[bytes, bytes]]:
    """Return signatures as the contracts take them."""
    return [_signature(signature) for signature in signatures]


def _permit(pull: Pull) -> tuple[int, int, tuple[bytes, bytes]]:
    kind = _PULL_PERMIT if pull.signature else _PULL_ALLOWANCE
    return kind, pull.deadline, _signature(Signature(pull.signature or bytes(64)))


def _permits(pulls: tuple[Pull, ...]) -> list[tuple[Any, ...]]:
    """An empty list says that every payer gave an allowance."""
    return [_permit(pull) for pull in pulls] if any(pull.signature for pull in pulls) else []


def claim_words(claim: Claim, salt: Hash) -> bytes:
    """Return the claim as `resolve` takes it: kind, the type's plain members in order, salt, then its arrays.

    docs/contracts.md, "Claims as words".
    """
    deadline, hashes = claim.condition.deadline, claim.condition.hashes
    match claim:
        case Position():
            terms = claim.instrument
            return words((
                _KIND_POSITION, claim.id, claim.long, claim.short, claim.quantity,
                int(terms.payoff), int(terms.style), terms.deliver, terms.oracle, terms.feed, terms.expiry, terms.unit,
                claim.premium, deadline, salt, len(terms.knots), *terms.knots, *hashes,
            ))  # fmt: skip
        case HashLock():
            return words((
                _KIND_HASH_LOCK, claim.id, claim.payer, claim.payee, claim.asset, claim.amount, deadline, salt, *hashes,
            ))  # fmt: skip
        case Subchannel():
            return words((
                _KIND_SUBCHANNEL, claim.id, claim.judge, claim.child, claim.opening, claim.until, deadline, salt,
                len(claim.seats), *claim.seats, len(claim.allocations), *claim.allocations, *hashes,
            ))  # fmt: skip


_FOLDED: Final = (
    "Opened", "Deposited", "Withdrawn", "Closed", "Challenged", "Responded", "Resumed", "Progressed",
)  # fmt: skip
_EVENTS: Final = {entries(ADJUDICATOR)[name].hash: name for name in _FOLDED}
OPENED_TOPIC: Final = entries(ADJUDICATOR)["Opened"].hash
CHANNEL_TOPICS: Final = tuple(_EVENTS)
"""The first topics of every log that changes a view; the second topic is the channel's id."""
