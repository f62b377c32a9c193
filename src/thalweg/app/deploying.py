"""Puts Thalweg on a chain, with a token to try it out: what `thalweg chain`, `deploy` and `demo` do first."""

from collections.abc import Sequence
from typing import Final

import msgspec

from thalweg.app.settings import AssetForm, Deployment
from thalweg.chain import wire
from thalweg.chain.deploy import deploy_contracts, deploy_oracle, deploy_token
from thalweg.chain.wallet import Wallet
from thalweg.errors import Reason, UserFault
from thalweg.instruments.quorum import threshold_min
from thalweg.units import Address

SYMBOL: Final = "USDC"
DECIMALS: Final = 6
_LOCAL_POLL_S: Final = 0.1


async def deploy(
    wallet: Wallet, signers: Sequence[Address], threshold: int = 0, *, local: bool, plant: bool = False
) -> Deployment:
    """Create adjudicator, oracle and a test token; return how nodes find them.

    Args:
        wallet: pays for it.
        signers: the oracles' keys, in order.
        threshold: how many of them must sign (0: the least that is safe).
        local: this is a development chain, where every block is final at once.
        plant: put the deployment proxy on the chain where it is missing, so that addresses are those of every chain.

    Raises:
        UserFault: the quorum cannot be one; the account cannot pay.
        Unavailable: the chain does not answer.
    """
    least = threshold_min(len(signers))
    needed = threshold or least
    if not signers or not least <= needed <= len(signers):
        raise UserFault(Reason.LIMIT, f"of {len(signers)} oracles at least {least} must sign, at most all")
    contracts = await deploy_contracts(wallet, plant=plant)
    oracle = await deploy_oracle(wallet, signers, needed)
    token = await deploy_token(wallet)
    described = Deployment(
        rpc=(wallet.rpc.url,),
        chain_id=contracts.chain_id,
        adjudicator=wire.hexed(contracts.adjudicator),
        oracle=wire.hexed(oracle),
        assets=(AssetForm(wire.hexed(token), SYMBOL, DECIMALS),),
        block=contracts.block,
    )
    if not local:
        return described
    return msgspec.structs.replace(
        described, confirmations=1, final_depth=0, poll_s=_LOCAL_POLL_S, bump_after_s=3.0, development=True
    )
