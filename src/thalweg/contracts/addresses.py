"""Where our contracts are on every chain that has the deployment proxy: a function of their code alone.

`addresses.json` keeps the result: the registry that other programs read. `python -m thalweg.contracts` writes it.
"""

import json
from pathlib import Path
from typing import Final

from thalweg.chain.artefacts import ADJUDICATOR, AGGREGATOR_ORACLE, BATCH, PRICER, RESOLVER, SUBCHANNELS
from thalweg.chain.calls import deployment
from thalweg.chain.create2 import PROXY, SALT, create2_address
from thalweg.units import Address

REGISTRY: Final = Path(__file__).parent / "addresses.json"


def creations() -> dict[str, bytes]:
    """Return the creation code, arguments included, of every contract that is nobody's own, in order of creation."""
    codes = {PRICER: deployment(PRICER)}
    codes[RESOLVER] = deployment(RESOLVER, create2_address(codes[PRICER]))
    codes[ADJUDICATOR] = deployment(ADJUDICATOR, create2_address(codes[RESOLVER]))
    codes[SUBCHANNELS] = deployment(SUBCHANNELS, create2_address(codes[ADJUDICATOR]), create2_address(codes[RESOLVER]))
    codes[BATCH] = deployment(BATCH)
    codes[AGGREGATOR_ORACLE] = deployment(AGGREGATOR_ORACLE)
    return codes


def canonical() -> dict[str, Address]:
    """Return the contracts' addresses by name."""
    return {name: create2_address(code) for name, code in creations().items()}


def registry() -> dict[str, object]:
    """Return what the registry file says."""
    addresses = {name: "0x" + address.hex() for name, address in canonical().items()}
    return {"proxy": "0x" + PROXY.hex(), "salt": "0x" + SALT.hex(), "addresses": addresses}


def write_registry() -> None:
    """Write the registry file."""
    REGISTRY.write_text(json.dumps(registry(), indent=1) + "\n")
