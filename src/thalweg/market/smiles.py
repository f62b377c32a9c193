"""A market of a named day, as fitted parameters: index, and per expiry a forward and a raw SVI smile.

Prices are Black-76 on the expiry's forward, in the quote currency (linear), undiscounted. Between two expiries the
logarithm of the forward and the total variance at equal log-moneyness are linear in time; before the first and beyond
the last, volatility is that expiry's. As the clock moves on, volatility stays and time to expiry shrinks.
"""

from bisect import bisect_left
from datetime import UTC, datetime
from importlib.resources import files
from itertools import pairwise
from math import exp, log, sqrt
from typing import Final

import msgspec

from thalweg.codec import decode
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.instruments.terms import Instrument, Payoff, Style, unknot
from thalweg.market.names import feed_of
from thalweg.pricing.black import YEAR_S, Greeks, black_greeks, black_price
from thalweg.pricing.fixed import to_price
from thalweg.pricing.svi import Svi
from thalweg.units import SCALE, Price, UnixSeconds

SMILES_MAX: Final = 64


class Smile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One expiry: its forward, its smile (total variance as of the market's time), and how well that fits.

    `rmse` is in volatility (0.01 is one point) over `quotes` liquid out-of-the-money strikes.
    """

    expiry: UnixSeconds
    forward: float
    svi: Svi
    rmse: float
    quotes: int


class Market(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pair on one day. `at` is the time the quotes were taken, `source` says where."""

    pair: str
    at: UnixSeconds
    source: str
    index: float
    smiles: tuple[Smile, ...]

    def __post_init__(self) -> None:
        ordered = all(left.expiry < right.expiry for left, right in pairwise(self.smiles))
        if not 0 < len(self.smiles) <= SMILES_MAX or not ordered or self.smiles[0].expiry <= self.at:
            raise UserFault(
                Reason.MALFORMED, f"a market has 1..{SMILES_MAX} smiles, by increasing expiry after its time"
            )
        if self.index <= 0.0 or any(smile.forward <= 0.0 for smile in self.smiles):
            raise UserFault(Reason.MALFORMED, "a market's index and forwards are positive")

    def day(self) -> str:
        """Return the day the quotes were taken, in ISO 8601 (UTC)."""
        return datetime.fromtimestamp(self.at, UTC).date().isoformat()

    def forward(self, expiry: UnixSeconds) -> float:
        """Return the forward of an expiry. Before the first it is between index and first forward."""
        left, right, share = self._around(expiry)
        low = self.index if left is None else left.forward
        high = self.smiles[-1].forward if right is None else right.forward
        return exp((1.0 - share) * log(low) + share * log(high))

    def volatility(self, expiry: UnixSeconds, strike: float) -> float:
        """Return the implied volatility of a strike (quote currency)."""
        k = log(strike / self.forward(expiry))
        left, right, share = self._around(expiry)
        if left is None or right is None:
            only = right or self.smiles[-1]
            return sqrt(only.svi.total_variance(k) / self._years(only.expiry, self.at))
        variance = (1.0 - share) * left.svi.total_variance(k) + share * right.svi.total_variance(k)
        return sqrt(variance / self._years(expiry, self.at))

    def price(self, instrument: Instrument, at: UnixSeconds | None = None) -> Price:
        """Return the value of one unit of an instrument at a time (default: the market's), rounded by `to_price`.

        Raises:
            UserFault: UNKNOWN_INSTRUMENT for another pair or a payoff without a price here; INSTRUMENT_EXPIRED.
        """
        now = self._checked_time(instrument, at)
        knots = instrument.knots
        match instrument.payoff:
            case Payoff.CALL:
                return to_price(self._option(True, instrument.expiry, knots[0] / SCALE, now))
            case Payoff.PUT:
                return to_price(self._option(False, instrument.expiry, knots[0] / SCALE, now))
            case Payoff.CURVE:
                return to_price(self._curve(instrument, now))
            case _:
                raise UserFault(Reason.UNKNOWN_INSTRUMENT, f"payoff {int(instrument.payoff)} has no price yet")

    def greeks(self, instrument: Instrument, at: UnixSeconds | None = None) -> Greeks:
        """Return price and sensitivities of one unit of a call or put, as floats: advice, never signed.

        Raises:
            UserFault: as `price`.
        """
        now = self._checked_time(instrument, at)
        if instrument.payoff not in (Payoff.CALL, Payoff.PUT):
            raise UserFault(Reason.UNKNOWN_INSTRUMENT, "only calls and puts have Greeks yet")
        strike, expiry = instrument.knots[0] / SCALE, instrument.expiry
        volatility = self.volatility(expiry, strike)
        years = self._years(expiry, now)
        return black_greeks(instrument.payoff == Payoff.CALL, self.forward(expiry), strike, volatility, years)

    def _checked_time(self, instrument: Instrument, at: UnixSeconds | None) -> UnixSeconds:
        now = self.at if at is None else at
        if instrument.feed != feed_of(self.pair) or instrument.style != Style.LINEAR:
            raise UserFault(Reason.UNKNOWN_INSTRUMENT, f"this market prices linear instruments on {self.pair} only")
        if instrument.expiry <= max(now, self.at):
            raise UserFault(Reason.INSTRUMENT_EXPIRED, "it has expired: it settles, and has no price any more")
        return now

    def _option(self, is_call: bool, expiry: UnixSeconds, strike: float, now: UnixSeconds) -> float:
        deviation = self.volatility(expiry, strike) * sqrt(self._years(expiry, now))
        return black_price(is_call, self.forward(expiry), strike, deviation)

    def _curve(self, instrument: Instrument, now: UnixSeconds) -> float:
        """Replicate a curve by its value at zero, the forward, and one call a knot for each change of slope."""
        expiry = instrument.expiry
        points = [(price / SCALE, value / SCALE) for price, value in map(unknot, instrument.knots)]
        slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(points)]
        value = points[0][1] + slopes[0] * self.forward(expiry)
        for (strike, _), before, after in zip(points[1:-1], slopes[:-1], slopes[1:], strict=True):
            value += (after - before) * self._option(True, expiry, strike, now)
        return value

    def _around(self, expiry: UnixSeconds) -> tuple[Smile | None, Smile | None, float]:
        """Return the smiles before and at or after an expiry, and how far it is from the one to the other."""
        after = bisect_left(self.smiles, expiry, key=lambda smile: smile.expiry)
        if after == len(self.smiles):
            return self.smiles[-1], None, 1.0
        right = self.smiles[after]
        left = self.smiles[after - 1] if after else None
        start = left.expiry if left else self.at
        return left, right, (expiry - start) / (right.expiry - start)

    @staticmethod
    def _years(expiry: UnixSeconds, at: UnixSeconds) -> float:
        return max(expiry - at, 0) / YEAR_S


def read_market(data: bytes) -> Market:
    """Return the market that a file of fitted parameters describes.

    Raises:
        UserFault: MALFORMED, naming the field that is wrong.
    """
    try:
        return decode(data, Market)
    except PeerFault as fault:
        raise UserFault(Reason.MALFORMED, f"not a market: {fault.detail}") from fault


def default_market() -> Market:
    """Return the market that ships with the package. How it was made stands in its `source`."""
    return read_market(files("thalweg.market").joinpath("default.json").read_bytes())
