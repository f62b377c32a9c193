"""What an American option is worth, held or exercised: cases, symmetry, and sensitivities, on top of its boundary.

- A call is a put with spot and strike, rate and dividend exchanged (R. McDonald and M. Schroder, "A parity result for
  American options", J. Computational Finance 1, 1998); of a put P(s, k), homogeneous of degree one, the derivatives in
  k are P_k = (P - s P_s)/k and P_kk = s^2 P_ss/k^2.
- Nothing is gained by exercise where r <= 0 and q >= r (as a put): then
  the price is European.
- Where q < r < 0 there are two boundaries, and where volatility is far below the rates the fixed point may not settle:
  a binomial tree prices these, to about 1e-4 of spot, and the verdict says so (D. Leisen and M. Reimer, "Binomial
  models for option valuation", Applied Mathematical Finance 3, 1996; 501 and 251 steps, extrapolated).
- Without volatility, or with next to none, the best moment of exercise is known.
- Where a perpetual option (R. Merton, Bell Journal 4, 1973) differs by e^-14 of the strike, it is one: worth
  (K - B) (S/B)^g, g = -h - sqrt(h^2 + 2r/v^2), h = (r - q)/v^2 - 1/2, exercised at B = K g/(g - 1).

Theta, charm and color follow from Black and Scholes' equation; sensitivities to volatility and rate are central
differences of the whole solution, whose own error is smooth.
"""

from collections.abc import Callable
from math import copysign, inf, nan, sqrt
from typing import Any, Final

from thalweg.pricing.american_boundary import FINE, ROUGH

OK: Final = 0
MALFORMED: Final = 1
APPROXIMATE: Final = 3
CHEAP: Final = 0b10111  # the mask of price, delta, gamma and theta: one solution
STEPS: Final = 501
TREE_CELLS: Final = STEPS + 1
_SURE: Final = 1e-12  # of a tree's probabilities: as far as they are from 0 and 1
_UNSETTLED: Final = 1e-6  # of ln B: a boundary that still moves this much is none
FOREVER: Final = 14.0
_DRIFTING: Final = 40.0  # drift in deviations: beyond, what is priced is the best moment without volatility
_VOL_STEP: Final = 1e-3  # of the volatility
_RATE_STEP: Final = 1e-4

Function = Callable[..., Any]


def build(
    compiled: Callable[[Function], Function], exp: Function, log_ratio: Function, tail: Function, boundary: Function,
    held_put: Function, nodes: Function, tree_block: Function,
) -> Function:  # fmt: skip
    """Return `american(is_call, spot, strike, vol, years, rate, dividend, wanted, results)`, which gives a verdict.

    `results` gets the twelve outputs in `european.OUTPUTS`' order, plain derivatives; `wanted` is 0 for price, delta,
    gamma and theta alone, else 1.
    """
    dead = _without_volatility(compiled, exp, log_ratio)
    put = _put(compiled, exp, log_ratio, tail, boundary, held_put, nodes, tree_block)

    @compiled
    def either(
        is_call: bool, spot: float, strike: float, vol: float, years: float, rate: float, dividend: float,
        settled: float,
    ) -> Any:  # fmt: skip
        if not is_call:
            return put(spot, strike, vol, years, rate, dividend, settled)
        price, slope, bend, room, verdict = put(strike, spot, vol, years, dividend, rate, settled)
        delta = (price - strike * slope) / spot
        return price, delta, strike * strike * bend / (spot * spot), room * spot / strike, verdict

    bumped = _bumped(compiled, either)

    @compiled
    def american(
        is_call: bool, spot: float, strike: float, vol: float, years: float, rate: float, dividend: float,
        wanted: int, results: Any,
    ) -> int:  # fmt: skip
        for i in range(12):
            results[i] = nan
        fine = spot >= 0.0 and strike >= 0.0 and vol >= 0.0 and years >= 0.0
        if not fine or not spot + strike + vol + years + abs(rate) + abs(dividend) < inf:
            return MALFORMED
        for i in range(12):
            results[i] = 0.0
        if vol * sqrt(years) < 1e-8 or spot == 0.0 or strike == 0.0:
            results[0], results[1] = dead(is_call, spot, strike, years, rate, dividend)
            return OK
        price, delta, gamma, room, verdict = either(
            is_call, spot, strike, vol, years, rate, dividend, FINE if wanted else ROUGH
        )
        results[0], results[1], results[2] = price, delta, gamma
        if room > 0.0:
            results[4] = rate * price - (rate - dividend) * spot * delta - 0.5 * vol * vol * spot * spot * gamma
            if wanted:
                bumped(is_call, spot, strike, vol, years, rate, dividend, room, results)
        return int(verdict)

    return american


