"""American puts by their exercise boundary, to about eight digits: Andersen, Lake and Offengenden's fixed point.

A put is exercised where S <= B(tau), tau being the time left. With X = K min(1, r/q) (K where q <= 0), the function
H(tau) = ln(X/B)^2 is nearly a polynomial in sqrt(tau): it is known by its values at Chebyshev points. The boundary is
the fixed point of B = K N/D (their equation A), d+- = (ln(B(tau)/z) + (r-q) t)/(v sqrt t) +- v sqrt(t)/2:

    N = e^(-r tau) n(d-[tau,K])/(v sqrt tau) + r int e^(-r t) n(d-[t,B(u)])/(v sqrt t) du,           t = tau - u
    D = e^(-q tau) (n(d+[tau,K])/(v sqrt tau) + N(d+[tau,K]))
        + q int e^(-q t) (N(d+[t,B(u)]) + n(d+[t,B(u)])/(v sqrt t)) du

and the price is the European one plus int r K e^(-r t) N(-d-) - q S e^(-q t) N(-d+) du (I. Kim 1990). All integrals are
Gauss-Legendre's in theta, u = tau sin^2 theta, which is smooth at both ends. The iteration is Anderson's of depth one
(D. Anderson, J. ACM 12, 1965): where volatility is low the plain one oscillates for long.

(L. Andersen, M. Lake and D. Offengenden, "High performance American option pricing", J. Computational Finance 20,
2016.) Where that does not settle (volatility far below the rates), short steps of the plain iteration take its place.
The domain: r > 0, or r = 0 > q; where r <= 0 and q >= r nothing is gained by exercise; where q < r < 0 there are
two boundaries (L. Andersen and M. Lake, Wilmott 2021), which this method does not find.

`build` makes the solver from a compiler (the identity: pure Python) and elementary functions, as in `deviations`.
"""

from collections.abc import Callable
from math import cos, inf, log, pi, sin, sqrt
from typing import Any, Final

from thalweg.pricing.quadrature import legendre

NODES: Final = 18  # of the boundary, beside tau = 0
POINTS: Final = 11  # of an integral in the fixed point
CELLS: Final = NODES * POINTS
PRICE_POINTS: Final = 64
STEPS_MAX: Final = 24
DAMPED_MAX: Final = 400  # steps of a fraction of the way, where the others do not settle
_DAMPING: Final = 0.2
ROUGH: Final = 1e-7  # of ln B: enough for a price
FINE: Final = 1e-10  # for its differences
_SLACK: Final = 3e-3  # of ln B: a boundary that rises by more as time to expiry grows is no solution
_LOW: Final = 1e-9  # of X: no boundary is lower

Function = Callable[..., Any]


def _tables() -> tuple[list[float], ...]:
    """Return what depends on no option: node times, and of integrals sqrt(t/tau), weights and interpolation."""
    roots = [0.5 * (1.0 + cos(i * pi / NODES)) for i in range(NODES + 1)]  # sqrt(tau / T), falling to 0
    near, weight = _angles(POINTS)
    far, far_weight = _angles(PRICE_POINTS)
    cells = [root * sqrt(1.0 - y * y) for root in roots[:-1] for y in near]
    inner = [value for z in zip(*map(_interpolation, cells), strict=True) for value in z]
    outer = [value for z in zip(*(_interpolation(sqrt(1.0 - y * y)) for y in far), strict=True) for value in z]
    times = [root * root for root in roots]
    spread = [root * y for root in roots[:-1] for y in near]
    mass = [root * root * w for root in roots[:-1] for w in weight]
    return times, spread, mass, inner, far, far_weight, outer


def _angles(count: int) -> tuple[list[float], list[float]]:
    """Return cos theta and the weights of du/tau = 2 sin theta cos theta dtheta."""
    angles = [(0.25 * pi * (1.0 + x), 0.25 * pi * w) for x, w in legendre(count)]
    return [cos(a) for a, _ in angles], [2.0 * sin(a) * cos(a) * w for a, w in angles]


def _interpolation(root: float) -> list[float]:
    """Return what each node contributes to a value at sqrt(u/T) = root: the barycentric formula."""
    shares = []
    for i in range(NODES + 1):
        gap = 2.0 * root - 1.0 - cos(i * pi / NODES)
        if abs(gap) < 1e-15:
            return [float(j == i) for j in range(NODES + 1)]
        shares.append((0.5 if i in (0, NODES) else 1.0) * (-1) ** i / gap)
    total = sum(shares)
    return [share / total for share in shares]


TABLES: Final = _tables()


