# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title Adjudicator
@license Apache-2.0
@notice Holds the money of all channels and judges their disputes. No owner, no pause, no upgrade.

        A channel is two words. `funding` is the only one written at opening:

            status (8 bits) | version floor (40) | hash of the totals (208)

        `dispute` is zero except from a challenge to its end:

            deadline (32) | version (40) | challenger (8) | fingerprint of the state and the settlement's progress (176)

        The status says that a channel is open, disputed or closed; 0 is an id that was never used. A closed one stays so.

        Totals and states travel as calldata. Amounts lie in cells, participant by participant, asset by asset, and two
        share a word: `totals` are everything ever deposited (high half) and paid out (low half) in each cell.

        `challenge` and `respond` need no preimage of what is stored, only a greater version, so nobody can block an answer.
        While a dispute stands, only its settlement moves `funding`.
@dev Every function verifies, then writes, then calls out. The two that measure what arrives share a lock, so that nothing
     is counted as having arrived twice.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IResolver
import cells
import claims
import eip712
import messages
import refusals
import shares
import signatures
import tokens


# -- module state ------------------------------------------------------------------------------------------------------

initializes: eip712

exports: eip712.eip712Domain


# -- constants ---------------------------------------------------------------------------------------------------------

VERSION_FINAL: constant(uint40) = max_value(uint40)

_OPEN: constant(uint256) = 1 << 248
_DISPUTED: constant(uint256) = 2 << 248
_CLOSED: constant(uint256) = 3 << 248
_STATUS_MASK: constant(uint256) = 255 << 248
_TOTALS_MASK: constant(uint256) = (1 << 208) - 1
_FINGERPRINT_MASK: constant(uint256) = (1 << 176) - 1
_EXPIRY: constant(uint8) = 0
_NO_CLAIMS: constant(bytes32) = empty(bytes32)
_TIME_MAX: constant(uint256) = (1 << 32) - 1


# -- immutables --------------------------------------------------------------------------------------------------------

# @dev What claims come to is its word; see Resolver.vy.
RESOLVER: public(immutable(IResolver))


# -- storage -----------------------------------------------------------------------------------------------------------

funding: public(HashMap[bytes32, uint256])
dispute: public(HashMap[bytes32, uint256])

# @dev Asset to payee to what a payout that failed left for him.
claimable: public(HashMap[address, HashMap[address, uint256]])


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

event Closed:
    channel: indexed(bytes32)

event Unpaid:
    asset: indexed(address)
    payee: indexed(address)
    amount: uint256

event Collected:
    asset: indexed(address)
    payee: indexed(address)
    amount: uint256
    to: address


# -- construction ------------------------------------------------------------------------------------------------------

