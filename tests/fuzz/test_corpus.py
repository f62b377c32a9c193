"""What the fuzzer found worth keeping is run with every suite, atheris or not; so is an honest example of each."""

from collections.abc import Iterator
from typing import Final

import pytest
from tests.fuzz import corpus
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, run

from thalweg.network import protobuf

PLACES: Final = 60  # in an example, at which it is damaged


@pytest.mark.parametrize("name", TARGETS)
def test_every_kept_input_is_taken_or_refused(name: str) -> None:
    for data in [*corpus.read(name), *seeds()[name]]:
        run(name, data)
        run(name, data[:-1])
        run(name, data + data)


def damaged(data: bytes) -> Iterator[bytes]:
    """Return bytes cut short, lengthened, with a part twice or missing, and with numbers and tags that say too much."""
    places = range(0, len(data), max(1, len(data) // PLACES))
    for at in places:
        yield data[:at]
        yield data[at:]
        yield data[:at] + data[at + 1 :]
        yield data[:at] + data[at : at + 20] + data[at:]
        for change in (0x01, 0x7F, 0x80, 0xFF):
            yield data[:at] + bytes((data[at] ^ change,)) + data[at + 1 :]
        yield data[:at] + b"\xff" * 9 + data[at + 1 :]
    half = len(data) // 2
    yield data[half:] + data[:half]
    yield data + bytes(100_000)
    for _ in range(6):  # a message within a message, and so on
        data = protobuf.bytes_field(1, data)
        yield data


@pytest.mark.parametrize("name", TARGETS)
def test_every_damage_to_an_example_is_taken_or_refused(name: str) -> None:
    for example in seeds()[name]:
        for data in damaged(example):
            run(name, data)


def test_every_target_has_its_examples_and_every_file_its_target() -> None:
    assert set(seeds()) == set(TARGETS)
    assert {path.stem for path in corpus.FOLDER.glob("*.hex")} <= set(TARGETS)
