"""Random claims and books, and the shortest way to make one by hand."""

from hashlib import sha256
from typing import Final

from hypothesis import strategies as st
from tests.contracts.scene import FEED

from thalweg.channel.claims import UNCONDITIONAL, Condition, HashLock, Position
from thalweg.instruments.terms import Instrument, Payoff, Style, knot
from thalweg.units import (
    PRICE_MAX,
    QUANTITY_MAX,
    SCALE,
    UNIT_MAX,
    Address,
    Amount,
    AssetIndex,
    ClaimId,
    Hash,
    Price,
    Quantity,
    Seat,
    UnixSeconds,
)

USD_UNIT: Final = 10**6
VALUE_MAX: Final = 2**63 - 1


def option(
    oracle: Address, strike: int, expiry: int, payoff: Payoff = Payoff.CALL, feed: Hash = FEED, unit: int = USD_UNIT
) -> Instrument:
    """Return a call or put; the strike in whole units."""
    return Instrument(payoff, oracle, feed, UnixSeconds(expiry), unit, (strike * SCALE,))


def position(
    number: int,
    instrument: Instrument,
    quantity: float = 1.0,
    long: int = 0,
    short: int = 1,
    premium: int = 0,
    condition: Condition = UNCONDITIONAL,
) -> Position:
    """Return a position; the quantity in whole contracts."""
    size = Quantity(round(quantity * SCALE))
    return Position(ClaimId(number), Seat(long), Seat(short), size, instrument, premium, condition)


def lock(number: int, amount: int, condition: Condition, payer: int = 0, payee: int = 1, asset: int = 0) -> HashLock:
    """Return a hash lock."""
    return HashLock(ClaimId(number), Seat(payer), Seat(payee), AssetIndex(asset), Amount(amount), condition)


def image(preimage: bytes) -> Hash:
    """Return what the registry files a preimage under."""
    return Hash(sha256(preimage).digest())


@st.composite
def curves(draw: st.DrawFn) -> tuple[int, ...]:
    """Return the knots of a valid curve."""
    xs = draw(st.lists(st.integers(1, PRICE_MAX), min_size=1, max_size=15, unique=True))
    ys = draw(st.lists(st.integers(-VALUE_MAX - 1, VALUE_MAX), min_size=len(xs) + 1, max_size=len(xs) + 1))
    return tuple(knot(Price(x), y) for x, y in zip((0, *sorted(xs)), ys, strict=True))


@st.composite
def instruments(draw: st.DrawFn, oracle: Address, feed: Hash) -> Instrument:
    """Return a valid instrument of any payoff that settles in money."""
    payoff, style = draw(st.sampled_from(Payoff)), draw(st.sampled_from((Style.LINEAR, Style.INVERSE)))
    knots = draw(curves()) if payoff == Payoff.CURVE else (draw(st.integers(1, PRICE_MAX)),)
    return Instrument(payoff, oracle, feed, UnixSeconds(60), draw(st.integers(1, UNIT_MAX)), knots, style)


@st.composite
def deliveries(draw: st.DrawFn, oracle: Address, feed: Hash) -> Instrument:
    """Return a valid instrument that is delivered."""
    payoff = draw(st.sampled_from((Payoff.CALL, Payoff.PUT, Payoff.FORWARD)))
    knots = draw(st.integers(1, PRICE_MAX)), draw(st.integers(1, UNIT_MAX))
    unit = draw(st.integers(1, UNIT_MAX))
    return Instrument(payoff, oracle, feed, UnixSeconds(60), unit, knots, Style.PHYSICAL, 1)


quantities = st.integers(0, QUANTITY_MAX).map(Quantity)
prices = st.integers(0, PRICE_MAX).map(Price)
