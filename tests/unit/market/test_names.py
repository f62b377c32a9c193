"""Deribit's names, read and written."""

from datetime import UTC, datetime

import pytest

from thalweg.errors import Reason, UserFault
from thalweg.instruments.terms import Instrument, Payoff, Style
from thalweg.instruments.validity import TermsFault, validate
from thalweg.market.names import feed_of, instrument_of, name_of, pair_of, parse_name
from thalweg.units import SCALE, Address, Hash, UnixSeconds

ORACLE = Address(b"\x01" * 20)


def test_a_linear_option_is_read_as_its_terms() -> None:
    instrument = instrument_of("BTC_USDC-27MAR26-60000-C", ORACLE, 10**6)
    expiry = datetime(2026, 3, 27, 8, tzinfo=UTC)
    assert instrument == Instrument(
        Payoff.CALL, ORACLE, feed_of("BTC_USDC"), UnixSeconds(int(expiry.timestamp())), 10**6, (60_000 * SCALE,)
    )
    validate(instrument)


@pytest.mark.parametrize(
    "name",
    [
        "BTC_USDC-27MAR26-60000-C",
        "BTC_USDC-3JAN26-125000-P",
        "ETH-25DEC26-4000-P",
        "XRP_USDC-30JUN26-0d625-C",
        "SOL_USDC-30JUN26-92d5-P",
    ],
)
def test_names_survive_the_round_trip(name: str) -> None:
    assert str(parse_name(name)) == name
    assert name_of(instrument_of(name, ORACLE, 10**6)) == name


def test_an_inverse_option_is_understood_and_not_traded_yet() -> None:
    instrument = instrument_of("BTC-27MAR26-60000-C", ORACLE, 10**6)
    assert instrument.style == Style.INVERSE
    assert pair_of(instrument.feed) == "BTC_USD"
    with pytest.raises(TermsFault):
        validate(instrument)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "BTC",
        "BTC_USDC-27MAR26-60000",
        "BTC_USDC-27MRZ26-60000-C",
        "BTC_USDC-31FEB26-60000-C",
        "BTC_USDC-0MAR26-60000-C",
        "BTC_USDC-27MAR26-0-C",
        "BTC_USDC-27MAR26-60000-X",
        "BTC_USDC-27MAR26-99999999999-C",
        "btc_usdc-27mar26-60000-c",
        "BTC_USDC-27MAR26-60000-C\n",
        "A" * 1_000,
    ],
)
def test_what_is_no_name_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(UserFault, match="BTC_USDC-27MAR26-60000-C") as refusal:
        parse_name(name)
    assert refusal.value.reason == Reason.UNKNOWN_INSTRUMENT


def test_what_deribit_does_not_list_has_no_name() -> None:
    call = instrument_of("BTC_USDC-27MAR26-60000-C", ORACLE, 10**6)
    late = Instrument(call.payoff, ORACLE, call.feed, UnixSeconds(call.expiry + 60), 10**6, call.knots)
    curve = Instrument(Payoff.CURVE, ORACLE, call.feed, call.expiry, 10**6, (0, 1 << 128))
    strange = Instrument(call.payoff, ORACLE, Hash(b"\xff" * 32), call.expiry, 10**6, call.knots)
    assert [name_of(terms) for terms in (late, curve, strange)] == [None, None, None]
    assert pair_of(Hash(b"\xff" * 32)) == "ff" * 32
