"""One key's transactions for commands and demonstrations: send one, wait until it is done.

A running node sends through `EvmChain`, whose outbox owns the node's nonces; use a `Wallet` only for keys of its own.
"""

import asyncio
from itertools import count
from typing import Final, Protocol

import coincurve
import msgspec

from thalweg.chain import wire
from thalweg.chain.calls import Invocation
from thalweg.chain.outbox import Creation, Outbox
from thalweg.chain.profile import ChainProfile
from thalweg.chain.rpc import Refused, Rpc
from thalweg.channel.onchain import CallSettled
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.units import NATIVE, Address

PATIENCE_S: Final = 300.0  # after this a transaction is given up as stuck


class Done(msgspec.Struct, frozen=True):
    """A transaction that is in a block."""

    transaction: str
    gas_used: int
    block_number: int
    created: Address | None


class Payer(Protocol):
    """Who pays for transactions on one chain: a key here, or an account of the chain's node."""

    rpc: Rpc

    @property
    def address(self) -> Address:
        """The account."""

    async def send(self, invocation: Invocation) -> Done:
        """Send a transaction and wait until it is settled."""

    async def create(self, code: bytes) -> Address:
        """Create a contract; return its address."""


class Wallet:
    """A key and its transactions, in the order they are sent. Make it inside a running event loop."""

    def __init__(self, rpc: Rpc, key: bytes, profile: ChainProfile) -> None:
        self.rpc = rpc
        self.profile = profile
        self._outbox = Outbox(rpc, coincurve.PrivateKey(key), profile, self._settled, asyncio.get_running_loop().time)
        self._poll_s = profile.poll_s / 4
        self._tags = count()
        self._outcomes: dict[str, tuple[CallSettled, wire.Receipt | None]] = {}
        self._turn = asyncio.Lock()

    @property
    def address(self) -> Address:
        """The key's account."""
        return self._outbox.address

    async def send(self, invocation: Invocation) -> Done:
        """Send a transaction and wait until it is settled.

        Raises:
            UserFault: it failed; the message is the contract's or the node's reason.
            Unavailable: the chain does not answer, or does not include it within `PATIENCE_S`.
        """
        tag = str(next(self._tags))
        self._outbox.submit(tag, invocation)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while tag not in self._outcomes:
                    await self._tend()
        except TimeoutError as error:
            raise Unavailable(Reason.UNREACHABLE, f"not in a block after {PATIENCE_S:.0f} seconds") from error
        except Refused as refusal:
            raise Unavailable(Reason.UNREACHABLE, f"{self.rpc.url} refused: {refusal.message}") from refusal
        answer, receipt = self._outcomes.pop(tag)
        if answer.error or receipt is None:
            raise UserFault(_reason(answer.error), answer.error)
        return Done(answer.transaction, answer.gas_used, receipt.block_number, receipt.created)

    async def create(self, code: bytes) -> Address:
        """Create a contract; return its address.

        Raises:
            UserFault, Unavailable: as `send`.
        """
        done = await self.send(Creation(NATIVE, code))
        if done.created is None:
            raise Unavailable(Reason.MALFORMED, f"{self.rpc.url} names no contract for transaction {done.transaction}")
        return done.created

    async def _tend(self) -> None:
        async with self._turn:
            await self._outbox.tend()
        await asyncio.sleep(self._poll_s)

    def _settled(self, answer: CallSettled, receipt: wire.Receipt | None) -> None:
        self._outcomes[answer.tag] = (answer, receipt)


async def wallet(rpc: Rpc, key: bytes) -> Wallet:
    """Return a wallet on whatever chain the RPC is of.

    Raises:
        Unavailable: it does not answer.
    """
    chain_id = await wire.chain_id(rpc)
    profile = ChainProfile(
        chain_id=chain_id, adjudicator=NATIVE, urls=(rpc.url,), confirmations=1, final_depth=0, poll_s=0.25
    )
    return Wallet(rpc, key, profile)


def _reason(error: str) -> Reason:
    """Return the reason a contract or node gave, where it is one of ours; contracts revert with "name: reason"."""
    said = error.rpartition(": ")[2]
    if "insufficient funds" in error:
        return Reason.INSUFFICIENT
    return Reason(said) if said in {reason.value for reason in Reason} else Reason.WRONG_PHASE
