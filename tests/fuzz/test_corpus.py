"""What the fuzzer found worth keeping is run with every suite, atheris or not; so is an honest example of each."""

import pytest
from tests.fuzz import corpus
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, run


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_is_taken_or_refused(name: str) -> None:
    for data in [*corpus.read(name), *seeds()[name]]:
        run(name, data)
        run(name, data[:-1])
        run(name, data + data)


def test_every_target_has_its_examples_and_every_file_its_target() -> None:
    assert set(seeds()) == set(TARGETS)
    assert {path.stem for path in corpus.FOLDER.glob("*.hex")} <= set(TARGETS)
