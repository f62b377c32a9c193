"""From words on a command line to terms, models and markets; long work shows its progress on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.market.chains import load_chain
from thalweg.pricing.interface import Bachelier, SurfaceModel
from thalweg.pricing.models import calibration as model_calibration
from thalweg.pricing.models.parameters import Bates, BlackScholes, Heston, Kou, Merton, VarianceGamma
from thalweg.pricing.models.targets import targets_from
from thalweg.pricing.sabr import Sabr
from thalweg.pricing.ssvi_fit import calibrate_ssvi
from thalweg.pricing.surface_fit import Calibration
from thalweg.pricing.surface_fit import calibrate as fit_surface
from thalweg.pricing.terms import Market, Terms, terms_of

FAMILIES: Final[dict[str, Callable[[Any], Calibration]]] = {
    "svi": fit_surface, "essvi": calibrate_ssvi, "ssvi": partial(calibrate_ssvi, extended=False),
}  # fmt: skip

_DAYS_A_YEAR: Final = 365.25
_WORDS: Final = {
    "call": ("is_call", "true"), "put": ("is_call", "false"), "up": ("is_up", "true"), "down": ("is_up", "false"),
    "in": ("is_in", "true"), "out": ("is_in", "false"), "inverse": ("inverse", "true"),
}  # fmt: skip
_CALIBRATED: Final[dict[str, Any]] = {
    kind.__name__.lower(): kind for kind in (Heston, Bates, Merton, Kou, VarianceGamma)
}
_MODELS: Final[dict[str, Any]] = {"blackscholes": BlackScholes, "bachelier": Bachelier, "sabr": Sabr, **_CALIBRATED}


def product_of(name: str, words: list[str]) -> Terms:
    """Return terms from a product's name and its words.

    Raises:
        UserFault: MALFORMED for a word that means nothing here; as `terms.terms_of`.
    """
    fields: dict[str, Any] = {}
    for word in words:
        if word in _WORDS:
            field, text = _WORDS[word]
        else:
            field, equals, text = word.partition("=")
            if not equals:
                raise UserFault(Reason.MALFORMED, f"{word!r} is neither NAME=VALUE nor one of {', '.join(_WORDS)}")
        if field == "days":
            field, text = "years", str(_number("days", text) / _DAYS_A_YEAR)
        if field == "knots":
            fields[field] = [tuple(_number("knots", x) for x in pair.split(":")) for pair in text.split(",")]
            continue
        fields[field] = text
    return terms_of(name, fields)


def model_of(text: str | None, volatility: float | None, from_chain: bool) -> Any:
    """Return the model asked for: one of `--model`, `--vol`, or the chain's surface.

    Raises:
        UserFault: MALFORMED where none or several are given, or a parameter is wrong; UNKNOWN_FEATURE.
    """
    given = sum((text is not None, volatility is not None))
    if given > 1 or (given == 0 and not from_chain):
        raise UserFault(Reason.MALFORMED, "say how it moves: --vol, --model, or --chain for a snapshot's surface")
    if volatility is not None:
        return BlackScholes(volatility)
    if text is None:
        return SurfaceModel()
    name, *words = text.split()
    kind = _MODELS.get(name.lower())
    if kind is None:
        raise UserFault(Reason.UNKNOWN_FEATURE, f"no model {name!r}: there are {', '.join(_MODELS)}")
    values = dict(word.partition("=")[::2] for word in words)
    try:
        return msgspec.convert({key: _number(key, value) for key, value in values.items()}, kind)
    except msgspec.ValidationError as error:
        raise UserFault(Reason.MALFORMED, f"{name}: {error}") from error


def market_of(
    spot: float | None, chain: Path | None, currency: str, rate: float, dividend: float, *, quiet: bool
) -> Market:
    """Return the market: of a snapshot's surface, or of a spot.

    Raises:
        UserFault: MALFORMED where neither is given; as `fitted`.
    """
    if chain is None:
        if spot is None:
            raise UserFault(Reason.MALFORMED, "say where it is: --spot, or --chain for a snapshot's forwards")
        return Market(spot, rate, dividend)
    found = fitted(chain, currency, quiet=quiet)
    return Market(found.surface.slices[0].forward if spot is None else spot, rate, dividend, found.surface)


def implied(
    side: str, premium: float, forward: float, strike: float, years: float, rate: float, inverse: bool
) -> dict[str, Any]:
    """Return the volatility a price implies.

    Raises:
        UserFault: MALFORMED, saying what stands against it.
    """
    from thalweg.pricing.implied import Verdict, implied_one

    if side not in ("call", "put"):
        raise UserFault(Reason.MALFORMED, f"an option is a call or a put, not {side!r}")
    for name, value in (("forward", forward), ("strike", strike), ("years", years)):
        if not 0.0 < value < inf:
            raise UserFault(Reason.MALFORMED, f"{name} is {value:g}: it must be above zero and finite")
    if not 0.0 <= premium < inf:
        raise UserFault(Reason.MALFORMED, f"the price is {premium:g}: it must be zero or more, and finite")
    if not abs(rate) < inf:
        raise UserFault(Reason.MALFORMED, f"rate is {rate:g}: it must be finite")
    found = implied_one(side == "call", premium, forward, strike, years, rate, inverse=inverse)
    refusals = {
        Verdict.MALFORMED: "these numbers are too large or too small together",
        Verdict.BELOW_INTRINSIC: f"{premium} is below the intrinsic value: no volatility",
        Verdict.ABOVE_BOUND: f"{premium} is at or above its upper bound: no volatility",
    }
    if found.verdict in refusals:
        raise UserFault(Reason.MALFORMED, refusals[found.verdict])
    return {"volatility": found.volatility, "verdict": found.verdict.name.lower()}


def fitted(file: Path, currency: str, *, family: str = "svi", quiet: bool) -> Calibration:
    """Return the surface of a snapshot; `family` is one of `FAMILIES`.

    Raises:
        UserFault: UNKNOWN_FEATURE for another family; as `load_chain` and `surface_fit.calibrate`.
    """
    if family not in FAMILIES:
        raise UserFault(Reason.UNKNOWN_FEATURE, f"no family {family!r} of surfaces: there are {', '.join(FAMILIES)}")
    with progress(quiet) as step:
        step(f"reading {file.name}")
        quotes = load_chain(file, currency)
        step(f"fitting {len(quotes.strike)} quotes")
        try:
            return FAMILIES[family](quotes)
        except UserFault as fault:
            raise UserFault(fault.reason, f"{file}: {fault.detail}") from fault


def calibrated(file: Path, name: str, currency: str, *, quiet: bool) -> model_calibration.Calibration:
    """Return a model calibrated to a snapshot's surface.

    Raises:
        UserFault: UNKNOWN_FEATURE for a model there is not; as `fitted`.
    """
    kind = _CALIBRATED.get(name.lower())
    if kind is None:
        raise UserFault(Reason.UNKNOWN_FEATURE, f"no model {name!r} to calibrate: there are {', '.join(_CALIBRATED)}")
    surface = fitted(file, currency, quiet=quiet).surface
    with progress(quiet) as step:
        step(f"calibrating {kind.__name__}")
        return model_calibration.calibrate(kind, targets_from(surface))


def check_plot(file: Path) -> Callable[[Calibration, str, Path], None]:
    """Return what draws to such a file.

    Raises:
        UserFault: MALFORMED for another ending; NOT_FOUND where what draws, or the folder, is not there.
    """
    if file.suffix not in (".png", ".html"):
        raise UserFault(Reason.MALFORMED, f"{file} ends in {file.suffix or 'nothing'}: a picture is .png or .html")
    if not file.absolute().parent.is_dir():
        raise UserFault(Reason.NOT_FOUND, f"there is no folder {file.absolute().parent}")
    try:
        if file.suffix == ".png":
            from thalweg.cli.pricing.picture import draw_png

            return draw_png
        from thalweg.cli.pricing.page import draw_html

        return draw_html
    except ImportError as error:
        missing = error.name or "a library"
        raise UserFault(Reason.NOT_FOUND, f"{file.suffix} needs {missing}: pip install 'thalweg[plot]'") from error


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show a line that says what is being done, on standard error, while it takes."""
    if quiet:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda text: bar.update(task, description=text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserFault(Reason.MALFORMED, f"{name}: {text!r} is not a number") from error
