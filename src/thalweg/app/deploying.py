"""Puts Thalweg on a chain, with a token to try it out: what `thalweg chain`, `deploy` and `demo` do first."""

from collections import UserDict
from pathlib import Path
from typing import Final

import msgspec

from thalweg.app.settings import AssetForm, Deployment, parse_address
from thalweg.chain import artefacts, token, wire
from thalweg.chain.deploy import (
    Contracts,
    Created,
    Creator,
    creator,
    deploy_contracts,
    deploy_oracle,
    deploy_pull_oracle,
    deploy_token,
)
from thalweg.chain.wallet import Payer
from thalweg.errors import Reason, UserFault
from thalweg.instruments.quorum import threshold_min
from thalweg.storage.folder import read_whole, write_whole
from thalweg.units import Address, Hash

SYMBOL: Final = "USDC"
DECIMALS: Final = 6
_LOCAL_POLL_S: Final = 0.1


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment is to consist of besides the contracts that are nobody's own.

    `signers`: the oracles' keys, in order; none where `oracle` names a contract that is there. `threshold`: how many of
    them must sign (0: the least that is safe). `tokens`: what is dealt in, the first one is settled in; none: a
    new test token. `pyth`: a Pyth-style oracle to make an adapter for.
    """

    signers: tuple[Address, ...] = ()
    threshold: int = 0
    oracle: Address | None = None
    tokens: tuple[Address, ...] = ()
    pyth: Address | None = None


class Unfinished(UserDict[Hash, Address]):
    """What an interrupted deployment has created, in a file, so that the next one goes on where it stopped.

    Raises:
        UserFault: MALFORMED, the file is no such file, or another chain's.
    """

    def __init__(self, path: Path, chain_id: int) -> None:
        super().__init__()
        self._path = path
        self._chain_id = chain_id
        if path.exists():
            try:
                kept = msgspec.json.decode(read_whole(path), type=_Kept)
            except msgspec.DecodeError as error:
                raise UserFault(Reason.MALFORMED, f"{path}: {error}; remove it to begin anew") from error
            if kept.chain_id != chain_id:
                detail = f"{path} belongs to a deployment on chain {kept.chain_id}, not {chain_id}; remove it"
                raise UserFault(Reason.WRONG_CHAIN, detail)
            self.data = {Hash(bytes.fromhex(code)): parse_address(found) for code, found in kept.created.items()}

    def __setitem__(self, code: Hash, created: Address) -> None:
        super().__setitem__(code, created)
        kept = _Kept(self._chain_id, {known.hex(): wire.hexed(address) for known, address in self.data.items()})
        write_whole(self._path, msgspec.json.encode(kept))

    def forget(self) -> None:
        """Remove the file: the deployment is complete."""
        self._path.unlink(missing_ok=True)


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain_id: int
    created: dict[str, str]


async def deploy(
    payer: Payer, wanted: Wanted, *, local: bool, plant: bool = False, created: Created | None = None
) -> Deployment:
    """Create every contract that is not there yet; return how nodes find them.

    Args:
        payer: pays for it.
        wanted: which oracle and tokens.
        local: this is a development chain, where every block is final at once.
        plant: put the deployment proxy on the chain where it is missing, so that addresses are those of every chain.
        created: what an interrupted deployment has created, where there is no proxy.

    Raises:
        UserFault: the quorum cannot be one; a contract that was named is not there; the account cannot pay.
        Unavailable: the chain does not answer.
    """
    _check_quorum(wanted)
    create = await creator(payer, plant=plant, created=created)
    assets = [await _asset(payer, one) for one in wanted.tokens]
    if wanted.oracle is not None and not await wire.has_code(payer.rpc, wanted.oracle):
        raise UserFault(Reason.NOT_FOUND, f"{payer.rpc.url} has no oracle at {wire.hexed(wanted.oracle)}")
    contracts = await deploy_contracts(create)
    oracle = wanted.oracle or await deploy_oracle(create, wanted.signers, _threshold(wanted))
    if not assets:
        assets.append(AssetForm(wire.hexed(await deploy_token(create)), SYMBOL, DECIMALS))
    described = Deployment(
        rpc=(payer.rpc.url,),
        chain_id=contracts.chain_id,
        adjudicator=wire.hexed(contracts.adjudicator),
        oracle=wire.hexed(oracle),
        assets=tuple(assets),
        block=contracts.block,
        contracts=await _named(create, contracts, wanted),
    )
    if not local:
        return described
    return msgspec.structs.replace(
        described, confirmations=1, final_depth=0, poll_s=_LOCAL_POLL_S, bump_after_s=3.0, development=True
    )


def _threshold(wanted: Wanted) -> int:
    return wanted.threshold or threshold_min(len(wanted.signers))


def _check_quorum(wanted: Wanted) -> None:
    if wanted.oracle is not None:
        if wanted.signers:
            raise UserFault(Reason.MALFORMED, "an oracle that is there has its signers: name it, or signers, not both")
        return
    count = len(wanted.signers)
    least = threshold_min(count)
    if not count or not least <= _threshold(wanted) <= count:
        raise UserFault(Reason.LIMIT, f"of {count} oracles at least {least} must sign, at most all")


async def _asset(payer: Payer, address: Address) -> AssetForm:
    """Return a token as the deployment names it, by what it says of itself."""
    if not await wire.has_code(payer.rpc, address):
        raise UserFault(Reason.NOT_FOUND, f"{payer.rpc.url} has no token at {wire.hexed(address)}")
    form = {
        "address": wire.hexed(address),
        "symbol": await token.symbol(payer.rpc, address),
        "decimals": await token.decimals(payer.rpc, address),
    }
    try:
        return msgspec.convert(form, AssetForm)
    except msgspec.ValidationError as error:
        raise UserFault(Reason.MALFORMED, f"token {form['address']} cannot be dealt in: {error}") from error


async def _named(create: Creator, contracts: Contracts, wanted: Wanted) -> dict[str, str]:
    """Return every contract's address by its name."""
    found = {
        artefacts.PRICER: contracts.pricer,
        artefacts.RESOLVER: contracts.resolver,
        artefacts.ADJUDICATOR: contracts.adjudicator,
        artefacts.SUBCHANNELS: contracts.subchannels,
        artefacts.BATCH: contracts.batch,
        artefacts.AGGREGATOR_ORACLE: contracts.aggregator_oracle,
    }
    if wanted.pyth is not None:
        found[artefacts.PULL_ORACLE] = await deploy_pull_oracle(create, wanted.pyth)
    return {name: wire.hexed(address) for name, address in found.items()}
