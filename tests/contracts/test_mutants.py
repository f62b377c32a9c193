"""The mutants themselves: they are many, different, and compiled to what the compiler at its own pace makes."""

import subprocess
import sys

import pytest
from tests.contracts.mutations import every_mutant, mutants_of

from thalweg.contracts.build import SOURCES


@pytest.mark.parametrize("source", ["payoffs.vy", "ledger.vy"])
def test_every_mutant_is_another_source(source: str) -> None:
    mutants = list(mutants_of(SOURCES / source))

    texts = {(SOURCES / source).read_text(), *(mutant.text for mutant in mutants)}
    assert len(texts) > 0.95 * len(mutants) > 30
    assert {mutant.text.count("\n") for mutant in mutants} == {(SOURCES / source).read_text().count("\n")}


def test_checks_are_taken_out_operators_swapped_and_bounds_moved() -> None:
    changes = {(mutant.old, mutant.new) for mutant in every_mutant(("tokens.vy", "preimages.vy"))}

    assert ("==", "!=") in changes
    assert ("200", "201") not in changes  # 200_000 is one number
    assert ("32", "33") in changes
    assert any(old.startswith("assert") and new == "pass" for old, new in changes)


def test_a_hurried_compiler_makes_the_same_code() -> None:
    code = (
        "from tests.contracts.quick_vyper import hurry; hurry()\n"
        "from thalweg.contracts.build import ARTEFACTS, artefact\n"
        "assert artefact('Resolver') == (ARTEFACTS / 'Resolver.json').read_text()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
