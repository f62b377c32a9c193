"""The same addresses on every chain: the proxy's own code, its published transaction, and the registry file."""

import json
from pathlib import Path

import pytest
from eth_account import Account
from tests.contracts.evm import Evm
from vyper.cli.vyper_json import compile_json
from vyper.compiler import compile_from_file_input
from vyper.compiler.input_bundle import FilesystemInputBundle

from thalweg.chain.artefacts import BATCH, NAMES, PRICER, load
from thalweg.chain.calls import Invocation, deployment
from thalweg.chain.create2 import PLANTER, PLANTING, PROXY, PROXY_CREATION, SALT, create2_address
from thalweg.contracts.addresses import REGISTRY, canonical, registry
from thalweg.contracts.sources import SOURCES, standard_input
from thalweg.crypto import keccak
from thalweg.units import Address


def test_the_published_transaction_plants_the_published_proxy() -> None:
    assert bytes.fromhex(Account.recover_transaction(PLANTING)[2:]) == PLANTER
    # the address of an account's first creation: keccak(rlp((account, 0)))
    assert keccak(b"\xd6\x94" + PLANTER + b"\x80")[12:] == PROXY
    assert PROXY_CREATION in PLANTING


def test_addresses_are_those_of_eip_1014() -> None:
    # https://eips.ethereum.org/EIPS/eip-1014, examples
    deadbeef = Address(bytes.fromhex("deadbeef" + "00" * 16))
    assert create2_address(b"\0", Address(bytes(20))).hex() == "4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38"
    assert create2_address(b"\0", deadbeef).hex() == "b928f69bb1d91cd65274e3c79d8986362984fda3"


def test_the_proxy_creates_our_contracts_where_we_say() -> None:
    evm = Evm()
    proxy = evm.create(PROXY_CREATION)
    pricer = deployment("Pricer")

    evm.send(Invocation(proxy, SALT + pricer))

    created = create2_address(pricer, proxy)
    assert evm.ask(created, "Pricer", "contract_value", 5, 7, (9, 0, 0, (0,) * 5, (0,) * 5)) == 0
    resolver = deployment("Resolver", created)
    evm.send(Invocation(proxy, SALT + resolver))
    assert bytes.fromhex(evm.ask(create2_address(resolver, proxy), "Resolver", "PRICER")[2:]) == created


def test_the_registry_names_every_canonical_address() -> None:
    assert json.loads(REGISTRY.read_text()) == registry()
    assert len({*canonical().values()}) == len(canonical()) == 6


@pytest.mark.parametrize("name", [BATCH, PRICER])
def test_the_sources_to_verify_by_compile_to_the_code_that_ships(name: str) -> None:
    content = json.loads(standard_input(name))

    compiled = compile_json(content)["contracts"][f"{name}.vy"][name]

    assert compiled["evm"]["bytecode"]["object"] == load(name).bytecode
    assert content["compiler_version"] == "v0.4.3"


@pytest.mark.parametrize("name", NAMES)
def test_every_import_is_among_the_sources(name: str) -> None:
    sources = json.loads(standard_input(name))["sources"]

    bundled = json.loads(_by_the_compiler(name))["sources"]
    assert {Path(path).name: one["content"] for path, one in bundled.items()} == {
        path: one["content"] for path, one in sources.items()
    }


def _by_the_compiler(name: str) -> str:
    bundle = FilesystemInputBundle([SOURCES])
    with bundle.search_path(SOURCES):
        found = compile_from_file_input(
            bundle.load_file(f"{name}.vy"), input_bundle=bundle, output_formats=["solc_json"]
        )
    return json.dumps(found["solc_json"])
