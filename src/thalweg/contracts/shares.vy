# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Who is due what
@license Apache-2.0
@notice Pure arithmetic over a state's holdings, the chain's cumulative totals and what claims have come to.

            base = free + credits + (deposited on chain - counted) + (withdrawn counted - paid on chain)
            rest = balance - free, less losses capped by it, plus gains

        The base leaves at the deadline, the rest with the last claim. What is paid enters the chain's totals, so
        paying in one call or in many comes to the same. Losses and gains are the claims' deltas: where the capped
        losses do not reach the gains, winners are cut pro rata, rounded down.
@dev Nothing here reverts for arithmetic. Payments are capped by what the channel holds, in order of seats, and what
     is left at the very end, a remainder, goes to the lowest seat. Amounts are below 2^128; with at most 256 claims
     no accrual of honest terms comes near 2^127, and others are cut there.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import cells
import messages


# -- constants ---------------------------------------------------------------------------------------------------------

_DELTA_MAX: constant(int256) = 2**127 - 1  # times an amount it stays below 2^255


# -- structs -----------------------------------------------------------------------------------------------------------

# What resolved claims have come to in a cell: margined, of either sign, and escrowed.
struct Accrual:
    delta: int256
    credit: uint256


# How far a settlement has walked: claims before `cursor` are done and came to `accruals`, which are empty at cursor 0.
struct Progress:
    cursor: uint256
    accruals: DynArray[Accrual, messages.CELLS_MAX]


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _due(
    assets: uint256,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    accruals: DynArray[Accrual, messages.CELLS_MAX],
    is_last: bool,
) -> DynArray[uint256, messages.CELLS_MAX]:
    """
    @notice Return what every cell is paid now: the base and, where no claim is left, the rest.
    @param totals Deposited (high half) and withdrawn, by cell.
    @param accruals By cell; empty where no claim was resolved.
    """
    due: DynArray[uint256, messages.CELLS_MAX] = totals  # of the right length; every cell is overwritten
    for asset: uint256 in range(assets, bound=messages.ASSETS_MAX):
        left: uint256 = cells._held(asset, assets, totals)
        owed: int256[messages.PARTICIPANTS_MAX] = empty(int256[messages.PARTICIPANTS_MAX])
        lost: uint256 = 0
        gained: uint256 = 0
        for seat: uint256 in range(len(totals) // assets, bound=messages.PARTICIPANTS_MAX):
            cell: uint256 = seat * assets + asset
            holding: messages.Holding = holdings[cell]
            free: uint256 = holding.standing & messages.LOW_HALF
            # four amounts below 2^128: the sum and each difference stay in range
            base: int256 = convert(
                free + (totals[cell] >> 128) + (holding.counted & messages.LOW_HALF), int256
            ) - convert((holding.counted >> 128) + (totals[cell] & messages.LOW_HALF), int256)
            rest: int256 = max(convert(holding.standing >> 128, int256) - convert(free, int256), 0)
            if len(accruals) != 0:
                base += convert(min(accruals[cell].credit, messages.LOW_HALF), int256)
                delta: int256 = min(max(accruals[cell].delta, -_DELTA_MAX), _DELTA_MAX)
                if delta < 0:
                    loss: int256 = min(-delta, rest)
                    lost += convert(loss, uint256)
                    rest -= loss
                else:
                    gained += convert(delta, uint256)
            paid: uint256 = min(convert(max(base, 0), uint256), left)
            left -= paid
            due[cell] = paid
            owed[seat] = base - convert(paid, int256) + rest
        if not is_last or left == 0:
            continue
        lost = min(lost, messages.LOW_HALF)
        for seat: uint256 in range(len(totals) // assets, bound=messages.PARTICIPANTS_MAX):
            cell: uint256 = seat * assets + asset
            if len(accruals) != 0 and accruals[cell].delta > 0:
                gain: uint256 = convert(min(accruals[cell].delta, _DELTA_MAX), uint256)
                if lost < gained:
                    gain = gain * lost // gained
                owed[seat] += convert(gain, int256)
            paid: uint256 = min(convert(max(owed[seat], 0), uint256), left)
            left -= paid
            due[cell] += paid
        due[asset] += left
    return due
