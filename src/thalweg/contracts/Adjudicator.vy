# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Adjudicator
@license Apache-2.0
@notice Holds the money of all channels and judges their disputes. No owner, no pause, no upgrade.

        A channel is two words, which ledger.vy describes. Totals and states travel as calldata. Amounts lie in cells,
        participant by participant, asset by asset, and two share a word: `totals` are everything ever deposited (high
        half) and paid out (low half) in each cell.

        `challenge` and `respond` need no preimage of what is stored, only a greater version, so nobody can block an
        answer. While a dispute stands, only its settlement moves `funding`.
@dev Every function verifies, then writes, then calls out. Those that measure what arrives share a lock, so that
     nothing is counted as having arrived twice.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IJudge
import cells
import eip712
import ledger
import messages
import payments
import refusals
import shares
import signatures
import tokens


# -- module state ------------------------------------------------------------------------------------------------------

implements: IJudge

initializes: ledger
initializes: payments
initializes: eip712

exports: (ledger.funding, ledger.dispute)
exports: (payments.claimable, payments.collect)
exports: eip712.eip712Domain


# -- constants ---------------------------------------------------------------------------------------------------------

_NO_CLAIMS: constant(bytes32) = empty(bytes32)
_TIME_MAX: constant(uint256) = (1 << 32) - 1


# -- immutables --------------------------------------------------------------------------------------------------------

# @dev What claims come to is its word alone; see Resolver.vy.
RESOLVER: public(immutable(address))


# -- events ------------------------------------------------------------------------------------------------------------

event Opened:
    channel: indexed(bytes32)
    amounts: DynArray[uint256, messages.CELLS_MAX]

event Deposited:
    channel: indexed(bytes32)
    cell: uint256
    amount: uint256

event Withdrawn:
    channel: indexed(bytes32)
    version: uint40
    paid: DynArray[uint256, messages.CELLS_MAX]

event Challenged:
    channel: indexed(bytes32)
    version: uint40
    balances_hash: bytes32
    claims_root: bytes32
    challenger: uint8
    deadline: uint256

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
    paid: DynArray[uint256, messages.CELLS_MAX]
    progress: shares.Progress


# -- construction ------------------------------------------------------------------------------------------------------

@deploy
def __init__(resolver: address):
    """
    @param resolver What says what claims come to.
    """
    eip712.__init__("Thalweg", "1")
    RESOLVER = resolver


# -- external: opening and funding -------------------------------------------------------------------------------------

@external
@payable
@nonreentrant
def open(
    terms: messages.Terms,
    amounts: DynArray[uint256, messages.CELLS_MAX],
    payers: DynArray[address, messages.PARTICIPANTS_MAX],
    deadline: uint64,
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
    pulls: DynArray[tokens.Pull, messages.CELLS_MAX],
):
    """
    @notice Open a channel and fund all of it.
    @param terms The channel's terms; their digest is its id, which must never have been used. Their nonce names the
           payers, so a stranger who sees this call cannot use the id up with an opening of his own.
    @param amounts What each cell is funded with. Native coin comes with the call.
    @param payers Who pays for each participant.
    @param deadline The last second at which this may happen.
    @param signed Each payer's signature over Open; a contract that pays may have agreed by EIP-1271.
    @param pulls How each cell's tokens may be taken; empty where all gave allowances.
    """
    self._check_terms(terms)
    refusals._unless_well_formed(
        len(payers) == len(terms.participants) and len(amounts) == len(payers) * len(terms.assets)
    )
    payers_hash: bytes32 = messages._addresses(payers)
    refusals._unless_hash(messages._names_payers(terms.nonce, payers_hash))
    refusals._after(convert(deadline, uint256))
    channel: bytes32 = eip712._digest(messages._terms(terms))
    refusals._unless_phase(ledger.funding[channel] == 0)
    digest: bytes32 = eip712._digest(messages._open(channel, messages._cells(amounts), payers_hash, deadline))
    is_agreed: bool = len(signed) == len(payers)
    for seat: uint256 in range(len(payers), bound=messages.PARTICIPANTS_MAX):
        is_agreed = is_agreed and signatures._agreed_by(digest, signed[seat], payers[seat])
    refusals._unless_signed(is_agreed)
    totals: DynArray[uint256, messages.CELLS_MAX] = []
    for amount: uint256 in amounts:
        totals.append(amount << 128)
    log Opened(channel=channel, amounts=amounts)
    coin: uint256 = 0
    assets: uint256 = len(terms.assets)
    for asset: uint256 in range(assets, bound=messages.ASSETS_MAX):
        total: uint256 = 0
        for seat: uint256 in range(len(payers), bound=messages.PARTICIPANTS_MAX):
            amount: uint256 = amounts[seat * assets + asset]
            refusals._unless_in_range(amount)
            total += amount
        token: address = terms.assets[asset]
        if token == tokens.NATIVE:
            coin = total
            continue
        if total == 0:
            continue
        before: uint256 = tokens._held(token)
        for seat: uint256 in range(len(payers), bound=messages.PARTICIPANTS_MAX):
            cell: uint256 = seat * assets + asset
            if amounts[cell] != 0:
                pull: tokens.Pull = pulls[cell] if len(pulls) != 0 else empty(tokens.Pull)
                tokens._pull(token, payers[seat], amounts[cell], pull, digest)
        refusals._unless_covered(tokens._held(token) >= before + total)
    refusals._unless_covered(msg.value == coin)
    # last: a token that calls back while it is pulled must find no channel to be paid from
    ledger.funding[channel] = ledger.OPEN | ledger._totals_hash(totals)


