"""The wallet port: signs openings and lets the contract take tokens, by EIP-2612 permit or by allowance.

Asking the chain takes time, so requests wait in a queue and are answered by events. A top-up that the engine submits
passes here too: the core knows of no permit, the wallet adds it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import coincurve
import msgspec

from thalweg.chain import token, wire
from thalweg.chain.evm import EvmChain
from thalweg.chain.rpc import Refused
from thalweg.channel.effects import Authorize
from thalweg.channel.events import FundingAuthorized
from thalweg.channel.onchain import Call, Pull, TopUp
from thalweg.crypto import sign
from thalweg.errors import Reason, ThalwegError, Unavailable, UserFault
from thalweg.units import NATIVE, Address, Amount, Signature, UnixSeconds

QUEUE_MAX: Final = 256
APPROVE_S: Final = 300.0  # how long an allowance may take to be mined
_POLL_S: Final = 0.5
_NOTHING: Final = Signature(b"")
_log: Final = logging.getLogger(__name__)


class _TopUp(msgspec.Struct, frozen=True):
    tag: str
    call: TopUp


class Funding:
    """The account that pays. `answer` takes the event; `run` must run."""

    def __init__(
        self,
        key: coincurve.PrivateKey,
        now: Callable[[], UnixSeconds],
        answer: Callable[[FundingAuthorized], None],
        submit: Callable[[str, Call], None],
    ) -> None:
        self._key = key
        self._attached: EvmChain | None = None
        self._now = now
        self._answer = answer
        self._submit = submit
        self._queue: asyncio.Queue[Authorize | _TopUp] = asyncio.Queue(QUEUE_MAX)
        self._approvals = 0

    def attach(self, chain: EvmChain) -> None:
        """Pay on this chain."""
        self._attached = chain

    @property
    def _chain(self) -> EvmChain:
        assert self._attached is not None, "nothing is paid before `attach`"
        return self._attached

    def authorize(self, request: Authorize) -> None:
        """Sign an opening and prepare its deposits; the answer is `FundingAuthorized`."""
        try:
            self._queue.put_nowait(request)
        except asyncio.QueueFull:
            self._answer(self._refusal(request, f"{Reason.LIMIT}: {QUEUE_MAX} openings wait for the wallet"))

    def top_up(self, tag: str, call: TopUp) -> None:
        """Submit a top-up with a permit in it; where the queue is full, as it is (an allowance may do)."""
        try:
            self._queue.put_nowait(_TopUp(tag, call))
        except asyncio.QueueFull:
            self._submit(tag, call)

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        while True:
            request = await self._queue.get()
            if isinstance(request, Authorize):
                self._answer(await self._authorized(request))
            else:
                self._submit(request.tag, await self._permitted(request.call))

    async def _authorized(self, request: Authorize) -> FundingAuthorized:
        try:
            pulls = tuple(
                [
                    await self._pull(asset, amount, request.deadline)
                    for asset, amount in zip(request.terms.assets, request.amounts, strict=True)
                ]
            )
        except ThalwegError as error:
            _log.warning("opening %s is not funded: %s", request.channel_id.hex()[:16], error)
            return self._refusal(request, str(error))
        return FundingAuthorized(self._now(), request.channel_id, sign(self._key, request.digest), pulls)

    def _refusal(self, request: Authorize, why: str) -> FundingAuthorized:
        return FundingAuthorized(self._now(), request.channel_id, _NOTHING, (), f"the wallet cannot pay: {why}")

    async def _permitted(self, call: TopUp) -> TopUp:
        """Return the top-up with a way to take the tokens; without one the contract says why it fails."""
        try:
            pull = await self._pull(call.terms.assets[call.asset], call.amount, call.deadline)
        except ThalwegError as error:
            _log.warning("a top-up is not funded: %s", error)
            return call
        return msgspec.structs.replace(call, pull=pull)

    async def _pull(self, asset: Address, amount: Amount, deadline: UnixSeconds) -> Pull:
        """Return how `amount` of an asset may be taken until `deadline`.

        Raises:
            UserFault: INSUFFICIENT.
            Unavailable: the chain does not answer.
        """
        if not amount:
            return Pull()
        await self._check_balance(asset, amount)
        if asset == NATIVE:
            return Pull()
        try:
            return await self._permit(asset, amount, deadline)
        except Refused as refusal:
            if not refusal.reverted:  # that is the RPC's trouble, and says nothing about the token
                raise Unavailable(Reason.UNREACHABLE, f"the RPC refused: {refusal.message}") from refusal
        except Unavailable as trouble:
            if trouble.reason == Reason.UNREACHABLE:
                raise
        await self._allow(asset, amount)
        return Pull()

    async def _check_balance(self, asset: Address, amount: Amount) -> None:
        owner = self._chain.wallet
        try:
            held = await token.balance(self._chain.rpc, asset, owner)
        except Refused as refusal:
            raise UserFault(
                Reason.WRONG_CONTRACT, f"{wire.hexed(asset)} is not a token: {refusal.message}"
            ) from refusal
        if held < amount:
            raise UserFault(
                Reason.INSUFFICIENT, f"{wire.hexed(owner)} holds {held} base units of {wire.hexed(asset)}, not {amount}"
            )

    async def _permit(self, asset: Address, amount: Amount, deadline: UnixSeconds) -> Pull:
        rpc, owner = self._chain.rpc, self._chain.wallet
        nonce, separator = await token.permit_nonce(rpc, asset, owner), await token.separator(rpc, asset)
        spender = self._chain.profile.adjudicator
        digest = token.permit_digest(separator, owner, spender, amount, nonce, deadline)
        return Pull(deadline, sign(self._key, digest))

    async def _allow(self, asset: Address, amount: Amount) -> None:
        """Give the contract an allowance by a transaction: the token takes no permits."""
        rpc, owner, spender = self._chain.rpc, self._chain.wallet, self._chain.profile.adjudicator
        self._approvals += 1
        self._chain.send(f"approve/{self._approvals}", token.approve(asset, spender, amount))
        try:
            async with asyncio.timeout(APPROVE_S):
                while await token.allowance(rpc, asset, owner, spender) < amount:  # noqa: ASYNC110 - the chain's word
                    await asyncio.sleep(_POLL_S)
        except (TimeoutError, Refused) as error:
            raise Unavailable(Reason.UNREACHABLE, f"the allowance for {wire.hexed(asset)} was not mined") from error
