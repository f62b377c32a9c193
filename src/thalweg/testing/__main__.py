"""`python -m thalweg.testing --seed N`: replay one seed's world. The last line of a failure is the command for it."""

import argparse
import sys
import traceback

from thalweg.testing.world import TICKS, World, replay_command


def main() -> int:
    """Run seeds one after the other; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m thalweg.testing", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds, from the first on")
    parser.add_argument("--ticks", type=int, default=TICKS, help="simulated seconds under faults, before healing")
    asked = parser.parse_args()
    for seed in range(asked.seed, asked.seed + asked.count):
        try:
            print(World(seed).run(asked.ticks))
        except Exception:
            traceback.print_exc()
            print(replay_command(seed, asked.ticks), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
