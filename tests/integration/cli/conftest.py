"""A chain, two traders and four oracles as real processes, once for all tests of the commands."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.cli.world import World, set_up

from thalweg.cli.demo.stage import Stage


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("world")
    with asyncio.Runner() as runner:
        stage = Stage(folder, 1)
        try:
            runner.run(set_up(stage))
            yield World(stage, runner)
        finally:
            runner.run(stage.close())


@pytest.fixture(scope="session")
def channel(world: World) -> str:
    """A channel that tests share: they may pay and trade in it, not close it."""
    return world.open("20000", "20000")
