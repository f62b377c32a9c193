"""The contracts that only tests need, compiled when they are first asked for."""

from functools import cache
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

_HERE: Final = Path(__file__).parent / "sources"


@cache
def creation_code(name: str) -> bytes:
    """Return the creation code of `tests/contracts/sources/{name}.vy`."""
    bundle = FilesystemInputBundle([SOURCES, _HERE])
    with bundle.search_path(_HERE):
        output = compile_from_file_input(
            bundle.load_file(f"{name}.vy"), input_bundle=bundle, output_formats=["bytecode"]
        )
    return bytes.fromhex(output["bytecode"].removeprefix("0x"))


def tell(evm: Evm, to: Address, signature: str, *arguments: Any, sender: Account | None = None) -> Receipt:
    """Send a call named by its signature: `tell(evm, token, "lie(bool)", True)`."""
    return evm.send(Invocation(to, _data(signature, arguments)), sender)


def _data(signature: str, arguments: tuple[Any, ...]) -> bytes:
    kinds = [kind for kind in signature.partition("(")[2].removesuffix(")").split(",") if kind]
    return keccak(signature.encode())[:4] + codec.encode(kinds, arguments)
