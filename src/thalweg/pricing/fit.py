"""Fit raw SVI to the quotes of one expiry: Zeliade's quasi-explicit method. Floats, pure Python, no start values.

For a given (m, sigma), with y = (k - m) / sigma, total variance is linear in what is left:

    w = a + u (sqrt(y^2 + 1) + y) / 2 + v (sqrt(y^2 + 1) - y) / 2,   u = b sigma (1 + rho),  v = b sigma (1 - rho)

so the best (a, u, v) is a least-squares solution in a box: u and v between nearly 0 (|rho| < 1) and nearly 2 sigma
(wing slopes below 2), a free. It is found exactly, by trying which bounds bind. The least variance is a + sqrt(u v);
where that came out negative, the solution with a >= 0 takes its place. Only (m, sigma) are searched, by Nelder and
Mead's simplex from a few starts.

(Zeliade Systems, "Quasi-explicit calibration of Gatheral's SVI model", 2009, whose (c, d) are u + v and u - v here:
its parallelogram of constraints becomes a box. Nelder and Mead, Computer Journal 7, 1965.) Errors are weighted so that
least squares in variance is least squares in volatility, divided by the quote's own uncertainty.
"""

from collections.abc import Callable, Sequence
from itertools import product
from math import exp, inf, isfinite, log, sqrt
from typing import Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.pricing.svi import SIGMA_MIN, WING_MAX, Svi

QUOTES_MIN: Final = 5
QUOTES_MAX: Final = 2_000
_STEEP: Final = 0.999 * WING_MAX  # times sigma: bound of u and v
_FLAT: Final = 1e-4  # times sigma: the other one
_STEPS_MAX: Final = 150
_WIDTH_MIN: Final = 0.01  # of the quoted log-moneyness

_Vector = tuple[float, float, float]
_Simplex = list[tuple[float, tuple[float, float]]]


class VolQuote(msgspec.Struct, frozen=True):
    """What one strike says: log-moneyness, implied volatility and how far it may be off (half the spread)."""

    k: float
    volatility: float
    error: float


class Fit(msgspec.Struct, frozen=True):
    """A fitted smile. `rmse` is the root mean square error in volatility (0.01 is one point), unweighted."""

    svi: Svi
    rmse: float


def fit_svi(quotes: Sequence[VolQuote], years: float) -> Fit:
    """Return the smile closest to the quotes of one expiry, `years` away.

    Raises:
        UserFault: LIMIT, with fewer than 5 quotes or more than 2,000.
    """
    if not QUOTES_MIN <= len(quotes) <= QUOTES_MAX or years <= 0.0:
        raise UserFault(Reason.LIMIT, f"a smile needs {QUOTES_MIN}..{QUOTES_MAX} quotes and time to expiry")
    problem = _Problem(quotes, years)
    starts = [(shift * problem.width, log(part * problem.width)) for shift in (-0.2, 0.1) for part in (0.1, 0.5)]
    best = min((_nelder_mead(problem.cost, start, problem.width) for start in starts), key=lambda found: found[0])
    svi = problem.smile(*best[1])
    errors = [sqrt(svi.total_variance(quote.k) / years) - quote.volatility for quote in quotes]
    return Fit(svi, sqrt(sum(error * error for error in errors) / len(errors)))


class _Problem:
    """Weighted least squares over (a, u, v), for any (m, log sigma) near the quotes.

    Beyond them the smile is nearly a parabola, which many parameters draw equally well: m is kept within half the
    quoted width of the quotes and sigma below twice that width.
    """

    def __init__(self, quotes: Sequence[VolQuote], years: float) -> None:
        self.low, self.high = min(quote.k for quote in quotes), max(quote.k for quote in quotes)
        self.width = max(self.high - self.low, _WIDTH_MIN)
        self.rows = [
            (quote.k, quote.volatility**2 * years, (2.0 * quote.volatility * years * quote.error) ** -2)
            for quote in quotes
        ]

    def cost(self, m: float, log_sigma: float) -> float:
        return self._solve(*self._near(m, log_sigma))[0]

    def smile(self, m: float, log_sigma: float) -> Svi:
        m, sigma = self._near(m, log_sigma)
        a, u, v = self._solve(m, sigma)[1]
        return Svi(a, (u + v) / (2.0 * sigma), (u - v) / (u + v), m, sigma)

    def _near(self, m: float, log_sigma: float) -> tuple[float, float]:
        reach = 0.5 * self.width
        m = min(max(m, self.low - reach), self.high + reach)
        return m, exp(min(max(log_sigma, log(2.0 * SIGMA_MIN)), log(2.0 * self.width)))

    def _solve(self, m: float, sigma: float) -> tuple[float, _Vector]:
        s1 = su = sv = suu = suv = svv = sw = suw = svw = sww = 0.0
        for k, w, weight in self.rows:
            y = (k - m) / sigma
            root = sqrt(y * y + 1.0)
            u, v = 0.5 * (root + y), 0.5 * (root - y)
            gu, gv, gw = weight * u, weight * v, weight * w
            s1 += weight
            su += gu
            sv += gv
            suu += gu * u
            suv += gu * v
            svv += gv * v
            sw += gw
            suw += gu * w
            svw += gv * w
            sww += gw * w
        matrix = ((s1, su, sv), (su, suu, suv), (sv, suv, svv))
        wing = (_FLAT * sigma, _STEEP * sigma)
        cost, solution = _box_least_squares(matrix, (sw, suw, svw), ((-inf, inf), wing, wing))
        if solution[0] + sqrt(solution[1] * solution[2]) <= 0.0:
            cost, solution = _box_least_squares(matrix, (sw, suw, svw), ((0.0, inf), wing, wing))
        return cost + sww, solution


