# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Claims: their words, leaves and tree
@license Apache-2.0
@notice A claim travels as words: its kind, the members of its type with the arrays moved to the end, and its leaf's
        salt (docs/contracts.md, "Claims as words"). Leaves, nodes and the root are hashed under distinct prefixes
        (0x00, 0x01, 0x02), so none can pass for another. The exact twin of thalweg/channel/hashes.py.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

POSITION: constant(uint256) = 0
HASH_LOCK: constant(uint256) = 1
SUBCHANNEL: constant(uint256) = 2
RUN_MAX: constant(uint256) = 8  # claims a call
COUNT_MAX: constant(uint256) = 256  # claims a state
PROOF_MAX: constant(uint256) = 16  # two neighbours a row of a tree of COUNT_MAX leaves
_ROWS_MAX: constant(uint256) = 8  # above the leaves
HASHES_MAX: constant(uint256) = 8  # of one condition
KNOTS_MAX: constant(uint256) = 16
WORDS_MAX: constant(uint256) = 40  # a position with every knot and hash
CLAIM_BYTES: constant(uint256) = 32 * WORDS_MAX
CHILD_GRACE_S: constant(uint256) = 30 * 86400  # after its `until` a child may still be disputed
CHILD_LIFE_MAX_S: constant(uint256) = 2 * 365 * 86400  # from a dispute to `until`: parents wait that long

_POSITION_TYPE: constant(bytes32) = keccak256(
    "Position(uint64 id,uint8 long,uint8 short,uint64 quantity,Instrument instrument,int256 premium,Condition condition)Condition(bytes32[] hashes,uint64 deadline)Instrument(uint8 payoff,uint8 style,uint8 deliver,address oracle,bytes32 feed,uint64 expiry,uint64 unit,uint256[] knots)"
)
_HASH_LOCK_TYPE: constant(bytes32) = keccak256(
    "HashLock(uint64 id,uint8 payer,uint8 payee,uint8 asset,uint256 amount,Condition condition)Condition(bytes32[] hashes,uint64 deadline)"
)
_SUBCHANNEL_TYPE: constant(bytes32) = keccak256(
    "Subchannel(uint64 id,address judge,bytes32 child,uint8[] seats,uint256[] allocations,bytes32 opening,uint64 until,Condition condition)Condition(bytes32[] hashes,uint64 deadline)"
)
_INSTRUMENT_TYPE: constant(bytes32) = keccak256(
    "Instrument(uint8 payoff,uint8 style,uint8 deliver,address oracle,bytes32 feed,uint64 expiry,uint64 unit,uint256[] knots)"
)
_CONDITION_TYPE: constant(bytes32) = keccak256("Condition(bytes32[] hashes,uint64 deadline)")

_UNCONDITIONAL: constant(bytes32) = 0x89c68f85fad36f9fd81371d7c6741a4de5aa48c3a90764d4f7fd7c56281c1e85  # no hashes, deadline 0


# -- structs -----------------------------------------------------------------------------------------------------------

# What a state with claims commits to: how many, the tick that its collateral was computed on, the root over their
# leaves.
struct Tree:
    count: uint256
    mark_time: uint256
    root: bytes32


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _knots(claim: Bytes[CLAIM_BYTES]) -> DynArray[uint256, KNOTS_MAX]:
    """
    @notice Return the knots of a position's instrument.
    """
    knots: DynArray[uint256, KNOTS_MAX] = []
    for i: uint256 in range(min(extract32(claim, 32 * 15, output_type=uint256), KNOTS_MAX), bound=KNOTS_MAX):
        knots.append(extract32(claim, 32 * (16 + i), output_type=uint256))
    return knots


