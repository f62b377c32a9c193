"""What simulated users trade: terms with random strikes and expiries, in the combinations people use."""

import random
from typing import Final

from thalweg.channel.operations import Leg
from thalweg.instruments.report import GRID_S
from thalweg.instruments.terms import Instrument, Payoff, knot
from thalweg.testing.oracle import FEED, PRICE
from thalweg.units import SCALE, Address, Price, Quantity, Seat, UnixSeconds

UNIT: Final = 10**6  # base units of the settlement asset per whole token
EXPIRIES: Final = 4  # grid points that trades choose from
QUANTITY_MIN: Final = SCALE // 1000
QUANTITY_MAX: Final = SCALE // 4


def expiries(now: UnixSeconds) -> list[UnixSeconds]:
    """Return the expiries on offer: a few minutes ahead, on a coarse grid so that trades meet in one instrument."""
    step = 5 * GRID_S
    first = (now // step + 2) * step
    return [UnixSeconds(first + step * index) for index in range(EXPIRIES)]


def draw_legs(rng: random.Random, oracle: Address, now: UnixSeconds, maker: Seat, taker: Seat) -> tuple[Leg, ...]:
    """Return the legs of a random trade between two seats: an option, a spread, or a curve."""
    expiry = rng.choice(expiries(now))
    long, short = (maker, taker) if rng.randrange(2) else (taker, maker)
    quantity = Quantity(rng.randint(QUANTITY_MIN, QUANTITY_MAX))
    strikes = sorted(rng.sample(range(60, 141, 10), 2))
    low, high = (Price(PRICE * strike // 100) for strike in strikes)

    def option(payoff: Payoff, *knots: int) -> Instrument:
        return Instrument(payoff=payoff, oracle=oracle, feed=FEED, expiry=expiry, unit=UNIT, knots=knots)

    def leg(instrument: Instrument, premium: int, *, is_sold: bool = False) -> Leg:
        sides = (short, long) if is_sold else (long, short)
        return Leg(instrument, *sides, quantity, premium)

    premium = rng.randint(0, UNIT * 1000)
    put, call = option(Payoff.PUT, high), option(Payoff.CALL, low)
    wing = knot(Price(high + SCALE), high - low)
    match rng.randrange(5):
        case 0:
            return (leg(put, premium),)
        case 1:
            return (leg(option(Payoff.CURVE, knot(Price(0), 0), knot(low, 0), knot(high, high - low), wing), premium),)
        case 2:
            return leg(put, premium), leg(option(Payoff.PUT, low), -premium // 2, is_sold=True)
        case 3:
            return (leg(call, premium),)  # its seller's loss is unbounded: to be refused, unless it nets
        case _:
            return leg(call, premium), leg(option(Payoff.CALL, high), 0, is_sold=True)
