"""Every signed type of a channel, hashed: the twin of the contracts, byte for byte. docs/protocol.md states each.

Leaves, nodes and the root are hashed under distinct prefixes (0x00, 0x01, 0x02), so none can pass for another.
"""

from functools import lru_cache
from typing import Final

from thalweg.channel.claims import Claim, Condition, HashLock, Position, Subchannel
from thalweg.channel.sheet import ChannelState, Holding
from thalweg.channel.terms import Terms
from thalweg.codec import array_hash, digest, type_hash, word, words
from thalweg.crypto import keccak
from thalweg.instruments.terms import Instrument
from thalweg.units import ZERO_HASH, Address, Amount, ChannelId, ClaimId, Hash, UnixSeconds, Version

_CONDITION = "Condition(bytes32[] hashes,uint64 deadline)"
_INSTRUMENT = (
    "Instrument(uint8 payoff,uint8 style,uint8 deliver,address oracle,bytes32 feed,uint64 expiry,uint64 unit,"
    "uint256[] knots)"
)
_POSITION = (
    "Position(uint64 id,uint8 long,uint8 short,uint64 quantity,Instrument instrument,int256 premium,"
    "Condition condition)"
)

TERMS_TYPE: Final = type_hash(
    "Terms(address[] participants,address[] payouts,address[] assets,uint8 settlement,uint32 challengePeriod,"
    "uint8 closeOut,uint64 exitSpread,address oracle,bytes32 riskParamsHash,uint256 nonce)"
)
_LOW_HALF: Final = 2**128 - 1
_OPENING_MASK: Final = 2**192 - 1
OPEN_TYPE: Final = type_hash("Open(bytes32 channelId,uint256[] amounts,address[] payers,uint64 deadline)")
STATE_TYPE: Final = type_hash("ChannelState(bytes32 channelId,uint40 version,bytes32 balancesHash,bytes32 claimsRoot)")
CHALLENGE_TYPE: Final = type_hash("Challenge(bytes32 channelId,uint40 version,uint64 validUntil)")
DEPOSIT_TYPE: Final = type_hash(
    "Deposit(bytes32 channelId,uint8 participant,uint8 asset,uint256 total,uint64 deadline)"
)
RESUME_TYPE: Final = type_hash("Resume(bytes32 channelId,uint40 version,uint64 disputeDeadline)")
REFUSAL_TYPE: Final = type_hash("Refusal(bytes32 channelId,uint8 author,uint64 number,string reason)")
BINDING_TYPE: Final = type_hash("Binding(bytes peer,address payout,address payer)")
BALANCES_TYPE: Final = type_hash(
    "Balances(uint256[] balance,uint256[] free,uint256[] deposited,uint256[] withdrawn,bytes32 salt)"
)
CONDITION_TYPE: Final = type_hash(_CONDITION)
INSTRUMENT_TYPE: Final = type_hash(_INSTRUMENT)
POSITION_TYPE: Final = type_hash(_POSITION + _CONDITION + _INSTRUMENT)
HASH_LOCK_TYPE: Final = type_hash(
    "HashLock(uint64 id,uint8 payer,uint8 payee,uint8 asset,uint256 amount,Condition condition)" + _CONDITION
)
SUBCHANNEL_TYPE: Final = type_hash(
    "Subchannel(uint64 id,address judge,bytes32 child,uint8[] seats,uint256[] allocations,bytes32 opening,"
    "uint64 until,Condition condition)" + _CONDITION
)

LEAVES_KEPT: Final = 16_384
NO_CLAIMS: Final = ZERO_HASH  # the claims root of a state without claims


def channel_id(separator: bytes, terms: Terms) -> ChannelId:
    """Return the id: the EIP-712 digest of the terms."""
    body = words(
        (
            TERMS_TYPE,
            array_hash(terms.participants),
            array_hash(terms.payouts),
            array_hash(terms.assets),
            terms.settlement,
            terms.challenge_period_s,
            terms.close_out,
            terms.exit_spread,
            terms.oracle,
            terms.risk_params_hash,
            terms.nonce,
        )
    )
    return ChannelId(digest(separator, keccak(body)))