def build(
    compiled: Callable[[Function], Function], inlined: Callable[[Function], Function], exp: Function,
    log_ratio: Function, tail: Function, block: Function, price_block: Function, tables: Any,
) -> tuple[Function, Function]:  # fmt: skip
    """Return `boundary(vol, years, rate, dividend, settled, root_h)` and `put(spot, ..., root_h)`.

    `tail(x)` gives N(-|x|) and n(x). `root_h` is filled with ln(X/B) at the nodes; the result says how far the last
    step moved it, at most `settled`. `put` returns price, delta and gamma in the region where the put is held.
    """
    guess, prepare = _start(inlined, exp, log_ratio), _prepare(inlined, exp, tables)
    improve, accelerate = _improve(inlined, exp, log_ratio, tail, tables), _accelerate(inlined)

    @inlined
    def falls(root_h: Any) -> bool:
        least = 0.0
        for i in range(NODES):
            least = min(least, root_h[i] - root_h[i + 1])
        return least >= -_SLACK

    @compiled
    def boundary(vol: float, years: float, rate: float, dividend: float, settled: float, root_h: Any) -> float:
        v, inverse, drift, gain, loss, up, down = block(), block(), block(), block(), block(), block(), block()
        y, old, change, before = block(), block(), block(), block()
        top = rate / dividend if dividend > rate else 1.0
        prepare(vol, years, rate, dividend, v, inverse, drift, gain, loss)
        guess(top, vol, years, rate, dividend, tables[0], root_h)
        moved = inf
        for step in range(STEPS_MAX):
            improve(top, vol, years, rate, dividend, root_h, v, inverse, drift, gain, loss, up, down, y)
            moved = accelerate(step, root_h, y, old, change, before)
            if moved <= settled:
                break
        if moved <= settled and falls(root_h):
            return moved
        guess(top, vol, years, rate, dividend, tables[0], root_h)
        for _ in range(DAMPED_MAX):
            improve(top, vol, years, rate, dividend, root_h, v, inverse, drift, gain, loss, up, down, y)
            moved = 0.0
            for i in range(NODES):
                moved = max(moved, abs(y[i] - root_h[i]))
                root_h[i] += _DAMPING * (y[i] - root_h[i])
            if moved <= settled:
                break
        return moved if falls(root_h) else inf

    return boundary, _put(compiled, exp, log_ratio, tail, price_block, tables)


def _start(compiled: Callable[[Function], Function], exp: Function, log_ratio: Function) -> Function:
    """Return the first guess: from X to the perpetual boundary as in Bjerksund and Stensland 1993, with their h."""

    @compiled
    def guess(top: float, vol: float, years: float, rate: float, dividend: float, times: Any, root_h: Any) -> None:
        carry, variance = rate - dividend, vol * vol
        half = carry / variance - 0.5
        power = -half - sqrt(half * half + 2.0 * rate / variance)
        end = min(power / (power - 1.0), 0.999 * top)
        for i in range(NODES):
            tau = times[i] * years
            fall = (2.0 * vol * sqrt(tau) - carry * tau) * top / (top - end)
            share = exp(-fall if fall > 0.0 else 0.0)
            root_h[i] = log_ratio(top, end + (top - end) * share)
        root_h[NODES] = 0.0

    return guess


def _prepare(compiled: Callable[[Function], Function], exp: Function, tables: Any) -> Function:
    """Return what fills a cell's v sqrt t, its inverse, (r-q) t, and the weights r e^(-rt) du and q e^(-qt) du."""
    spread, mass = tables[1], tables[2]

    @compiled
    def prepare(
        vol: float, years: float, rate: float, dividend: float, v: Any, inverse: Any, drift: Any, gain: Any, loss: Any
    ) -> None:
        root = sqrt(years)
        for cell in range(CELLS):
            t = spread[cell] * spread[cell] * years
            v[cell] = vol * root * spread[cell]
            inverse[cell] = 1.0 / v[cell]
            drift[cell] = (rate - dividend) * t
            gain[cell] = rate * years * mass[cell] * exp(-rate * t)
            loss[cell] = dividend * years * mass[cell] * exp(-dividend * t)

    return prepare


