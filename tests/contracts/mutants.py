"""Mutation testing of the contracts: change one operator, bound, check or statement at a time; the tests must notice.

    python -m tests.contracts.mutants                       every mutant (hours)
    python -m tests.contracts.mutants --minutes 30          as many as that, from where the last run stopped
    python -m tests.contracts.mutants --sample 20 --seed 7  some of them, the same for the same seed
    python -m tests.contracts.mutants --only payoffs.vy     those of one source
    python -m tests.contracts.mutants --like payoffs.vy:33  those whose line in the report contains a text
    python -m tests.contracts.mutants --patience 40         give each no more than 40 s of tests: a lower bound
    python -m tests.contracts.mutants --tests attacks siege with some of the tests, by their files' names: a lower bound

One that does not compile, or to the same code, counts for nothing. Gas figures and artefacts may not convict: they
notice any change. What survives is printed, must be in `survivors.json` with the reason why it is harmless, and else
fails the run. Fates are kept in `build/mutants.json` until the source they belong to changes.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

os.environ["HYPOTHESIS_PROFILE"] = (
    "mutants"  # before pytest reads it: found is enough, the smallest example is not wanted
)

import pytest
from rich.console import Console
from tests.contracts.laboratory import Fate, Laboratory, Verdict
from tests.contracts.mutations import Mutant, every_mutant
from tests.contracts.quick_vyper import hurry

from thalweg.contracts.build import SOURCES

PROJECT: Final = Path(__file__).parents[2]
KEPT: Final = PROJECT / "build" / "mutants.json"
RESULTS: Final = PROJECT / "bench" / "results" / "mutants.json"
SURVIVORS: Final = Path(__file__).parent / "survivors.json"
KILLED_MIN_PERCENT: Final = 95
_ALWAYS_NOTICE: Final = ("test_gas", "test_artefacts", "test_accounts", "test_mutants", "test_hashes")
_TESTS: Final = ("tests/contracts", *(f"--ignore=tests/contracts/{name}.py" for name in _ALWAYS_NOTICE))
_QUIET: Final = (
    "-o",
    "addopts=--import-mode=importlib",
    "-p",
    "no:terminal",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
)


class Fates:
    """What became of each mutant, in a file that outlives the run."""

    def __init__(self) -> None:
        self._prints = {path.name: sha256(path.read_bytes()).hexdigest()[:16] for path in SOURCES.glob("*.vy")}
        kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        self._kept: dict[str, list[str]] = kept

    def __getitem__(self, mutant: Mutant) -> Verdict | None:
        found = self._kept.get(self._name(mutant))
        return Verdict(Fate(found[0]), found[1]) if found else None

    def __setitem__(self, mutant: Mutant, verdict: Verdict) -> None:
        self._kept[self._name(mutant)] = [verdict.fate, verdict.killer]
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(self._kept, indent=0))

    def _name(self, mutant: Mutant) -> str:
        return f"{self._prints[mutant.source]} {mutant}"


def main() -> int:
    """Try mutants out; 1 where too many survive, or one without a reason."""
    options = _options()
    console, fates = Console(), Fates()
    chosen = [mutant for mutant in every_mutant(options.only) if _is_like(mutant, options.like)]
    if options.list:
        for mutant in chosen:
            console.print(str(mutant), markup=False, highlight=False, soft_wrap=True)
        return 0
    reasons: dict[str, str] = json.loads(SURVIVORS.read_text())
    chosen.sort(key=lambda mutant: _lot(mutant, options.seed))
    if options.sample:
        chosen = [mutant for mutant in chosen if mutant.key not in reasons][: options.sample]
    wanted = (
        chosen
        if options.sample or options.again
        else [mutant for mutant in chosen if _is_open(fates[mutant], mutant.key in reasons)]
    )
    wanted.sort(key=lambda mutant: fates[mutant] is not None)  # what survived before is tried last
    done = len(chosen) - len(wanted)

    def told(mutant: Mutant, verdict: Verdict) -> None:
        nonlocal done
        fates[mutant] = verdict
        done += 1
        if verdict.fate is not Fate.KILLED or options.verbose:
            killer = verdict.killer.rpartition("/")[2]
            console.print(f"{done}/{len(chosen)} {verdict.fate} {mutant} {killer}", markup=False, soft_wrap=True)

    if wanted:
        hurry()
        deadline = time.monotonic() + 60 * options.minutes
        known = {mutant: verdict for mutant in every_mutant() if (verdict := fates[mutant]) is not None}
        laboratory = Laboratory(wanted, options.jobs, deadline, options.patience, told, known)
        pytest.main([*_chosen_tests(options.tests), *_QUIET], plugins=[laboratory])
        if not laboratory.is_sound:
            console.print("the tests fail on the contracts as they are")
            return 1
    return _report(chosen, fates, reasons, console, is_whole=not (options.sample or options.only or options.like))


def _is_like(mutant: Mutant, texts: Sequence[str]) -> bool:
    return not texts or any(text in str(mutant) for text in texts)


def _lot(mutant: Mutant, seed: int) -> bytes:
    """Return a mutant's place in the order: its beginning is a fair sample; changes elsewhere draw no other one."""
    return sha256(f"{seed} {mutant.key}".encode()).digest()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0, help="how many, chosen at random (0: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=(), help="sources, such as payoffs.vy")
    parser.add_argument("--like", nargs="*", default=(), help="texts, such as payoffs.vy:33 or \"'<' -> '<='\"")
    parser.add_argument(
        "--tests", nargs="*", default=(), help="files of tests, such as attacks or closing; all of them"
    )
    parser.add_argument("--minutes", type=float, default=24 * 60, help="start none after so many")
    parser.add_argument(
        "--patience", type=float, default=math.inf, help="seconds of tests until one counts as surviving: a lower bound"
    )
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--again", action="store_true", help="forget the fates of earlier runs")
    parser.add_argument("--list", action="store_true", help="list them, and try none")
    parser.add_argument("--verbose", action="store_true", help="name the killed ones too")
    return parser.parse_args()


