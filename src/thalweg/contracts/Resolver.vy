# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Resolver
@license Apache-2.0
@notice Says what claims come to: hashes them as they were signed, asks oracles and the registry of preimages, and computes
        payoffs. It holds no money and knows no channel; the adjudicator proves what it is told against the state.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IResolver
import claims
import preimages
import resolution


# -- module state ------------------------------------------------------------------------------------------------------

implements: IResolver

initializes: preimages
initializes: resolution[preimages := preimages]

exports: (preimages.revealed, preimages.reveal)


# -- external ----------------------------------------------------------------------------------------------------------

@external
@view
def resolve(
    run: DynArray[Bytes[claims.CLAIM_BYTES], claims.RUN_MAX],
    start: uint256,
    count: uint256,
    mark_time: uint64,
    proof: DynArray[bytes32, claims.PROOF_MAX],
    settlement: uint8,
    dispute_deadline: uint256,
) -> (bytes32, DynArray[resolution.Outcome, claims.RUN_MAX]):
    """
    @notice Return the claims root that a run of claims proves, and what each of them comes to.
    @param run Claims that stand next to each other in the tree, as words; at least one.
    @param start Index of the first.
    @param count How many leaves the tree has.
    @param mark_time The tick that the state's collateral was computed on.
    @param proof The neighbours of the run in the tree.
    @param settlement Index of the asset that backs positions.
    @param dispute_deadline When the dispute ended.
    """
    assert len(run) != 0 and start + len(run) <= count and count <= claims.COUNT_MAX, "claims: malformed"
    leaves: DynArray[bytes32, claims.RUN_MAX] = []
    outcomes: DynArray[resolution.Outcome, claims.RUN_MAX] = []
    for claim: Bytes[claims.CLAIM_BYTES] in run:
        leaves.append(claims._leaf(claim))
        outcomes.append(resolution._outcome(claim, convert(settlement, uint256), mark_time, dispute_deadline))
    return (claims._claims_root(count, mark_time, claims._root(leaves, start, count, proof)), outcomes)