def open_digest(
    separator: bytes,
    channel: ChannelId,
    amounts: tuple[Amount, ...],
    payers: tuple[Address, ...],
    deadline: UnixSeconds,
) -> Hash:
    """Return what every payer signs to fund a channel; `amounts` is participant by participant, asset by asset."""
    return digest(separator, keccak(words((OPEN_TYPE, channel, array_hash(amounts), array_hash(payers), deadline))))


def opening_nonce(number: int, payers: tuple[Address, ...]) -> int:
    """Return a nonce of terms (256 bits): `number` in the high half, in the low one that of the payers' hash.

    Terms thus say who pays, and whoever sees an opening on its way cannot use its id up with one of his own.
    """
    return number << 128 | int.from_bytes(array_hash(payers)) & _LOW_HALF


def child_opening(amounts: tuple[Amount, ...], parents: tuple[ChannelId, ...], salt: Hash) -> Hash:
    """Return the hash of what a child channel begins with, and in which channels others lend it money.

    Only a dispute of one of these starts the child's. The salt keeps it from everybody but its parties and lenders.
    """
    amounts_at, parents_at = 96, 96 + 32 * (1 + len(amounts))
    return keccak(words((amounts_at, parents_at, salt, len(amounts), *amounts, len(parents), *parents)))


def child_nonce(opening: Hash, until: UnixSeconds) -> int:
    """Return a child's nonce of terms: `until` in the high 64 bits, the opening's hash in the others."""
    return until << 192 | int.from_bytes(opening) & _OPENING_MASK


def state_digest(separator: bytes, state: ChannelState) -> Hash:
    """Return what every participant signs to agree to a state."""
    body = words((STATE_TYPE, state.channel_id, state.version, state.balances_hash, state.claims_root))
    return digest(separator, keccak(body))


def challenge_digest(separator: bytes, channel: ChannelId, version: Version, valid_until: UnixSeconds) -> Hash:
    """Return what a participant signs to start a dispute."""
    return digest(separator, keccak(words((CHALLENGE_TYPE, channel, version, valid_until))))


def deposit_digest(
    separator: bytes, channel: ChannelId, participant: int, asset: int, total: int, deadline: UnixSeconds
) -> Hash:
    """Return what a participant's channel key signs to let his cumulative deposit grow to `total`."""
    return digest(separator, keccak(words((DEPOSIT_TYPE, channel, participant, asset, total, deadline))))


def resume_digest(separator: bytes, channel: ChannelId, version: Version, dispute_deadline: UnixSeconds) -> Hash:
    """Return what all participants sign to call off the dispute that ends at `dispute_deadline`."""
    return digest(separator, keccak(words((RESUME_TYPE, channel, version, dispute_deadline))))


def refusal_digest(separator: bytes, channel: ChannelId, author: int, number: int, reason: str) -> Hash:
    """Return what the sequencer signs when it does not include an operation: a stall can be shown to others."""
    text = keccak(reason.encode())
    return digest(separator, keccak(words((REFUSAL_TYPE, channel, author, number, text))))


def binding_digest(separator: bytes, peer: bytes, payout: Address, payer: Address) -> Hash:
    """Return what a channel key signs to say that it speaks through the network key of `peer`."""
    return digest(separator, keccak(words((BINDING_TYPE, keccak(peer), payout, payer))))


def balances_hash(holdings: tuple[Holding, ...], salt: bytes) -> Hash:
    """Return the struct hash of the balances, salted."""
    return keccak(
        words(
            (
                BALANCES_TYPE,
                array_hash([holding.balance for holding in holdings]),
                array_hash([holding.free for holding in holdings]),
                array_hash([holding.deposited for holding in holdings]),
                array_hash([holding.withdrawn for holding in holdings]),
                salt,
            )
        )
    )


