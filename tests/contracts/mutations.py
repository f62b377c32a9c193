"""What a mutant is: one operator, bound, check or statement of a contract's source, changed."""

import io
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from thalweg.contracts.build import SOURCES

_SKIPPED: Final = ("TestToken.vy",)  # not part of what is deployed
_SWAPS: Final = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+", "*": "+", "//": "*",
    "+=": "-=", "-=": "+=", "and": "or", "or": "and", "min": "max", "max": "min", "True": "False", "False": "True",
    "unsafe_add": "unsafe_sub", "unsafe_sub": "unsafe_add", "<<": ">>", ">>": "<<", "&": "|", "|": "&",
}  # fmt: skip
_DECLARATIONS: Final = ("#", "import ", "from ", "struct ", "event ", "interface ", "uses:", "initializes:", "exports:")
_CHECKS: Final = ("assert ", "refusals.", "self._check", "ledger._ended(", "ledger._close(", "ledger._funded(")


class Mutant(NamedTuple):
    """One change: in a source, at a line, from `old` to `new`; `shown` is the line then, `text` the whole source."""

    source: str
    line: int
    old: str
    new: str
    shown: str
    text: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line} {self.old!r} -> {self.new!r}: {self.shown.strip()}"

    @property
    def key(self) -> str:
        """Return what names it when lines move."""
        return f"{self.source}: {self.old} -> {self.new}: {self.shown.strip()}"


def every_mutant(only: Iterable[str] = ()) -> list[Mutant]:
    """Return the mutants of all sources that ship, or of some."""
    wanted = set(only)
    sources = [path for path in sorted(SOURCES.glob("*.vy")) if path.name not in _SKIPPED]
    return [mutant for path in sources if not wanted or path.name in wanted for mutant in mutants_of(path)]


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Yield every mutant of a source."""
    lines = path.read_text().splitlines()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        row, start = token.start
        line, end = lines[row - 1] if row <= len(lines) else "", token.end[1]
        if token.type not in (tokenize.OP, tokenize.NAME, tokenize.NUMBER) or line.lstrip().startswith(_DECLARATIONS):
            continue
        for new in _replacements(token):
            yield _changed(path.name, lines, row, token.string, new, [line[:start] + new + line[end:]])
    for row, line in enumerate(lines, 1):
        if line.lstrip().startswith(_CHECKS):
            statement = _statement(lines, row)
            indent = line[: len(line) - len(line.lstrip())]
            replaced = [f"{indent}pass", *[""] * (len(statement) - 1)]
            yield _changed(path.name, lines, row, " ".join(part.strip() for part in statement), "pass", replaced)


def _replacements(token: tokenize.TokenInfo) -> Iterator[str]:
    if token.string in _SWAPS:
        yield _SWAPS[token.string]
    elif token.string == "not":
        yield ""
    elif token.type == tokenize.NUMBER and token.string.isdigit() and int(token.string) < 2**16:
        yield str(int(token.string) + 1)


def _statement(lines: list[str], row: int) -> list[str]:
    """Return the lines of the statement that begins at a row: up to the bracket that closes its first."""
    depth, taken = 0, []
    for line in lines[row - 1 :]:
        taken.append(line)
        depth += sum(map(line.count, "([")) - sum(map(line.count, ")]"))
        if depth <= 0:
            break
    return taken


def _changed(source: str, lines: list[str], row: int, old: str, new: str, replaced: list[str]) -> Mutant:
    after = [*lines[: row - 1], *replaced, *lines[row - 1 + len(replaced) :]]
    return Mutant(source, row, old, new, replaced[0], "\n".join(after) + "\n")
