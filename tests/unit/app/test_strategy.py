import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.app.strategy import Autopilot, Strategy, value_of
from thalweg.channel.effects import Notify, Topic
from thalweg.channel.operations import Leg, Offer
from thalweg.channel.state import Channel
from thalweg.cli.demo.show import moved
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.instruments.terms import Instrument
from thalweg.market.names import OptionName, instrument_of
from thalweg.market.smiles import Market, default_market
from thalweg.units import SCALE, Address, Hash, Price, Quantity, Seat, UnixSeconds

ORACLE = Address(b"o" * 20)
DAY = 86_400


class Side:
    """A channel, as far as an offer's value looks at it."""

    def __init__(self, seat: int) -> None:
        self.seat = seat


def as_channel(seat: int) -> Channel:
    return Side(seat)  # type: ignore[return-value]


def call_on(market: Market) -> Instrument:
    name = OptionName("BTC", "USDC", market.smiles[3].expiry, Price(round(market.index) * SCALE), is_call=True)
    return instrument_of(str(name), ORACLE, 10**6)


def offer_of(*legs: Leg) -> Offer:
    return Offer(Hash(b"h" * 32), Seat(0), Seat(1), legs, UnixSeconds(2**40))


@given(st.integers(1, 10**9), st.integers(0, 10**10))
def test_what_one_side_gains_against_the_model_the_other_loses(quantity: int, premium: int) -> None:
    market = default_market()
    leg = Leg(call_on(market), Seat(0), Seat(1), Quantity(quantity), premium)
    mine, worth = value_of(offer_of(leg), as_channel(0), market, market.at)
    theirs, same = value_of(offer_of(leg), as_channel(1), market, market.at)
    assert mine == -theirs
    assert worth == same >= 0


def test_a_fair_price_gains_nothing_and_a_dearer_one_loses_the_difference() -> None:
    market = default_market()
    price = market.price(call_on(market))
    fair = price * 10**6 // SCALE
    for extra in (0, 1_000_000):
        leg = Leg(call_on(market), Seat(1), Seat(0), Quantity(SCALE), fair + extra)
        gain, worth = value_of(offer_of(leg), as_channel(1), market, market.at)
        assert abs(gain + extra) <= 1
        assert abs(worth - fair) <= 1


def test_an_instrument_without_a_model_price_is_left_to_the_user() -> None:
    market = default_market()
    other = instrument_of("ETH_USDC-27MAR27-3000-C", ORACLE, 10**6)
    with pytest.raises(UserFault):
        value_of(offer_of(Leg(other, Seat(0), Seat(1), Quantity(SCALE), 1)), as_channel(1), market, market.at)


@given(st.integers(0, 5_000), st.integers(0, DAY - 1))
def test_a_market_moved_to_today_keeps_its_hours_and_its_shape(days: int, seconds: int) -> None:
    market = default_market()
    now = UnixSeconds(market.at + days * DAY + seconds)
    today = moved(market, now)
    assert now - DAY < today.at <= now
    assert [smile.expiry - today.at for smile in today.smiles] == [smile.expiry - market.at for smile in market.smiles]
    assert all(smile.expiry % DAY == 8 * 3_600 for smile in today.smiles)


def test_what_cannot_be_judged_yet_is_judged_again_soon() -> None:
    """A node that has just started has not read the oracle's quorum: a proposal must not be left lying for that."""

    async def judged() -> int:
        done = asyncio.Event()
        tries: list[Notify] = []

        def judge(notice: Notify) -> None:
            tries.append(notice)
            if len(tries) == 1:
                raise Unavailable(Reason.UNREACHABLE, "the chain has not answered yet")
            done.set()

        pilot = Autopilot(Strategy(), None, done_with)  # type: ignore[arg-type]
        pilot._act(judge, Notify(Topic.OPENING_PROPOSED))
        async with asyncio.timeout(10):
            await done.wait()
        return len(tries)

    def done_with(error: BaseException) -> None:
        raise error

    assert asyncio.run(judged()) == 2
