"""An account whose key the chain's node holds: it signs, we say what (`eth_sendTransaction`)."""

import asyncio

from thalweg.chain import wire
from thalweg.chain.calls import Invocation
from thalweg.chain.outbox import Creation
from thalweg.chain.rpc import Refused, Rpc
from thalweg.chain.wallet import PATIENCE_S, Done
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.units import NATIVE, Address, Hash

_POLL_S = 0.25


class HostedAccount:
    """An account of the node's: its transactions, one at a time."""

    def __init__(self, rpc: Rpc, address: Address) -> None:
        self.rpc = rpc
        self._address = address

    @property
    def address(self) -> Address:
        """The account."""
        return self._address

    async def send(self, invocation: Invocation) -> Done:
        """Send a transaction and wait until it is in a block.

        Raises:
            UserFault: the node does not sign for the account, or the transaction fails; the message is the reason.
            Unavailable: the chain does not answer, or does not include it within `PATIENCE_S`.
        """
        form = {"from": wire.hexed(self._address), "value": hex(invocation.value), "data": wire.hexed(invocation.data)}
        if not isinstance(invocation, Creation):
            form["to"] = wire.hexed(invocation.to)
        try:
            answer = await self.rpc.request("eth_sendTransaction", (form,), str)
        except Refused as refusal:
            named = f"{self.rpc.url} sends nothing for {wire.hexed(self._address)}: {refusal.message}"
            raise UserFault(Reason.NO_CONSENT, named) from refusal
        return await self._mined(Hash(wire.octets(answer, 32)))

    async def create(self, code: bytes) -> Address:
        """Create a contract; return its address.

        Raises:
            UserFault, Unavailable: as `send`.
        """
        done = await self.send(Creation(NATIVE, code))
        if done.created is None:
            raise Unavailable(Reason.MALFORMED, f"{self.rpc.url} names no contract for transaction {done.transaction}")
        return done.created

    async def _mined(self, transaction: Hash) -> Done:
        name = wire.hexed(transaction)
        try:
            async with asyncio.timeout(PATIENCE_S):
                receipt = await self._receipt(transaction)
        except TimeoutError as error:
            raise Unavailable(Reason.UNREACHABLE, f"{name} is not in a block after {PATIENCE_S:.0f} seconds") from error
        if not receipt.succeeded:
            raise UserFault(Reason.WRONG_PHASE, f"transaction {name} failed")
        return Done(name, receipt.gas_used, receipt.block_number, receipt.created)

    async def _receipt(self, transaction: Hash) -> wire.Receipt:
        receipt = await wire.receipt(self.rpc, transaction)
        while receipt is None:
            await asyncio.sleep(_POLL_S)
            receipt = await wire.receipt(self.rpc, transaction)
        return receipt


async def hosted(rpc: Rpc, address: Address) -> HostedAccount:
    """Return an account of a node's.

    Raises:
        UserFault: NOT_FOUND, the node has no such account, naming those that it has.
        Unavailable: the chain does not answer.
    """
    try:
        known = await rpc.request("eth_accounts", (), list[str])
    except Refused as refusal:
        raise UserFault(Reason.NOT_FOUND, f"{rpc.url} keeps no accounts: {refusal.message}") from refusal
    if wire.hexed(address) not in (account.lower() for account in known):
        named = ", ".join(known[:10]) or "none"
        raise UserFault(Reason.NOT_FOUND, f"{rpc.url} has no account {wire.hexed(address)}, but: {named}")
    return HostedAccount(rpc, address)