@deploy
def __init__(resolver: IResolver):
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
    @param terms The channel's terms; their digest is its id, which must never have been used.
    @param amounts What each cell is funded with. Native coin comes with the call.
    @param payers Who pays for each participant.
    @param deadline The last second at which this may happen.
    @param signed Each payer's signature over Open.
    @param pulls How each cell's tokens may be taken; empty where all gave allowances.
    """
    self._check_terms(terms)
    refusals._unless_well_formed(
        len(payers) == len(terms.participants) and len(amounts) == len(payers) * len(terms.assets)
    )
    refusals._after(convert(deadline, uint256))
    channel: bytes32 = eip712._digest(messages._terms(terms))
    refusals._unless_phase(self.funding[channel] == 0)
    digest: bytes32 = eip712._digest(messages._open(channel, amounts, payers, deadline))
    self._check_signed(digest, payers, signed)
    totals: DynArray[uint256, messages.CELLS_MAX] = []
    for amount: uint256 in amounts:
        totals.append(amount << 128)
    self.funding[channel] = _OPEN | self._totals_hash(totals)
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
    @dev Consent keeps strangers from moving the totals; the participant's own payout address needs none but its sending.
    @param terms The channel's terms.
    @param totals The channel's totals.
    @param participant Whose deposit.
    @param asset Index of the asset.
    @param amount How much. Native coin comes with the call.
    @param deadline The last second at which this may happen.
    @param signature The participant's signature over Deposit, which names the new total; ignored from his payout address.
    @param pull How the sender's tokens may be taken.
    """
    refusals._after(convert(deadline, uint256))
    channel: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = self._funded(channel, totals, _OPEN)
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
    self.funding[channel] = (word & ~_TOTALS_MASK) | self._totals_hash(grown)
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
    @param terms The channel's terms.
    @param totals The channel's totals.
    @param version The state's version: from now on no lower one can be shown.
    @param holdings The state's holdings.
    @param salt The salt of its balances.
    @param claims_root Its claims.
    @param signed Every participant's signature over the state.
    """
    channel: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = self._funded(channel, totals, _OPEN)
    refusals._unless_newer(convert(version, uint256) >= self._floor(word))
    self._check_state(channel, version, messages._balances(holdings, salt), claims_root, terms.participants, signed)
    due: DynArray[uint256, messages.CELLS_MAX] = cells._withdrawal(len(terms.assets), totals, holdings)
    self.funding[channel] = _OPEN | (convert(version, uint256) << 208) | self._totals_hash(self._sum(totals, due))
    log Withdrawn(channel=channel, version=version, paid=due)
    self._pay_out(terms.payouts, terms.assets, due)


@external
def close(
    terms: messages.Terms,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    salt: bytes32,
    signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX],
):
    """
    @notice Pay everyone by a final state (the greatest version, no claims) and close the id for ever. A dispute does not
            stand in its way.
    @param terms The channel's terms.
    @param totals The channel's totals.
    @param holdings The final state's holdings.
    @param salt The salt of its balances.
    @param signed Every participant's signature over it.
    """
    channel: bytes32 = eip712._digest(messages._terms(terms))
    is_disputed: bool = self.funding[channel] & _STATUS_MASK == _DISPUTED
    self._funded(channel, totals, _DISPUTED if is_disputed else _OPEN)
    self._check_state(
        channel, VERSION_FINAL, messages._balances(holdings, salt), _NO_CLAIMS, terms.participants, signed
    )
    self._close(channel, is_disputed)
    self._pay_whole(terms.payouts, terms.assets, totals, holdings)


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
    word: uint256 = self.funding[channel]
    refusals._unless_phase(word & _STATUS_MASK == _OPEN)
    refusals._after(convert(valid_until, uint256))
    refusals._unless_newer(convert(version, uint256) >= self._floor(word))
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
    self.funding[channel] = _DISPUTED | (word & ~_STATUS_MASK)
    self.dispute[channel] = (
        (deadline << 224)
        | (convert(version, uint256) << 184)
        | (convert(challenger, uint256) << 176)
        | self._fingerprint(self._payees(terms), balances_hash, claims_root, empty(bytes32))
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
    word: uint256 = self.dispute[channel]
    refusals._unless_phase(word != 0)
    refusals._after((word >> 224) - 1)
    refusals._unless_newer(convert(version, uint256) > self._version(word))
    self._check_state(channel, version, balances_hash, claims_root, terms.participants, signed)
    self.dispute[channel] = (
        (word >> 224 << 224)
        | (convert(version, uint256) << 184)
        | (word & (255 << 176))
        | self._fingerprint(self._payees(terms), balances_hash, claims_root, empty(bytes32))
    )
    log Responded(channel=channel, version=version, balances_hash=balances_hash, claims_root=claims_root)


@external
def resume(
    terms: messages.Terms, version: uint40, signed: DynArray[signatures.Signature, messages.PARTICIPANTS_MAX]
):
    """
    @notice Call off a dispute together.
    @dev `version` becomes the floor and is above the one shown, so the challenge that started this cannot be sent again.
         Sign this only while holding an agreed state of that version.
    @param terms The channel's terms.
    @param version The lowest version that may be shown from now on.
    @param signed Every participant's signature over Resume, which names the dispute by its deadline.
    """
    channel: bytes32 = eip712._digest(messages._terms(terms))
    word: uint256 = self.dispute[channel]
    refusals._unless_phase(word != 0)
    refusals._unless_newer(convert(version, uint256) > self._version(word))
    digest: bytes32 = eip712._digest(messages._resume(channel, version, convert(word >> 224, uint64)))
    self._check_signed(digest, terms.participants, signed)
    self.funding[channel] = _OPEN | (convert(version, uint256) << 208) | (self.funding[channel] & _TOTALS_MASK)
    self.dispute[channel] = 0
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
    self._funded(channel, totals, _DISPUTED)
    self._ended(
        channel,
        self._fingerprint(
            messages._payees(payees), messages._balances(holdings, salt), _NO_CLAIMS, empty(bytes32)
        ),
    )
    self._close(channel, True)
    self._pay_whole(payees.payouts, payees.assets, totals, holdings)


@external
def resolve(
    channel: bytes32,
    payees: messages.Payees,
    totals: DynArray[uint256, messages.CELLS_MAX],
    holdings: DynArray[messages.Holding, messages.CELLS_MAX],
    salt: bytes32,
    tree: claims.Tree,
    progress: shares.Progress,
    proof: DynArray[bytes32, claims.PROOF_MAX],
    run: DynArray[Bytes[claims.CLAIM_BYTES], claims.RUN_MAX],
):
    """
    @notice From the deadline on: resolve the next claims and pay what no claim can reach any more. With the last one
            everybody is paid and the id is closed for ever.
    @param channel The channel's id.
    @param payees Its payouts and assets.
    @param totals Its totals.
    @param holdings The disputed state's holdings.
    @param salt The salt of its balances.
    @param tree Its claims.
    @param progress How far the settlement has walked.
    @param proof The neighbours of the run in the tree.
    @param run The claims from `progress.cursor` on, as words; none to pay only what is free.
    """
    funding: uint256 = self._funded(channel, totals, _DISPUTED)
    payees_hash: bytes32 = messages._payees(payees)
    balances_hash: bytes32 = messages._balances(holdings, salt)
    claims_root: bytes32 = claims._claims_root(tree)
    dispute: uint256 = self._ended(
        channel, self._fingerprint(payees_hash, balances_hash, claims_root, self._walked(progress))
    )
    walked: shares.Progress = empty(shares.Progress)
    due: DynArray[uint256, messages.CELLS_MAX] = []
    walked, due = staticcall RESOLVER.resolve(
        len(payees.assets), payees.settlement, totals, holdings, tree, progress, proof, run, dispute >> 224
    )
    if walked.cursor == tree.count:
        self._close(channel, True)
    else:
        self.funding[channel] = (funding & ~_TOTALS_MASK) | self._totals_hash(self._sum(totals, due))
        self.dispute[channel] = (dispute & ~_FINGERPRINT_MASK) | self._fingerprint(
            payees_hash, balances_hash, claims_root, self._walked(walked)
        )
        log Progressed(channel=channel, paid=due, progress=walked)
    self._pay_out(payees.payouts, payees.assets, due)


@external
def collect(asset: address, to: address):
    """
    @notice Pay the sender, at an address of his choice, what failed payouts left for him.
    @param asset The token; zero for the native coin.
    @param to Where it goes.
    """
    amount: uint256 = self.claimable[asset][msg.sender]
    refusals._unless_covered(amount != 0)
    self.claimable[asset][msg.sender] = 0
    log Collected(asset=asset, payee=msg.sender, amount=amount, to=to)
    assert tokens._send(asset, to, amount), "adjudicator: payout failed"


# -- internal: words ---------------------------------------------------------------------------------------------------

@internal
@pure
def _totals_hash(totals: DynArray[uint256, messages.CELLS_MAX]) -> uint256:
    return convert(keccak256(abi_encode(totals)), uint256) & _TOTALS_MASK


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
    return convert(keccak256(abi_encode(payees, balances_hash, claims_root, walked)), uint256) & _FINGERPRINT_MASK


@internal
@pure
def _payees(terms: messages.Terms) -> bytes32:
    return messages._payees(
        messages.Payees(payouts=terms.payouts, assets=terms.assets, settlement=terms.settlement)
    )


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
    refusals._unless_phase(word & _STATUS_MASK == status)
    refusals._unless_hash(word & _TOTALS_MASK == convert(keccak256(abi_encode(totals)), uint256) & _TOTALS_MASK)
    return word


@internal
@view
def _ended(channel: bytes32, fingerprint: uint256) -> uint256:
    """
    @notice Return the word of a dispute that is over and has come to this.
    """
    word: uint256 = self.dispute[channel]
    assert block.timestamp >= word >> 224, "adjudicator: not yet"
    refusals._unless_hash(word & _FINGERPRINT_MASK == fingerprint)
    return word


# -- internal: checks --------------------------------------------------------------------------------------------------

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
    refusals._unless_well_formed(is_sound)
    assert terms.close_out == _EXPIRY, "adjudicator: unknown feature"


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


# -- internal: money ---------------------------------------------------------------------------------------------------

@internal
def _close(channel: bytes32, is_disputed: bool):
    """
    @notice Close an id for ever.
    """
    self.funding[channel] = _CLOSED
    if is_disputed:
        self.dispute[channel] = 0
    log Closed(channel=channel)


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
