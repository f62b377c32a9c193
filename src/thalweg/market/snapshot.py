"""From an option chain's snapshot to a market: read a CSV of quotes, fit a forward and a smile an expiry.

The file (gzipped or not) has one row an option; columns used: timestamp, underlying (the forward of that expiry),
option_type, strike, expiry_datetime, bid_price, ask_price (both in coin; empty: no quote), currency, index_price.

A quote counts where it is out of the money, two-sided, not crossed, and its two implied volatilities are less than
five points apart. Rows more than 15 minutes older than the newest are stale and left out, as are options with less than
an hour to live. An expiry with fewer than five quotes has no smile.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from math import isfinite, log
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.market.smiles import SMILES_MAX, Market, Smile, read_market
from thalweg.pricing.black import YEAR_S, implied_volatility
from thalweg.pricing.fit import QUOTES_MAX, QUOTES_MIN, VolQuote, fit_svi
from thalweg.pricing.svi import Svi
from thalweg.units import UnixSeconds

FILE_BYTES_MAX: Final = 16 * 2**20
TEXT_BYTES_MAX: Final = 64 * 2**20
ROWS_MAX: Final = 20_000
_STALE_S: Final = 900
_LIFE_MIN_S: Final = 3_600
_VOL_SPREAD_MAX: Final = 0.05
_VOL_ERROR_MIN: Final = 0.002  # a quote is never trusted closer than a fifth of a volatility point
_GZIP: Final = b"\x1f\x8b"
_DIGITS: Final = 8
_COLUMNS: Final = (
    "timestamp", "underlying", "option_type", "strike", "expiry_datetime", "bid_price", "ask_price", "currency",
    "index_price",
)  # fmt: skip


class OptionQuote(msgspec.Struct, frozen=True):
    """One row: prices in coin, 0.0 where there is no quote."""

    at: UnixSeconds
    expiry: UnixSeconds
    forward: float
    strike: float
    is_call: bool
    bid: float
    ask: float
    index: float


def load_market(path: Path, currency: str = "BTC", quote: str = "USDC") -> Market:
    """Return the market of a snapshot, or of a file that `python -m thalweg.market` wrote.

    Raises:
        UserFault: UNREACHABLE, OVERSIZED or MALFORMED, naming the file, and the line where one is to blame.
    """
    try:
        data = bytes_of(path)
        if data.lstrip().startswith(b"{"):
            return read_market(data)
        quotes = read_quotes(io.StringIO(data.decode(), newline=""), currency)
        return fit_market(quotes, f"{currency}_{quote}", f"option quotes of {path.name}")
    except OSError as error:
        raise UserFault(Reason.UNREACHABLE, f"cannot read {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UserFault(Reason.MALFORMED, f"{path} is not text: {error}") from error
    except UserFault as fault:
        raise UserFault(fault.reason, f"{path}: {fault.detail}") from fault


def bytes_of(path: Path) -> bytes:
    """Return a file's content, unpacked.

    Raises:
        UserFault: OVERSIZED, or MALFORMED where it does not unpack.
    """
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise UserFault(Reason.OVERSIZED, f"larger than {FILE_BYTES_MAX} bytes")
    if data.startswith(_GZIP):
        try:
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(TEXT_BYTES_MAX + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:  # zlib's is no OSError, unlike gzip's own
            raise UserFault(Reason.MALFORMED, f"does not unpack, get it again: {error}") from error
    if len(data) > TEXT_BYTES_MAX:
        raise UserFault(Reason.OVERSIZED, f"larger than {TEXT_BYTES_MAX} bytes when unpacked")
    return data


def read_quotes(lines: Iterable[str], currency: str) -> list[OptionQuote]:
    """Return the rows of one currency.

    Raises:
        UserFault: MALFORMED for a missing column or a field that is no number, date or option type; OVERSIZED.
    """
    reader = csv.DictReader(lines)
    missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise UserFault(Reason.MALFORMED, f"no column {', '.join(missing)}: this is not an option chain's snapshot")
    quotes: list[OptionQuote] = []
    try:
        for count, row in enumerate(reader, start=1):
            if count > ROWS_MAX:
                raise UserFault(Reason.OVERSIZED, f"more than {ROWS_MAX} rows")
            if row["currency"] == currency:
                quotes.append(_quote(row, reader.line_num))
    except csv.Error as error:
        raise UserFault(Reason.MALFORMED, f"line {reader.line_num}: {error}") from error
    return quotes


def _quote(row: dict[str, str | None], line: int) -> OptionQuote:
    side = row["option_type"]
    if side not in ("call", "put"):
        raise UserFault(Reason.MALFORMED, f"line {line}: option_type {side!r} is neither call nor put")
    return OptionQuote(
        at=_time(row, "timestamp", line),
        expiry=_time(row, "expiry_datetime", line),
        forward=_number(row, "underlying", line),
        strike=_number(row, "strike", line),
        is_call=side == "call",
        bid=_number(row, "bid_price", line, may_lack=True),
        ask=_number(row, "ask_price", line, may_lack=True),
        index=_number(row, "index_price", line),
    )


def _number(row: dict[str, str | None], column: str, line: int, may_lack: bool = False) -> float:
    text = row[column] or ""
    if may_lack and text in ("", "nan"):
        return 0.0
    try:
        value = float(text)
    except ValueError as error:
        raise UserFault(Reason.MALFORMED, f"line {line}: {column} {text[:40]!r} is not a number") from error
    if not isfinite(value) or value < 0.0 or (value == 0.0 and not may_lack):
        raise UserFault(Reason.MALFORMED, f"line {line}: {column} {text[:40]!r} is not a positive number")
    return value


def _time(row: dict[str, str | None], column: str, line: int) -> UnixSeconds:
    text = row[column] or ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserFault(Reason.MALFORMED, f"line {line}: {column} {text[:40]!r} is not a time") from error
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return UnixSeconds(int(time.timestamp()))


def fit_market(quotes: list[OptionQuote], pair: str, source: str) -> Market:
    """Return the market that fits the quotes; its time is the newest row's.

    Raises:
        UserFault: MALFORMED, where no expiry has enough quotes.
    """
    if not quotes:
        raise UserFault(Reason.MALFORMED, f"no rows of {pair.partition('_')[0]}")
    at = max(quote.at for quote in quotes)
    fresh = [quote for quote in quotes if quote.at > at - _STALE_S and quote.expiry > at + _LIFE_MIN_S]
    chains: dict[UnixSeconds, list[OptionQuote]] = {}
    for quote in fresh:
        chains.setdefault(quote.expiry, []).append(quote)
    if len(chains) > SMILES_MAX:
        raise UserFault(Reason.OVERSIZED, f"more than {SMILES_MAX} expiries")
    fitted = (_smile(chain, at) for _, chain in sorted(chains.items()))
    smiles = tuple(smile for smile in fitted if smile is not None)
    if not smiles:
        raise UserFault(Reason.MALFORMED, f"no expiry has {QUOTES_MIN} out-of-the-money options quoted on both sides")
    index = median(quote.index for quote in fresh)
    return Market(pair, at, source, round(index, 2), smiles)


def _smile(chain: list[OptionQuote], at: UnixSeconds) -> Smile | None:
    years = (chain[0].expiry - at) / YEAR_S
    quotes = [found for found in (_vol_quote(quote, years) for quote in chain) if found is not None]
    if not QUOTES_MIN <= len(quotes) <= QUOTES_MAX:
        return None
    fit = fit_svi(quotes, years)
    svi = Svi(*(round(value, _DIGITS) for value in msgspec.structs.astuple(fit.svi)))
    forward = round(median(quote.forward for quote in chain), 2)
    return Smile(chain[0].expiry, forward, svi, round(fit.rmse, 5), len(quotes))


def _vol_quote(quote: OptionQuote, years: float) -> VolQuote | None:
    """Return what a liquid out-of-the-money quote says about volatility; None for any other."""
    forward, strike = quote.forward, quote.strike
    if (strike >= forward) != quote.is_call or not 0.0 < quote.bid < quote.ask:
        return None
    try:
        low, high, middle = (
            implied_volatility(quote.is_call, coin * forward, forward, strike, years)
            for coin in (quote.bid, quote.ask, 0.5 * (quote.bid + quote.ask))
        )
    except UserFault:
        return None  # beyond the no-arbitrage bounds: nothing to learn from it
    if high - low >= _VOL_SPREAD_MAX:
        return None
    return VolQuote(log(strike / forward), middle, max(0.5 * (high - low), _VOL_ERROR_MIN))
