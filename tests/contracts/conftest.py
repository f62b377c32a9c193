"""One deployed scene a worker, rolled back after every test."""

from collections.abc import Iterator

import pytest
from tests.contracts.scene import Scene


@pytest.fixture(scope="session")
def deployed() -> Scene:
    return Scene()


@pytest.fixture
def scene(deployed: Scene) -> Iterator[Scene]:
    snapshot = deployed.evm.snapshot()
    yield deployed
    deployed.evm.revert(snapshot)