def _chosen_tests(names: Sequence[str]) -> Sequence[str]:
    here = Path(__file__).parent
    paths = (path for name in names for path in (here / name, here / f"test_{name}.py") if path.exists())
    return [str(path) for path in paths] or _TESTS


def _is_open(verdict: Verdict | None, is_explained: bool) -> bool:
    """Say whether a mutant is to be tried, again where it survived without a reason: the tests may be better now."""
    return verdict is None or (verdict.fate is Fate.SURVIVED and not is_explained)


def _report(chosen: list[Mutant], fates: Fates, reasons: dict[str, str], console: Console, *, is_whole: bool) -> int:
    found = {mutant: verdict.fate for mutant in chosen if (verdict := fates[mutant]) is not None}
    born = {mutant: fate for mutant, fate in found.items() if fate in (Fate.KILLED, Fate.SURVIVED)}
    survivors = [mutant for mutant, fate in born.items() if fate is Fate.SURVIVED]
    for mutant in sorted(survivors, key=str):
        console.print(f"survived: {mutant}:", reasons.get(mutant.key, "NO REASON KNOWN"), markup=False, soft_wrap=True)
    unexplained = [mutant for mutant in survivors if mutant.key not in reasons]
    killed = len(born) - len(survivors)
    percent = 100 * killed / len(born) if born else 100
    console.print(f"{len(found)} of {len(chosen)} tried, {len(born)} mutants, {killed} killed ({percent:.1f} %)")
    console.print(f"{len(unexplained)} survive without a reason")
    if is_whole and len(found) == len(chosen):
        figures = {"mutants": len(born), "killed": killed, "survived_with_a_reason": len(survivors) - len(unexplained)}
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    return int(percent < KILLED_MIN_PERCENT or bool(unexplained))


if __name__ == "__main__":
    sys.exit(main())