def _improve(  # noqa: C901 - a factory of closures
    compiled: Callable[[Function], Function], exp: Function, log_ratio: Function, tail: Function, tables: Any
) -> Function:
    """Return one evaluation of the fixed point: ln(X/B) at the nodes to the one it implies."""
    times, inner = tables[0], tables[3]

    @compiled
    def sums(root_h: Any, v: Any, inverse: Any, drift: Any, gain: Any, loss: Any, up: Any, down: Any) -> None:
        for cell in range(CELLS):
            up[cell] = 0.0
        for j in range(NODES):
            h = root_h[j] * root_h[j]
            for cell in range(CELLS):
                up[cell] += inner[j * CELLS + cell] * h
        for i in range(NODES):
            for cell in range(i * POINTS, (i + 1) * POINTS):
                down[cell] = root_h[i]
        for cell in range(CELLS):
            distance = sqrt(up[cell] if up[cell] > 0.0 else 0.0)
            d1 = (distance - down[cell] + drift[cell]) * inverse[cell] + 0.5 * v[cell]
            d2 = d1 - v[cell]
            rest, density = tail(d1)
            _, lower = tail(d2)
            up[cell] = gain[cell] * inverse[cell] * lower
            down[cell] = loss[cell] * ((rest if d1 < 0.0 else 1.0 - rest) + density * inverse[cell])

    @compiled
    def improve(
        top: float, vol: float, years: float, rate: float, dividend: float, root_h: Any, v: Any, inverse: Any,
        drift: Any, gain: Any, loss: Any, up: Any, down: Any, result: Any,
    ) -> None:  # fmt: skip
        sums(root_h, v, inverse, drift, gain, loss, up, down)
        level = log_ratio(top, 1.0)
        for i in range(NODES):
            tau = times[i] * years
            s = vol * sqrt(tau)
            d1 = (level - root_h[i] + (rate - dividend) * tau) / s + 0.5 * s
            rest, density = tail(d1)
            _, lower = tail(d1 - s)
            above = exp(-rate * tau) * lower / s
            below = exp(-dividend * tau) * ((rest if d1 < 0.0 else 1.0 - rest) + density / s)
            for cell in range(i * POINTS, (i + 1) * POINTS):
                above += up[cell]
                below += down[cell]
            result[i] = log_ratio(top * below, above) if below > 0.0 and above > 0.0 else root_h[i]

    return improve


def _accelerate(compiled: Callable[[Function], Function]) -> Function:
    """Return Anderson's step of depth one: from x and f(x), and those before, to the next x; it says how far."""
    highest = -log(_LOW)

    @compiled
    def accelerate(step: int, x: Any, y: Any, old: Any, change: Any, before: Any) -> float:
        top, bottom = 0.0, 0.0
        for i in range(NODES):
            gap = y[i] - x[i]
            if step > 0:
                turn = gap - before[i]
                top += turn * gap
                bottom += turn * turn
            change[i] = gap
        share = top / bottom if bottom > 0.0 else 0.0
        share = min(max(share, -2.0), 2.0)
        moved = 0.0
        for i in range(NODES):
            target = x[i] + change[i]
            if step > 0:
                target -= share * (x[i] - old[i] + change[i] - before[i])
            target = min(max(target, 0.0), highest)
            moved = max(moved, abs(change[i]))
            old[i], before[i] = x[i], change[i]
            x[i] = target
        return moved

    return accelerate


def _put(
    compiled: Callable[[Function], Function], exp: Function, log_ratio: Function, tail: Function, price_block: Function,
    tables: Any,
) -> Function:  # fmt: skip
    """Return the price, delta and gamma that a boundary gives, the European part included."""
    share, mass, outer = tables[4], tables[5], tables[6]

    @compiled
    def put(
        spot: float, strike: float, vol: float, years: float, rate: float, dividend: float, root_h: Any
    ) -> tuple[float, float, float]:
        premium, slope, bend = price_block(), price_block(), price_block()
        for k in range(PRICE_POINTS):
            premium[k] = 0.0
        for j in range(NODES):
            h = root_h[j] * root_h[j]
            for k in range(PRICE_POINTS):
                premium[k] += outer[j * PRICE_POINTS + k] * h
        top = strike * (rate / dividend if dividend > rate else 1.0)
        level = log_ratio(spot, top)
        for k in range(PRICE_POINTS):
            distance = sqrt(premium[k] if premium[k] > 0.0 else 0.0)
            t = share[k] * share[k] * years
            v = vol * sqrt(t)
            edge = top * exp(-distance)
            d1 = (level + distance + (rate - dividend) * t) / v + 0.5 * v
            d2 = d1 - v
            rest, _ = tail(d1)
            lower, density = tail(d2)
            discount, growth = exp(-rate * t), exp(-dividend * t)
            n1, n2 = (rest if d1 > 0.0 else 1.0 - rest), (lower if d2 > 0.0 else 1.0 - lower)
            weight, net = years * mass[k], rate * strike - dividend * edge
            thin = weight * discount * density / v
            premium[k] = weight * (rate * strike * discount * n2 - dividend * spot * growth * n1)
            slope[k] = -net * thin / spot - weight * dividend * growth * n1
            bend[k] = thin * (net * (1.0 + d2 / v) + dividend * edge) / (spot * spot)
        s = vol * sqrt(years)
        d1 = (log_ratio(spot, strike) + (rate - dividend) * years) / s + 0.5 * s
        rest, density = tail(d1)
        lower, _ = tail(d1 - s)
        growth = exp(-dividend * years)
        n1, n2 = (rest if d1 > 0.0 else 1.0 - rest), (lower if d1 > s else 1.0 - lower)
        price = strike * exp(-rate * years) * n2 - spot * growth * n1
        delta, gamma = -growth * n1, growth * density / (spot * s)
        for k in range(PRICE_POINTS):
            price += premium[k]
            delta += slope[k]
            gamma += bend[k]
        return price, delta, gamma

    return put