@internal
@pure
def _hashes(claim: Bytes[CLAIM_BYTES], start: uint256) -> DynArray[bytes32, HASHES_MAX]:
    """
    @notice Return the hashes of a claim's condition: its words from `start` on, at most HASHES_MAX.
    """
    hashes: DynArray[bytes32, HASHES_MAX] = []
    for word: uint256 in range(start, min(len(claim) // 32, start + HASHES_MAX), bound=HASHES_MAX):
        hashes.append(extract32(claim, 32 * word))
    return hashes


@internal
@pure
def _leaf(claim: Bytes[CLAIM_BYTES]) -> bytes32:
    """
    @notice Return the Merkle leaf of a claim.
    """
    kind: uint256 = extract32(claim, 0, output_type=uint256)
    if kind == HASH_LOCK:
        return keccak256(concat(b"\x00", self._hash_lock(claim), slice(claim, 32 * 7, 32)))
    if kind == SUBCHANNEL:
        return keccak256(concat(b"\x00", self._subchannel(claim), slice(claim, 32 * 7, 32)))
    assert kind == POSITION, "claim: unsupported"
    knots_size: uint256 = 32 * extract32(claim, 32 * 15, output_type=uint256)
    hashes_at: uint256 = 32 * 16 + knots_size
    instrument: bytes32 = keccak256(
        concat(_INSTRUMENT_TYPE, slice(claim, 32 * 5, 32 * 7), keccak256(slice(claim, 32 * 16, knots_size)))
    )
    condition: bytes32 = _UNCONDITIONAL
    if len(claim) != hashes_at or extract32(claim, 32 * 13) != empty(bytes32):
        condition = keccak256(
            concat(
                _CONDITION_TYPE, keccak256(slice(claim, hashes_at, len(claim) - hashes_at)), slice(claim, 32 * 13, 32)
            )
        )
    position: bytes32 = keccak256(
        concat(_POSITION_TYPE, slice(claim, 32, 32 * 4), instrument, slice(claim, 32 * 12, 32), condition)
    )
    return keccak256(concat(b"\x00", position, slice(claim, 32 * 14, 32)))


@internal
@pure
def _hash_lock(claim: Bytes[CLAIM_BYTES]) -> bytes32:
    hashes_at: uint256 = 32 * 8
    condition: bytes32 = keccak256(
        concat(_CONDITION_TYPE, keccak256(slice(claim, hashes_at, len(claim) - hashes_at)), slice(claim, 32 * 6, 32))
    )
    return keccak256(concat(_HASH_LOCK_TYPE, slice(claim, 32, 32 * 5), condition))


@internal
@pure
def _subchannel(claim: Bytes[CLAIM_BYTES]) -> bytes32:
    seats_size: uint256 = 32 * extract32(claim, 32 * 8, output_type=uint256)
    lent_at: uint256 = 32 * 10 + seats_size
    lent_size: uint256 = 32 * extract32(claim, 32 * 9 + seats_size, output_type=uint256)
    hashes_at: uint256 = lent_at + lent_size
    condition: bytes32 = keccak256(
        concat(_CONDITION_TYPE, keccak256(slice(claim, hashes_at, len(claim) - hashes_at)), slice(claim, 32 * 6, 32))
    )
    return keccak256(
        concat(
            _SUBCHANNEL_TYPE,
            slice(claim, 32, 32 * 3),
            keccak256(slice(claim, 32 * 9, seats_size)),
            keccak256(slice(claim, lent_at, lent_size)),
            slice(claim, 32 * 4, 32 * 2),
            condition,
        )
    )


@internal
@pure
def _proven_root(
    leaves: DynArray[bytes32, RUN_MAX], start: uint256, count: uint256, proof: DynArray[bytes32, PROOF_MAX]
) -> bytes32:
    """
    @notice Return the root of a tree of `count` leaves whose leaves from `start` on are `leaves` (at least one).
    @dev Neighbours are hashed in pairs, an odd last node moves up unchanged. `proof` holds the neighbours of the run,
         row by row from the leaves up, in each row the left one before the right one; all of it must be used.
    """
    row: DynArray[bytes32, RUN_MAX] = leaves
    first: uint256 = start
    nodes: uint256 = len(leaves)
    size: uint256 = count
    used: uint256 = 0
    for _: uint256 in range(_ROWS_MAX):
        if size == 1:
            break
        read: uint256 = first % 2
        written: uint256 = read
        if read == 1:
            row[0] = self._node(proof[used], row[0])
            used += 1
        for _pair: uint256 in range((nodes - read) // 2, bound=RUN_MAX // 2):
            row[written] = self._node(row[read], row[read + 1])
            read += 2
            written += 1
        if read < nodes:
            row[written] = row[read]
            if first + nodes < size:
                row[written] = self._node(row[read], proof[used])
                used += 1
            written += 1
        nodes = written
        first //= 2
        size = (size + 1) // 2
    assert used == len(proof), "claims: malformed"
    return row[0]


@internal
@pure
def _claims_root(tree: Tree) -> bytes32:
    """
    @notice Return what a state is signed with: zero where it has no claims.
    """
    if tree.count == 0:
        return empty(bytes32)
    return keccak256(concat(b"\x02", convert(tree.count, bytes32), convert(tree.mark_time, bytes32), tree.root))


@internal
@pure
def _node(left: bytes32, right: bytes32) -> bytes32:
    return keccak256(concat(b"\x01", left, right))
