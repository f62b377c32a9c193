"""One quote with Greeks, called from Python: with numba, and before it is loaded."""

from typing import Any

from bench.pricing.rounds import OURS, Bound, Figure, alternate, peer
from thalweg.pricing import quote, warm

CALLS = 20_000
OPTION = (True, 100.0, 105.0, 0.6, 0.25, 0.03, 0.01)


def loop() -> None:
    """Quote one option again and again."""
    single = quote.quote
    for _ in range(CALLS):
        single(*OPTION)


def measure() -> list[Figure]:
    """Return microseconds a call."""
    warm.optional("quote")
    kernel = quote.compiled

    def cold() -> None:
        quote.compiled = None
        loop()
        quote.compiled = kernel

    peers: dict[str, Any] = {}
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

        peers["QuantLib calculator"] = calculator
    return [
        Figure(name, label, "us", alternate({OURS: run} | peers, 1e6 / CALLS), (Bound(limit),), {})
        for name, label, run, limit in (
            ("quote", "one quote + 5 Greeks, compiled", loop, 1.0),
            ("quote_cold", "one quote + 5 Greeks, before that", cold, 2.0),
        )
    ]