def _put(
    compiled: Callable[[Function], Function], exp: Function, log_ratio: Function, tail: Function, boundary: Function,
    held_put: Function, nodes: Function, tree_block: Function,
) -> Function:  # fmt: skip
    """Return a put in all its cases."""
    dead, perpetual = _without_volatility(compiled, exp, log_ratio), _without_end(compiled, exp, log_ratio)
    tree = _tree(compiled, exp, log_ratio, tree_block)
    plain = _european(compiled, exp, log_ratio, tail)

    @compiled
    def put(spot: float, strike: float, vol: float, years: float, rate: float, dividend: float, settled: float) -> Any:
        """Price, delta, gamma, distance to exercise in spot (0: exercise now), verdict."""
        if rate <= 0.0 and dividend >= rate:
            price, delta, gamma = plain(spot, strike, vol, years, rate, dividend)
            return price, delta, gamma, spot, OK
        # what happens after this time is discounted, and unlikely where the drift leads away from exercise
        tilt = (rate - dividend) / vol - 0.5 * vol
        hazard = rate + (0.5 * tilt * tilt if tilt > 0.0 else 0.0)
        if rate > 0.0 and years * hazard > FOREVER:
            return perpetual(spot, strike, vol, rate, dividend)
        if abs(rate - dividend) * sqrt(years) > _DRIFTING * vol:
            price, delta = dead(False, spot, strike, years, rate, dividend)
            return price, delta, 0.0, 0.0, APPROXIMATE
        root_h = nodes()
        moved = boundary(vol, years, rate, dividend, settled, root_h) if rate >= 0.0 else inf
        if moved > _UNSETTLED:
            price, delta, gamma = tree(spot, strike, vol, years, rate, dividend)
            return price, delta, gamma, spot if price > strike - spot else 0.0, APPROXIMATE
        edge = strike * (rate / dividend if dividend > rate else 1.0) * exp(-root_h[0])
        if spot <= edge:
            return strike - spot, -1.0, 0.0, 0.0, OK
        price, delta, gamma = held_put(spot, strike, vol, years, rate, dividend, root_h)
        return price, delta, gamma, spot - edge, OK

    return put


def _bumped(compiled: Callable[[Function], Function], either: Function) -> Function:
    """Return what fills the sensitivities that take further solutions: those to volatility, rate, and third ones."""

    @compiled
    def bumped(
        is_call: bool, spot: float, strike: float, vol: float, years: float, rate: float, dividend: float, room: float,
        results: Any,
    ) -> None:  # fmt: skip
        price, delta, gamma = results[0], results[1], results[2]
        step = _VOL_STEP * vol
        up, slope_up, bend_up, _, _ = either(is_call, spot, strike, vol + step, years, rate, dividend, FINE)
        down, slope_down, bend_down, _, _ = either(is_call, spot, strike, vol - step, years, rate, dividend, FINE)
        results[3] = (up - down) / (2.0 * step)
        results[6] = (slope_up - slope_down) / (2.0 * step)
        results[7] = (up - 2.0 * price + down) / (step * step)
        results[10] = (bend_up - bend_down) / (2.0 * step)
        high, _, _, _, _ = either(is_call, spot, strike, vol, years, rate + _RATE_STEP, dividend, FINE)
        low, _, _, _, verdict = either(is_call, spot, strike, vol, years, rate - _RATE_STEP, dividend, FINE)
        one_sided = verdict != OK
        results[5] = (high - price) / _RATE_STEP if one_sided else (high - low) / (2.0 * _RATE_STEP)
        width = min(0.003 * spot * vol * sqrt(years), 0.4 * room)
        _, _, right, _, _ = either(is_call, spot + width, strike, vol, years, rate, dividend, FINE)
        _, _, left, _, _ = either(is_call, spot - width, strike, vol, years, rate, dividend, FINE)
        speed, fourth = (right - left) / (2.0 * width), (right - 2.0 * gamma + left) / (width * width)
        carry, variance = rate - dividend, vol * vol
        results[9] = speed
        results[8] = dividend * delta - (carry + variance) * spot * gamma - 0.5 * variance * spot * spot * speed
        results[11] = (
            (2.0 * dividend - rate - variance) * gamma
            - (carry + 2.0 * variance) * spot * speed
            - 0.5 * variance * spot * spot * fourth
        )

    return bumped


