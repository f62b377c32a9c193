"""`thalweg chain` and `thalweg deploy`: a development chain, with everything on it that nodes need."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from thalweg.app.deploying import Unfinished, Wanted, deploy
from thalweg.app.paying import Paying, payer
from thalweg.app.settings import Deployment, parse_address, write_deployment
from thalweg.app.stopping import Stop, plain_errors
from thalweg.chain import token, wire
from thalweg.chain.dev_accounts import DEV_ADDRESSES, DEV_KEYS
from thalweg.chain.rpc import Rpc
from thalweg.chain.wallet import Payer, wallet
from thalweg.cli.reporting import write_json
from thalweg.cli.running import split_listen
from thalweg.contracts.addresses import canonical
from thalweg.errors import Reason, UserFault
from thalweg.units import NATIVE, Address, Amount

FUND_WEI: Final = Amount(10**20)
FUND_TOKENS: Final = 1_000_000  # whole test tokens
PLACEHOLDER_SIGNERS: Final = DEV_ADDRESSES[6:]  # their keys are public: for trying things out


async def fund(owner: Payer, deployment: Deployment, accounts: Sequence[Address], tokens: int = FUND_TOKENS) -> None:
    """Give accounts coins for gas, and test tokens.

    Raises:
        UserFault: the owner has too little.
        Unavailable: the chain does not answer.
    """
    asset = deployment.tokens()[0]
    for account in accounts:
        await owner.send(token.transfer(NATIVE, account, FUND_WEI))
        if tokens:
            await owner.send(token.mint(asset.address, account, Amount(tokens * 10**asset.decimals)))


async def _prepare(
    rpc: Rpc, file: Path, signers: tuple[str, ...], threshold: int, accounts: tuple[str, ...]
) -> Deployment:
    owner = await wallet(rpc, DEV_KEYS[0])
    keys = tuple(parse_address(text) for text in signers) or PLACEHOLDER_SIGNERS
    described = await deploy(owner, Wanted(signers=keys, threshold=threshold), local=True)
    await fund(owner, described, [parse_address(text) for text in accounts])
    write_deployment(file, described)
    return described


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What `thalweg deploy` was asked for; addresses as a person writes them."""

    signers: tuple[str, ...] = ()
    threshold: int = 0
    oracle: str | None = None
    tokens: tuple[str, ...] = ()
    test_token: bool = False
    pyth: str | None = None
    accounts: tuple[str, ...] = ()

    def wanted(self, *, is_development: bool) -> Wanted:
        """Return what that comes to. Real money gets no placeholders.

        Raises:
            UserFault: MALFORMED, something is missing, or does not go together.
        """
        signers = tuple(map(parse_address, self.signers))
        if is_development:
            signers = signers or (() if self.oracle else PLACEHOLDER_SIGNERS)
        elif not signers and not self.oracle:
            raise UserFault(Reason.MALFORMED, "name the oracles' keys (--signer, several), or an oracle (--oracle)")
        elif not self.tokens and not self.test_token:
            detail = "name what is dealt in (--token), or ask for a token that anybody can mint (--test-token)"
            raise UserFault(Reason.MALFORMED, detail)
        elif self.accounts:
            raise UserFault(Reason.MALFORMED, "only development accounts give coins away: leave out --fund")
        if self.tokens and (self.test_token or self.accounts):
            raise UserFault(Reason.MALFORMED, "real tokens cannot be minted: leave out --token or --test-token, --fund")
        return Wanted(
            signers=signers,
            threshold=self.threshold,
            oracle=parse_address(self.oracle) if self.oracle else None,
            tokens=tuple(map(parse_address, self.tokens)),
            pyth=parse_address(self.pyth) if self.pyth else None,
        )


def deploy_on(url: str, file: Path, order: Order, paying: Paying) -> dict[str, Any]:
    """Deploy on a chain, from a key that the user names or else a development account; write the deployment file.

    Whatever is there already stays: one that was interrupted is simply run again.

    Raises:
        UserFault: the account cannot pay, or what was asked for cannot be.
        Unavailable: the chain does not answer.
    """
    is_development = not paying.is_named()
    wanted = order.wanted(is_development=is_development)

    async def work() -> Deployment:
        async with Rpc((url,)) as rpc:
            found = await payer(rpc, paying)
            created = Unfinished(file.with_name(file.name + ".unfinished"), await wire.chain_id(rpc))
            described = await deploy(found, wanted, local=is_development, plant=True, created=created)
            await fund(found, described, [parse_address(text) for text in order.accounts])
            write_deployment(file, described)
            created.forget()
            return described

    described = asyncio.run(work())
    own = [name for name, address in canonical_addresses().items() if described.contracts.get(name) != address]
    found: dict[str, Any] = msgspec.to_builtins(described) | {"same_everywhere": not own}
    return found


def canonical_addresses() -> dict[str, str]:
    """Return where contracts are on every chain that has the deployment proxy."""
    return {name: wire.hexed(address) for name, address in canonical().items()}


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
