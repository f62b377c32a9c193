"""The same addresses on every chain: the proxy's own code, its published transaction, and the registry file."""

import json

import pytest
from eth_account import Account
from tests.contracts.evm import Evm

from thalweg.chain.artefacts import BATCH, PRICER
from thalweg.chain.calls import Invocation, deployment
from thalweg.chain.create2 import PLANTER, PLANTING, PROXY, PROXY_CREATION, SALT, create2_address
from thalweg.contracts.addresses import REGISTRY, canonical, registry
from thalweg.contracts.build import standard_input
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
def test_the_sources_to_verify_are_complete(name: str) -> None:
    content = json.loads(standard_input(name))

    assert content["language"] == "Vyper"
    assert any(path.endswith(f"{name}.vy") for path in content["sources"])
    assert all(source["content"] for source in content["sources"].values())
