"""exp, log and the normal distribution as polynomials that vectorise, accurate to about one unit in the last place.

- `exp`: x = n ln 2 + r; a Taylor polynomial of degree 13 in r, |r| <= ln(2)/2; 2^n by writing exponent bits.
- `log_ratio`: ln(a/b) = n ln 2 + 2 atanh((a - b')/(a + b')), b' = 2^n b within a factor of root two of a, so that
  a - b' is exact (Sterbenz 1974): the logarithm is precise near 1 too, where ln(a/b) would have lost digits in a/b.
- `mills`: the Mills ratio N(-x)/n(x), whose polynomial is in `thalweg.pricing.coefficients`. N(-x) = n(x) M(x) has full
  relative precision in the tail, and one exponential serves density and distribution.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from thalweg.pricing.coefficients import MILLS, SLOPE

FLOAT_FLAGS: Final = {"contract"}
_EXP: Final = (
    1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320, 1 / 362880, 1 / 3628800, 1 / 39916800,
    1 / 479001600, 1 / 6227020800,
)  # fmt: skip
_COSH: Final = _EXP[0::2]
_SINH: Final = _EXP[1::2]
_ATANH: Final = tuple(1.0 / n for n in range(3, 23, 2))
_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 0.6931471803691238
_LN2_LOW: Final = 1.9082149292705877e-10
_MAGIC: Final = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to the nearest integer, in the low bits
_EXP_MIN: Final = -708.0
_EXP_MAX: Final = 709.0
_RATIO_MIN: Final = 1e-290
_RATIO_MAX: Final = 1e290
_LOG_RATIO_MAX: Final = 667.7496769682473
_LIFT: Final = 2.0**600
_LOG_LIFT: Final = 415.88830833596717
_ROOT_HALF_BITS: Final = 0x3FE6A09E667F3BCD
_INVERSE_ROOT_TWO_PI: Final = 0.3989422804014327
_DEVIATIONS_MAX: Final = 40.0  # N(-40) is below the least double


def polynomial(coefficients: tuple[float, ...]) -> Callable[[float], float]:
    """Return a compiled function: sum of coefficients[i] x^i.

    Even and odd part are two Horner chains in x^2, which run side by side; each step is one fused multiply-add.
    """

    @intrinsic
    def evaluate(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            square = builder.fmul(arguments[0], arguments[0])
            parts = [_chain(builder, square, coefficients[start::2]) for start in (0, 1)]
            return builder.fma(parts[1], arguments[0], parts[0])

        return types.float64(types.float64), generate

    function: Callable[[float], float] = evaluate
    return function


def _chain(builder: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    constants = [ir.Constant(ir.DoubleType(), coefficient) for coefficient in coefficients]
    value = constants[-1]
    for constant in reversed(constants[:-1]):
        value = builder.fma(value, x, constant)
    return value


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@intrinsic
def bits_of(typing_context: Any, x: Any) -> Any:
    """Return the bits of a double as an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def double_of(typing_context: Any, bits: Any) -> Any:
    """Return the double with these bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


_exp_polynomial: Final = polynomial(_EXP)
_cosh_polynomial: Final = polynomial(_COSH)
_sinh_polynomial: Final = polynomial(_SINH)
_atanh_polynomial: Final = polynomial(_ATANH)
_mills_polynomial: Final = polynomial(MILLS)
_slope_polynomial: Final = polynomial(SLOPE)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def exp(x: float) -> float:
    """Return e^x for x up to 709 (beyond, e^709); 0 below -708 and for NaN."""
    low = x if x > _EXP_MIN else _EXP_MIN
    bounded = low if low < _EXP_MAX else _EXP_MAX
    shifted = fma(bounded, _LOG2_E, _MAGIC)
    n = shifted - _MAGIC
    r = fma(-n, _LN2_LOW, fma(-n, _LN2_HIGH, bounded))
    power = double_of((bits_of(shifted) + 1023) << 52)
    value = (1.0 + fma(r * r, _exp_polynomial(r), r)) * power
    return value if x > _EXP_MIN else 0.0


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def exp_pair(x: float) -> Any:
    """Return e^x and e^-x for |x| up to 708 (beyond, as at 708) from the even and odd parts of one series."""
    low = x if x > _EXP_MIN else _EXP_MIN
    bounded = low if low < -_EXP_MIN else -_EXP_MIN
    shifted = fma(bounded, _LOG2_E, _MAGIC)
    n = shifted - _MAGIC
    r = fma(-n, _LN2_LOW, fma(-n, _LN2_HIGH, bounded))
    square = r * r
    even = fma(square, _cosh_polynomial(square), 1.0)
    odd = fma(r * square, _sinh_polynomial(square), r)
    bits = bits_of(shifted)
    return (even + odd) * double_of((bits + 1023) << 52), (even - odd) * double_of((1023 - bits) << 52)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def log_ratio(a: float, b: float) -> float:
    """Return ln(a/b) for a, b >= 0; saturates at -667.7 (also for 0/0) and 667.7, where a/b leaves 1e-290..1e290."""
    ratio = a / b
    inside = (ratio >= _RATIO_MIN) and (ratio <= _RATIO_MAX)
    n = (bits_of(ratio if inside else 1.0) - _ROOT_HALF_BITS) >> 52
    near = b * double_of((n + 1023) << 52)
    z = (a - near) / (a + near)
    z2 = z * z
    twice = z + z
    count = float(n)
    value = fma(count, _LN2_HIGH, fma(twice * z2, _atanh_polynomial(z2), fma(count, _LN2_LOW, twice)))
    edge = _LOG_RATIO_MAX if ratio > 1.0 else -_LOG_RATIO_MAX
    return value if inside else edge


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def density(x: float) -> float:
    """Return the standard normal density n(x)."""
    return _INVERSE_ROOT_TWO_PI * exp(-0.5 * x * x)


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def mills(x: float) -> float:
    """Return the Mills ratio N(-x)/n(x) for x >= 0; beyond 40, where N(-x) is zero, that of 40."""
    bounded = x if x < _DEVIATIONS_MAX else _DEVIATIONS_MAX
    inverse = 1.0 / (bounded + 5.0)
    return _mills_polynomial(fma(-10.0, inverse, 1.0)) * inverse


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def mills_slope(x: float) -> float:
    """Return 1 - x M(x), M being the Mills ratio, x >= 0."""
    inverse = 1.0 / (x + 5.0)
    return _slope_polynomial(fma(-10.0, inverse, 1.0)) * inverse * inverse


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def log(x: float) -> float:
    """Return ln(x) for every double x > 0; minus infinity for 0."""
    lifted = x * _LIFT if x < _RATIO_MIN else x
    value = log_ratio(lifted, 1.0) - (_LOG_LIFT if x < _RATIO_MIN else 0.0)
    return value if x > 0.0 else -float("inf")


@njit(fastmath=FLOAT_FLAGS, error_model="numpy", forceinline=True)
def normal_cdf(x: float) -> float:
    """Return N(x), with full relative precision where x < 0."""
    tail = density(x) * mills(abs(x))
    return tail if x < 0.0 else 1.0 - tail


def stack_block(size: int) -> Callable[[], Any]:
    """Return a compiled function that returns a new array of `size` doubles on the stack of its caller.

    LLVM knows that two of them do not overlap, so loops over many of them become SIMD code.
    """

    @intrinsic
    def allocate(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            block = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), size))
            return builder.bitcast(block, ir.PointerType(ir.DoubleType()))

        return types.CPointer(types.float64)(), generate

    @njit(forceinline=True)
    def block() -> Any:
        return carray(allocate(), size)

    function: Callable[[], Any] = block
    return function
