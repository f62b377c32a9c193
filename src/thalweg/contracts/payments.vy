# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Payments
@license Apache-2.0
@notice Pays people out. A payout that fails stays here for its payee and blocks nobody.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import cells
import messages
import tokens


# -- storage -----------------------------------------------------------------------------------------------------------

# @dev Asset to payee to what a payout that failed left for him.
claimable: public(HashMap[address, HashMap[address, uint256]])


# -- events ------------------------------------------------------------------------------------------------------------

event Unpaid:
    asset: indexed(address)
    payee: indexed(address)
    amount: uint256

event Collected:
    asset: indexed(address)
    payee: indexed(address)
    amount: uint256
    to: address


# -- external ----------------------------------------------------------------------------------------------------------

@external
def collect(asset: address, to: address):
    """
    @notice Pay the sender, at an address of his choice, what failed payouts left for him.
    @param asset The token; zero for the native coin.
    @param to Where it goes.
    """
    amount: uint256 = self.claimable[asset][msg.sender]
    assert amount != 0, "payments: insufficient balance"
    self.claimable[asset][msg.sender] = 0
    log Collected(asset=asset, payee=msg.sender, amount=amount, to=to)
    # all the gas there is: only the sender pays where the token wants more than a payout may cost
    assert tokens._send_with(asset, to, amount, msg.gas), "payments: refused"


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
def _pay_whole(
    payouts: DynArray[address, messages.PARTICIPANTS_MAX],
    assets: DynArray[address, messages.ASSETS_MAX],
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
):
    """
    @notice Pay everybody by a state without claims, in order of seats up to what there is; a remainder is the lowest's.
    """
    width: uint256 = len(assets)
    for asset: uint256 in range(width, bound=messages.ASSETS_MAX):
        left: uint256 = cells._held(asset, width, totals)
        first: uint256 = 0
        for seat: uint256 in range(len(payouts), bound=messages.PARTICIPANTS_MAX):
            cell: uint256 = unsafe_add(unsafe_mul(seat, width), asset)
            paid: uint256 = min(cells._whole(totals[cell], holdings[cell].standing, holdings[cell].counted), left)
            left = unsafe_sub(left, paid)
            if seat == 0:
                first = paid
            else:
                self._pay(assets[asset], payouts[seat], paid)
        self._pay(assets[asset], payouts[0], unsafe_add(first, left))


@internal
def _pay_pair(asset: address, payouts: address[2], totals: uint256[2], holdings: messages.Holding[2]):
    """
    @notice Pay two people whose only asset this is as `_pay_whole` does.
    """
    left: uint256 = cells._pair_held(totals)
    first: uint256 = min(cells._whole(totals[0], holdings[0].standing, holdings[0].counted), left)
    second: uint256 = min(
        cells._whole(totals[1], holdings[1].standing, holdings[1].counted), unsafe_sub(left, first)
    )
    self._pay(asset, payouts[1], second)
    self._pay(asset, payouts[0], unsafe_sub(left, second))


@internal
def _pay_out(
    payouts: DynArray[address, messages.PARTICIPANTS_MAX],
    assets: DynArray[address, messages.ASSETS_MAX],
    due: DynArray[uint256, messages.CELLS_MAX],
):
    """
    @notice Pay every cell.
    """
    for cell: uint256 in range(len(due), bound=messages.CELLS_MAX):
        self._pay(assets[cell % len(assets)], payouts[cell // len(assets)], due[cell])


@internal
def _pay(asset: address, payee: address, amount: uint256):
    """
    @notice Pay; what fails becomes claimable and blocks nobody.
    """
    if amount != 0 and not tokens._send(asset, payee, amount):
        self.claimable[asset][payee] += amount
        log Unpaid(asset=asset, payee=payee, amount=amount)
