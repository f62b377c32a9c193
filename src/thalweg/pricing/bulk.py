"""Bulk calls of products: arguments broadcast like a ufunc's, checked by rules, outputs by name, and what went wrong.

A product says which rule each argument obeys. Bad elements are refused with argument and index, or (`invalid="nan"`)
come back as NaN, with a `Verdict` an element under "verdict".
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from thalweg.errors import Reason, UserFault
from thalweg.pricing.planes import as_flags, as_floats, common_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Invalid = Literal["raise", "nan"]
Units = Literal["trader", "raw"]
POINT: Final = 0.01
DAY: Final = 1.0 / 365.25


class Verdict(IntEnum):
    """What can be said of one element of a bulk result."""

    OK = 0
    MALFORMED = 1  # an argument is not finite, or breaks its rule
    OUTSIDE = 2  # the terms are sound, but outside what the formula covers
    APPROXIMATE = 3  # priced, by a method of lower precision


class Rule(StrEnum):
    """What an argument must be."""

    POSITIVE = "finite and above zero"
    NOT_NEGATIVE = "finite and not negative"
    FINITE = "finite"
    COUNT = "a whole number, one or more"
    NATURAL = "a whole number, zero or more"
    CORRELATION = "between -1 and 1"
    UNKNOWN = "anything"

    def broken(self, values: "NDArray[np.float64]") -> "NDArray[np.bool_]":
        """Say where values break the rule."""
        import numpy as np

        fine = np.isfinite(values) | (self is Rule.UNKNOWN)
        with np.errstate(invalid="ignore"):
            match self:
                case Rule.POSITIVE:
                    fine &= values > 0.0
                case Rule.NOT_NEGATIVE:
                    fine &= values >= 0.0
                case Rule.COUNT:
                    fine &= (values >= 1.0) & (values == np.floor(values))
                case Rule.NATURAL:
                    fine &= (values >= 0.0) & (values == np.floor(values))
                case Rule.CORRELATION:
                    fine &= np.abs(values) <= 1.0
                case Rule.FINITE | Rule.UNKNOWN:
                    pass
        return ~fine


class Field(NamedTuple):
    """One argument as it came, and its rule."""

    value: Any
    rule: Rule


class Bulk:
    """One call's arguments, checked and broadcast, and the places its outputs go to."""

    def __init__(
        self,
        fields: Mapping[str, Field],
        flags: Mapping[str, Any],
        outputs: Sequence[str],
        known: Sequence[str],
        invalid: Invalid,
        out: "Mapping[str, NDArray[np.float64]] | None" = None,
    ) -> None:
        import numpy as np

        unknown = [name for name in outputs if name not in known]
        if unknown or not outputs:
            raise UserFault(Reason.MALFORMED, f"outputs are some of {', '.join(known)}; not {unknown}")
        if invalid not in ("raise", "nan"):
            raise UserFault(Reason.MALFORMED, f"invalid is 'raise' or 'nan', not {invalid!r}")
        self.invalid = invalid
        self.values = {name: as_floats(name, field.value) for name, field in fields.items()}
        self.flags = {name: as_flags(name, value) for name, value in flags.items()}
        self.shape = common_shape([*self.flags.items(), *self.values.items()])
        self.verdict = np.zeros(self.shape, np.uint8)
        for name, field in fields.items():
            self.refuse(field.rule.broken(self.values[name]), name, field.rule.value, Verdict.MALFORMED)
        self.results = {name: place(name, out, self.shape) for name in outputs}

    def refuse(self, where: Any, name: str, rule: str, verdict: Verdict = Verdict.OUTSIDE) -> None:
        """Mark elements as bad; with `invalid="raise"` refuse the first of them by name and index."""
        import numpy as np

        if not np.any(where):
            return
        if self.invalid == "raise":
            at = tuple(int(i) for i in np.argwhere(where)[0])
            spelled = f"[{', '.join(map(str, at))}]" if at else ""
            values = self.values.get(name)
            value = "" if values is None else f" is {np.broadcast_to(values, np.shape(where))[at]}:"
            raise UserFault(Reason.MALFORMED, f"{name}{spelled}{value} it must be {rule}")
        self.verdict[...] = np.where((self.verdict == 0) & where, np.uint8(verdict), self.verdict)

    def flat(self, name: str) -> "NDArray[Any]":
        """Return an argument, broadcast, as one row."""
        import numpy as np

        array = self.flags.get(name, self.values.get(name))
        return np.broadcast_to(array, self.shape).reshape(-1)  # type: ignore[arg-type]

    def finish(self) -> "dict[str, NDArray[Any]]":
        """Return the outputs; those of bad elements are NaN, and the verdicts are among them where asked for."""
        import numpy as np

        bad = (self.verdict != Verdict.OK) & (self.verdict != Verdict.APPROXIMATE)
        if bad.any():
            for place in self.results.values():
                place[bad] = np.nan
        return {**self.results, "verdict": self.verdict} if self.invalid == "nan" else self.results


def place(name: str, out: "Mapping[str, NDArray[np.float64]] | None", shape: tuple[int, ...]) -> Any:
    """Return the array an output goes to: the caller's, or a new one.

    Raises:
        UserFault: MALFORMED where the caller's does not fit.
    """
    import numpy as np

    given: Any = None if out is None else out.get(name)
    if given is None:
        return np.empty(shape)
    fits = isinstance(given, np.ndarray) and given.dtype.char == "d" and given.shape == shape
    if not fits or not given.flags.writeable:
        raise UserFault(Reason.MALFORMED, f"out[{name!r}] must be a writable float64 array of shape {shape}")
    return given


def checked_units(units: str) -> bool:
    """Say whether results are in traders' units.

    Raises:
        UserFault: MALFORMED for any other word than "trader" and "raw".
    """
    if units not in ("trader", "raw"):
        raise UserFault(Reason.MALFORMED, f"units are 'trader' or 'raw', not {units!r}")
    return units == "trader"
