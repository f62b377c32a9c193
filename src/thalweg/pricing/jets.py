"""Prices that know their derivatives: truncated Taylor series (jets) in several variables, over arrays.

A jet holds the coefficients of the monomials that were asked for and of all their divisors; arithmetic drops the rest.
A formula written with the functions below gives a price from arrays, and from jets its exact derivatives, to rounding:
no differences, no second set of formulas. (A. Griewank and A. Walther, "Evaluating Derivatives", 2nd ed. 2008,
chapter 13.) `where` chooses by values; at the point where a formula changes, the derivative is that of the side taken.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import product
from math import factorial
from typing import TYPE_CHECKING, Any, Final, Union

from thalweg.pricing import elementary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Monomial = tuple[int, ...]
Number = Union["Jet", Any]
_SMALL: Final = 300  # elements; up to here calls cost more than copies
_LOG_ROOT_TWO_PI: Final = 0.9189385332046727


class _Pairs:
    """Which products are added to which coefficient."""

    def __init__(self, triples: list[tuple[int, int, int]]) -> None:
        import numpy as np

        self.triples = triples
        self.left, self.right = (np.array([t[side] for t in triples], np.intp) for side in (1, 2))
        self.targets = sorted({k for k, _, _ in triples})
        firsts = [k for k, _, _ in triples]
        self.starts = np.array([firsts.index(k) for k in self.targets], np.intp)

    def product(self, a: "Floats", b: "Floats") -> "Floats":
        """Return the sums of products, zero where there are none; a few calls for small arrays, no copies for large."""
        import numpy as np

        result = np.zeros((a.shape[0], *np.broadcast_shapes(a.shape[1:], b.shape[1:])))
        if not self.triples:
            return result
        if result[0].size <= _SMALL:
            result[self.targets] = np.add.reduceat(a[self.left] * b[self.right], self.starts, axis=0)
            return result
        spare = np.empty(result.shape[1:])
        for k, i, j in self.triples:
            np.multiply(a[i], b[j], out=spare)
            result[k] += spare
        return result


class Algebra:
    """The monomials kept, in order of degree, and which products of two give which third."""

    def __init__(self, monomials: Iterable[Monomial], count: int) -> None:

        wanted = {tuple(0 for _ in range(count))}
        for monomial in monomials:
            wanted |= set(product(*(range(power + 1) for power in monomial)))
        self.monomials = sorted(wanted, key=lambda m: (sum(m), m))
        self.place = {monomial: i for i, monomial in enumerate(self.monomials)}
        self.degree = max(map(sum, self.monomials))
        triples = sorted(
            (self.place[total], i, j)
            for i, a in enumerate(self.monomials)
            for j, b in enumerate(self.monomials)
            if (total := tuple(x + y for x, y in zip(a, b, strict=True))) in self.place
        )
        self.all = _Pairs(triples)
        self.inner = _Pairs([(k, i, j) for k, i, j in triples if i and j])

    def variable(self, index: int, value: "Floats") -> "Jet":
        """Return the jet of a variable: its value, and one for its own first derivative."""
        import numpy as np

        coefficients = np.zeros((len(self.monomials), *value.shape))
        coefficients[0] = value
        own = self.place.get(tuple(int(i == index) for i in range(len(self.monomials[0]))))
        if own is not None:
            coefficients[own] = 1.0
        return Jet(self, coefficients)


@cache
def algebra(monomials: tuple[Monomial, ...], count: int) -> Algebra:
    """Return the algebra that keeps these monomials of `count` variables."""
    return Algebra(monomials, count)


class Jet:
    """A number and its derivatives; coefficients of shape (monomials, *shape)."""

    __array_ufunc__ = None  # numpy leaves mixed arithmetic to the methods below
    __slots__ = ("algebra", "parts")

    def __init__(self, algebra: Algebra, parts: "Floats") -> None:
        self.algebra, self.parts = algebra, parts

    def __add__(self, other: Number) -> "Jet":
        if isinstance(other, Jet):
            depth = max(self.parts.ndim, other.parts.ndim) - 1
            return Jet(self.algebra, _deepened(self.parts, depth) + _deepened(other.parts, depth))
        parts = self._spread(other)
        parts[0] += other
        return Jet(self.algebra, parts)

    __radd__ = __add__

    def __neg__(self) -> "Jet":
        return Jet(self.algebra, -self.parts)

    def __sub__(self, other: Number) -> "Jet":
        return self + (-other)

    def __rsub__(self, other: Number) -> "Jet":
        return -self + other

    def __mul__(self, other: Number) -> "Jet":
        import numpy as np

        depth = max(self.parts.ndim - 1, other.parts.ndim - 1 if isinstance(other, Jet) else np.ndim(other))
        own = _deepened(self.parts, depth)
        if not isinstance(other, Jet):
            return Jet(self.algebra, own * other)
        return Jet(self.algebra, self.algebra.all.product(own, _deepened(other.parts, depth)))

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> "Jet":
        inverse: Any = reciprocal(other) if isinstance(other, Jet) else 1.0 / other
        result: Jet = self * inverse
        return result

    def __rtruediv__(self, other: Number) -> "Jet":
        inverse: Jet = reciprocal(self)
        return inverse * other

    def _spread(self, other: Any) -> Any:
        import numpy as np

        shape = np.broadcast_shapes(self.parts.shape[1:], np.shape(other))
        parts = _deepened(self.parts, len(shape))
        return np.array(np.broadcast_to(parts, (parts.shape[0], *shape)))

    def through(self, derivatives: Sequence["Floats"]) -> "Jet":
        """Return f(self), given f's value and derivatives at the value, one for each degree kept."""
        step = self.parts.copy()
        step[0] = 0.0
        result = derivatives[1] * step if self.algebra.degree else step
        power = step
        for degree in range(2, self.algebra.degree + 1):
            power = self.algebra.inner.product(power, step)
            result += derivatives[degree] / factorial(degree) * power
        result[0] = derivatives[0]
        return Jet(self.algebra, result)


