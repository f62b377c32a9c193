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
    settlement: uint8,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    tree: claims.Tree,
    progress: shares.Progress,
    proof: DynArray[bytes32, claims.PROOF_MAX],
    run: DynArray[Bytes[claims.CLAIM_BYTES], claims.RUN_MAX],
    dispute_deadline: uint256,
) -> (shares.Progress, DynArray[uint256, messages.CELLS_MAX]):
    """
    @notice Return the progress after a run of claims, and what every cell is due.
    @param assets How many assets the channel has.
    @param settlement Index of the one that backs positions.
    @param totals The channel's totals.
    @param holdings The disputed state's holdings.
    @param tree Its claims.
    @param progress How far the settlement has walked.
    @param proof The neighbours of the run in the tree.
    @param run The claims from `progress.cursor` on, as words; none to release what no claim can reach.
    @param dispute_deadline When the dispute ended.
    """
    leaves: DynArray[bytes32, claims.RUN_MAX] = []
    outcomes: DynArray[resolution.Outcome, claims.RUN_MAX] = []
    for claim: Bytes[claims.CLAIM_BYTES] in run:
        leaves.append(claims._leaf(claim))
        outcomes.append(resolution._outcome(claim, convert(settlement, uint256), tree.mark_time, dispute_deadline))
    if len(run) != 0:
        assert progress.cursor + len(run) <= tree.count and tree.count <= claims.COUNT_MAX, "claims: malformed"
        root: bytes32 = claims._proven_root(leaves, progress.cursor, tree.count, proof)
        assert root == tree.root, "claims: wrong hash"
    walked: shares.Progress = shares._advanced(progress, outcomes, assets, convert(settlement, uint256), len(totals))
    is_last: bool = walked.cursor == tree.count
    return (walked, shares._due(assets, totals, holdings, walked.accruals, is_last))
