"""`thalweg chain` and `thalweg deploy`: a development chain, with everything on it that nodes need."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from thalweg.app.deploying import deploy
from thalweg.app.settings import Deployment, parse_address, write_deployment
from thalweg.app.stopping import Stop, plain_errors
from thalweg.chain import token
from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_KEYS
from thalweg.chain.rpc import Rpc
from thalweg.chain.wallet import Wallet, wallet
from thalweg.cli.reporting import write_json
from thalweg.cli.running import split_listen
from thalweg.errors import Reason, UserFault
from thalweg.units import NATIVE, Address, Amount

FUND_WEI: Final = Amount(10**20)
FUND_TOKENS: Final = 1_000_000  # whole test tokens
PLACEHOLDER_SIGNERS: Final = DEV_ADDRESSES[6:]  # their keys are public: for trying things out


async def fund(payer: Wallet, deployment: Deployment, accounts: Sequence[Address], tokens: int = FUND_TOKENS) -> None:
    """Give accounts coins for gas, and test tokens.

    Raises:
        UserFault: the payer has too little.
        Unavailable: the chain does not answer.
    """
    asset = deployment.tokens()[0]
    for account in accounts:
        await payer.send(token.transfer(NATIVE, account, FUND_WEI))
        if tokens:
            await payer.send(token.mint(asset.address, account, Amount(tokens * 10**asset.decimals)))


async def _prepare(
    rpc: Rpc, file: Path, signers: tuple[str, ...], threshold: int, accounts: tuple[str, ...], *, plant: bool = False
) -> Deployment:
    payer = await wallet(rpc, DEV_KEYS[0])
    keys = [parse_address(text) for text in signers] or list(PLACEHOLDER_SIGNERS)
    described = await deploy(payer, keys, threshold, local=True, plant=plant)
    await fund(payer, described, [parse_address(text) for text in accounts])
    write_deployment(file, described)
    return described


def deploy_on(
    url: str, file: Path, signers: tuple[str, ...], threshold: int, accounts: tuple[str, ...]
) -> dict[str, Any]:
    """Deploy on a chain whose development accounts have coins; write the deployment file.

    Raises:
        UserFault: the accounts cannot pay, or the quorum cannot be one.
        Unavailable: the chain does not answer.
    """

    async def work() -> Deployment:
        async with Rpc((url,)) as rpc:
            return await _prepare(rpc, file, signers, threshold, accounts, plant=True)

    found: dict[str, Any] = msgspec.to_builtins(asyncio.run(work()))
    return found


def run_chain(
    listen: str,
    file: Path | None,
    signers: tuple[str, ...],
    threshold: int,
    accounts: tuple[str, ...],
    block_time_s: float | None,
    attached: bool,
    as_json: bool,
) -> None:
    """Serve a fresh chain until told to stop.

    Raises:
        UserFault: the port is taken, or the quorum cannot be one.
    """
    from thalweg.chain.embedded import serve_chain

    host, port = split_listen(listen)

    async def work() -> None:
        stop = Stop()
        async with AsyncExitStack() as stack:
            stack.enter_context(stop.on_signals(attached=attached))
            try:
                url = await stack.enter_async_context(serve_chain(host=host, port=port, block_time_s=block_time_s))
            except OSError as error:
                raise UserFault(
                    Reason.UNREACHABLE, f"cannot listen at {listen} ({error}): choose another port"
                ) from error
            if file is not None:
                async with Rpc((url,)) as rpc:
                    await _prepare(rpc, file, signers, threshold, accounts)
            _tell(url, file, as_json)
            await stop.wait()

    with plain_errors():
        asyncio.run(work())


def _tell(url: str, file: Path | None, as_json: bool) -> None:
    if as_json:
        write_json({"ok": True, "ready": True, "url": url, "deployment": None if file is None else str(file)})
        return
    sys.stdout.write(f"chain ready at {url}\n")
    if file is not None:
        sys.stdout.write(f"contracts deployed; wrote {file}\n")
    sys.stdout.flush()
