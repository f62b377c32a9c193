"""The adjudicator as a pure Python model: what the contracts do with each call, to the unit. DESIGN.md section 6.

The simulator's chain runs on it, and differential tests hold the contracts against it. It works on the same `Call`
values that the chain adapter encodes, so it checks what a contract checks (signatures, hashes, totals, deadlines,
versions, progress) and leaves calldata to the adapter's own tests.
"""

from typing import Final

import msgspec

from thalweg.channel import hashes
from thalweg.channel.onchain import (
    Call,
    ChallengeState,
    CloseChannel,
    OpenChannel,
    PayWithdrawal,
    Progress,
    RegisterReport,
    RespondState,
    SettleClaims,
    Shown,
    TopUp,
)
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import CloseOut, Terms
from thalweg.crypto import signed_by
from thalweg.errors import PeerFault, Reason
from thalweg.instruments.quorum import verify_report
from thalweg.instruments.report import Settlement, SignedReport, oracle_domain
from thalweg.testing.ledger import Account, Contest, Ledger, moved, revert, with_account
from thalweg.testing.resolution import Report, amount_due, outcome
from thalweg.units import (
    AMOUNT_MAX,
    VERSION_FINAL,
    ZERO_HASH,
    Address,
    Amount,
    ChannelId,
    Hash,
    Price,
    Signature,
    UnixSeconds,
    Version,
)

_TIME_MAX: Final = 2**32 - 1


def execute(ledger: Ledger, call: Call, sender: Address, time: UnixSeconds) -> Ledger:
    """Return the ledger after `call`, mined at `time` and sent by `sender`.

    Raises:
        Reverted: with the reason the contract gives.
    """
    match call:
        case OpenChannel():
            return _open(ledger, call, time)
        case TopUp():
            return _deposit(ledger, call, sender, time)
        case PayWithdrawal():
            return _withdraw(ledger, call)
        case CloseChannel():
            return _close(ledger, call)
        case ChallengeState():
            return _challenge(ledger, call, time)
        case RespondState():
            return _respond(ledger, call, time)
        case SettleClaims():
            return _settle(ledger, call, time)
        case RegisterReport():
            return _register(ledger, call)


# --- opening and funding --------------------------------------------------------------------------------------------