def condition_hash(condition: Condition) -> Hash:
    """Return the struct hash of a condition."""
    return keccak(words((CONDITION_TYPE, array_hash(condition.hashes), condition.deadline)))


def instrument_hash(terms: Instrument) -> Hash:
    """Return the struct hash of an instrument: its identity for netting."""
    return keccak(
        words(
            (
                INSTRUMENT_TYPE,
                terms.payoff,
                terms.style,
                terms.deliver,
                terms.oracle,
                terms.feed,
                terms.expiry,
                terms.unit,
                array_hash(terms.knots),
            )
        )
    )


def claim_hash(claim: Claim) -> Hash:
    """Return the struct hash of a claim of any kind."""
    match claim:
        case Position():
            terms, condition = instrument_hash(claim.instrument), condition_hash(claim.condition)
            members: tuple[int | bytes, ...] = (
                POSITION_TYPE, claim.id, claim.long, claim.short, claim.quantity, terms, claim.premium, condition,
            )  # fmt: skip
        case HashLock():
            condition = condition_hash(claim.condition)
            members = (
                HASH_LOCK_TYPE, claim.id, claim.payer, claim.payee, claim.asset, claim.amount, condition,
            )  # fmt: skip
        case Subchannel():
            seats, lent = array_hash(claim.seats), array_hash(claim.allocations)
            condition = condition_hash(claim.condition)
            members = (
                SUBCHANNEL_TYPE, claim.id, claim.judge, claim.child, seats, lent, claim.opening, claim.until, condition,
            )  # fmt: skip
    return keccak(words(members))


def balances_salt(secret: bytes, version: Version) -> Hash:
    """Return the salt of a version's balances, from the secret the participants share."""
    return keccak(b"balances" + secret + word(version))


def leaf_salt(secret: bytes, claim: ClaimId) -> Hash:
    """Return the salt of a claim's leaf. It stays with the claim, so unchanged leaves need no hashing."""
    return keccak(b"leaf" + secret + word(claim))


@lru_cache(maxsize=LEAVES_KEPT)
def leaf(claim: Claim, secret: bytes) -> Hash:
    """Return the Merkle leaf of a claim. Remembered: from one state to the next hardly any claim changes."""
    return keccak(b"\x00" + claim_hash(claim) + leaf_salt(secret, claim.id))


def merkle_root(leaves: tuple[Hash, ...]) -> Hash:
    """Return the root: neighbours are hashed in pairs, an odd last node moves up unchanged. No leaves: zero."""
    if not leaves:
        return ZERO_HASH
    row: list[Hash] = list(leaves)
    while len(row) > 1:
        above = [keccak(b"\x01" + row[i] + row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = [*above, row[-1]] if len(row) % 2 else above
    return row[0]


def merkle_range(leaves: tuple[Hash, ...], start: int, stop: int) -> tuple[Hash, ...]:
    """Return the proof that `leaves[start:stop]` (not empty) stand there: the neighbours a verifier lacks.

    Row by row from the leaves up, in each row the left one before the right one.
    """
    proof: list[Hash] = []
    row = leaves
    while len(row) > 1:
        if start % 2:
            proof.append(row[start - 1])
        if stop % 2 and stop < len(row):
            proof.append(row[stop])
        pairs = [keccak(b"\x01" + row[i] + row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = (*pairs, row[-1]) if len(row) % 2 else tuple(pairs)
        start, stop = start >> 1, (stop + 1) >> 1
    return tuple(proof)


def claims_root(leaves: tuple[Hash, ...], mark_time: UnixSeconds) -> Hash:
    """Return what the state commits to: count, mark time and root; zero where there are no claims."""
    if not leaves:
        return NO_CLAIMS
    return keccak(b"\x02" + words((len(leaves), mark_time, merkle_root(leaves))))
