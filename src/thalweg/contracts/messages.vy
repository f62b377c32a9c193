# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title What participants sign, hashed
@license Apache-2.0
@notice The exact twin of thalweg/channel/hashes.py: the EIP-712 struct hash of every signed type of a channel.
@dev docs/protocol.md states each type with a worked example. Channels of two with one asset, the common kind, are
     hashed without the loops and buffers that the general case needs.
"""


# -- constants ---------------------------------------------------------------------------------------------------------

PARTICIPANTS_MAX: constant(uint256) = 16
ASSETS_MAX: constant(uint256) = 4
CELLS_MAX: constant(uint256) = PARTICIPANTS_MAX * ASSETS_MAX
DEPOSIT_MAX: constant(uint256) = 2**124 - 1  # of a cell: an asset's cells together stay below 2^128
LOW_HALF: constant(uint256) = 2**128 - 1
MARK: constant(uint256) = 1  # the close-out at the model price; 0 is the one by expiry
EXIT_SPREAD_MAX: constant(uint64) = 10**8  # all of a position's value

_TERMS_TYPE: constant(bytes32) = keccak256(
    "Terms(address[] participants,address[] payouts,address[] assets,uint8 settlement,uint32 challengePeriod,uint8 closeOut,uint64 exitSpread,address oracle,bytes32 riskParamsHash,uint256 nonce)"
)
_OPEN_TYPE: constant(bytes32) = keccak256(
    "Open(bytes32 channelId,uint256[] amounts,address[] payers,uint64 deadline)"
)
_STATE_TYPE: constant(bytes32) = keccak256(
    "ChannelState(bytes32 channelId,uint40 version,bytes32 balancesHash,bytes32 claimsRoot)"
)
_CHALLENGE_TYPE: constant(bytes32) = keccak256("Challenge(bytes32 channelId,uint40 version,uint64 validUntil)")
_DEPOSIT_TYPE: constant(bytes32) = keccak256(
    "Deposit(bytes32 channelId,uint8 participant,uint8 asset,uint256 total,uint64 deadline)"
)
_RESUME_TYPE: constant(bytes32) = keccak256("Resume(bytes32 channelId,uint40 version,uint64 disputeDeadline)")
_BALANCES_TYPE: constant(bytes32) = keccak256(
    "Balances(uint256[] balance,uint256[] free,uint256[] deposited,uint256[] withdrawn,bytes32 salt)"
)


# -- structs -----------------------------------------------------------------------------------------------------------

# A channel's terms. Cells, the amounts below, are laid out participant by participant, asset by asset.
struct Terms:
    participants: DynArray[address, PARTICIPANTS_MAX]
    payouts: DynArray[address, PARTICIPANTS_MAX]
    assets: DynArray[address, ASSETS_MAX]
    settlement: uint8
    challenge_period: uint32
    close_out: uint8
    exit_spread: uint64
    oracle: address
    risk_params_hash: bytes32
    nonce: uint256


# The terms of a channel of two with one asset, the common kind, which therefore is the settlement asset.
struct Pair:
    participants: address[2]
    payouts: address[2]
    asset: address
    challenge_period: uint32
    close_out: uint8
    exit_spread: uint64
    oracle: address
    risk_params_hash: bytes32
    nonce: uint256


# What a settlement needs of the terms: whom it pays, in what, and its rules: a child's `until` (64 bits, from bit 80) | exit
# spread (64) | close-out (8) | index of the settlement asset (8). The dispute's fingerprint binds it.
struct Payees:
    payouts: DynArray[address, PARTICIPANTS_MAX]
    assets: DynArray[address, ASSETS_MAX]
    rules: uint256


# What a state gives a cell. Amounts are below 2^128, so two share a word: the first in its high half.
struct Holding:
    standing: uint256  # balance, free
    counted: uint256  # deposited, withdrawn


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@pure
def _terms(terms: Terms) -> bytes32:
    assets: bytes32 = empty(bytes32)
    if len(terms.assets) == 1:
        assets = keccak256(abi_encode(terms.assets[0]))
    else:
        assets = self._addresses(terms.assets)
    return keccak256(
        abi_encode(
            _TERMS_TYPE,
            self._addresses(terms.participants),
            self._addresses(terms.payouts),
            assets,
            terms.settlement,
            terms.challenge_period,
            terms.close_out,
            terms.exit_spread,
            terms.oracle,
            terms.risk_params_hash,
            terms.nonce,
        )
    )


@internal
@pure
def _pair(terms: Pair) -> bytes32:
    """
    @notice Return the hash that `_terms` returns of the same terms.
    """
    return keccak256(
        abi_encode(
            _TERMS_TYPE,
            keccak256(abi_encode(terms.participants)),
            keccak256(abi_encode(terms.payouts)),
            keccak256(abi_encode(terms.asset)),
            empty(uint256),
            terms.challenge_period,
            terms.close_out,
            terms.exit_spread,
            terms.oracle,
            terms.risk_params_hash,
            terms.nonce,
        )
    )


@internal
@pure
def _open(channel: bytes32, amounts: bytes32, payers: bytes32, deadline: uint64) -> bytes32:
    """
    @param amounts The hash of their words.
    @param payers The same.
    """
    return keccak256(abi_encode(_OPEN_TYPE, channel, amounts, payers, deadline))


@internal
@pure
def _names_payers(nonce: uint256, payers: bytes32) -> bool:
    """
    @notice Say whether the low half of a nonce is that of the payers' hash.
    """
    return nonce & LOW_HALF == convert(payers, uint256) & LOW_HALF


@internal
@pure
def _state(channel: bytes32, version: uint40, balances_hash: bytes32, claims_root: bytes32) -> bytes32:
    return keccak256(abi_encode(_STATE_TYPE, channel, version, balances_hash, claims_root))


@internal
@pure
def _challenge(channel: bytes32, version: uint40, valid_until: uint64) -> bytes32:
    return keccak256(abi_encode(_CHALLENGE_TYPE, channel, version, valid_until))


@internal
@pure
def _deposit(channel: bytes32, participant: uint8, asset: uint8, total: uint256, deadline: uint64) -> bytes32:
    return keccak256(abi_encode(_DEPOSIT_TYPE, channel, participant, asset, total, deadline))


@internal
@pure
def _resume(channel: bytes32, version: uint40, dispute_deadline: uint64) -> bytes32:
    return keccak256(abi_encode(_RESUME_TYPE, channel, version, dispute_deadline))


@internal
@pure
def _rules(terms: Terms) -> uint256:
    return (
        convert(terms.settlement, uint256)
        | (convert(terms.close_out, uint256) << 8)
        | (convert(terms.exit_spread, uint256) << 16)
    )


@internal
@pure
def _settlement(rules: uint256) -> uint256:
    return rules & 255


@internal
@pure
def _close_out(rules: uint256) -> uint256:
    return (rules >> 8) & 255


@internal
@pure
def _exit_spread(rules: uint256) -> uint256:
    return (rules >> 16) & convert(max_value(uint64), uint256)


@internal
@pure
def _until(rules: uint256) -> uint256:
    """
    @notice Return when a child channel ends at the latest; zero for a channel that is nobody's child.
    """
    return (rules >> 80) & convert(max_value(uint64), uint256)


@internal
@pure
def _payees(payees: Payees) -> bytes32:
    """
    @notice Return the hash that a dispute's fingerprint binds. Nobody signs it: the terms have all of it.
    """
    return keccak256(abi_encode(payees))


@internal
@pure
def _balances(holdings: DynArray[Holding, CELLS_MAX], salt: bytes32) -> bytes32:
    if len(holdings) == 2:
        one: Holding = holdings[0]
        two: Holding = holdings[1]
        return keccak256(
            abi_encode(
                _BALANCES_TYPE,
                keccak256(abi_encode(one.standing >> 128, two.standing >> 128)),
                keccak256(abi_encode(one.standing & LOW_HALF, two.standing & LOW_HALF)),
                keccak256(abi_encode(one.counted >> 128, two.counted >> 128)),
                keccak256(abi_encode(one.counted & LOW_HALF, two.counted & LOW_HALF)),
                salt,
            )
        )
    columns: bytes32[4] = empty(bytes32[4])
    for i: uint256 in range(4):
        column: DynArray[uint256, CELLS_MAX] = []
        for cell: uint256 in range(len(holdings), bound=CELLS_MAX):
            pair: uint256 = holdings[cell].standing if i < 2 else holdings[cell].counted
            column.append(pair >> 128 if i % 2 == 0 else pair & LOW_HALF)
        columns[i] = keccak256(slice(abi_encode(column, ensure_tuple=False), 32, 32 * len(column)))
    return keccak256(abi_encode(_BALANCES_TYPE, columns, salt))


@internal
@pure
def _pair_balances(one: Holding, two: Holding, salt: bytes32) -> bytes32:
    """
    @notice Return the hash that `_balances` returns of the same two holdings.
    """
    return keccak256(
        abi_encode(
            _BALANCES_TYPE,
            keccak256(abi_encode(one.standing >> 128, two.standing >> 128)),
            keccak256(abi_encode(one.standing & LOW_HALF, two.standing & LOW_HALF)),
            keccak256(abi_encode(one.counted >> 128, two.counted >> 128)),
            keccak256(abi_encode(one.counted & LOW_HALF, two.counted & LOW_HALF)),
            salt,
        )
    )


@internal
@pure
def _no_balances(cells: uint256) -> bytes32:
    """
    @notice Return the hash of version 0's balances: all zero, no salt. Nobody signs it.
    """
    nothing: DynArray[uint256, CELLS_MAX] = []
    for _: uint256 in range(cells, bound=CELLS_MAX):
        nothing.append(0)
    column: bytes32 = self._cells(nothing)
    return keccak256(abi_encode(_BALANCES_TYPE, column, column, column, column, empty(bytes32)))


@internal
@pure
def _cells(values: DynArray[uint256, CELLS_MAX]) -> bytes32:
    """
    @notice Return an array's place in a struct: the hash of its words, without their count.
    """
    if len(values) == 2:
        return keccak256(abi_encode(values[0], values[1]))
    return keccak256(slice(abi_encode(values, ensure_tuple=False), 32, 32 * len(values)))


@internal
@pure
def _addresses(values: DynArray[address, PARTICIPANTS_MAX]) -> bytes32:
    if len(values) == 2:
        return keccak256(abi_encode(values[0], values[1]))
    return keccak256(slice(abi_encode(values, ensure_tuple=False), 32, 32 * len(values)))
