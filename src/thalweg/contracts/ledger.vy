# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title The two words of a channel
@license Apache-2.0
@notice `funding` is the only word written at opening:

            status (8 bits) | version floor (40) | hash of the totals (208)

        `dispute` is zero except from a challenge to its end:

            deadline (32) | version (40) | challenger (8) | fingerprint of the state and the settlement's progress (176)

        The status says that a channel is open, disputed or closed; 0 is an id that was never used. A closed one stays
        so.
@dev Totals are everything ever deposited (high half of a word) and paid out (low half) in each cell.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import messages
import refusals
import shares


# -- constants ---------------------------------------------------------------------------------------------------------

VERSION_FINAL: constant(uint40) = max_value(uint40)
OPEN: constant(uint256) = 1 << 248
DISPUTED: constant(uint256) = 2 << 248
CLOSED: constant(uint256) = 3 << 248
STATUS_MASK: constant(uint256) = 255 << 248
TOTALS_MASK: constant(uint256) = (1 << 208) - 1
FINGERPRINT_MASK: constant(uint256) = (1 << 176) - 1
_HEAD: constant(uint256) = 32  # of an array's encoding: where it begins, and how long it is
_PAIR: constant(uint256) = 2


# -- storage -----------------------------------------------------------------------------------------------------------

funding: public(HashMap[bytes32, uint256])
dispute: public(HashMap[bytes32, uint256])


# -- events ------------------------------------------------------------------------------------------------------------

event Closed:
    channel: indexed(bytes32)


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _totals_hash(totals: DynArray[uint256, messages.CELLS_MAX]) -> uint256:
    return convert(keccak256(abi_encode(totals)), uint256) & TOTALS_MASK


@internal
@pure
def _pair_hash(totals: uint256[2]) -> uint256:
    """
    @notice Return what `_totals_hash` returns of the same two totals.
    """
    return convert(keccak256(abi_encode(_HEAD, _PAIR, totals)), uint256) & TOTALS_MASK


@internal
@pure
def _open_word(lowest: uint40, totals_hash: uint256) -> uint256:
    """
    @notice Return the funding word of an open channel.
    """
    return OPEN | (convert(lowest, uint256) << 208) | totals_hash


@internal
@pure
def _floor(funding: uint256) -> uint256:
    return (funding >> 208) & convert(VERSION_FINAL, uint256)


@internal
@pure
def _version(dispute: uint256) -> uint256:
    return (dispute >> 184) & convert(VERSION_FINAL, uint256)


@internal
@pure
def _fingerprint(payees: bytes32, balances_hash: bytes32, claims_root: bytes32, walked: bytes32) -> uint256:
    """
    @notice Bind all that a settlement goes by: whom it pays, the state, and its own progress.
    """
    return convert(keccak256(abi_encode(payees, balances_hash, claims_root, walked)), uint256) & FINGERPRINT_MASK


@internal
@pure
def _walked(progress: shares.Progress) -> bytes32:
    """
    @notice Return the hash of a settlement's progress; zero where no claim was resolved.
    """
    if progress.cursor == 0:
        refusals._unless_well_formed(len(progress.accruals) == 0)
        return empty(bytes32)
    return keccak256(abi_encode(progress))


@internal
@view
def _funded(channel: bytes32, totals: DynArray[uint256, messages.CELLS_MAX], status: uint256) -> uint256:
    """
    @notice Return the funding word of a channel of this status and with these totals.
    """
    word: uint256 = self.funding[channel]
    refusals._unless_phase(word & STATUS_MASK == status)
    refusals._unless_hash(word & TOTALS_MASK == convert(keccak256(abi_encode(totals)), uint256) & TOTALS_MASK)
    return word


@internal
@view
def _pair_funded(channel: bytes32, totals: uint256[2]) -> uint256:
    """
    @notice Return the funding word of a channel of two with one asset, open or disputed, with these totals.
    """
    word: uint256 = self.funding[channel]
    refusals._unless_phase(word >= OPEN and word < CLOSED)
    refusals._unless_hash(word & TOTALS_MASK == self._pair_hash(totals))
    return word


@internal
@view
def _ended(channel: bytes32, fingerprint: uint256) -> uint256:
    """
    @notice Return the word of a dispute that is over and has come to this.
    """
    word: uint256 = self.dispute[channel]
    assert block.timestamp >= word >> 224, "adjudicator: not yet"
    refusals._unless_hash(word & FINGERPRINT_MASK == fingerprint)
    return word


@internal
@pure
def _sum(
    totals: DynArray[uint256, messages.CELLS_MAX], due: DynArray[uint256, messages.CELLS_MAX]
) -> DynArray[uint256, messages.CELLS_MAX]:
    """
    @notice Return the totals after what is due was paid.
    """
    paid: DynArray[uint256, messages.CELLS_MAX] = totals
    for cell: uint256 in range(len(due), bound=messages.CELLS_MAX):
        paid[cell] += due[cell]
    return paid


@internal
def _close(channel: bytes32, is_disputed: bool):
    """
    @notice Close an id for ever.
    """
    self.funding[channel] = CLOSED
    if is_disputed:
        self.dispute[channel] = 0
    log Closed(channel=channel)
