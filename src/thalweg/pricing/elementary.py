"""exp, log and the normal distribution over arrays, from additions, multiplications and square roots alone.

IEEE arithmetic makes their bits the same on every machine, as those of `kernels.arithmetic` are; numpy's own differ by
processor. The polynomials are the kernels' (`coefficients`); errors are one or two units in the last place.
"""

from typing import TYPE_CHECKING, Any, Final

from thalweg.pricing.coefficients import MILLS, SLOPE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 0.6931471803691238
_LN2_LOW: Final = 1.9082149292705877e-10
_EXP_MAX: Final = 709.0
_INVERSE_ROOT_TWO_PI: Final = 0.3989422804014327
_FACTORIALS: Final = (
    1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320, 1 / 362880, 1 / 3628800, 1 / 39916800,
    1 / 479001600, 1 / 6227020800,
)  # fmt: skip
_ATANH: Final = tuple(1.0 / n for n in range(3, 25, 2))
_ROOT_HALF: Final = 0.7071067811865476


def polynomial(coefficients: tuple[float, ...], x: "Floats") -> "Floats":
    """Return the sum of coefficients[i] x^i."""
    import numpy as np

    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= x
        value += coefficient
    return value


def exp(x: "Floats") -> "Floats":
    """Return e^x; e^709 beyond 709, zero below -745."""
    import numpy as np

    bounded = np.clip(x, -800.0, _EXP_MAX)
    whole = np.rint(bounded * _LOG2_E)
    rest = (bounded - whole * _LN2_HIGH) - whole * _LN2_LOW
    whole = np.where(np.isnan(whole), 0.0, whole)
    result: Floats = np.ldexp(polynomial(_FACTORIALS, rest), whole.astype(np.int32))
    return result


def log(x: "Floats") -> "Floats":
    """Return ln(x); minus infinity at zero, NaN below."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        part, power = np.frexp(x)
        low = part < _ROOT_HALF
        part, power = np.where(low, 2.0 * part, part), power - low
        z = (part - 1.0) / (part + 1.0)
        square = z * z
        value = power * _LN2_HIGH + (2.0 * z + (power * _LN2_LOW + 2.0 * z * square * polynomial(_ATANH, square)))
        result: Floats = np.where(x > 0.0, np.where(np.isinf(x), np.inf, value), np.where(x == 0.0, -np.inf, np.nan))
    return result


def density(x: "Floats") -> "Floats":
    """Return the standard normal density n(x)."""
    return _INVERSE_ROOT_TWO_PI * exp(-0.5 * x * x)


def mills(x: "Floats") -> "Floats":
    """Return the Mills ratio N(-x)/n(x) for x >= 0."""
    inverse: Any = 1.0 / (x + 5.0)
    result: Floats = polynomial(MILLS, 1.0 - 10.0 * inverse) * inverse
    return result


def mills_slope(x: "Floats") -> "Floats":
    """Return 1 - x M(x), M being the Mills ratio, x >= 0."""
    inverse: Any = 1.0 / (x + 5.0)
    result: Floats = polynomial(SLOPE, 1.0 - 10.0 * inverse) * inverse * inverse
    return result


def normal_cdf(x: "Floats") -> "Floats":
    """Return N(x), with full relative precision where x < 0."""
    import numpy as np

    bounded = np.clip(x, -40.0, 40.0)
    tail = density(bounded) * mills(np.abs(bounded))
    result: Floats = np.where(bounded < 0.0, tail, 1.0 - tail)
    return result
