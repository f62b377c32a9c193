"""What instruments are called: Deribit's names, read and written.

`BTC_USDC-27MAR26-60000-C` is a linear option: on BTC, priced and settled in USDC, expiring on 27 March 2026 at 08:00
UTC. `BTC-27MAR26-60000-C` is Deribit's inverse option of the same terms, settled in coin; it is understood, and refused
where only linear instruments can be traded. A `d` in a strike is its decimal point (`XRP_USDC-30JUN26-0d625-C`).
(https://docs.deribit.com, "Naming".)
"""

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.instruments.terms import Instrument, Payoff, Style
from thalweg.units import PRICE_MAX, SCALE, Address, Hash, Price, UnixSeconds

EXPIRY_HOUR: Final = 8
NAME_CHARS_MAX: Final = 64
_FEED_BYTES: Final = 32
_DAY_S: Final = 86_400
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NAME: Final = re.compile(
    r"(?P<base>[A-Z0-9]{2,10})(_(?P<quote>[A-Z0-9]{2,10}))?"
    r"-(?P<day>[1-9]|[12][0-9]|3[01])(?P<month>[A-Z]{3})(?P<year>[0-9]{2})"
    r"-(?P<whole>[0-9]{1,11})(d(?P<part>[0-9]{1,8}))?-(?P<side>[CP])"
)


class OptionName(msgspec.Struct, frozen=True):
    """An option's terms as its name says them. `quote` is empty for an inverse option. `strike` is scaled by 1e8."""

    base: str
    quote: str
    expiry: UnixSeconds
    strike: Price
    is_call: bool

    def __str__(self) -> str:
        day = datetime.fromtimestamp(self.expiry, UTC)
        pair = f"{self.base}_{self.quote}" if self.quote else self.base
        whole, part = divmod(self.strike, SCALE)
        strike = f"{whole}d{part:08d}".rstrip("0") if part else f"{whole}"
        return f"{pair}-{day.day}{_MONTHS[day.month - 1]}{day:%y}-{strike}-{'C' if self.is_call else 'P'}"


def parse_name(name: str) -> OptionName:
    """Read a name.

    Raises:
        UserFault: UNKNOWN_INSTRUMENT, saying how names are written.
    """
    match = _NAME.fullmatch(name) if len(name) <= NAME_CHARS_MAX else None
    if match is None or match["month"] not in _MONTHS:
        raise _unknown(name)
    strike = int(match["whole"]) * SCALE + int((match["part"] or "0").ljust(8, "0"))
    try:
        month = _MONTHS.index(match["month"]) + 1
        day = datetime(2000 + int(match["year"]), month, int(match["day"]), EXPIRY_HOUR, tzinfo=UTC)
    except ValueError as error:
        raise _unknown(name) from error
    if not 0 < strike <= PRICE_MAX:
        raise _unknown(name)
    expiry = UnixSeconds(int(day.timestamp()))
    return OptionName(match["base"], match["quote"] or "", expiry, Price(strike), match["side"] == "C")


def _unknown(name: str) -> UserFault:
    shown = name[:NAME_CHARS_MAX]
    return UserFault(
        Reason.UNKNOWN_INSTRUMENT, f"{shown!r} is not an option's name; one looks like BTC_USDC-27MAR26-60000-C"
    )


def feed_of(pair: str) -> Hash:
    """Return the feed of a pair such as `BTC_USDC`: its name in ASCII, zeros to the right."""
    encoded = pair.encode("ascii")
    if not 0 < len(encoded) <= _FEED_BYTES:
        raise UserFault(Reason.UNKNOWN_INSTRUMENT, f"{pair[:NAME_CHARS_MAX]!r} cannot name a feed")
    return Hash(encoded.ljust(_FEED_BYTES, b"\0"))


def pair_of(feed: Hash) -> str:
    """Return the pair that a feed names; its hexadecimal digits where it was not made by `feed_of`."""
    name = feed.rstrip(b"\0")
    return name.decode("ascii") if re.fullmatch(rb"[A-Z0-9_]{1,32}", name) else feed.hex()


def instrument_of(name: str, oracle: Address, unit: int) -> Instrument:
    """Return the terms of a named option, settled by `oracle`; `unit` is base units of one settlement token.

    Raises:
        UserFault: UNKNOWN_INSTRUMENT.
    """
    option = parse_name(name)
    return Instrument(
        payoff=Payoff.CALL if option.is_call else Payoff.PUT,
        oracle=oracle,
        feed=feed_of(f"{option.base}_{option.quote or 'USD'}"),
        expiry=option.expiry,
        unit=unit,
        knots=(option.strike,),
        style=Style.LINEAR if option.quote else Style.INVERSE,
    )


def name_of(instrument: Instrument) -> str | None:
    """Return an instrument's name, or None where Deribit has none for it (a curve, another hour of expiry)."""
    base, _, quote = pair_of(instrument.feed).partition("_")
    named = instrument.payoff in (Payoff.CALL, Payoff.PUT) and instrument.style != Style.PHYSICAL
    if not named or not quote or instrument.expiry % _DAY_S != EXPIRY_HOUR * 3_600:
        return None
    linear = instrument.style == Style.LINEAR
    strike = Price(instrument.knots[0])
    return str(OptionName(base, quote if linear else "", instrument.expiry, strike, instrument.payoff == Payoff.CALL))
