"""The compiled contracts that ship with the package: interface, creation code, compiler.

`python -m thalweg.contracts` writes them from the Vyper sources; nothing here compiles anything.
"""

from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from thalweg.crypto import keccak

ADJUDICATOR: Final = "Adjudicator"
RESOLVER: Final = "Resolver"
PRICER: Final = "Pricer"
SUBCHANNELS: Final = "Subchannels"
BATCH: Final = "Batch"
AGGREGATOR_ORACLE: Final = "AggregatorOracle"
PULL_ORACLE: Final = "PullOracle"
QUORUM_ORACLE: Final = "QuorumOracle"
TEST_TOKEN: Final = "TestToken"  # noqa: S105 - a contract's name
NAMES: Final = (
    ADJUDICATOR, RESOLVER, PRICER, SUBCHANNELS, BATCH, QUORUM_ORACLE, AGGREGATOR_ORACLE, PULL_ORACLE, TEST_TOKEN,
)  # fmt: skip


class Artefact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One contract: its JSON interface, the code that creates it (hex), and what compiled it."""

    name: str
    compiler: str
    evm: str
    abi: tuple[dict[str, Any], ...]
    bytecode: str

    def creation_code(self) -> bytes:
        """Return the code that creates the contract; constructor arguments go after it."""
        return bytes.fromhex(self.bytecode.removeprefix("0x"))


@cache
def load(name: str) -> Artefact:
    """Return the artefact of one of `NAMES`."""
    path = resources.files("thalweg.contracts") / "artefacts" / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=Artefact)


class Entry(msgspec.Struct, frozen=True):
    """One function or event of an interface: its canonical signature, hashed, and its types in order."""

    signature: str
    hash: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    indexed: tuple[bool, ...]

    @property
    def selector(self) -> bytes:
        """Return the four bytes that call a function."""
        return self.hash[:4]


@cache
def entries(name: str) -> dict[str, Entry]:
    """Return a contract's functions and events by name; the constructor is under "constructor"."""
    return {item.get("name", item["type"]): _entry(item) for item in load(name).abi}


def _entry(item: dict[str, Any]) -> Entry:
    inputs = tuple(_canonical(part) for part in item.get("inputs", ()))
    signature = f"{item.get('name', '')}({','.join(inputs)})"
    return Entry(
        signature=signature,
        hash=keccak(signature.encode()),
        inputs=inputs,
        outputs=tuple(_canonical(part) for part in item.get("outputs", ())),
        indexed=tuple(bool(part.get("indexed")) for part in item.get("inputs", ())),
    )


def _canonical(part: dict[str, Any]) -> str:
    kind: str = part["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_canonical(member) for member in part['components'])}){kind.removeprefix('tuple')}"
