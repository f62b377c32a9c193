# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Subchannels
@license Apache-2.0
@notice Judges child channels: channels without deposits, backed by claims in parent channels that lend them money. A
        child's outcome is fixed here once, and every parent mirrors it. This contract holds no money.

        A child's terms have no payouts, and their nonce binds how it begins, who lends to it and how long it lasts:

            until (64 bits) | hash of the opening: amounts, the parents' ids and a salt (192)

        Its totals are the opening amounts, and version 0 is implicit: everybody has what he began with. Its words are
        those of ledger.vy; a child that was never disputed is nowhere on the chain.
@dev Who may start a child's dispute: whoever knows its opening, whose salt only its parties and lenders do, once one
     of the parents it names is in dispute or `until` has passed, and no later than a month after `until`: from then
     on every parent counts a child that is not in dispute as repaid, so no two parents ever see different outcomes.
     Nothing here locks a parent for ever: a child whose claims nobody can resolve is called off after three months, one
     whose balances nobody shows after a year, and then everybody has what he began with.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IChildren
import IJudge
import claims
import eip712
import ledger
import messages
import refusals
import shares
import signatures


# -- module state ------------------------------------------------------------------------------------------------------

implements: IJudge
implements: IChildren

initializes: ledger
initializes: eip712

exports: (ledger.funding, ledger.dispute)
exports: eip712.eip712Domain


# -- constants ---------------------------------------------------------------------------------------------------------

PARENTS_MAX: constant(uint256) = 16

_NOBODY: constant(uint256) = 255  # challenges a child: there is no exit spread
_OPENING_MASK: constant(uint256) = (1 << 192) - 1
_TIME_MAX: constant(uint256) = (1 << 32) - 1
_STUCK_S: constant(uint256) = 90 * 86400  # after which a child with claims may be called off
_HIDDEN_S: constant(uint256) = 365 * 86400  # the same for a state without claims: only its people can settle it
_PERIOD_MAX_S: constant(uint32) = 30 * 86400  # of a challenge: parents wait that long

_DISPUTED: constant(uint256) = 1
_DECIDED: constant(uint256) = 2


# -- immutables --------------------------------------------------------------------------------------------------------

# @dev Keeps the parents' disputes.
ADJUDICATOR: public(immutable(address))

# @dev What claims come to is its word alone; see Resolver.vy.
RESOLVER: public(immutable(address))


# -- storage -----------------------------------------------------------------------------------------------------------

# @dev Child to asset to pair of seats to what they have in the end: the even one's in the high half.
_shares: HashMap[bytes32, HashMap[address, HashMap[uint256, uint256]]]


# -- events ------------------------------------------------------------------------------------------------------------

event Challenged:
    channel: indexed(bytes32)
    version: uint40
    balances_hash: bytes32
    claims_root: bytes32
    deadline: uint256
    amounts: DynArray[uint256, messages.CELLS_MAX]

event Responded:
    channel: indexed(bytes32)
    version: uint40
    balances_hash: bytes32
    claims_root: bytes32

event Resumed:
    channel: indexed(bytes32)
    version: uint40

event Progressed:
    channel: indexed(bytes32)
    progress: shares.Progress

event Decided:
    channel: indexed(bytes32)
    amounts: DynArray[uint256, messages.CELLS_MAX]


# -- construction ------------------------------------------------------------------------------------------------------

@deploy
def __init__(adjudicator: address, resolver: address):
    """
    @param adjudicator What keeps the parents' disputes.
    @param resolver What says what claims come to.
    """
    eip712.__init__("Thalweg", "1")
    ADJUDICATOR = adjudicator
    RESOLVER = resolver


# -- external: disputes ------------------------------------------------------------------------------------------------

