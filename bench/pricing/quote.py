"""One quote with Greeks, called from Python: with numba, and before it is loaded."""

from typing import Any

from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing import scalar

CALLS = 20_000


def measure() -> list[Figure]:
    """Return microseconds a call."""
    figures = []
    arguments = (True, 100.0, 105.0, 0.6, 0.25, 0.03, 0.01)

    def plain() -> None:
        for _ in range(CALLS):
            scalar.black_scholes(*arguments)

    cases: dict[str, Any] = {OURS: plain}
    ql = peer("QuantLib")
    if ql:
        payoff = ql.PlainVanillaPayoff(ql.Option.Call, 105.0)

        def calculator() -> None:
            for _ in range(CALLS):
                one = ql.BlackCalculator(payoff, 100.5, 0.3, 0.99)
                _ = (
                    one.value(),
                    one.delta(100.0),
                    one.gamma(100.0),
                    one.vega(0.25),
                    one.theta(100.0, 0.25),
                    one.rho(0.25),
                )

        cases["QuantLib calculator"] = calculator
    timings = alternate(cases, 1e6 / CALLS)
    figures.append(Figure("quote_cold", "one quote + 11 Greeks, pure Python", "us", timings, (Bound(2.0),), {}))
    return figures
