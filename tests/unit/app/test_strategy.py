import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.app.strategy import value_of
from thalweg.channel.operations import Leg, Offer
from thalweg.channel.state import Channel
from thalweg.cli.demo.show import moved
from thalweg.errors import UserFault
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
