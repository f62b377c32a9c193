# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title What claims come to
@license Apache-2.0
@notice Escrowed claims credit seats in full; margined ones move a signed amount between two seats. A claim that cannot
        be told yet reverts with the reason, so that a shorter run can go through without it.

        A physical position is escrowed on both sides: who pays the strike has put it up, who delivers the goods, too.
@dev Indices out of range cannot be agreed to by an honest node; here they move nothing, so that they lock nothing.
"""


# -- imports -----------------------------------------------------------------------------------------------------------

import IPricer
import claims
import messages
import payoffs
import preimages
import quotes


# -- module state ------------------------------------------------------------------------------------------------------

uses: preimages


# -- constants ---------------------------------------------------------------------------------------------------------

NOBODY: constant(uint256) = 255
CREDITS_MAX: constant(uint256) = 28  # of a subchannel: words enough for more participants and assets there are not
_AMOUNT_MAX: constant(uint256) = 2**128 - 1
_SPREAD_SCALE: constant(int256) = 10**8
_WORTH_MAX: constant(uint256) = 2**127 - 1
_PAYOFF_SHIFTED: constant(uint256) = 10**16 << 64
_CHILD_GAS: constant(uint256) = 50_000
_DECIDED: constant(uint256) = 2


# -- structs -----------------------------------------------------------------------------------------------------------

# The channel whose claims are resolved, and how: by which prices, and who pays what for having asked for the mark.
struct Court:
    pricer: address
    is_child: bool
    assets: DynArray[address, messages.ASSETS_MAX]
    settlement: uint256
    occasion: quotes.Occasion
    challenger: uint256
    exit_spread: uint256


# What a cell gets out of escrow.
struct Credit:
    cell: uint256
    amount: uint256


# The words of a position that say what it comes to.
struct Terms:
    long: uint256
    short: uint256
    quantity: uint256
    payoff: uint256
    style: uint256
    deliver: uint256
    unit: uint256
    knots: DynArray[uint256, claims.KNOTS_MAX]


# -- internal ----------------------------------------------------------------------------------------------------------

@internal
@view
def _is_met(claim: Bytes[claims.CLAIM_BYTES]) -> bool:
    """
    @notice Say whether a position's condition is met; one without hashes is.
    """
    hashes_at: uint256 = 16 + extract32(claim, 32 * 15, output_type=uint256)
    if len(claim) == 32 * hashes_at:
        return True
    return preimages._is_met(claims._hashes(claim, hashes_at), extract32(claim, 32 * 13, output_type=uint256))


@internal
@view
def _gain(claim: Bytes[claims.CLAIM_BYTES], court: Court, quote: quotes.Quote) -> int256:
    """
    @notice Return what a position that settles in money moves from short to long.
    """
    is_vanilla: bool = extract32(claim, 32 * 5, output_type=uint256) <= payoffs.PUT
    if is_vanilla and quote.kind == quotes.PRICE and extract32(claim, 32 * 6, output_type=uint256) == payoffs.LINEAR:
        if extract32(claim, 32 * 15, output_type=uint256) != 1:
            return 0
        return payoffs._vanilla(
            extract32(claim, 32 * 5, output_type=uint256) == payoffs.CALL,
            extract32(claim, 32 * 4, output_type=uint256),
            extract32(claim, 32 * 11, output_type=uint256),
            extract32(claim, 32 * 16, output_type=uint256),
            quote.price,
        )
    terms: Terms = self._terms(claim)
    if terms.style == payoffs.PHYSICAL or quote.kind == quotes.NOTHING:
        return 0
    if quote.kind == quotes.PRICE:
        return payoffs._amount(terms.payoff, terms.style, terms.quantity, terms.unit, terms.knots, quote.price)
    amount: int256 = staticcall IPricer(court.pricer).worth(
        terms.payoff, terms.style, terms.quantity, terms.unit, terms.knots, quote.smile
    )
    return self._left(amount, court, terms)


@internal
@view
def _credits(
    claim: Bytes[claims.CLAIM_BYTES], court: Court, quote: quotes.Quote
) -> DynArray[Credit, CREDITS_MAX]:
    """
    @notice Return what of a claim's escrow goes where. A premium is escrowed by the side that owes it: paid over where
            the condition is met, else paid back.
    @param quote What prices it, where it is a position that stands.
    """
    kind: uint256 = extract32(claim, 0, output_type=uint256)
    credits: DynArray[Credit, CREDITS_MAX] = []
    if kind == claims.SUBCHANNEL:
        return self._subchannel(claim, court)
    if kind == claims.HASH_LOCK:
        is_met: bool = preimages._is_met(claims._hashes(claim, 8), extract32(claim, 32 * 6, output_type=uint256))
        seat: uint256 = extract32(claim, 32 * (3 if is_met else 2), output_type=uint256)
        asset: uint256 = extract32(claim, 32 * 4, output_type=uint256)
        credits.append(self._credit(court, seat, asset, extract32(claim, 32 * 5, output_type=uint256)))
        return credits
    terms: Terms = self._terms(claim)
    is_met: bool = self._is_met(claim)
    premium: int256 = extract32(claim, 32 * 12, output_type=int256)
    if premium != 0:
        payee: uint256 = terms.short if (premium > 0) == is_met else terms.long
        credits.append(self._credit(court, payee, court.settlement, self._magnitude(premium)))
    if terms.style == payoffs.PHYSICAL:
        delivered: DynArray[Credit, 4] = self._delivered(court, terms, quote, is_met)
        for credit: Credit in delivered:
            credits.append(credit)
    return credits


@internal
@view
def _subchannel(claim: Bytes[claims.CLAIM_BYTES], court: Court) -> DynArray[Credit, CREDITS_MAX]:
    """
    @notice Return what a child channel comes to here: every participant has what his seat of the child has in the end,
            at most what is left of the loan; the rest is of him who has no seat, else of the lowest. Where the condition
            is not met, or nobody can dispute the child any more, each takes back what he lent; in a child too, for a
            child has no children.
    @dev Who is credited has a place among the allocations, so there are never more credits than fit.
    """
    credits: DynArray[Credit, CREDITS_MAX] = []
    named: uint256 = extract32(claim, 32 * 8, output_type=uint256)
    lent: uint256 = extract32(claim, 32 * (9 + named), output_type=uint256)
    is_met: bool = preimages._is_met(
        claims._hashes(claim, 10 + named + lent), extract32(claim, 32 * 6, output_type=uint256)
    )
    is_lent: bool = is_met and not court.is_child and self._is_decided(claim, court)
    width: uint256 = len(court.assets)
    seats: uint256 = min(min(named, messages.PARTICIPANTS_MAX), lent // width)
    for asset: uint256 in range(width, bound=messages.ASSETS_MAX):
        left: uint256 = 0
        for i: uint256 in range(seats, bound=messages.PARTICIPANTS_MAX):
            amount: uint256 = extract32(claim, 32 * (10 + named + i * width + asset), output_type=uint256)
            left += min(amount, _AMOUNT_MAX)
            if not is_lent:
                credits.append(self._credit(court, i, asset, amount))
        if not is_lent or left == 0:
            continue
        rest: uint256 = NOBODY
        for i: uint256 in range(seats, bound=messages.PARTICIPANTS_MAX):
            seat: uint256 = extract32(claim, 32 * (9 + i), output_type=uint256)
            if seat == NOBODY:
                rest = min(rest, i)
                continue
            status: uint256 = 0
            share: uint256 = 0
            status, share = self._share(claim, court.assets[asset], seat)
            share = min(share, left)
            left -= share
            credits.append(self._credit(court, i, asset, share))
        credits.append(self._credit(court, 0 if rest == NOBODY else rest, asset, left))
    return credits


@internal
@view
def _is_decided(claim: Bytes[claims.CLAIM_BYTES], court: Court) -> bool:
    """
    @notice Say whether a child channel was decided; revert where it may yet be.
    """
    status: uint256 = 0
    share: uint256 = 0
    status, share = self._share(claim, court.assets[0], 0)
    if status == _DECIDED:
        return True
    # the child's judge lets nobody dispute it from then on, so no parent sees another outcome
    until: uint256 = min(
        extract32(claim, 32 * 5, output_type=uint256), court.occasion.deadline + claims.CHILD_LIFE_MAX_S
    )
    assert status == 0 and block.timestamp > until + claims.CHILD_GRACE_S, "claim: child not decided"
    return False


@internal
@view
def _share(claim: Bytes[claims.CLAIM_BYTES], asset: address, seat: uint256) -> (uint256, uint256):
    """
    @notice Ask the judge that the claim names. One that fails knows of no dispute.
    @dev Only gas that was too little could make a judge of ours fail, so too little is refused.
    """
    assert msg.gas > 2 * _CHILD_GAS, "claim: more gas needed"
    success: bool = False
    answer: Bytes[64] = b""
    success, answer = raw_call(
        extract32(claim, 32 * 2, output_type=address),
        abi_encode(
            extract32(claim, 32 * 3), asset, seat, method_id=method_id("share(bytes32,address,uint256)")
        ),
        max_outsize=64,
        gas=_CHILD_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) < 64:
        return (0, 0)
    return (extract32(answer, 0, output_type=uint256), extract32(answer, 32, output_type=uint256))


@internal
@pure
def _terms(claim: Bytes[claims.CLAIM_BYTES]) -> Terms:
    return Terms(
        long=extract32(claim, 32 * 2, output_type=uint256),
        short=extract32(claim, 32 * 3, output_type=uint256),
        quantity=extract32(claim, 32 * 4, output_type=uint256),
        payoff=extract32(claim, 32 * 5, output_type=uint256),
        style=extract32(claim, 32 * 6, output_type=uint256),
        deliver=extract32(claim, 32 * 7, output_type=uint256),
        unit=extract32(claim, 32 * 11, output_type=uint256),
        knots=claims._knots(claim),
    )


@internal
@pure
def _left(amount: int256, court: Court, terms: Terms) -> int256:
    """
    @notice Return an amount due to long, less what the challenger pays for leaving.
    """
    spread: int256 = abs(amount) * convert(court.exit_spread, int256) // _SPREAD_SCALE
    if court.challenger == terms.long:
        return amount - spread
    return amount + spread if court.challenger == terms.short else amount


@internal
@view
def _delivered(court: Court, terms: Terms, quote: quotes.Quote, is_met: bool) -> DynArray[Credit, 4]:
    """
    @notice Return what a physical position gives whom: exercised, its two sides exchange what they have in escrow; else
            each takes his back. Closed out at the mark, who owes its value pays it out of his own.
    """
    strike: uint256 = 0
    goods: uint256 = 0
    strike, goods = payoffs._delivery(terms.payoff, terms.quantity, terms.unit, terms.knots)
    buyer: uint256 = terms.short if terms.payoff == payoffs.PUT else terms.long  # has put up the strike
    seller: uint256 = terms.long if terms.payoff == payoffs.PUT else terms.short
    paid: uint256 = 0  # of the strike, to the seller
    moved: uint256 = 0  # of the goods, to the buyer
    is_live: bool = is_met and (strike != 0 or goods != 0)  # its terms are in range
    if is_live and quote.kind == quotes.PRICE:
        if payoffs._is_exercised(terms.payoff, terms.knots[0], quote.price):
            paid = strike
            moved = goods
    elif is_live and quote.kind == quotes.MARK and payoffs._is_price(quote.smile.forward):
        worth: int256 = self._left(
            staticcall IPricer(court.pricer).contract_value(terms.payoff, terms.knots[0], quote.smile), court, terms
        )
        if terms.payoff == payoffs.PUT or worth < 0:
            owed: uint256 = terms.quantity * terms.unit * min(convert(abs(worth), uint256), _WORTH_MAX)
            paid = min(owed // _PAYOFF_SHIFTED, strike)
        else:
            whole: uint256 = quote.smile.forward << 64
            moved = goods * min(convert(worth, uint256), whole) // whole
    return [
        self._credit(court, buyer, court.settlement, strike - paid),
        self._credit(court, seller, court.settlement, paid),
        self._credit(court, seller, terms.deliver, goods - moved),
        self._credit(court, buyer, terms.deliver, moved),
    ]


@internal
@pure
def _credit(court: Court, seat: uint256, asset: uint256, amount: uint256) -> Credit:
    return Credit(cell=self._cell(court, seat, asset), amount=min(amount, _AMOUNT_MAX))


@internal
@pure
def _cell(court: Court, seat: uint256, asset: uint256) -> uint256:
    """
    @notice Return the cell of a seat and asset; one beyond all cells where there is no such seat or asset.
    """
    if seat >= NOBODY or asset >= len(court.assets):
        return max_value(uint256)
    return seat * len(court.assets) + asset


@internal
@pure
def _magnitude(premium: int256) -> uint256:
    if premium < -convert(_AMOUNT_MAX, int256):
        return _AMOUNT_MAX
    return min(convert(abs(premium), uint256), _AMOUNT_MAX)
