"""Whole worlds from seeds: production nodes under faults, invariants at every moment, and a good end for everybody."""

from pathlib import Path

import pytest

from thalweg.testing import Summary, World, replay_command
from thalweg.testing.faults import Faults

SEEDS = 200
SEEDS_A_TEST = 10
REGRESSIONS = Path(__file__).with_name("regression_seeds.txt")


def run(seed: int) -> Summary:
    try:
        return World(seed).run()
    except Exception as error:
        raise AssertionError(f"{error}\n{replay_command(seed)}") from error


@pytest.mark.parametrize("first", range(1, SEEDS + 1, SEEDS_A_TEST))
def test_every_world_ends_well(first: int) -> None:
    for seed in range(first, first + SEEDS_A_TEST):
        run(seed)


def regression_seeds() -> list[int]:
    lines = REGRESSIONS.read_text().splitlines()
    return [int(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


@pytest.mark.parametrize("seed", regression_seeds())
def test_a_world_that_once_failed_ends_well(seed: int) -> None:
    run(seed)


@pytest.mark.parametrize("seed", [*range(11), 30])
def test_where_nothing_goes_wrong_nobody_goes_to_the_chain(seed: int) -> None:
    assert World(seed, faults=Faults(), mallory=False).run().disputes == 0


@pytest.mark.parametrize("seed", [3, 8, 13])
def test_the_same_seed_gives_the_same_trace(seed: int) -> None:
    assert run(seed) == run(seed)


def test_different_seeds_give_different_traces() -> None:
    assert run(3).trace != run(4).trace
