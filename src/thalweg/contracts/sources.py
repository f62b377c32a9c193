"""What block explorers verify a contract by: its sources, as the compiler's standard JSON input.

https://docs.vyperlang.org/en/stable/compiling-a-contract.html#compiler-input-and-output-json-description
"""

import json
import re
from pathlib import Path
from typing import Final

from thalweg.chain.artefacts import NAMES, load

SOURCES: Final = Path(__file__).parent
_IMPORT: Final = re.compile(r"^import (\w+)$", re.MULTILINE)


def standard_input(name: str, sources: Path = SOURCES) -> str:
    """Return the compiler's input of a contract; version and optimisation are in the sources' pragmas."""
    found: dict[str, str] = {}
    waiting = [f"{name}.vy"]
    while waiting:
        file = waiting.pop()
        found[file] = (sources / file).read_text()
        imported = {_file_of(module, sources) for module in _IMPORT.findall(found[file])}
        waiting += sorted(imported - found.keys())
    content = {
        "language": "Vyper",
        "sources": {file: {"content": found[file]} for file in sorted(found)},
        "settings": {"outputSelection": {f"{name}.vy": ["*"]}, "search_paths": ["."]},
        "compiler_version": "v" + load(name).compiler.removeprefix("vyper "),
    }
    return json.dumps(content, indent=1) + "\n"


def export_sources(folder: Path) -> None:
    """Write every contract's standard JSON input."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / f"{name}.json").write_text(standard_input(name))


def _file_of(module: str, sources: Path) -> str:
    return f"{module}.vy" if (sources / f"{module}.vy").exists() else f"{module}.vyi"