@external
def challenge(
    terms: messages.Terms,
    amounts: DynArray[uint256, messages.CELLS_MAX],
    parents: DynArray[bytes32, PARENTS_MAX],
    salt: bytes32,
    version: uint40,
    balances_hash: bytes32,
    claims_root: bytes32,
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
    parent: uint256,
):
    """
    @notice Start a child's dispute with a state. Version 0, its opening, needs no signatures.
    @param terms The child's terms.
    @param amounts What each cell begins with.
    @param parents The channels that lend to it, as the opening names them.
    @param salt The opening's salt.
    @param version The state's version.
    @param balances_hash Its balances; for version 0 those of empty holdings and no salt.
    @param claims_root Its claims.
    @param signed Every participant's signature over it; none for version 0.
    @param parent Index of a parent in dispute; not looked at once `until` has passed.
    """
    self._check_terms(terms, amounts, parents, salt)
    child: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = ledger.funding[child]
    refusals._unless_phase(word < ledger.DISPUTED)
    refusals._unless_newer(convert(version, uint256) >= ledger._floor(word))
    until: uint256 = terms.nonce >> 192
    refusals._after(until + claims.CHILD_GRACE_S)
    if block.timestamp <= until:
        refusals._unless_well_formed(parent < len(parents))
        refusals._unless_phase(staticcall IJudge(ADJUDICATOR).dispute(parents[parent]) != 0)
    if version == 0:
        refusals._unless_hash(
            balances_hash == messages._no_balances(len(amounts)) and claims_root == empty(bytes32)
        )
    else:
        self._check_state(child, version, balances_hash, claims_root, terms.participants, signed)
    totals: DynArray[uint256, messages.CELLS_MAX] = []
    for amount: uint256 in amounts:
        refusals._unless_in_range(amount)
        totals.append(amount << 128)
    deadline: uint256 = min(block.timestamp + convert(terms.challenge_period, uint256), _TIME_MAX)
    lowest: uint256 = word & ~(ledger.STATUS_MASK | ledger.TOTALS_MASK)
    ledger.funding[child] = ledger.DISPUTED | lowest | ledger._totals_hash(totals)
    ledger.dispute[child] = (
        (deadline << 224)
        | (convert(version, uint256) << 184)
        | (_NOBODY << 176)
        | ledger._fingerprint(self._payees(terms), balances_hash, claims_root, empty(bytes32))
    )
    log Challenged(
        channel=child,
        version=version,
        balances_hash=balances_hash,
        claims_root=claims_root,
        deadline=deadline,
        amounts=amounts,
    )


@external
def respond(
    terms: messages.Terms,
    version: uint40,
    balances_hash: bytes32,
    claims_root: bytes32,
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
):
    """
    @notice Answer a dispute with a newer state, before its deadline, which does not move. Anybody may.
    @param terms The child's terms.
    @param version The state's version, greater than the one shown.
    @param balances_hash Its balances.
    @param claims_root Its claims.
    @param signed Every participant's signature over it.
    """
    child: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = ledger.dispute[child]
    refusals._unless_phase(word != 0)
    refusals._after((word >> 224) - 1)
    refusals._unless_newer(convert(version, uint256) > ledger._version(word))
    self._check_state(child, version, balances_hash, claims_root, terms.participants, signed)
    ledger.dispute[child] = (
        (word >> 224 << 224)
        | (convert(version, uint256) << 184)
        | (word & (255 << 176))
        | ledger._fingerprint(self._payees(terms), balances_hash, claims_root, empty(bytes32))
    )
    log Responded(channel=child, version=version, balances_hash=balances_hash, claims_root=claims_root)


@external
def resume(
    terms: messages.Terms, version: uint40, signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX]
):
    """
    @notice Call off a child's dispute together: it goes on as if it had never been disputed, but for the floor.
    @dev Lenders then wait for another dispute, or until every parent counts the child as repaid.
    @param terms The child's terms.
    @param version The lowest version that may be shown from now on, above the one shown.
    @param signed Every participant's signature over Resume, which names the dispute by its deadline.
    """
    child: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = ledger.dispute[child]
    refusals._unless_phase(word != 0)
    refusals._unless_newer(convert(version, uint256) > ledger._version(word))
    digest: bytes32 = eip712._digest(messages._resume(child, version, convert(word >> 224, uint64)))
    self._check_signed(digest, terms.participants, signed)
    ledger.funding[child] = ledger._open_word(version, ledger.funding[child] & ledger.TOTALS_MASK)
    ledger.dispute[child] = 0
    log Resumed(channel=child, version=version)


