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

import claims
import messages
import payoffs
import preimages
import quotes
import valuation


# -- module state ------------------------------------------------------------------------------------------------------

uses: preimages


# -- constants ---------------------------------------------------------------------------------------------------------

NOBODY: constant(uint256) = 255
_AMOUNT_MAX: constant(uint256) = 2**128 - 1
_SPREAD_SCALE: constant(int256) = 10**8
_WORTH_MAX: constant(uint256) = 2**127 - 1
_PAYOFF_SHIFTED: constant(uint256) = 10**16 << 64


# -- structs -----------------------------------------------------------------------------------------------------------

# What resolved claims have come to in a cell: margined, of either sign, and escrowed.
struct Accrual:
    delta: int256
    credit: uint256


# The channel whose claims are resolved, and how: by which prices, and who pays what for having asked for the mark.
struct Court:
    assets: uint256
    settlement: uint256
    occasion: quotes.Occasion
    challenger: uint256
    exit_spread: uint256


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
def _resolved(
    claim: Bytes[claims.CLAIM_BYTES],
    court: Court,
    before: DynArray[Accrual, messages.CELLS_MAX],
    known: quotes.Quote,
) -> (DynArray[Accrual, messages.CELLS_MAX], quotes.Quote):
    """
    @notice Return what the claims so far have come to, after one more, and the last quote; `before` has an accrual a
            cell.
    """
    kind: uint256 = extract32(claim, 0, output_type=uint256)
    if kind == claims.POSITION:
        return self._position(claim, court, before, known)
    assert kind == claims.HASH_LOCK, "claim: unsupported"
    is_met: bool = preimages._is_met(claims._hashes(claim, 8), extract32(claim, 32 * 6, output_type=uint256))
    seat: uint256 = extract32(claim, 32 * (3 if is_met else 2), output_type=uint256)
    asset: uint256 = extract32(claim, 32 * 4, output_type=uint256)
    return (self._credited(before, court.assets, seat, asset, extract32(claim, 32 * 5, output_type=uint256)), known)


@internal
@view
def _position(
    claim: Bytes[claims.CLAIM_BYTES],
    court: Court,
    before: DynArray[Accrual, messages.CELLS_MAX],
    known: quotes.Quote,
) -> (DynArray[Accrual, messages.CELLS_MAX], quotes.Quote):
    """
    @dev A premium is escrowed by the side that owes it: paid over where the condition is met, else paid back.
    """
    accruals: DynArray[Accrual, messages.CELLS_MAX] = before
    quote: quotes.Quote = known
    terms: Terms = self._terms(claim)
    is_met: bool = preimages._is_met(
        claims._hashes(claim, 16 + len(terms.knots)), extract32(claim, 32 * 13, output_type=uint256)
    )
    premium: int256 = extract32(claim, 32 * 12, output_type=int256)
    if premium != 0:
        payee: uint256 = terms.short if (premium > 0) == is_met else terms.long
        accruals = self._credited(accruals, court.assets, payee, court.settlement, self._magnitude(premium))
    if terms.payoff > payoffs.FORWARD or terms.style > payoffs.PHYSICAL:
        return (accruals, quote)
    if is_met:
        oracle: address = extract32(claim, 32 * 8, output_type=address)
        feed: bytes32 = extract32(claim, 32 * 9)
        expiry: uint256 = extract32(claim, 32 * 10, output_type=uint256)
        if not quote.is_asked or quote.oracle != oracle or quote.feed != feed or quote.expiry != expiry:
            quote = quotes._quote(oracle, feed, expiry, court.occasion)
    if terms.style == payoffs.PHYSICAL:
        return (self._delivered(accruals, court, terms, quote, is_met), quote)
    if is_met:
        amount: int256 = self._amount(court, terms, quote)
        long: uint256 = self._cell(court.assets, terms.long, court.settlement, len(accruals))
        short: uint256 = self._cell(court.assets, terms.short, court.settlement, len(accruals))
        if long < len(accruals) and short < len(accruals):
            accruals[long].delta += amount
            accruals[short].delta -= amount
    return (accruals, quote)


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
def _amount(court: Court, terms: Terms, quote: quotes.Quote) -> int256:
    """
    @notice Return what a position that settles in money moves from short to long.
    """
    if quote.kind == quotes.PRICE:
        return payoffs._amount(terms.payoff, terms.style, terms.quantity, terms.unit, terms.knots, quote.price)
    if quote.kind == quotes.NOTHING:
        return 0
    amount: int256 = valuation._amount(
        terms.payoff, terms.style, terms.quantity, terms.unit, terms.knots, quote.smile
    )
    return self._left(amount, court, terms)


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
@pure
def _delivered(
    before: DynArray[Accrual, messages.CELLS_MAX], court: Court, terms: Terms, quote: quotes.Quote, is_met: bool
) -> DynArray[Accrual, messages.CELLS_MAX]:
    """
    @notice Return the accruals after a physical position: exercised, its two sides exchange what they have in escrow;
            else each takes his back. Closed out at the mark, who owes its value pays it out of his own.
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
        worth: int256 = self._left(valuation._value(terms.payoff, terms.knots, quote.smile), court, terms)
        if terms.payoff == payoffs.PUT or worth < 0:
            owed: uint256 = terms.quantity * terms.unit * min(convert(abs(worth), uint256), _WORTH_MAX)
            paid = min(owed // _PAYOFF_SHIFTED, strike)
        else:
            whole: uint256 = quote.smile.forward << 64
            moved = goods * min(convert(worth, uint256), whole) // whole
    deliver: uint256 = terms.deliver
    accruals: DynArray[Accrual, messages.CELLS_MAX] = before
    accruals = self._credited(accruals, court.assets, buyer, court.settlement, strike - paid)
    accruals = self._credited(accruals, court.assets, seller, court.settlement, paid)
    accruals = self._credited(accruals, court.assets, seller, deliver, goods - moved)
    return self._credited(accruals, court.assets, buyer, deliver, moved)


@internal
@pure
def _credited(
    before: DynArray[Accrual, messages.CELLS_MAX], assets: uint256, seat: uint256, asset: uint256, amount: uint256
) -> DynArray[Accrual, messages.CELLS_MAX]:
    """
    @notice Return the accruals after a seat was credited an amount of an asset.
    """
    accruals: DynArray[Accrual, messages.CELLS_MAX] = before
    cell: uint256 = self._cell(assets, seat, asset, len(before))
    if cell < len(before):
        accruals[cell].credit += min(amount, _AMOUNT_MAX)
    return accruals


@internal
@pure
def _cell(assets: uint256, seat: uint256, asset: uint256, size: uint256) -> uint256:
    """
    @notice Return the cell of a seat and asset; `size`, which is none, where there is no such seat or asset.
    """
    if seat >= NOBODY or asset >= assets:
        return size
    return min(seat * assets + asset, size)


@internal
@pure
def _magnitude(premium: int256) -> uint256:
    if premium < -convert(_AMOUNT_MAX, int256):
        return _AMOUNT_MAX
    return min(convert(abs(premium), uint256), _AMOUNT_MAX)
