# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Resolver
@license Apache-2.0
@notice Settles disputes over states with claims: hashes claims as they were signed, asks oracles, the registry of
        preimages and the judges of children, computes payoffs and shares, and tells the contract that keeps the dispute.
        It holds no money and keeps nothing but preimages.
@dev Whoever keeps disputes trusts this contract, and this contract nobody: a judge that it does not know can only
     hurt itself. No money moves but by `apply`, which the judge allows to its own resolver alone.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IJudge
import claims
import ledger
import messages
import payoffs
import preimages
import quotes
import resolution
import shares


# -- module state ------------------------------------------------------------------------------------------------------

initializes: preimages
initializes: resolution[preimages := preimages]

exports: (preimages.revealed, preimages.reveal)


# -- immutables --------------------------------------------------------------------------------------------------------

# @dev Values positions at a mark.
PRICER: public(immutable(address))


# -- construction ------------------------------------------------------------------------------------------------------

@deploy
def __init__(pricer: address):
    """
    @param pricer What values positions before their expiry.
    """
    PRICER = pricer


# -- external ----------------------------------------------------------------------------------------------------------

@external
def resolve(
    judge: address,
    channel: bytes32,
    payees: messages.Payees,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    salt: bytes32,
    tree: claims.Tree,
    progress: shares.Progress,
    proof: DynArray[bytes32, claims.PROOF_MAX],
    run: DynArray[Bytes[claims.CLAIM_BYTES], claims.RUN_MAX],
):
    """
    @notice From the deadline on: resolve the next claims and have paid what no claim can reach any more. With the last
            one everybody is paid and the id is closed for ever.
    @param judge The contract that keeps the dispute: the adjudicator, or the one of the children.
    @param channel The channel's id.
    @param payees Its payouts, assets and rules.
    @param totals Its totals.
    @param holdings The disputed state's holdings.
    @param salt The salt of its balances.
    @param tree Its claims.
    @param progress How far the settlement has walked.
    @param proof The neighbours of the run in the tree.
    @param run The claims from `progress.cursor` on, as words; none to pay only what is free.
    """
    payees_hash: bytes32 = messages._payees(payees)
    balances_hash: bytes32 = messages._balances(holdings, salt)
    claims_root: bytes32 = claims._claims_root(tree)
    fingerprint: uint256 = ledger._fingerprint(payees_hash, balances_hash, claims_root, ledger._walked(progress))
    walked: shares.Progress = progress
    if progress.cursor == 0 and len(run) != 0:
        for _: uint256 in range(len(totals), bound=messages.CELLS_MAX):
            walked.accruals.append(empty(shares.Accrual))
    dispute: uint256 = staticcall IJudge(judge).dispute(channel)
    court: resolution.Court = self._court(payees.assets, payees.rules, dispute, tree.mark_time)
    quote: quotes.Quote = empty(quotes.Quote)
    leaves: DynArray[bytes32, claims.RUN_MAX] = []
    for claim: Bytes[claims.CLAIM_BYTES] in run:
        leaves.append(claims._leaf(claim))
        is_position: bool = extract32(claim, 0, output_type=uint256) == claims.POSITION
        is_escrowed: bool = not is_position
        if is_position:
            style: uint256 = extract32(claim, 32 * 6, output_type=uint256)
            is_escrowed = style == payoffs.PHYSICAL or extract32(claim, 32 * 12) != empty(bytes32)
            is_known: bool = style <= payoffs.PHYSICAL and extract32(claim, 32 * 5, output_type=uint256) <= payoffs.FORWARD
            if is_known and resolution._is_met(claim):
                oracle: address = extract32(claim, 32 * 8, output_type=address)
                feed: bytes32 = extract32(claim, 32 * 9)
                expiry: uint256 = extract32(claim, 32 * 10, output_type=uint256)
                if not quote.is_asked or quote.oracle != oracle or quote.feed != feed or quote.expiry != expiry:
                    quote = quotes._quote(oracle, feed, expiry, court.occasion)
                long: uint256 = resolution._cell(
                    court, extract32(claim, 32 * 2, output_type=uint256), court.settlement
                )
                short: uint256 = resolution._cell(
                    court, extract32(claim, 32 * 3, output_type=uint256), court.settlement
                )
                if long < len(totals) and short < len(totals):
                    gain: int256 = resolution._gain(claim, court, quote)
                    walked.accruals[long].delta += gain
                    walked.accruals[short].delta -= gain
        if is_escrowed:
            credits: DynArray[resolution.Credit, resolution.CREDITS_MAX] = resolution._credits(claim, court, quote)
            for credit: resolution.Credit in credits:
                if credit.cell < len(totals):
                    walked.accruals[credit.cell].credit += credit.amount
    if len(run) != 0:
        walked.cursor += len(run)
        assert walked.cursor <= tree.count and tree.count <= claims.COUNT_MAX, "claims: malformed"
        root: bytes32 = claims._proven_root(leaves, progress.cursor, tree.count, proof)
        assert root == tree.root, "claims: wrong hash"
    is_last: bool = walked.cursor == tree.count
    next: uint256 = 0
    if not is_last:
        next = ledger._fingerprint(payees_hash, balances_hash, claims_root, ledger._walked(walked))
    due: DynArray[uint256, messages.CELLS_MAX] = shares._due(
        len(payees.assets), totals, holdings, walked.accruals, is_last
    )
    extcall IJudge(judge).apply(channel, payees, totals, due, walked, fingerprint, next)


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _court(
    assets: DynArray[address, messages.ASSETS_MAX], rules: uint256, dispute: uint256, mark_time: uint256
) -> resolution.Court:
    """
    @notice Return how positions are priced: where the terms say so at the mark of the first grid point at or after the
            dispute's deadline, else each at its own expiry; but what a child has open at its `until` at the mark then,
            whenever its dispute began.
    """
    deadline: uint256 = dispute >> 224
    until: uint256 = messages._until(rules)
    is_mark: bool = messages._close_out(rules) == messages.MARK
    mark_from: uint256 = max_value(uint256)
    if is_mark or until != 0:
        mark_from = deadline if is_mark else until
        if until != 0:
            mark_from = min(mark_from, until)
        mark_from = (mark_from + quotes.GRID_S - 1) // quotes.GRID_S * quotes.GRID_S
    return resolution.Court(
        pricer=PRICER,
        is_child=until != 0,
        assets=assets,
        settlement=messages._settlement(rules),
        occasion=quotes.Occasion(mark_from=mark_from, mark_time=mark_time, deadline=deadline),
        challenger=(dispute >> 176) & 255,
        exit_spread=messages._exit_spread(rules) if is_mark else 0,
    )