def _open(ledger: Ledger, call: OpenChannel, time: UnixSeconds) -> Ledger:
    terms = call.terms
    _check_terms(terms)
    channel_id = hashes.channel_id(ledger.separator, terms)
    seats, assets = len(terms.participants), len(terms.assets)
    if time > call.deadline:
        revert(Reason.EXPIRED)
    if channel_id in ledger.accounts:
        revert(Reason.WRONG_PHASE)
    if len(call.payers) != seats or len(call.amounts) != seats * assets:
        revert(Reason.MALFORMED)
    if terms.nonce != hashes.opening_nonce(terms.nonce >> 128, call.payers):
        revert(Reason.WRONG_HASH)
    if any(sum(call.amounts[asset::assets]) > AMOUNT_MAX for asset in range(assets)):
        revert(Reason.OVERFLOW)
    digest = hashes.open_digest(ledger.separator, channel_id, call.amounts, call.payers, call.deadline)
    _check_signed(digest, call.payers, call.signatures)
    moves = [
        (terms.assets[cell % assets], call.payers[cell // assets], -amount) for cell, amount in enumerate(call.amounts)
    ]
    account = Account(terms, call.amounts, (Amount(0),) * len(call.amounts))
    return with_account(moved(ledger, moves), channel_id, account)


def _check_terms(terms: Terms) -> None:
    seats, assets = len(terms.participants), len(terms.assets)
    if seats < 2 or len(set(terms.participants)) != seats or len(terms.payouts) != seats:
        revert(Reason.MALFORMED)
    if assets < 1 or len(set(terms.assets)) != assets or not 0 <= terms.settlement < assets:
        revert(Reason.MALFORMED)
    if terms.close_out != CloseOut.EXPIRY:
        revert(Reason.UNKNOWN_FEATURE)


def _deposit(ledger: Ledger, call: TopUp, sender: Address, time: UnixSeconds) -> Ledger:
    channel_id, account = _funded(ledger, call.terms, call.deposited, call.withdrawn)
    terms = call.terms
    if account.contest is not None:
        revert(Reason.WRONG_PHASE)
    if time > call.deadline:
        revert(Reason.EXPIRED)
    assets = len(terms.assets)
    if not (0 <= call.asset < assets and 0 <= call.participant < len(terms.participants)):
        revert(Reason.MALFORMED)
    cell = call.participant * assets + call.asset
    totals = list(account.deposited)
    totals[cell] = Amount(totals[cell] + call.amount)
    if sum(totals[call.asset :: assets]) > AMOUNT_MAX:
        revert(Reason.OVERFLOW)
    digest = hashes.deposit_digest(
        ledger.separator, channel_id, call.participant, call.asset, totals[cell], call.deadline
    )
    if not signed_by(digest, call.signature, terms.participants[call.participant]):
        revert(Reason.WRONG_SIGNER)
    ledger = moved(ledger, [(terms.assets[call.asset], sender, -call.amount)])
    return with_account(ledger, channel_id, msgspec.structs.replace(account, deposited=tuple(totals)))


# --- payouts everybody signed ---------------------------------------------------------------------------------------


def _withdraw(ledger: Ledger, call: PayWithdrawal) -> Ledger:
    channel_id, account = _funded(ledger, call.terms, call.deposited, call.withdrawn)
    if account.contest is not None:
        revert(Reason.WRONG_PHASE)
    if call.shown.state.version == 0:
        revert(Reason.STALE_VERSION)
    _check_shown(ledger, channel_id, call.terms, call.shown)
    _check_balances(call.shown.state.balances_hash, call.holdings, call.salt)
    due = [max(0, counted.withdrawn - paid) for counted, paid in zip(call.holdings, account.withdrawn, strict=True)]
    return _paid(ledger, channel_id, account, _within(account, due))


def _within(account: Account, due: list[int]) -> list[int]:
    """Return what is paid of what is due: no more than the channel holds, seat by seat."""
    assets = len(account.terms.assets)
    left = [sum(account.deposited[asset::assets]) - sum(account.withdrawn[asset::assets]) for asset in range(assets)]
    paid = []
    for cell, amount in enumerate(due):
        paid.append(min(amount, left[cell % assets]))
        left[cell % assets] -= paid[-1]
    return paid


def _close(ledger: Ledger, call: CloseChannel) -> Ledger:
    channel_id, account = _funded(ledger, call.terms, call.deposited, call.withdrawn)
    state = call.shown.state
    if state.version != VERSION_FINAL or state.claims_root != hashes.NO_CLAIMS:
        revert(Reason.WRONG_HASH)
    _check_shown(ledger, channel_id, call.terms, call.shown)
    _check_balances(state.balances_hash, call.holdings, call.salt)
    return _finish(ledger, channel_id, account, VERSION_FINAL, call.holdings, Progress())


# --- disputes -------------------------------------------------------------------------------------------------------


def _challenge(ledger: Ledger, call: ChallengeState, time: UnixSeconds) -> Ledger:
    channel_id, account = _opened(ledger, call.terms)
    state = call.shown.state
    if account.contest is not None:
        revert(Reason.WRONG_PHASE)
    if time > call.valid_until:
        revert(Reason.EXPIRED)
    if not 0 <= call.challenger < len(call.terms.participants):
        revert(Reason.MALFORMED)
    digest = hashes.challenge_digest(ledger.separator, channel_id, state.version, call.valid_until)
    if not signed_by(digest, call.signature, call.terms.participants[call.challenger]):
        revert(Reason.WRONG_SIGNER)
    if state.version != 0:
        _check_shown(ledger, channel_id, call.terms, call.shown)
    elif call.shown.signatures or (state.balances_hash, state.claims_root) != (ZERO_HASH, ZERO_HASH):
        revert(Reason.MALFORMED)
    deadline = UnixSeconds(min(time + call.terms.challenge_period_s, _TIME_MAX))
    contest = Contest(deadline, state.version, call.challenger, state.balances_hash, state.claims_root)
    return with_account(ledger, channel_id, msgspec.structs.replace(account, contest=contest))


def _respond(ledger: Ledger, call: RespondState, time: UnixSeconds) -> Ledger:
    channel_id, account = _opened(ledger, call.terms)
    state, contest = call.shown.state, account.contest
    if contest is None:
        revert(Reason.WRONG_PHASE)
    if time >= contest.deadline:
        revert(Reason.EXPIRED)
    if state.version <= contest.version:
        revert(Reason.STALE_VERSION)
    _check_shown(ledger, channel_id, call.terms, call.shown)
    newer = Contest(contest.deadline, state.version, contest.challenger, state.balances_hash, state.claims_root)
    return with_account(ledger, channel_id, msgspec.structs.replace(account, contest=newer))


def _settle(ledger: Ledger, call: SettleClaims, time: UnixSeconds) -> Ledger:
    channel_id, account = _funded(ledger, call.terms, call.deposited, call.withdrawn)
    contest = account.contest
    if contest is None:
        revert(Reason.WRONG_PHASE)
    if time < contest.deadline:
        revert(Reason.NOT_YET)
    _check_settlement(contest, call)
    cells = len(account.deposited)
    deltas = list(contest.progress.deltas) or [0] * cells
    escrow = list(contest.progress.escrow) or [Amount(0)] * cells
    seats, assets = len(call.terms.participants), len(call.terms.assets)
    for claim in call.claims[contest.progress.cursor : call.upto]:
        move = outcome(claim, ledger.reports)
        if isinstance(move, Reason):
            revert(move)
        if 0 <= move.long < seats and 0 <= move.short < seats:
            deltas[move.long * assets + call.terms.settlement] += move.amount
            deltas[move.short * assets + call.terms.settlement] -= move.amount
    is_last = call.upto == len(call.claims)
    walked = Progress(call.upto, True, tuple(deltas), tuple(escrow)) if call.upto else Progress(released=True)
    if is_last:
        return _finish(ledger, channel_id, account, contest.version, call.holdings, walked)
    due = amount_due(account.terms, account.deposited, account.withdrawn, call.holdings, walked, is_last=False)
    walking = msgspec.structs.replace(account, contest=msgspec.structs.replace(contest, progress=walked))
    return _paid(ledger, channel_id, walking, due)


def _check_settlement(contest: Contest, call: SettleClaims) -> None:
    """The disputed state, its claims and the progress must be those the dispute's word binds."""
    leaves = tuple(hashes.leaf(claim, call.secret) for claim in call.claims)
    if contest.version == 0:
        if call.claims or any(holding != Holding() for holding in call.holdings):
            revert(Reason.WRONG_HASH)
    else:
        _check_balances(contest.balances_hash, call.holdings, call.salt)
        if hashes.claims_root(leaves, call.mark_time) != contest.claims_root:
            revert(Reason.WRONG_HASH)
    shown, kept = call.progress, contest.progress
    if (shown.cursor, shown.deltas, shown.escrow) != (kept.cursor, kept.deltas, kept.escrow):
        revert(Reason.WRONG_HASH)
    if not kept.cursor <= call.upto <= len(call.claims):
        revert(Reason.MALFORMED)


def _finish(
    ledger: Ledger,
    channel_id: ChannelId,
    account: Account,
    version: Version,
    holdings: tuple[Holding, ...],
    progress: Progress,
) -> Ledger:
    """Pay everybody everything and close the id for ever."""
    due = amount_due(account.terms, account.deposited, account.withdrawn, holdings, progress, is_last=True)
    closed = msgspec.structs.replace(account, is_closed=True, closed_with=version, contest=None)
    return _paid(ledger, channel_id, closed, due)


# --- the oracle -----------------------------------------------------------------------------------------------------


def _register(ledger: Ledger, call: RegisterReport) -> Ledger:
    quorum = ledger.oracles.get(call.oracle)
    if quorum is None:
        revert(Reason.UNKNOWN_INSTRUMENT)
    key = (call.oracle, call.feed, call.time)
    if key in ledger.reports:
        revert(Reason.EXISTS)
    report = Settlement(call.feed, call.time, Price(call.price), call.is_void)
    signed = SignedReport(call.oracle, report, call.signers, call.signatures)
    separator = oracle_domain(ledger.chain_id, call.oracle).separator()
    try:
        verify_report(signed, quorum.signers, quorum.threshold, separator)
    except PeerFault as fault:
        revert(fault.reason, fault.detail)
    return msgspec.structs.replace(ledger, reports={**ledger.reports, key: Report(report.price, report.is_void)})


# --- checks and moves -----------------------------------------------------------------------------------------------


def _opened(ledger: Ledger, terms: Terms) -> tuple[ChannelId, Account]:
    channel_id = hashes.channel_id(ledger.separator, terms)
    account = ledger.accounts.get(channel_id)
    if account is None or account.is_closed:
        revert(Reason.WRONG_PHASE)
    return channel_id, account


def _funded(
    ledger: Ledger, terms: Terms, deposited: tuple[Amount, ...], withdrawn: tuple[Amount, ...]
) -> tuple[ChannelId, Account]:
    channel_id, account = _opened(ledger, terms)
    if (account.deposited, account.withdrawn) != (deposited, withdrawn):
        revert(Reason.WRONG_HASH)
    return channel_id, account


def _check_signed(digest: Hash, signers: tuple[Address, ...], signatures: tuple[Signature, ...]) -> None:
    if len(signatures) != len(signers):
        revert(Reason.WRONG_SIGNER)
    for signer, signature in zip(signers, signatures, strict=True):
        if not signed_by(digest, signature, signer):
            revert(Reason.WRONG_SIGNER)


def _check_shown(ledger: Ledger, channel_id: ChannelId, terms: Terms, shown: Shown) -> None:
    if shown.state.channel_id != channel_id:
        revert(Reason.WRONG_SIGNER)
    _check_signed(hashes.state_digest(ledger.separator, shown.state), terms.participants, shown.signatures)


def _check_balances(balances_hash: Hash, holdings: tuple[Holding, ...], salt: Hash) -> None:
    if hashes.balances_hash(holdings, salt) != balances_hash:
        revert(Reason.WRONG_HASH)


def _paid(ledger: Ledger, channel_id: ChannelId, account: Account, due: list[int]) -> Ledger:
    """Pay each cell to its participant's payout address; what is paid enters the totals."""
    terms = account.terms
    assets = len(terms.assets)
    moves = [(terms.assets[cell % assets], terms.payouts[cell // assets], amount) for cell, amount in enumerate(due)]
    totals = tuple(Amount(old + amount) for old, amount in zip(account.withdrawn, due, strict=True))
    return with_account(moved(ledger, moves), channel_id, msgspec.structs.replace(account, withdrawn=totals))