@external
@payable
@nonreentrant
def open_pair(
    terms: messages.Pair,
    amounts: uint256[2],
    payers: address[2],
    deadline: uint64,
    signed: signatures.Signature[2],
    pulls: tokens.Pull[2],
):
    """
    @notice Open a channel of two with one asset: what `open` does, for less gas.
    @param terms The channel's terms.
    @param amounts What each is funded with. Native coin comes with the call.
    @param payers Who pays for each participant.
    @param deadline The last second at which this may happen.
    @param signed Each payer's signature over Open; a contract that pays may have agreed by EIP-1271.
    @param pulls How each one's tokens may be taken; of kind 0 where he gave an allowance.
    """
    refusals._unless_well_formed(
        terms.participants[0] != terms.participants[1]
        and terms.payouts[0] != empty(address)
        and terms.payouts[1] != empty(address)
        and convert(terms.close_out, uint256) <= messages.MARK
        and terms.exit_spread < messages.EXIT_SPREAD_MAX
    )
    payers_hash: bytes32 = keccak256(abi_encode(payers))
    refusals._unless_hash(messages._names_payers(terms.nonce, payers_hash))
    refusals._after(convert(deadline, uint256))
    channel: bytes32 = eip712._digest(messages._pair(terms))
    refusals._unless_phase(ledger.funding[channel] == 0)
    digest: bytes32 = eip712._digest(
        messages._open(channel, keccak256(abi_encode(amounts)), payers_hash, deadline)
    )
    refusals._unless_signed(
        signatures._agreed_by(digest, signed[0], payers[0]) and signatures._agreed_by(digest, signed[1], payers[1])
    )
    log Opened(channel=channel, amounts=[amounts[0], amounts[1]])
    refusals._unless_in_range(amounts[0])
    refusals._unless_in_range(amounts[1])
    total: uint256 = amounts[0] + amounts[1]
    is_coin: bool = terms.asset == tokens.NATIVE
    if not is_coin and total != 0:
        before: uint256 = tokens._held(terms.asset)
        for seat: uint256 in range(2):
            if amounts[seat] != 0:
                tokens._pull(terms.asset, payers[seat], amounts[seat], pulls[seat], digest)
        refusals._unless_covered(tokens._held(terms.asset) >= before + total)
    refusals._unless_covered(msg.value == (total if is_coin else 0))
    # last: a token that calls back while it is pulled must find no channel to be paid from
    ledger.funding[channel] = ledger.OPEN | ledger._pair_hash([amounts[0] << 128, amounts[1] << 128])


