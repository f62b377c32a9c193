"""The market that ships with the package, and files that are none."""

import gzip
from collections.abc import Callable
from math import sqrt
from pathlib import Path

import pytest

from thalweg.errors import Reason, UserFault
from thalweg.instruments.terms import Instrument, Payoff, knot
from thalweg.market.__main__ import main
from thalweg.market.names import feed_of, instrument_of
from thalweg.market.smiles import Market, default_market, read_market
from thalweg.market.snapshot import ROWS_MAX, load_market
from thalweg.pricing.black import YEAR_S
from thalweg.pricing.fixed import to_price
from thalweg.units import SCALE, Address, Price, UnixSeconds

ORACLE = Address(b"\x01" * 20)
USDC = 10**6
SNAPSHOTS = sorted((Path(__file__).parents[4] / "shared" / "data" / "option-chain").glob("*.csv.gz"))
HEAD = "timestamp,underlying,option_type,strike,expiry_datetime,bid_price,ask_price,currency,index_price"


@pytest.fixture(scope="module")
def market() -> Market:
    return default_market()


def test_the_default_market_names_its_day_and_source_and_fits(market: Market) -> None:
    assert market.day() == "2026-08-07"
    assert market.day() in market.source
    assert len(market.smiles) >= 10
    assert all(smile.rmse < 0.01 for smile in market.smiles)


def test_a_call_less_a_put_is_forward_less_strike(market: Market) -> None:
    call, put = (instrument_of(f"BTC_USDC-28AUG26-65000-{side}", ORACLE, USDC) for side in "CP")
    difference = market.price(call) - market.price(put)
    assert abs(difference - to_price(market.forward(call.expiry) - 65_000)) <= 1


def test_a_call_spread_written_as_a_curve_costs_what_its_calls_do(market: Market) -> None:
    low, high = (instrument_of(f"BTC_USDC-28AUG26-{strike}-C", ORACLE, USDC) for strike in (65_000, 70_000))
    points = [(0, 0), (65_000, 0), (70_000, 5_000), (80_000, 5_000)]
    shape = tuple(knot(Price(price * SCALE), value * SCALE) for price, value in points)
    spread = Instrument(Payoff.CURVE, ORACLE, low.feed, low.expiry, USDC, shape)
    assert abs(market.price(spread) - (market.price(low) - market.price(high))) <= 2


def test_options_lose_value_as_time_passes_and_have_no_price_after_expiry(market: Market) -> None:
    call = instrument_of("BTC_USDC-28AUG26-65000-C", ORACLE, USDC)
    later = UnixSeconds(market.at + 86_400)
    assert 0 < market.price(call, later) < market.price(call)
    assert market.greeks(call, later).price == pytest.approx(market.price(call, later) / SCALE, abs=1e-8)
    for expired in (call.expiry, UnixSeconds(call.expiry + 1)):
        with pytest.raises(UserFault) as refusal:
            market.price(call, expired)
        assert refusal.value.reason == Reason.INSTRUMENT_EXPIRED


