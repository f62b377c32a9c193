# pragma version 0.4.3
# pragma evm-version cancun
"""
@title A judge that only tells what it was told
@license Apache-2.0
"""

import messages
import shares

event Told:
    due: DynArray[uint256, messages.CELLS_MAX]
    progress: shares.Progress


@external
@view
def dispute(channel: bytes32) -> uint256:
    return convert(channel, uint256)


@external
def apply(
    channel: bytes32,
    payees: messages.Payees,
    totals: DynArray[uint256, messages.CELLS_MAX],
    due: DynArray[uint256, messages.CELLS_MAX],
    progress: shares.Progress,
    fingerprint: uint256,
    next: uint256,
):
    log Told(due=due, progress=progress)