@external
@payable
@nonreentrant
def deposit(
    terms: messages.Terms,
    totals: DynArray[uint256, messages.CELLS_MAX],
    participant: uint8,
    asset: uint8,
    amount: uint256,
    deadline: uint64,
    signature: signatures.Signature,
    pull: tokens.Pull,
):
    """
    @notice Add to a participant's deposit, out of the sender's wallet, with the participant's consent.
    @dev Consent keeps strangers from moving the totals; the participant's own payout address needs none but its
         sending.
    @param terms The channel's terms.
    @param totals The channel's totals.
    @param participant Whose deposit.
    @param asset Index of the asset.
    @param amount How much. Native coin comes with the call.
    @param deadline The last second at which this may happen.
    @param signature The participant's signature over Deposit, which names the new total; ignored from his payout
           address.
    @param pull How the sender's tokens may be taken.
    """
    refusals._after(convert(deadline, uint256))
    channel: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = ledger._funded(channel, totals, ledger.OPEN)
    assets: uint256 = len(terms.assets)
    cell: uint256 = convert(participant, uint256) * assets + convert(asset, uint256)
    refusals._unless_well_formed(convert(asset, uint256) < assets and cell < len(totals))
    total: uint256 = (totals[cell] >> 128) + amount
    refusals._unless_in_range(total)
    digest: bytes32 = eip712._digest(messages._deposit(channel, participant, asset, total, deadline))
    if msg.sender != terms.payouts[participant]:
        refusals._unless_signed(signatures._signed_by(digest, signature, terms.participants[participant]))
    grown: DynArray[uint256, messages.CELLS_MAX] = totals
    grown[cell] += amount << 128
    ledger.funding[channel] = (word & ~ledger.TOTALS_MASK) | ledger._totals_hash(grown)
    log Deposited(channel=channel, cell=cell, amount=amount)
    token: address = terms.assets[asset]
    if token == tokens.NATIVE:
        refusals._unless_covered(msg.value == amount)
    else:
        before: uint256 = tokens._held(token)
        tokens._pull(token, msg.sender, amount, pull, digest)
        refusals._unless_covered(msg.value == 0 and tokens._held(token) >= before + amount)


# -- external: co-signed payouts ---------------------------------------------------------------------------------------

@external
def withdraw(
    terms: messages.Terms,
    totals: DynArray[uint256, messages.CELLS_MAX],
    version: uint40,
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    salt: bytes32,
    claims_root: bytes32,
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
):
    """
    @notice Pay what an agreed state says has been withdrawn and has not been paid; the channel goes on.
    @dev The floor stays where it is. Raising it would let the last to sign a state, who alone holds it, take from the
         others the only states they can show; and the totals already make older states harmless.
    @param terms The channel's terms.
    @param totals The channel's totals.
    @param version The state's version.
    @param holdings The state's holdings.
    @param salt The salt of its balances.
    @param claims_root Its claims.
    @param signed Every participant's signature over the state.
    """
    channel: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = ledger._funded(channel, totals, ledger.OPEN)
    refusals._unless_newer(convert(version, uint256) >= ledger._floor(word))
    self._check_state(channel, version, messages._balances(holdings, salt), claims_root, terms.participants, signed)
    due: DynArray[uint256, messages.CELLS_MAX] = cells._withdrawal(len(terms.assets), totals, holdings)
    ledger.funding[channel] = (word & ~ledger.TOTALS_MASK) | ledger._totals_hash(ledger._sum(totals, due))
    log Withdrawn(channel=channel, version=version, paid=due)
    payments._pay_out(terms.payouts, terms.assets, due)


@external
def close(
    terms: messages.Terms,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    salt: bytes32,
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
):
    """
    @notice Pay everyone by a final state (the greatest version, no claims) and close the id for ever. A dispute does
            not stand in its way.
    @param terms The channel's terms.
    @param totals The channel's totals.
    @param holdings The final state's holdings.
    @param salt The salt of its balances.
    @param signed Every participant's signature over it.
    """
    channel: bytes32 = eip712._digest(messages._terms(terms))
    is_disputed: bool = ledger.funding[channel] & ledger.STATUS_MASK == ledger.DISPUTED
    ledger._funded(channel, totals, ledger.DISPUTED if is_disputed else ledger.OPEN)
    self._check_state(
        channel, ledger.VERSION_FINAL, messages._balances(holdings, salt), _NO_CLAIMS, terms.participants, signed
    )
    ledger._close(channel, is_disputed)
    payments._pay_whole(terms.payouts, terms.assets, totals, holdings)


