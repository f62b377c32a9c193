"""Besiege the contracts: `python -m tests.contracts.siege --calls 100000`."""

import argparse
import time

from tests.contracts.siege.ground import Ground
from tests.contracts.siege.story import besiege

from thalweg.chain.artefacts import NAMES, entries


def main() -> None:
    """Besiege the contracts for so many calls, and print how it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()
    started = time.monotonic()

    def report(done: int) -> None:
        print(f"{done:,} calls in {time.monotonic() - started:,.0f} s, model and contract agree", flush=True)

    besiege(options.calls, report)
    names = {entry.selector: name for contract in NAMES for name, entry in entries(contract).items()}
    for (selector, said), count in sorted(Ground.outcomes.items(), key=lambda item: (names[item[0][0]], -item[1])):
        print(f"{names[selector]:10} {count:7,}  {said or 'carried out'}")


if __name__ == "__main__":
    main()
