"""The fuzzer's process: atheris feeds one byte that names the target, then the input. Arguments are libFuzzer's."""

import sys

import atheris

with atheris.instrument_imports(include=["thalweg", "tests.fuzz"]):
    from tests.fuzz import targets

NAMES = tuple(targets.TARGETS)


def one(data: bytes) -> None:
    """Run one input; a finding says whose it is before the process ends."""
    if not data:
        return
    name = NAMES[data[0] % len(NAMES)]
    try:
        targets.run(name, data[1:])
    except BaseException:
        print(f"target {name}, input {data[1:].hex()}", file=sys.stderr, flush=True)
        raise


atheris.Setup(sys.argv, one)
atheris.Fuzz()