# -- external: outcomes ------------------------------------------------------------------------------------------------

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
    """
    @notice From the deadline on: go on with a child's settlement and, with its last claim, decide it. Only the resolver
            says so; see Resolver.vy. Nothing is paid before the end, so the totals stay as they are.
    @param channel The child.
    @param payees Its assets and rules.
    @param totals Its totals.
    @param due What every cell has, once no claim is left.
    @param progress How far the settlement has walked.
    @param fingerprint That of the dispute as it is.
    @param next That of the dispute as it will be; zero where no claim is left.
    """
    refusals._unless_signed(msg.sender == RESOLVER)
    ledger._funded(channel, totals, ledger.DISPUTED)
    dispute: uint256 = ledger._ended(channel, fingerprint)
    if next == 0:
        self._decide(channel, payees.assets, due)
    else:
        ledger.dispute[channel] = (dispute & ~ledger.FINGERPRINT_MASK) | next
        log Progressed(channel=channel, progress=progress)


@external
def close(
    terms: messages.Terms,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    salt: bytes32,
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
):
    """
    @notice Decide a child in dispute at once, by a final state (the greatest version, no claims).
    @param terms The child's terms.
    @param totals Its totals.
    @param holdings The final state's holdings.
    @param salt The salt of its balances.
    @param signed Every participant's signature over it.
    """
    child: bytes32 = eip712._digest(messages._terms(terms))
    ledger._funded(child, totals, ledger.DISPUTED)
    balances_hash: bytes32 = messages._balances(holdings, salt)
    self._check_state(child, ledger.VERSION_FINAL, balances_hash, empty(bytes32), terms.participants, signed)
    self._decide(child, terms.assets, shares._due(len(terms.assets), totals, holdings, [], True))


@external
def call_off(
    child: bytes32,
    payees: messages.Payees,
    totals: DynArray[uint256, messages.CELLS_MAX],
    balances_hash: bytes32,
    claims_root: bytes32,
    walked: bytes32,
):
    """
    @notice Decide a child that nobody settled for three months after its deadline and its `until`: everybody has what
            he began with. A state without claims can be settled at once by whoever knows its balances, which its lenders
            may not; it takes a year.
    @param child The child.
    @param payees Its assets and rules.
    @param totals Its totals.
    @param balances_hash The disputed state's balances.
    @param claims_root Its claims.
    @param walked The hash of the settlement's progress; zero where no claim was resolved.
    """
    ledger._funded(child, totals, ledger.DISPUTED)
    fingerprint: uint256 = ledger._fingerprint(messages._payees(payees), balances_hash, claims_root, walked)
    deadline: uint256 = ledger._ended(child, fingerprint) >> 224
    patience: uint256 = _STUCK_S if claims_root != empty(bytes32) else _HIDDEN_S
    assert block.timestamp > max(deadline, messages._until(payees.rules)) + patience, "adjudicator: not yet"
    amounts: DynArray[uint256, messages.CELLS_MAX] = []
    for total: uint256 in totals:
        amounts.append(total >> 128)
    self._decide(child, payees.assets, amounts)