def value_of(x: Number) -> "Floats":
    """Return the value without derivatives."""
    value: Floats = x.parts[0] if isinstance(x, Jet) else x
    return value


def _lifted(function: Callable[["Floats"], "Floats"], derivatives: Callable[["Floats", int], list["Floats"]]) -> Any:
    def apply(x: Number) -> Number:
        import numpy as np

        if isinstance(x, Jet):
            return x.through(derivatives(x.parts[0], x.algebra.degree))
        return function(np.asarray(x, np.float64))

    return apply


def _of_exp(x: "Floats", degree: int) -> list["Floats"]:
    return [elementary.exp(x)] * (degree + 1)


def _of_log(x: "Floats", degree: int) -> list["Floats"]:
    found = [elementary.log(x)]
    for n in range(1, degree + 1):
        found.append((-1.0) ** (n - 1) * factorial(n - 1) / _power(x, n))
    return found


def _of_reciprocal(x: "Floats", degree: int) -> list["Floats"]:
    return [(-1.0) ** n * factorial(n) / _power(x, n + 1) for n in range(degree + 1)]


def _of_root(x: "Floats", degree: int) -> list["Floats"]:
    import numpy as np

    found, factor, power = [np.sqrt(x)], 1.0, 0.5
    for _ in range(degree):
        factor *= power
        power -= 1.0
        found.append(factor * found[0] / _power(x, round(0.5 - power)))
    return found


def _power(x: "Floats", n: int) -> "Floats":
    value = x
    for _ in range(n - 1):
        value = value * x
    return value


def _hermite(x: "Floats", height: "Floats", degree: int) -> list["Floats"]:
    """Return the density and its derivatives: n^(k+1) = -x n^(k) - k n^(k-1)."""
    found = [height]
    for k in range(degree):
        found.append(-x * found[k] - (k * found[k - 1] if k else 0.0))
    return found