def test_between_two_expiries_total_variance_lies_between_theirs(market: Market) -> None:
    left, right = market.smiles[5:7]
    middle = UnixSeconds((left.expiry + right.expiry) // 2)
    forward = market.forward(middle)
    assert min(left.forward, right.forward) <= forward <= max(left.forward, right.forward)
    variance = market.volatility(middle, forward) ** 2 * (middle - market.at) / YEAR_S
    assert left.svi.total_variance(0.0) < variance < right.svi.total_variance(0.0)


def test_outside_the_quoted_expiries_volatility_is_the_nearest_expirys(market: Market) -> None:
    first, last = market.smiles[0], market.smiles[-1]
    soon, far = UnixSeconds(market.at + 60), UnixSeconds(last.expiry + YEAR_S)
    for smile, expiry in ((first, soon), (last, far)):
        expected = sqrt(smile.svi.total_variance(0.0) * YEAR_S / (smile.expiry - market.at))
        assert market.volatility(expiry, market.forward(expiry)) == pytest.approx(expected)
    assert market.forward(far) == pytest.approx(last.forward)


def test_other_pairs_and_styles_have_no_price(market: Market) -> None:
    curve = Instrument(Payoff.FORWARD, ORACLE, feed_of("BTC_USDC"), market.smiles[-1].expiry, USDC, (SCALE,))
    names = ("ETH_USDC-28AUG26-4000-C", "BTC-28AUG26-65000-C")
    for instrument in (curve, *(instrument_of(name, ORACLE, USDC) for name in names)):
        with pytest.raises(UserFault) as refusal:
            market.price(instrument)
        assert refusal.value.reason == Reason.UNKNOWN_INSTRUMENT


def rows(count: int = 8) -> list[str]:
    strikes = [60_000 + 2_000 * i for i in range(count)]
    return [
        f"2026-08-07T10:00:00+00:00,60000,call,{strike},2026-08-28T08:00:00+00:00,{bid},{bid * 1.02},BTC,60000"
        for strike, bid in zip(strikes, [0.03, 0.021, 0.0146, 0.01, 0.0067, 0.0045, 0.003, 0.002], strict=True)
    ]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_small_snapshot_is_fitted_plain_or_gzipped(tmp_path: Path) -> None:
    plain = write(tmp_path / "chain.csv", [HEAD, *rows()])
    packed = tmp_path / "chain.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    market = load_market(plain)
    assert market.smiles == load_market(packed).smiles
    assert (market.pair, market.index, len(market.smiles)) == ("BTC_USDC", 60_000.0, 1)
    assert market.smiles[0].rmse < 0.02


def test_rows_without_quotes_stale_or_expiring_rows_do_not_count(tmp_path: Path) -> None:
    quiet = "2026-08-07T10:00:00+00:00,60000,call,90000,2026-08-28T08:00:00+00:00,,,BTC,60000"
    stale = "2026-08-07T09:00:00+00:00,50000,call,60000,2026-08-29T08:00:00+00:00,0.03,0.031,BTC,50000"
    ending = "2026-08-07T10:00:00+00:00,60000,call,60000,2026-08-07T10:30:00+00:00,0.03,0.031,BTC,60000"
    market = load_market(write(tmp_path / "chain.csv", [HEAD, *rows(), *[quiet, stale, ending] * 6]))
    assert [smile.quotes for smile in market.smiles] == [8]
    assert market.index == 60_000.0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: [HEAD.replace("bid_price,", ""), *lines[1:]], "no column bid_price"),
        (lambda lines: ["", ""], "no column"),
        (lambda lines: [*lines, lines[1].replace("call", "cow")], "line 10: option_type 'cow'"),
        (lambda lines: [*lines, lines[1].replace(",0.03,", ",much,")], "line 10: bid_price 'much'"),
        (lambda lines: [*lines, lines[1].replace(",0.03,", ",-1,")], "line 10: bid_price '-1'"),
        (lambda lines: [*lines, lines[1].replace("60000,call", "inf,call")], "line 10: underlying 'inf'"),
        (lambda lines: [*lines, lines[1].replace("2026-08-28", "2026-13-28")], "line 10: expiry_datetime"),
        (lambda lines: [*lines, "2026-08-07T10:00:00+00:00,60000,call,,,,,BTC"], "line 10"),
        (lambda lines: lines[:4], "no expiry has 5"),
        (lambda lines: [line.replace("BTC", "ETH") for line in lines], "no rows of BTC"),
        (lambda lines: [HEAD, *[lines[1]] * (ROWS_MAX + 1)], "more than 20000 rows"),
    ],
)
def test_a_bad_snapshot_is_refused_saying_where(
    tmp_path: Path, spoil: Callable[[list[str]], list[str]], words: str
) -> None:
    path = write(tmp_path / "chain.csv", spoil([HEAD, *rows()]))
    with pytest.raises(UserFault, match=words) as refusal:
        load_market(path)
    assert str(path) in refusal.value.detail


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x1f\x8bnot gzip", Reason.MALFORMED),
        (gzip.compress(b"timestamp,underlying\n" * 99)[:40], Reason.MALFORMED),
        (gzip.compress(b"timestamp,underlying\n" * 99)[:10] + bytes(b"\xff" * 40), Reason.MALFORMED),
        (b"\xff\xfe\x00", Reason.MALFORMED),
        (b"{}", Reason.MALFORMED),
        (b'{"pair": 1}', Reason.MALFORMED),
        (gzip.compress(bytes(65 * 2**20)), Reason.OVERSIZED),
    ],
    ids=["broken gzip", "cut gzip", "rotten gzip", "not text", "empty market", "bad field", "gzip bomb"],
)
def test_a_file_that_is_no_snapshot_is_refused(tmp_path: Path, data: bytes, reason: Reason) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(UserFault) as refusal:
        load_market(path)
    assert refusal.value.reason == reason


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserFault) as refusal:
        load_market(tmp_path / "nothing.csv")
    assert refusal.value.reason == Reason.UNREACHABLE


def test_the_command_prints_a_market_that_loads_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "chain.csv", [HEAD, *rows()])
    assert main([str(path), "BTC", "a test"]) == 0
    printed = capsys.readouterr().out
    assert read_market(printed.encode()).source == "a test"
    assert load_market(write(tmp_path / "fitted.json", [printed])) == read_market(printed.encode())


@pytest.mark.parametrize("arguments", [[], ["nothing.csv", "BTC", "a test"]])
def test_the_command_ends_with_status_two_on_the_users_mistakes(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not SNAPSHOTS, reason="the option-chain snapshots are not beside the project")
@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.name[:8])
def test_every_real_snapshot_loads_and_fits_within_a_volatility_point(path: Path) -> None:
    market = load_market(path)
    assert len(market.smiles) >= 8
    assert {smile.expiry: smile.rmse for smile in market.smiles if smile.rmse >= 0.01} == {}
