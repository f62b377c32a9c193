# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Cells
@license Apache-2.0
@notice Arithmetic over cells: a participant's amounts of an asset. Totals are what the chain counts, holdings what a
        state gives; each word holds two amounts below 2^128, so no sum here leaves its range.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import messages


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _whole(total: uint256, standing: uint256, counted: uint256) -> uint256:
    """
    @notice Return what a cell is entitled to in a state without claims: its balance, deposits the state has not
            counted, and withdrawals that were not paid; nothing where it counts more than ever arrived.
    """
    credit: uint256 = unsafe_add(unsafe_add(standing >> 128, total >> 128), counted & messages.LOW_HALF)
    debit: uint256 = unsafe_add(counted >> 128, total & messages.LOW_HALF)
    if credit < debit:
        return 0
    return unsafe_sub(credit, debit)


@internal
@pure
def _withdrawal(
    assets: uint256,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
) -> DynArray[uint256, messages.CELLS_MAX]:
    """
    @notice Return what every cell is paid where a state has counted more withdrawn than the chain has paid.
    """
    due: DynArray[uint256, messages.CELLS_MAX] = totals  # of the right length; every cell is overwritten
    for asset: uint256 in range(assets, bound=messages.ASSETS_MAX):
        left: uint256 = self._held(asset, assets, totals)
        for seat: uint256 in range(len(totals) // assets, bound=messages.PARTICIPANTS_MAX):
            cell: uint256 = seat * assets + asset
            counted: uint256 = holdings[cell].counted & messages.LOW_HALF
            paid: uint256 = totals[cell] & messages.LOW_HALF
            due[cell] = min(counted - paid, left) if counted > paid else 0
            left -= due[cell]
    return due


@internal
@pure
def _pair_held(totals: uint256[2]) -> uint256:
    """
    @notice Return what a channel of two with one asset holds.
    """
    paid: uint256 = unsafe_add(totals[0] & messages.LOW_HALF, totals[1] & messages.LOW_HALF)
    return unsafe_sub(unsafe_add(totals[0] >> 128, totals[1] >> 128), paid)


@internal
@pure
def _held(asset: uint256, assets: uint256, totals: DynArray[uint256, messages.CELLS_MAX]) -> uint256:
    """
    @notice Return what the channel holds of an asset.
    """
    held: uint256 = 0  # modulo 2^256 until the last seat: one may have been paid another's deposit
    for seat: uint256 in range(len(totals) // assets, bound=messages.PARTICIPANTS_MAX):
        total: uint256 = totals[unsafe_add(unsafe_mul(seat, assets), asset)]
        held = unsafe_sub(unsafe_add(held, total >> 128), total & messages.LOW_HALF)
    return held
