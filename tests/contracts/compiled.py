"""The contracts that only tests need, compiled when they are first asked for."""

import warnings
from pathlib import Path
from typing import Any, Final

from eth_abi import abi as codec
from tests.contracts.evm import Account, Evm, Receipt
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle

from thalweg.chain.calls import Invocation
from thalweg.contracts.build import SOURCES
from thalweg.crypto import keccak
from thalweg.units import Address

HERE: Final = Path(__file__).parent / "sources"
CODES: Final[dict[str, bytes]] = {}


def creation_code(name: str) -> bytes:
    """Return the creation code of `tests/contracts/sources/{name}.vy`."""
    if name not in CODES:
        CODES[name] = compile_code(HERE / f"{name}.vy")
    return CODES[name]


def compile_code(path: Path, sources: Path = SOURCES) -> bytes:
    """Return a contract's creation code, its modules from `sources`."""
    bundle = FilesystemInputBundle([sources, path.parent])
    with bundle.search_path(path.parent), bundle.search_path(sources), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a payee that destroys itself does what is deprecated
        output = compile_from_file_input(bundle.load_file(path.name), input_bundle=bundle, output_formats=["bytecode"])
    return bytes.fromhex(output["bytecode"].removeprefix("0x"))


def tell(evm: Evm, to: Address, signature: str, *arguments: Any, sender: Account | None = None) -> Receipt:
    """Send a call named by its signature: `tell(evm, token, "lie(bool)", True)`."""
    return evm.send(Invocation(to, _data(signature, arguments)), sender)


def _data(signature: str, arguments: tuple[Any, ...]) -> bytes:
    kinds = [kind for kind in signature.partition("(")[2].removesuffix(")").split(",") if kind]
    return keccak(signature.encode())[:4] + codec.encode(kinds, arguments)
