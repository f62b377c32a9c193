"""Mutation testing of the contracts: flip one operator, bound or check at a time; the tests must notice.

    python -m tests.contracts.mutants                       every mutant (hours)
    python -m tests.contracts.mutants --sample 60 --seed 7  a sample of them, the same for the same seed
    python -m tests.contracts.mutants --only payoffs.vy     those of one source

Each mutant is a copy of the project with one change, compiled anew, on which the contracts' tests run until one fails.
One that does not compile counts for nothing. Gas figures and artefacts may not convict: they notice any change. What
survives is printed, must be in `survivors.json` with the reason why it is harmless, and else fails the run.
"""

import argparse
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import track

from thalweg.contracts.build import SOURCES

PROJECT: Final = Path(__file__).parents[2]
SURVIVORS: Final = Path(__file__).parent / "survivors.json"
KILLED_MIN_PERCENT: Final = 95
TESTS: Final = ("tests/contracts", "--ignore=tests/contracts/test_gas.py", "--ignore=tests/contracts/test_artefacts.py")
MUTANT_S_MAX: Final = 900  # a mutant that loops has been noticed
_COPIED: Final = ("src", "tests", "pyproject.toml", "README.md", "LICENSE")
_SKIPPED: Final = ("TestToken.vy",)  # not part of what is deployed
_SWAPS: Final = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+", "*": "+", "//": "*",
    "+=": "-=", "-=": "+=", "and": "or", "or": "and", "min": "max", "max": "min", "True": "False", "False": "True",
    "unsafe_add": "unsafe_sub", "unsafe_sub": "unsafe_add", "<<": ">>", ">>": "<<", "&": "|", "|": "&",
}  # fmt: skip


class Mutant(NamedTuple):
    """One change: in a source, at a line, from `old` to `new`; `text` is the line after it."""

    source: str
    line: int
    old: str
    new: str
    text: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line} {self.old!r} -> {self.new!r}: {self.text.strip()}"

    @property
    def key(self) -> str:
        """Return what names it when lines move."""
        return f"{self.source}: {self.old} -> {self.new}: {self.text.strip()}"


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    STILLBORN = "does not compile"


def mutants_of(source: str, text: str) -> Iterator[Mutant]:
    """Yield every mutant of a source's text."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, start = token.start
        line, end = lines[row - 1] if row <= len(lines) else "", token.end[1]
        if token.type not in (tokenize.OP, tokenize.NAME, tokenize.NUMBER) or line.lstrip().startswith(_DECLARATIONS):
            continue
        for new in _replacements(token):
            yield Mutant(source, row, token.string, new, line[:start] + new + line[end:])
    for row, line in enumerate(lines, 1):
        if line.lstrip().startswith("assert ") and lines[row - 1].count("(") == lines[row - 1].count(")"):
            yield Mutant(source, row, "assert", "pass", line[: len(line) - len(line.lstrip())] + "pass")
        if line.lstrip().startswith("not "):
            yield Mutant(source, row, "not", "", line.replace("not ", "", 1))


_DECLARATIONS: Final = ("#", "import ", "from ", "struct ", "event ", "interface ", "uses:", "initializes:", "exports:")


def _replacements(token: tokenize.TokenInfo) -> Iterator[str]:
    if token.string in _SWAPS:
        yield _SWAPS[token.string]
    elif token.string == "not":
        yield ""
    elif token.type == tokenize.NUMBER and token.string.isdigit() and int(token.string) < 2**16:
        yield str(int(token.string) + 1)


def every_mutant(only: Iterable[str]) -> list[Mutant]:
    """Return the mutants of all sources that ship, or of some."""
    wanted = set(only)
    sources = [path for path in sorted(SOURCES.glob("*.vy")) if path.name not in _SKIPPED]
    chosen = [path for path in sources if not wanted or path.name in wanted]
    return [mutant for path in chosen for mutant in mutants_of(path.name, path.read_text())]


class Laboratory:
    """A copy of the project in which one source at a time is changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            source = PROJECT / name
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=skip) if source.is_dir() else shutil.copy(source, folder)
        self._sources = folder / "src" / "thalweg" / "contracts"
        self._environment = os.environ | {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}

    def try_out(self, mutant: Mutant) -> Fate:
        """Say what becomes of a mutant; the sources are as they were afterwards."""
        path = self._sources / mutant.source
        before = path.read_text()
        lines = before.splitlines()
        lines[mutant.line - 1] = mutant.text
        try:
            path.write_text("\n".join(lines) + "\n")
            if self._run("-m", "thalweg.contracts"):
                return Fate.STILLBORN
            failed = self._run("-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *TESTS)
            return Fate.KILLED if failed else Fate.SURVIVED
        finally:
            path.write_text(before)

    def tests_pass(self) -> bool:
        """Say whether nothing is noticed where nothing was changed."""
        return not self._run("-m", "pytest", "-x", "-q", *TESTS)

    def _run(self, *arguments: str) -> bool:
        """Run Python in the copy; True where it fails."""
        try:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=self._folder, env=self._environment, timeout=MUTANT_S_MAX, capture_output=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def main() -> int:
    """Try mutants out; 1 where too many survive, or one without a reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0, help="how many, chosen at random (0: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=(), help="sources, such as payoffs.vy")
    parser.add_argument("--list", action="store_true", help="list them, and try none")
    options = parser.parse_args()
    chosen = every_mutant(options.only)
    if options.sample:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
    console = Console()
    if options.list:
        for mutant in chosen:
            console.print(str(mutant), markup=False, highlight=False, soft_wrap=True)
        return 0
    with tempfile.TemporaryDirectory(prefix="thalweg-mutants-") as name:
        laboratory = Laboratory(Path(name))
        if not laboratory.tests_pass():
            console.print("the tests fail on the contracts as they are")
            return 1
        fates = {mutant: laboratory.try_out(mutant) for mutant in track(chosen, "Mutants", console=console)}
    return _report(fates, console)


def _report(fates: dict[Mutant, Fate], console: Console) -> int:
    reasons: dict[str, str] = json.loads(SURVIVORS.read_text())
    survivors = [mutant for mutant, fate in fates.items() if fate == Fate.SURVIVED]
    for mutant in survivors:
        console.print(f"survived: {mutant}", reasons.get(mutant.key, "NO REASON KNOWN"), markup=False, soft_wrap=True)
    born = sum(fate != Fate.STILLBORN for fate in fates.values())
    harmful = [mutant for mutant in survivors if mutant.key not in reasons]
    killed = 100 * (born - len(survivors)) / born if born else 100
    console.print(f"{born} mutants, {born - len(survivors)} killed ({killed:.1f} %), {len(harmful)} without a reason")
    return int(killed < KILLED_MIN_PERCENT or bool(harmful))


if __name__ == "__main__":
    sys.exit(main())
