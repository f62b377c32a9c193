"""Putting the contracts on a chain: what `thalweg chain`, demonstrations and tests start from."""

from collections.abc import Sequence
from typing import Final

import msgspec

from thalweg.chain import abi, wire
from thalweg.chain.artefacts import ADJUDICATOR, PRICER, QUORUM_ORACLE, RESOLVER, SUBCHANNELS, TEST_TOKEN, entries
from thalweg.chain.calls import deployment
from thalweg.chain.create2 import PROXY, create_once, plant_proxy
from thalweg.chain.rpc import Refused, Rpc
from thalweg.chain.wallet import Wallet
from thalweg.errors import Reason, UserFault
from thalweg.units import Address

SIGNERS_MAX: Final = 16  # QuorumOracle.vy


class Contracts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the contracts are; a scan that starts at `block` misses nothing of theirs."""

    chain_id: int
    block: int
    adjudicator: Address
    resolver: Address
    subchannels: Address


async def deploy_contracts(wallet: Wallet, *, plant: bool = False) -> Contracts:
    """Deploy the adjudicator, its resolver with the pricer, and the judge of child channels.

    Where the chain has the deployment proxy they are at the same addresses as everywhere, and are created once; `plant`
    puts the proxy there if it can. Elsewhere they are new contracts.

    Raises:
        UserFault: the wallet cannot pay for it.
        Unavailable: the chain does not answer.
    """
    chain_id = await wire.chain_id(wallet.rpc)
    block = (await wire.head(wallet.rpc)).number
    is_planted = await plant_proxy(wallet) if plant else await wire.has_code(wallet.rpc, PROXY)

    async def create(name: str, *arguments: Address) -> Address:
        code = deployment(name, *arguments)
        return await create_once(wallet, code) if is_planted else await wallet.create(code)

    pricer = await create(PRICER)
    resolver = await create(RESOLVER, pricer)
    adjudicator = await create(ADJUDICATOR, resolver)
    subchannels = await create(SUBCHANNELS, adjudicator, resolver)
    return Contracts(chain_id, block, adjudicator, resolver, subchannels)


async def resolver_of(rpc: Rpc, adjudicator: Address) -> Address | None:
    """Return the contract that resolves an adjudicator's claims; None where it names none."""
    entry = entries(ADJUDICATOR)["RESOLVER"]
    try:
        (found,) = abi.decode(entry.outputs, await wire.read(rpc, adjudicator, entry.selector))
    except (abi.Unreadable, Refused):
        return None
    return Address(bytes.fromhex(found[2:]))


async def deploy_oracle(wallet: Wallet, signers: Sequence[Address], threshold: int) -> Address:
    """Deploy a quorum oracle; return its address.

    Raises:
        UserFault: LIMIT, for more signers than the contract holds; or the contract refuses the threshold.
        Unavailable: the chain does not answer.
    """
    if len(signers) > SIGNERS_MAX:
        raise UserFault(Reason.LIMIT, f"an oracle has at most {SIGNERS_MAX} signers")
    return await wallet.create(deployment(QUORUM_ORACLE, tuple(signers), threshold))


async def deploy_token(wallet: Wallet) -> Address:
    """Deploy the test token (6 decimals, anyone may mint); return its address.

    Raises:
        UserFault: the wallet cannot pay for it.
        Unavailable: the chain does not answer.
    """
    return await wallet.create(deployment(TEST_TOKEN))