@external
@view
def share(child: bytes32, asset: address, seat: uint256) -> (uint256, uint256):
    """
    @notice Return where a child is (0 not disputed, 1 in dispute, 2 decided), and what a seat has of an asset.
    @param child The child.
    @param asset The asset.
    @param seat The seat in the child.
    """
    word: uint256 = ledger.funding[child]
    if word < ledger.DISPUTED:
        return (0, 0)
    if word & ledger.STATUS_MASK != ledger.CLOSED:
        return (_DISPUTED, 0)
    pair: uint256 = self._shares[child][asset][seat // 2]
    return (_DECIDED, pair >> 128 if seat % 2 == 0 else pair & messages.LOW_HALF)


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _check_terms(
    terms: messages.Terms,
    amounts: DynArray[uint256, messages.CELLS_MAX],
    parents: DynArray[bytes32, PARENTS_MAX],
    salt: bytes32,
):
    """
    @notice Refuse terms that no child can have, or that make parents wait for years, and an opening that is not theirs.
    """
    seats: uint256 = len(terms.participants)
    assets: uint256 = len(terms.assets)
    is_sound: bool = seats >= 2 and len(terms.payouts) == 0 and convert(terms.settlement, uint256) < assets
    for i: uint256 in range(seats, bound=messages.PARTICIPANTS_MAX):
        for j: uint256 in range(i, bound=messages.PARTICIPANTS_MAX):
            is_sound = is_sound and terms.participants[i] != terms.participants[j]
    for i: uint256 in range(assets, bound=messages.ASSETS_MAX):
        for j: uint256 in range(i, bound=messages.ASSETS_MAX):
            is_sound = is_sound and terms.assets[i] != terms.assets[j]
    close_out: uint256 = convert(terms.close_out, uint256)
    is_sound = is_sound and (close_out == 0 or (close_out == messages.MARK and seats == 2))
    is_sound = is_sound and terms.challenge_period <= _PERIOD_MAX_S
    is_sound = is_sound and terms.nonce >> 192 <= block.timestamp + claims.CHILD_LIFE_MAX_S
    refusals._unless_well_formed(is_sound and len(amounts) == seats * assets and terms.nonce >> 192 != 0)
    opening: bytes32 = keccak256(abi_encode(amounts, parents, salt))
    refusals._unless_hash(terms.nonce & _OPENING_MASK == convert(opening, uint256) & _OPENING_MASK)


@internal
@view
def _check_signed(
    digest: bytes32,
    signers: DynArray[address, messages.PARTICIPANTS_MAX],
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
):
    """
    @notice Every signer, in order.
    """
    is_signed: bool = len(signed) == len(signers)
    for i: uint256 in range(len(signers), bound=messages.PARTICIPANTS_MAX):
        is_signed = is_signed and signatures._signed_by(digest, signed[i], signers[i])
    refusals._unless_signed(is_signed)


@internal
@view
def _check_state(
    child: bytes32,
    version: uint40,
    balances_hash: bytes32,
    claims_root: bytes32,
    participants: DynArray[address, messages.PARTICIPANTS_MAX],
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
):
    digest: bytes32 = eip712._digest(messages._state(child, version, balances_hash, claims_root))
    self._check_signed(digest, participants, signed)


@internal
@pure
def _payees(terms: messages.Terms) -> bytes32:
    """
    @notice Return the hash of what a settlement needs of the terms: nobody is paid, and the child ends at `until`.
    """
    rules: uint256 = messages._rules(terms) | ((terms.nonce >> 192) << 80)
    return messages._payees(messages.Payees(payouts=[], assets=terms.assets, rules=rules))


@internal
def _decide(
    child: bytes32, assets: DynArray[address, messages.ASSETS_MAX], amounts: DynArray[uint256, messages.CELLS_MAX]
):
    """
    @notice Fix a child's outcome, and close its id for ever.
    """
    ledger._close(child, True)
    log Decided(channel=child, amounts=amounts)
    width: uint256 = len(assets)
    seats: uint256 = len(amounts) // width
    for asset: uint256 in range(width, bound=messages.ASSETS_MAX):
        for pair: uint256 in range((seats + 1) // 2, bound=messages.PARTICIPANTS_MAX // 2):
            word: uint256 = amounts[2 * pair * width + asset] << 128
            if 2 * pair + 1 < seats:
                word |= amounts[(2 * pair + 1) * width + asset]
            self._shares[child][assets[asset]][pair] = word
