# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title The surface module, callable
@license Apache-2.0
"""

import surface
import svi


@external
@pure
def is_valid(slices: DynArray[surface.Slice, surface.SLICES_MAX], time: uint64) -> bool:
    return surface._is_valid(slices, time)


@external
def smile(slices: DynArray[surface.Slice, surface.SLICES_MAX], time: uint64, expiry: uint64) -> svi.Smile:
    """
    @notice Store a surface, and return what it says about an expiry.
    """
    return surface._smile(surface._store(surface._packed(slices)), time, expiry)