def _of_cdf(x: "Floats", degree: int) -> list["Floats"]:
    return [elementary.normal_cdf(x), *_hermite(x, elementary.density(x), degree)[:degree]]


def _of_density(x: "Floats", degree: int) -> list["Floats"]:
    return _hermite(x, elementary.density(x), degree)


def _of_ratio(x: "Floats", degree: int) -> list["Floats"]:
    """Return R = N(x)/n(x), x <= 0, and derivatives: R' = 1 + x R, R^(k+1) = x R^(k) + k R^(k-1)."""
    found = [elementary.mills(-x), elementary.mills_slope(-x)]
    for k in range(1, degree):
        found.append(x * found[k] + k * found[k - 1])
    return found


exp: Any = _lifted(elementary.exp, _of_exp)
log: Any = _lifted(elementary.log, _of_log)
reciprocal: Any = _lifted(lambda x: 1.0 / x, _of_reciprocal)
sqrt: Any = _lifted(lambda x: _of_root(x, 0)[0], _of_root)
normal_cdf: Any = _lifted(elementary.normal_cdf, _of_cdf)
density: Any = _lifted(elementary.density, _of_density)
_ratio: Any = _lifted(lambda x: elementary.mills(-x), _of_ratio)


def scaled_cdf(exponent: Number, x: Number) -> Number:
    """Return e^exponent N(x), the factors of its smaller tail joined before either over- or underflows."""
    low = value_of(x) < 0.0
    below = where(low, x, -1.0 * x)
    tail = exp(exponent - 0.5 * below * below - _LOG_ROOT_TWO_PI) * _ratio(below)
    return where(low, tail, exp(where(low, 0.0 * exponent, exponent)) - tail)


def power(base: Number, exponent: Number) -> Number:
    """Return base^exponent, base > 0."""
    return exp(exponent * log(base))


def where(condition: Any, yes: Number, no: Number) -> Number:
    """Return one or the other, element by element."""
    import numpy as np

    if not isinstance(yes, Jet) and not isinstance(no, Jet):
        return np.where(condition, yes, no)
    kept = (yes if isinstance(yes, Jet) else no).algebra
    depth = max(
        np.ndim(condition), *(one.parts.ndim - 1 if isinstance(one, Jet) else np.ndim(one) for one in (yes, no))
    )
    left, right = (_deepened(one.parts if isinstance(one, Jet) else _constant(kept, one), depth) for one in (yes, no))
    return Jet(kept, np.where(condition, left, right))


def maximum(a: Number, b: Number) -> Number:
    """Return the greater one."""
    return where(value_of(a) >= value_of(b), a, b)


def minimum(a: Number, b: Number) -> Number:
    """Return the smaller one."""
    return where(value_of(a) <= value_of(b), a, b)


def _constant(kept: Algebra, value: Any) -> "Floats":
    import numpy as np

    array = np.asarray(value, np.float64)
    parts = np.zeros((len(kept.monomials), *array.shape))
    parts[0] = array
    return parts


def _deepened(parts: "Floats", depth: int) -> "Floats":
    """Return coefficients with axes of length one put in, so that their values have `depth` axes."""
    return parts.reshape(parts.shape[0], *(1,) * (depth + 1 - parts.ndim), *parts.shape[1:])


def total(x: Number) -> Number:
    """Return the sum over the first axis of values."""
    return Jet(x.algebra, x.parts.sum(axis=1)) if isinstance(x, Jet) else x.sum(axis=0)


def integral(function: Callable[[Any], Number], nodes: Sequence[tuple[float, float]]) -> Number:
    """Return the sum of weight times function(node), added in order."""
    total: Number = 0.0
    for node, weight in nodes:
        total = total + weight * function(node)
    return total
