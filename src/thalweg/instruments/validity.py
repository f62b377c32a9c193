"""Which terms may exist at all. Both sides ask before they sign; the contracts assume that somebody did.

An instrument that passes `validate` has an exact payoff at every price from 0 to PRICE_MAX, and no step of its
arithmetic leaves int256 (the proof is in `payoff`).
"""

from itertools import pairwise
from typing import Final

from thalweg.errors import Reason, RuleBroken
from thalweg.instruments.report import GRID_S
from thalweg.instruments.terms import KNOTS_MAX, Instrument, Payoff, Style, unknot
from thalweg.units import PRICE_MAX, UNIT_MAX

VALUE_MIN: Final = -(2**63)  # of a curve at a knot, scaled by SCALE
VALUE_MAX: Final = 2**63 - 1
CURVE_KNOTS_MIN: Final = 2
_BYTES_ADDRESS: Final = 20
_BYTES_FEED: Final = 32
_TIME_LIMIT: Final = 2**64
_WORD_LIMIT: Final = 2**256


class TermsFault(RuleBroken):
    """Terms, or a book of them, that nobody may sign. The caller knows whose they are and says so:

    `except TermsFault as fault: raise PeerFault(fault.reason, fault.detail) from fault`, or `UserFault`.
    """


def validate(instrument: Instrument) -> None:
    """Return if the instrument may be traded.

    Raises:
        TermsFault: UNKNOWN_INSTRUMENT, for a payoff or style this version does not execute; INVALID_INSTRUMENT, for
            terms that are out of range or not in their one canonical form.
    """
    if instrument.style != Style.LINEAR:
        raise TermsFault(Reason.UNKNOWN_INSTRUMENT, f"style {int(instrument.style)}; only LINEAR (0) can be traded")
    if instrument.deliver != 0:
        raise TermsFault(Reason.INVALID_INSTRUMENT, "deliver must be 0 unless the style is PHYSICAL")
    if len(instrument.oracle) != _BYTES_ADDRESS or len(instrument.feed) != _BYTES_FEED:
        raise TermsFault(Reason.INVALID_INSTRUMENT, "the oracle is 20 bytes, the feed 32")
    if not 0 < instrument.expiry < _TIME_LIMIT:
        raise TermsFault(Reason.INVALID_INSTRUMENT, f"expiry {instrument.expiry} is not a positive 64-bit time")
    if instrument.expiry % GRID_S:
        raise TermsFault(Reason.INVALID_INSTRUMENT, f"expiry {instrument.expiry} is not a multiple of {GRID_S} s")
    if not 0 < instrument.unit <= UNIT_MAX:
        raise TermsFault(Reason.INVALID_INSTRUMENT, f"unit {instrument.unit} is not in 1..{UNIT_MAX}")
    match instrument.payoff:
        case Payoff.CALL | Payoff.PUT:
            _validate_strike(instrument.knots)
        case Payoff.CURVE:
            _validate_curve(instrument.knots)
        case _:
            raise TermsFault(Reason.UNKNOWN_INSTRUMENT, f"payoff {int(instrument.payoff)} cannot be traded yet")


def _validate_strike(knots: tuple[int, ...]) -> None:
    if len(knots) != 1:
        raise TermsFault(
            Reason.INVALID_INSTRUMENT, f"an option has one knot, its strike; these terms have {len(knots)}"
        )
    if not 0 < knots[0] <= PRICE_MAX:
        raise TermsFault(Reason.INVALID_INSTRUMENT, f"strike {knots[0]} is not in 1..{PRICE_MAX}")


def _validate_curve(knots: tuple[int, ...]) -> None:
    if not CURVE_KNOTS_MIN <= len(knots) <= KNOTS_MAX:
        raise TermsFault(
            Reason.INVALID_INSTRUMENT,
            f"a curve has {CURVE_KNOTS_MIN}..{KNOTS_MAX} knots; these terms have {len(knots)}",
        )
    if not all(0 <= packed < _WORD_LIMIT for packed in knots):
        raise TermsFault(Reason.INVALID_INSTRUMENT, "a knot is one 256-bit word: pack it with `knot(price, value)`")
    points = [unknot(packed) for packed in knots]
    if points[0][0] != 0:
        raise TermsFault(Reason.INVALID_INSTRUMENT, f"the first knot is at price 0, not {points[0][0]}")
    if points[-1][0] > PRICE_MAX:
        raise TermsFault(Reason.INVALID_INSTRUMENT, f"the last knot is beyond price {PRICE_MAX}")
    if any(left >= right for (left, _), (right, _) in pairwise(points)):
        raise TermsFault(Reason.INVALID_INSTRUMENT, "the knots' prices must strictly increase")
    if not all(VALUE_MIN <= value <= VALUE_MAX for _, value in points):
        raise TermsFault(Reason.INVALID_INSTRUMENT, f"a knot's value is not in {VALUE_MIN}..{VALUE_MAX}")
