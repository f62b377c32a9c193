# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title The registry of preimages
@license Apache-2.0
@notice One registry for every channel: a SHA-256 preimage is stamped with the time it was first shown, for ever. All
        hops of a route therefore share one expiry.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

REVEALS_MAX: constant(uint256) = 32  # preimages a call
HASHES_MAX: constant(uint256) = 8  # of one condition


# -- storage -----------------------------------------------------------------------------------------------------------

# @dev SHA-256 hash to the time its preimage was registered; zero where it never was.
revealed: public(HashMap[bytes32, uint256])


# -- events ------------------------------------------------------------------------------------------------------------

event Revealed:
    image: indexed(bytes32)
    preimage: bytes32


# -- external ----------------------------------------------------------------------------------------------------------

@external
def reveal(preimages: DynArray[bytes32, REVEALS_MAX]):
    """
    @notice Register preimages. One that is registered already keeps its first stamp.
    """
    for preimage: bytes32 in preimages:
        image: bytes32 = sha256(preimage)
        if self.revealed[image] == 0:
            self.revealed[image] = block.timestamp
            log Revealed(image=image, preimage=preimage)


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _is_met(hashes: DynArray[bytes32, HASHES_MAX], deadline: uint256) -> bool:
    """
    @notice Say whether every preimage was registered by the deadline. Nobody can say before it has passed, unless all
            are.
    """
    for image: bytes32 in hashes:
        stamp: uint256 = self.revealed[image]
        if stamp == 0 or stamp > deadline:
            assert block.timestamp > deadline, "preimages: not yet"
            return False
    return True
