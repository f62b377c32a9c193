"""Putting the contracts on a chain: what `thalweg chain`, demonstrations and tests start from."""

from collections.abc import Sequence
from typing import Final

import msgspec

from thalweg.chain import wire
from thalweg.chain.artefacts import ADJUDICATOR, QUORUM_ORACLE, RESOLVER, TEST_TOKEN
from thalweg.chain.calls import deployment
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


async def deploy_contracts(wallet: Wallet) -> Contracts:
    """Deploy the adjudicator and its resolver.

    Raises:
        UserFault: the wallet cannot pay for it.
        Unavailable: the chain does not answer.
    """
    chain_id = await wire.chain_id(wallet.rpc)
    block = (await wire.head(wallet.rpc)).number
    resolver = await wallet.create(deployment(RESOLVER))
    adjudicator = await wallet.create(deployment(ADJUDICATOR, resolver))
    return Contracts(chain_id, block, adjudicator, resolver)


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