def _box_least_squares(
    matrix: tuple[_Vector, _Vector, _Vector], right: _Vector, bounds: tuple[tuple[float, float], ...]
) -> tuple[float, _Vector]:
    """Minimise x'Ax - 2b'x in a box by trying every set of binding bounds, none of them first."""
    best: tuple[float, _Vector] | None = None
    for fixed in _BINDINGS:
        x = _with_fixed(matrix, right, tuple(None if side is None else bounds[i][side] for i, side in enumerate(fixed)))
        if (
            x is None
            or not isfinite(x[0])
            or not all(low <= value <= high for value, (low, high) in zip(x, bounds, strict=True))
        ):
            continue
        rows = (sum(a * value for a, value in zip(row, x, strict=True)) for row in matrix)
        cost = sum(value * (row - 2.0 * b) for value, row, b in zip(x, rows, right, strict=True))
        if fixed == _FREE:
            return cost, x
        if best is None or cost < best[0]:
            best = cost, x
    if best is None:
        raise UserFault(Reason.MALFORMED, "the quotes of this expiry determine no smile")
    return best


_FREE: Final = (None, None, None)
_BINDINGS: Final = tuple(product((None, 0, 1), repeat=3))


def _with_fixed(
    matrix: tuple[_Vector, _Vector, _Vector], right: _Vector, fixed: tuple[float | None, ...]
) -> _Vector | None:
    """Solve Ax = b for the entries that are not fixed (Gauss-Jordan with pivoting); None where it is singular."""
    free = [i for i, value in enumerate(fixed) if value is None]
    rows = [
        [*(matrix[i][j] for j in free), right[i] - sum(matrix[i][j] * v for j, v in enumerate(fixed) if v is not None)]
        for i in free
    ]
    for column in range(len(free)):
        pivot = max(range(column, len(free)), key=lambda i: abs(rows[i][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        if abs(head) < 1e-300:
            return None
        rows[column] = [value / head for value in rows[column]]
        for i in range(len(free)):
            if i != column:
                factor = rows[i][column]
                rows[i] = [value - factor * top for value, top in zip(rows[i], rows[column], strict=True)]
    solved = dict(zip(free, (row[-1] for row in rows), strict=True))
    a, u, v = (solved[i] if value is None else value for i, value in enumerate(fixed))
    return a, u, v


def _nelder_mead(
    cost: Callable[[float, float], float], start: tuple[float, float], scale: float
) -> tuple[float, tuple[float, float]]:
    """Return the least cost found, and where."""
    corners = (start, (start[0] + 0.2 * scale, start[1]), (start[0], start[1] + 0.7))
    simplex: _Simplex = sorted((cost(*corner), corner) for corner in corners)
    for _ in range(_STEPS_MAX):
        if simplex[2][0] - simplex[0][0] <= 1e-9 * (1e-12 + abs(simplex[0][0])):
            break
        simplex = sorted(_moved(cost, simplex))
    return simplex[0]


def _moved(cost: Callable[[float, float], float], simplex: _Simplex) -> _Simplex:
    """Return the simplex with its worst corner reflected, expanded or contracted, or shrunk toward the best."""
    (best, at), (good, near), (worst, far) = simplex
    middle = ((at[0] + near[0]) / 2, (at[1] + near[1]) / 2)

    def along(step: float) -> tuple[float, tuple[float, float]]:
        corner = (middle[0] + step * (middle[0] - far[0]), middle[1] + step * (middle[1] - far[1]))
        return cost(*corner), corner

    reflected = along(1.0)
    if reflected[0] < best:
        return [simplex[0], simplex[1], min(reflected, along(2.0))]
    if reflected[0] < good:
        return [simplex[0], simplex[1], reflected]
    contracted = along(0.5) if reflected[0] < worst else along(-0.5)
    if contracted[0] < min(reflected[0], worst):
        return [simplex[0], simplex[1], contracted]
    corners = [((corner[0] + at[0]) / 2, (corner[1] + at[1]) / 2) for _, corner in simplex[1:]]
    return [simplex[0], *((cost(*corner), corner) for corner in corners)]
