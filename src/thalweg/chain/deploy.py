"""Putting the contracts on a chain, each once: what `thalweg deploy`, demonstrations and tests start from."""

from collections.abc import MutableMapping, Sequence
from typing import Any, Final

import msgspec

from thalweg.chain import abi, wire
from thalweg.chain.artefacts import (
    ADJUDICATOR,
    AGGREGATOR_ORACLE,
    BATCH,
    PRICER,
    PULL_ORACLE,
    QUORUM_ORACLE,
    RESOLVER,
    SUBCHANNELS,
    TEST_TOKEN,
    entries,
)
from thalweg.chain.calls import deployment
from thalweg.chain.create2 import PROXY, create_once, plant_proxy
from thalweg.chain.rpc import Refused, Rpc
from thalweg.chain.wallet import Payer
from thalweg.crypto import keccak
from thalweg.errors import Reason, UserFault
from thalweg.units import Address, Hash

SIGNERS_MAX: Final = 16  # QuorumOracle.vy

Created = MutableMapping[Hash, Address]  # hash of a creation code to what it created


class Contracts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the contracts are that are nobody's own; a scan that starts at `block` misses nothing of theirs."""

    chain_id: int
    block: int
    pricer: Address
    resolver: Address
    adjudicator: Address
    subchannels: Address
    batch: Address
    aggregator_oracle: Address


class Creator:
    """Creates contracts. Where the chain has the deployment proxy they are at the same addresses as everywhere, and
    are created once. Elsewhere they are new ones, unless `created` knows better: it remembers a deployment that was
    interrupted."""

    def __init__(self, payer: Payer, created: Created, *, is_planted: bool) -> None:
        self.payer = payer
        self._created = created
        self._is_planted = is_planted

    async def create(self, name: str, *arguments: Any) -> Address:
        """Create one of our contracts, unless it is there.

        Raises:
            UserFault: the payer cannot pay, or the contract refuses its arguments.
            Unavailable: the chain does not answer.
        """
        code = deployment(name, *arguments)
        if self._is_planted:
            return await create_once(self.payer, code)
        known = self._created.get(keccak(code))
        if known is not None and await wire.has_code(self.payer.rpc, known):
            return known
        address = self._created[keccak(code)] = await self.payer.create(code)
        return address


async def creator(payer: Payer, *, plant: bool = False, created: Created | None = None) -> Creator:
    """Return what creates contracts on a chain; `plant` puts the deployment proxy there if it can.

    Raises:
        Unavailable: the chain does not answer.
    """
    is_planted = await plant_proxy(payer) if plant else await wire.has_code(payer.rpc, PROXY)
    return Creator(payer, {} if created is None else created, is_planted=is_planted)


async def deploy_contracts(create: Creator) -> Contracts:
    """Deploy the adjudicator, its resolver with the pricer, the judge of child channels, and what serves them.

    Raises:
        UserFault: the wallet cannot pay for it.
        Unavailable: the chain does not answer.
    """
    chain_id = await wire.chain_id(create.payer.rpc)
    block = (await wire.head(create.payer.rpc)).number
    pricer = await create.create(PRICER)
    resolver = await create.create(RESOLVER, pricer)
    adjudicator = await create.create(ADJUDICATOR, resolver)
    subchannels = await create.create(SUBCHANNELS, adjudicator, resolver)
    batch = await create.create(BATCH)
    aggregator_oracle = await create.create(AGGREGATOR_ORACLE)
    return Contracts(chain_id, block, pricer, resolver, adjudicator, subchannels, batch, aggregator_oracle)


async def resolver_of(rpc: Rpc, adjudicator: Address) -> Address | None:
    """Return the contract that resolves an adjudicator's claims; None where it names none."""
    entry = entries(ADJUDICATOR)["RESOLVER"]
    try:
        (found,) = abi.decode(entry.outputs, await wire.read(rpc, adjudicator, entry.selector))
    except (abi.Unreadable, Refused):
        return None
    return Address(bytes.fromhex(found[2:]))


async def deploy_oracle(create: Creator, signers: Sequence[Address], threshold: int) -> Address:
    """Deploy a quorum oracle; return its address.

    Raises:
        UserFault: LIMIT, for more signers than the contract holds; or the contract refuses the threshold.
        Unavailable: the chain does not answer.
    """
    if len(signers) > SIGNERS_MAX:
        raise UserFault(Reason.LIMIT, f"an oracle has at most {SIGNERS_MAX} signers")
    return await create.create(QUORUM_ORACLE, tuple(signers), threshold)


async def deploy_pull_oracle(create: Creator, pyth: Address) -> Address:
    """Deploy the adapter of a Pyth-style oracle; return its address.

    Raises:
        UserFault: NOT_FOUND, there is no such contract; the wallet cannot pay for it.
        Unavailable: the chain does not answer.
    """
    if not await wire.has_code(create.payer.rpc, pyth):
        raise UserFault(Reason.NOT_FOUND, f"{create.payer.rpc.url} has no contract at {wire.hexed(pyth)}")
    return await create.create(PULL_ORACLE, pyth)


async def deploy_token(create: Creator) -> Address:
    """Deploy the test token (6 decimals, anyone may mint); return its address.

    Raises:
        UserFault: the wallet cannot pay for it.
        Unavailable: the chain does not answer.
    """
    return await create.create(TEST_TOKEN)
