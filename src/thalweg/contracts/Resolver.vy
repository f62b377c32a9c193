# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Resolver
@license Apache-2.0
@notice Says what claims come to and who is due what: hashes them as they were signed, asks oracles and the registry of
        preimages, computes payoffs and shares. It holds no money; the adjudicator has checked the state it asks about.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IResolver
import claims
import messages
import preimages
import quotes
import resolution
import shares


# -- module state ------------------------------------------------------------------------------------------------------

implements: IResolver

initializes: preimages
initializes: resolution[preimages := preimages]

exports: (preimages.revealed, preimages.reveal)


# -- external ----------------------------------------------------------------------------------------------------------

@external
@view
def resolve(
    assets: uint256,
    rules: uint256,
    dispute: uint256,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    tree: claims.Tree,
    progress: shares.Progress,
    proof: DynArray[bytes32, claims.PROOF_MAX],
    run: DynArray[Bytes[claims.CLAIM_BYTES], claims.RUN_MAX],
) -> (shares.Progress, DynArray[uint256, messages.CELLS_MAX]):
    """
    @notice Return the progress after a run of claims, and what every cell is due.
    @param assets How many assets the channel has.
    @param rules How it settles; see messages.vy.
    @param dispute The dispute's word; see ledger.vy.
    @param totals The channel's totals.
    @param holdings The disputed state's holdings.
    @param tree Its claims.
    @param progress How far the settlement has walked.
    @param proof The neighbours of the run in the tree.
    @param run The claims from `progress.cursor` on, as words; none to release what no claim can reach.
    """
    walked: shares.Progress = progress
    if progress.cursor == 0 and len(run) != 0:
        for _: uint256 in range(len(totals), bound=messages.CELLS_MAX):
            walked.accruals.append(empty(resolution.Accrual))
    court: resolution.Court = self._court(assets, rules, dispute, tree.mark_time)
    quote: quotes.Quote = empty(quotes.Quote)
    leaves: DynArray[bytes32, claims.RUN_MAX] = []
    for claim: Bytes[claims.CLAIM_BYTES] in run:
        leaves.append(claims._leaf(claim))
        walked.accruals, quote = resolution._resolved(claim, court, walked.accruals, quote)
    if len(run) != 0:
        walked.cursor += len(run)
        assert walked.cursor <= tree.count and tree.count <= claims.COUNT_MAX, "claims: malformed"
        root: bytes32 = claims._proven_root(leaves, progress.cursor, tree.count, proof)
        assert root == tree.root, "claims: wrong hash"
    return (walked, shares._due(assets, totals, holdings, walked.accruals, walked.cursor == tree.count))


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _court(assets: uint256, rules: uint256, dispute: uint256, mark_time: uint256) -> resolution.Court:
    """
    @notice Return how positions are priced. At the mark of the first grid point at or after the dispute's deadline
            where the terms say so, else each at its own expiry.
    """
    deadline: uint256 = dispute >> 224
    is_mark: bool = messages._close_out(rules) == messages.MARK
    mark_from: uint256 = max_value(uint256)
    if is_mark:
        mark_from = (deadline + quotes.GRID_S - 1) // quotes.GRID_S * quotes.GRID_S
    return resolution.Court(
        assets=assets,
        settlement=messages._settlement(rules),
        occasion=quotes.Occasion(mark_from=mark_from, mark_time=mark_time, deadline=deadline),
        challenger=(dispute >> 176) & 255,
        exit_spread=messages._exit_spread(rules) if is_mark else 0,
    )
