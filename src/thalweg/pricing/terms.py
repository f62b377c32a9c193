"""What can be priced: terms of products, one struct each, and the market they are priced in. See `interface`.

Times are years from now, prices in the quote currency. Every struct checks itself when it is made and names the field.
"""

from math import exp, isfinite
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from thalweg.errors import Reason, UserFault
from thalweg.instruments.report import WINDOW_TICKS
from thalweg.pricing.surface import Surface

KNOTS_MAX: Final = 64


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all terms. `positive`: fields that must exceed zero; the other numbers must be finite."""

    positive: ClassVar[tuple[str, ...]] = ("years",)
    not_negative: ClassVar[tuple[str, ...]] = ("strike",)

    def __post_init__(self) -> None:
        kind = type(self).__name__
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if not isfinite(value):
                raise UserFault(Reason.MALFORMED, f"{kind}: {name} is {value}: it must be finite")
            if (name in self.positive and value <= 0.0) or (name in self.not_negative and value < 0.0):
                rule = "above zero" if name in self.positive else "zero or more"
                raise UserFault(Reason.MALFORMED, f"{kind}: {name} is {value}: it must be {rule}")


class European(Terms, frozen=True, tag="european"):
    """max(S - K, 0) at expiry, or the put; `inverse`: paid in coin, divided by S."""

    is_call: bool
    strike: float
    years: float
    inverse: bool = False


class American(Terms, frozen=True, tag="american"):
    """The same, to be exercised at any time."""

    is_call: bool
    strike: float
    years: float


class Digital(Terms, frozen=True, tag="digital"):
    """`cash` (or the asset) at expiry above the strike; a put: below."""

    is_call: bool
    strike: float
    years: float
    cash: float = 1.0
    pays_asset: bool = False


class Forward(Terms, frozen=True, tag="forward"):
    """S - K at expiry."""

    strike: float
    years: float


class Curve(Terms, frozen=True, tag="curve"):
    """Straight lines through knots (price, value), the outer ones going on."""

    knots: Annotated[tuple[tuple[float, float], ...], Meta(min_length=2, max_length=KNOTS_MAX)]
    years: float


class Barrier(Terms, frozen=True, tag="barrier"):
    """A call or put that starts or ends at `level`; see `products.barriers` for rebate and interval."""

    positive: ClassVar[tuple[str, ...]] = ("years", "level")
    not_negative: ClassVar[tuple[str, ...]] = ("strike", "interval")
    is_call: bool
    is_up: bool
    is_in: bool
    strike: float
    level: float
    years: float
    rebate: float = 0.0
    rebate_at_hit: bool = True
    interval: float = 0.0


class DoubleBarrier(Terms, frozen=True, tag="double barrier"):
    """A call or put that starts or ends when the spot leaves (low, high)."""

    positive: ClassVar[tuple[str, ...]] = ("years", "low", "high")
    is_call: bool
    is_in: bool
    strike: float
    low: float
    high: float
    years: float


class Touch(Terms, frozen=True, tag="touch"):
    """One unit of cash if `level` is reached (at the hit, or then at expiry), or if it never is."""

    positive: ClassVar[tuple[str, ...]] = ("years", "level")
    not_negative: ClassVar[tuple[str, ...]] = ("interval",)
    is_up: bool
    level: float
    years: float
    is_no_touch: bool = False
    at_hit: bool = True
    interval: float = 0.0


class Lookback(Terms, frozen=True, tag="lookback"):
    """On the extreme price: against a strike, or floating where there is none. `extreme`: so far (none: the spot)."""

    not_negative: ClassVar[tuple[str, ...]] = ("strike", "interval")
    is_call: bool
    years: float
    strike: float | None = None
    extreme: float | None = None
    interval: float = 0.0


class PartialLookback(Terms, frozen=True, tag="partial lookback"):
    """A lookback on part of its life, `boundary` years from now; see `products.partial`.

    Against a strike the extreme counts from the boundary on; without one (floating) until it, times `factor`.
    """

    positive: ClassVar[tuple[str, ...]] = ("years", "boundary", "factor")
    is_call: bool
    years: float
    boundary: float
    strike: float | None = None
    extreme: float | None = None
    factor: float = 1.0


class TwoAssets(Terms, frozen=True, kw_only=True):
    """Base of terms on two assets: the market's and the model's is the first, the second is described here."""

    positive: ClassVar[tuple[str, ...]] = ("years", "spot2", "volatility2")
    not_negative: ClassVar[tuple[str, ...]] = ()
    years: float
    spot2: float
    volatility2: float
    correlation: float
    dividend2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if abs(self.correlation) > 1.0:
            raise UserFault(Reason.MALFORMED, f"correlation is {self.correlation}: it must be within -1..1")


class Exchange(TwoAssets, frozen=True, kw_only=True, tag="exchange"):
    """The right to give `quantity2` of the second asset for `quantity` of the first at expiry."""

    quantity: float = 1.0
    quantity2: float = 1.0


class Spread(TwoAssets, frozen=True, kw_only=True, tag="spread"):
    """max(S1 - S2 - strike, 0) at expiry, or the put."""

    is_call: bool
    strike: float = 0.0


class Rainbow(TwoAssets, frozen=True, kw_only=True, tag="rainbow"):
    """A call or put on the greater (`is_max`) or the smaller of both prices."""

    positive: ClassVar[tuple[str, ...]] = (*TwoAssets.positive, "strike")
    is_call: bool
    is_max: bool
    strike: float


class Asian(Terms, frozen=True, tag="asian"):
    """On the average of `count` fixings still to come, from `first` to `years`, and of `seen` ones."""

    not_negative: ClassVar[tuple[str, ...]] = ("strike", "first", "seen", "seen_average")
    positive: ClassVar[tuple[str, ...]] = ("years", "count")
    is_call: bool
    strike: float
    years: float
    count: int
    first: float = 0.0
    seen: int = 0
    seen_average: float = 0.0
    geometric: bool = False


class Twap(Terms, frozen=True, tag="twap"):
    """On the average of the last ticks before expiry, as our contracts settle; see `products.twap`."""

    not_negative: ClassVar[tuple[str, ...]] = ("strike", "seen_average", "years")
    positive: ClassVar[tuple[str, ...]] = ("ticks", "tick_s")
    is_call: bool
    strike: float
    years: float
    seen_average: float = 0.0
    ticks: int = WINDOW_TICKS
    tick_s: float = 60.0


class VarianceSwap(Terms, frozen=True, tag="variance swap"):
    """(Realised variance - strike) times notional; realised is the sum of squared log-returns over the life in years.

    `gone` years of it have passed, with `realised` (annual) variance.
    """

    not_negative: ClassVar[tuple[str, ...]] = ("strike", "gone", "realised")
    strike: float
    years: float
    notional: float = 1.0
    gone: float = 0.0
    realised: float = 0.0


class Future(Terms, frozen=True, tag="future"):
    """The fair price of a future."""

    years: float


class Perpetual(Terms, frozen=True, tag="perpetual"):
    """The fair price of a perpetual; see `products.perpetuals`.

    `kappa` is the pull to the index a year (three times 365.25: a premium paid in full every eight hours), `iota` the
    fixed part a year; coin-settled or not.
    """

    positive: ClassVar[tuple[str, ...]] = ("kappa",)
    kappa: float = 8766.0 / 8.0
    iota: float = 0.0
    inverse: bool = False


class Market(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A spot with constant interest, or a surface with its own forwards (`rate` then only discounts).

    `dividend` is what holding the underlying earns. Rates are continuously compounded, per year.
    """

    spot: float
    rate: float = 0.0
    dividend: float = 0.0
    surface: Surface | None = None

    def __post_init__(self) -> None:
        if not (isfinite(self.spot) and self.spot > 0.0):
            raise UserFault(Reason.MALFORMED, f"Market: spot is {self.spot}: it must be finite and above zero")
        for name in ("rate", "dividend"):
            if not isfinite(getattr(self, name)):
                raise UserFault(Reason.MALFORMED, f"Market: {name} is {getattr(self, name)}: it must be finite")

    def forward(self, years: float) -> float:
        """Return the forward price for a time."""
        if self.surface is not None:
            return self.surface.forward(years)
        return self.spot * exp((self.rate - self.dividend) * years)


ALL: Final[tuple[type[Terms], ...]] = (
    European, American, Digital, Forward, Curve, Barrier, DoubleBarrier, Touch, Lookback, PartialLookback, Asian, Twap,
    VarianceSwap, Exchange, Spread, Rainbow, Future, Perpetual,
)  # fmt: skip
BY_NAME: Final = {str(kind.__struct_config__.tag): kind for kind in ALL}


def terms_of(kind: str, fields: dict[str, Any]) -> Terms:
    """Return terms from a product's name and its fields, which may be text.

    Raises:
        UserFault: UNKNOWN_FEATURE with the products there are; MALFORMED, naming the field.
    """
    if kind not in BY_NAME:
        raise UserFault(Reason.UNKNOWN_FEATURE, f"no product {kind!r}: there are {', '.join(BY_NAME)}")
    try:
        return msgspec.convert(fields, BY_NAME[kind], strict=False)
    except msgspec.ValidationError as error:
        raise UserFault(Reason.MALFORMED, f"{kind}: {error}") from error
