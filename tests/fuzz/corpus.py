"""The kept corpus: one file a target, an input a line in hexadecimal."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "corpus"
INPUT_BYTES_MAX: Final = 1024  # of one that is kept
INPUTS_MAX: Final = 80  # of a target


def read(name: str) -> list[bytes]:
    """Return the kept inputs of a target."""
    path = FOLDER / f"{name}.hex"
    return [bytes.fromhex(line) for line in path.read_text().split()] if path.exists() else []


def write(name: str, inputs: Iterable[bytes]) -> None:
    """Keep inputs of a target."""
    kept = sorted({each for each in inputs if len(each) <= INPUT_BYTES_MAX}, key=lambda each: (len(each), each))
    step = max(1, len(kept) // INPUTS_MAX)  # short ones and long ones
    if kept:
        (FOLDER / f"{name}.hex").write_text("".join(f"{each.hex()}\n" for each in kept[::step][:INPUTS_MAX]))
