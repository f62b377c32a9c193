"""Compiles the Vyper sources into the artefacts that ship: `python -m thalweg.contracts` (needs the dev group).

The output depends on the sources and the compiler's version alone, so a test can demand that the two agree.
"""

import json
from pathlib import Path
from typing import Final

import vyper
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle

from thalweg.chain.artefacts import NAMES, entries, load

SOURCES: Final = Path(__file__).parent
ARTEFACTS: Final = SOURCES / "artefacts"
EVM: Final = "cancun"  # as the sources' pragmas say


def artefact(name: str, sources: Path = SOURCES) -> str:
    """Compile one contract and return its artefact's text."""
    bundle = FilesystemInputBundle([sources])
    with bundle.search_path(sources):
        source = bundle.load_file(f"{name}.vy")
        output = compile_from_file_input(source, input_bundle=bundle, output_formats=["abi", "bytecode"])
    content = {
        "name": name,
        "compiler": f"vyper {vyper.__version__}",
        "evm": EVM,
        "abi": output["abi"],
        "bytecode": output["bytecode"],
    }
    return json.dumps(content, indent=1) + "\n"


def main() -> None:
    """Write every artefact, and the registry of addresses."""
    from thalweg.contracts.addresses import write_registry

    ARTEFACTS.mkdir(exist_ok=True)
    for name in NAMES:
        (ARTEFACTS / f"{name}.json").write_text(artefact(name))
    load.cache_clear()
    entries.cache_clear()
    write_registry()