def _european(compiled: Callable[[Function], Function], exp: Function, log_ratio: Function, tail: Function) -> Function:
    """Return a European put's price, delta and gamma."""

    @compiled
    def plain(
        spot: float, strike: float, vol: float, years: float, rate: float, dividend: float
    ) -> tuple[float, float, float]:
        s = vol * sqrt(years)
        d1 = (log_ratio(spot, strike) + (rate - dividend) * years) / s + 0.5 * s
        rest, density = tail(d1)
        lower, _ = tail(d1 - s)
        growth = exp(-dividend * years)
        n1, n2 = (rest if d1 > 0.0 else 1.0 - rest), (lower if d1 > s else 1.0 - lower)
        price = strike * exp(-rate * years) * n2 - spot * growth * n1
        return max(price, 0.0), -growth * n1, growth * density / (spot * s)

    return plain


def _without_end(compiled: Callable[[Function], Function], exp: Function, log_ratio: Function) -> Function:
    """Return a perpetual put's price, delta, gamma, distance to exercise and verdict."""

    @compiled
    def perpetual(spot: float, strike: float, vol: float, rate: float, dividend: float) -> Any:
        variance = vol * vol
        half = (rate - dividend) / variance - 0.5
        power = -half - sqrt(half * half + 2.0 * rate / variance)
        edge = strike * power / (power - 1.0)
        if spot <= edge:
            return strike - spot, -1.0, 0.0, 0.0, OK
        price = (strike - edge) * exp(power * log_ratio(spot, edge))
        return price, power * price / spot, power * (power - 1.0) * price / (spot * spot), spot - edge, OK

    return perpetual


def _without_volatility(compiled: Callable[[Function], Function], exp: Function, log_ratio: Function) -> Function:
    """Return the best of exercising now, at the end, or where interest and dividends balance."""

    @compiled
    def dead(
        is_call: bool, spot: float, strike: float, years: float, rate: float, dividend: float
    ) -> tuple[float, float]:
        sign = 1.0 if is_call else -1.0
        balanced = 0.0
        if rate * dividend > 0.0 and rate != dividend and spot > 0.0 and strike > 0.0:
            balanced = log_ratio(rate * strike, dividend * spot) / (rate - dividend)
        best, delta = 0.0, 0.0
        for k in range(3):
            t = 0.0 if k == 0 else (years if k == 1 else min(max(balanced, 0.0), years))
            growth = exp(-dividend * t)
            value = sign * (spot * growth - strike * exp(-rate * t))
            if value > best:
                best, delta = value, sign * growth
        return best, delta

    return dead


def _tree(compiled: Callable[[Function], Function], exp: Function, log_ratio: Function, block: Function) -> Function:
    """Return a put's price, delta and gamma by Leisen and Reimer's tree, extrapolated in the square of its steps."""

    @compiled
    def inverted(z: float, steps: int) -> float:
        w = z / (steps + 1.0 / 3.0 + 0.1 / (steps + 1.0))
        p = 0.5 + copysign(0.5, z) * sqrt(1.0 - exp(-w * w * (steps + 1.0 / 6.0)))
        return min(max(p, _SURE), 1.0 - _SURE)

    @compiled
    def once(
        spot: float, strike: float, vol: float, years: float, rate: float, dividend: float, steps: int
    ) -> tuple[float, float, float]:
        s, dt = vol * sqrt(years), years / steps
        d1 = (log_ratio(spot, strike) + (rate - dividend) * years) / s + 0.5 * s
        p, q = inverted(d1 - s, steps), inverted(d1, steps)
        growth, discount = exp((rate - dividend) * dt), exp(-rate * dt)
        up, down = growth * q / p, growth * (1.0 - q) / (1.0 - p)
        values, delta, gamma = block(), 0.0, 0.0
        ratio = up / down
        low = spot * exp(steps * log_ratio(down, 1.0))
        for i in range(steps + 1):
            values[i] = max(strike - low, 0.0)
            low *= ratio
        for level in range(steps - 1, -1, -1):
            low = spot * exp(level * log_ratio(down, 1.0))
            for i in range(level + 1):
                value = discount * (p * values[i + 1] + (1.0 - p) * values[i])
                values[i] = max(value, strike - low)
                low *= ratio
            if level == 2:
                a, b, c = spot * down * down, spot * up * down, spot * up * up
                high, bottom = (values[2] - values[1]) / (c - b), (values[1] - values[0]) / (b - a)
                gamma = 2.0 * (high - bottom) / (c - a)
            if level == 1:
                delta = (values[1] - values[0]) / (spot * (up - down))
        return values[0], delta, gamma

    @compiled
    def tree(
        spot: float, strike: float, vol: float, years: float, rate: float, dividend: float
    ) -> tuple[float, float, float]:
        price, delta, gamma = once(spot, strike, vol, years, rate, dividend, STEPS)
        rough, rough_delta, rough_gamma = once(spot, strike, vol, years, rate, dividend, STEPS // 2 + 1)
        return (4.0 * price - rough) / 3.0, (4.0 * delta - rough_delta) / 3.0, (4.0 * gamma - rough_gamma) / 3.0

    return tree