@external
def close_pair(
    terms: messages.Pair,
    totals: uint256[2],
    holdings: messages.Holding[2],
    salt: bytes32,
    signed: signatures.Signature[2],
):
    """
    @notice Close a channel of two with one asset: what `close` does, for less gas.
    @param terms The channel's terms.
    @param totals The channel's totals.
    @param holdings The final state's holdings.
    @param salt The salt of its balances.
    @param signed Both signatures over it.
    """
    channel: bytes32 = eip712._digest(messages._pair(terms))
    word: uint256 = ledger._pair_funded(channel, totals)
    balances_hash: bytes32 = messages._pair_balances(holdings[0], holdings[1], salt)
    digest: bytes32 = eip712._digest(messages._state(channel, ledger.VERSION_FINAL, balances_hash, _NO_CLAIMS))
    refusals._unless_signed(
        signatures._signed_by(digest, signed[0], terms.participants[0])
        and signatures._signed_by(digest, signed[1], terms.participants[1])
    )
    ledger._close(channel, word >= ledger.DISPUTED)
    payments._pay_pair(terms.asset, terms.payouts, totals, holdings)


# -- external: disputes ------------------------------------------------------------------------------------------------

@external
def challenge(
    terms: messages.Terms,
    version: uint40,
    balances_hash: bytes32,
    claims_root: bytes32,
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
    challenger: uint8,
    valid_until: uint64,
    signature: signatures.Signature,
):
    """
    @notice Start a dispute with a state. Version 0, in which everyone has what he deposited, needs no signatures.
    @param terms The channel's terms.
    @param version The state's version.
    @param balances_hash Its balances; for version 0 those of empty holdings and no salt.
    @param claims_root Its claims.
    @param signed Every participant's signature over it; none for version 0.
    @param challenger Which participant wants it.
    @param valid_until The last second at which this may happen.
    @param signature The challenger's signature over Challenge.
    """
    channel: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = ledger.funding[channel]
    refusals._unless_phase(word & ledger.STATUS_MASK == ledger.OPEN)
    refusals._after(convert(valid_until, uint256))
    refusals._unless_newer(convert(version, uint256) >= ledger._floor(word))
    digest: bytes32 = eip712._digest(messages._challenge(channel, version, valid_until))
    refusals._unless_signed(
        convert(challenger, uint256) < len(terms.participants)
        and signatures._signed_by(digest, signature, terms.participants[challenger])
    )
    if version == 0:
        size: uint256 = len(terms.participants) * len(terms.assets)
        refusals._unless_hash(balances_hash == messages._no_balances(size) and claims_root == _NO_CLAIMS)
    else:
        self._check_state(channel, version, balances_hash, claims_root, terms.participants, signed)
    deadline: uint256 = min(block.timestamp + convert(terms.challenge_period, uint256), _TIME_MAX)
    ledger.funding[channel] = ledger.DISPUTED | (word & ~ledger.STATUS_MASK)
    ledger.dispute[channel] = (
        (deadline << 224)
        | (convert(version, uint256) << 184)
        | (convert(challenger, uint256) << 176)
        | ledger._fingerprint(self._payees(terms), balances_hash, claims_root, empty(bytes32))
    )
    log Challenged(
        channel=channel,
        version=version,
        balances_hash=balances_hash,
        claims_root=claims_root,
        challenger=challenger,
        deadline=deadline,
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
    @param terms The channel's terms.
    @param version The state's version, greater than the one shown.
    @param balances_hash Its balances.
    @param claims_root Its claims.
    @param signed Every participant's signature over it.
    """
    channel: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = ledger.dispute[channel]
    refusals._unless_phase(word != 0)
    refusals._after((word >> 224) - 1)
    refusals._unless_newer(convert(version, uint256) > ledger._version(word))
    self._check_state(channel, version, balances_hash, claims_root, terms.participants, signed)
    ledger.dispute[channel] = (
        (word >> 224 << 224)
        | (convert(version, uint256) << 184)
        | (word & (255 << 176))
        | ledger._fingerprint(self._payees(terms), balances_hash, claims_root, empty(bytes32))
    )
    log Responded(channel=channel, version=version, balances_hash=balances_hash, claims_root=claims_root)


@external
def resume(
    terms: messages.Terms, version: uint40, signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX]
):
    """
    @notice Call off a dispute together.
    @dev `version` becomes the floor and is above the one shown, so the challenge that started this cannot be sent
         again. Sign this only while holding an agreed state of that version.
    @param terms The channel's terms.
    @param version The lowest version that may be shown from now on.
    @param signed Every participant's signature over Resume, which names the dispute by its deadline.
    """
    channel: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = ledger.dispute[channel]
    refusals._unless_phase(word != 0)
    refusals._unless_newer(convert(version, uint256) > ledger._version(word))
    digest: bytes32 = eip712._digest(messages._resume(channel, version, convert(word >> 224, uint64)))
    self._check_signed(digest, terms.participants, signed)
    ledger.funding[channel] = ledger._open_word(version, ledger.funding[channel] & ledger.TOTALS_MASK)
    ledger.dispute[channel] = 0
    log Resumed(channel=channel, version=version)


# -- external: settlement ----------------------------------------------------------------------------------------------

@external
def settle(
    channel: bytes32,
    payees: messages.Payees,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    salt: bytes32,
):
    """
    @notice From the deadline on: pay everybody by a state without claims, and close the id for ever.
    @param channel The channel's id.
    @param payees Its payouts and assets.
    @param totals Its totals.
    @param holdings The disputed state's holdings.
    @param salt The salt of its balances.
    """
    ledger._funded(channel, totals, ledger.DISPUTED)
    ledger._ended(
        channel,
        ledger._fingerprint(
            messages._payees(payees), messages._balances(holdings, salt), _NO_CLAIMS, empty(bytes32)
        ),
    )
    ledger._close(channel, True)
    payments._pay_whole(payees.payouts, payees.assets, totals, holdings)


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
    @notice From the deadline on: pay what resolved claims have freed. Only the resolver says so; see Resolver.vy.
    @param channel The channel's id.
    @param payees Its payouts, assets and rules.
    @param totals Its totals.
    @param due What every cell is paid.
    @param progress How far the settlement has walked.
    @param fingerprint That of the dispute as it is.
    @param next That of the dispute as it will be; zero where no claim is left, which closes the id for ever.
    """
    refusals._unless_signed(msg.sender == RESOLVER)
    funding: uint256 = ledger._funded(channel, totals, ledger.DISPUTED)
    dispute: uint256 = ledger._ended(channel, fingerprint)
    if next == 0:
        ledger._close(channel, True)
    else:
        ledger.funding[channel] = (funding & ~ledger.TOTALS_MASK) | ledger._totals_hash(ledger._sum(totals, due))
        ledger.dispute[channel] = (dispute & ~ledger.FINGERPRINT_MASK) | next
        log Progressed(channel=channel, paid=due, progress=progress)
    payments._pay_out(payees.payouts, payees.assets, due)


# -- internal --------------------------------------------------------------------------------------------------

@internal
@pure
def _check_terms(terms: messages.Terms):
    """
    @notice Refuse terms that no channel can have.
    """
    seats: uint256 = len(terms.participants)
    assets: uint256 = len(terms.assets)
    is_sound: bool = (
        seats >= 2 and len(terms.payouts) == seats and convert(terms.settlement, uint256) < assets
    )
    for i: uint256 in range(seats, bound=messages.PARTICIPANTS_MAX):
        is_sound = is_sound and terms.payouts[i] != empty(address)
        for j: uint256 in range(i, bound=messages.PARTICIPANTS_MAX):
            is_sound = is_sound and terms.participants[i] != terms.participants[j]
    for i: uint256 in range(assets, bound=messages.ASSETS_MAX):
        for j: uint256 in range(i, bound=messages.ASSETS_MAX):
            is_sound = is_sound and terms.assets[i] != terms.assets[j]
    # the mark is a break clause between two
    close_out: uint256 = convert(terms.close_out, uint256)
    is_sound = is_sound and (close_out == 0 or (close_out == messages.MARK and seats == 2))
    refusals._unless_well_formed(is_sound and terms.exit_spread < messages.EXIT_SPREAD_MAX)


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
    channel: bytes32,
    version: uint40,
    balances_hash: bytes32,
    claims_root: bytes32,
    participants: DynArray[address, messages.PARTICIPANTS_MAX],
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
):
    digest: bytes32 = eip712._digest(messages._state(channel, version, balances_hash, claims_root))
    self._check_signed(digest, participants, signed)


@internal
@pure
def _payees(terms: messages.Terms) -> bytes32:
    return messages._payees(
        messages.Payees(payouts=terms.payouts, assets=terms.assets, rules=messages._rules(terms))
    )
