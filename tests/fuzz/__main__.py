"""Coverage-guided fuzzing of every parser, from the kept corpus: `make fuzz`, and `make fuzz-keep` to widen the corpus.

python -m tests.fuzz [--seconds 60] [--keep]

Ends with status 1 at the first finding, which it prints: add the input to the target's corpus file, and its fix a test.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz import corpus
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, run

NAMES = tuple(TARGETS)
LINES_SHOWN = 60  # of a finding
OPTIONS = ("-max_len=4096", "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1")


def main() -> int:
    """Fuzz for a while and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", action="store_true", help="write what widened the coverage into the corpus")
    chosen = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("fuzzing is skipped: atheris is not installed (it has wheels for Linux and CPython 3.11 and later)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        known, found = Path(folder, "known"), Path(folder, "found")
        for path in (known, found):
            path.mkdir()
        _spread(known)
        status = _fuzz(found, known, f"-max_total_time={chosen.seconds}", f"-artifact_prefix={folder}/")
        if status == 0 and chosen.keep:
            _gather(found)
        return 1 if status else 0


def _fuzz(*arguments: object) -> int:
    command = [sys.executable, "-m", "tests.fuzz.worker", *map(str, arguments), *OPTIONS]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = done.stdout.splitlines()
    shown = [line for line in lines if line.startswith("stat::")] if done.returncode == 0 else lines[-LINES_SHOWN:]
    print("\n".join(shown), flush=True)
    return done.returncode


def _spread(folder: Path) -> None:
    """Write every known input behind the byte that names its target; each must pass before anything is tried."""
    for index, name in enumerate(NAMES):
        for number, data in enumerate([*corpus.read(name), *seeds()[name]]):
            run(name, data)
            (folder / f"{name}-{number}").write_bytes(bytes((index,)) + data)


def _gather(folder: Path) -> None:
    found = {name: corpus.read(name) for name in NAMES}
    for path in folder.iterdir():
        data = path.read_bytes()
        if data:
            found[NAMES[data[0] % len(NAMES)]].append(data[1:])
    for name, inputs in found.items():
        corpus.write(name, inputs)


sys.exit(main())
