"""The chain port on a real EVM chain: `EvmChain`. It submits calls, watches channels, and reports both as events.

Two loops, one for the outbox and one for the scan, so that neither waits for the other. What fails is tried again,
ever more slowly, and reported once when it begins and once when it ends: a chain that is away never stops the node.
An RPC of another chain, or without our contract, is obeyed in nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import coincurve

from thalweg.chain import wire
from thalweg.chain.abi import Unencodable
from thalweg.chain.calls import Invocation, encode
from thalweg.chain.deploy import resolver_of
from thalweg.chain.ledger import Views
from thalweg.chain.outbox import Outbox
from thalweg.chain.profile import ChainProfile
from thalweg.chain.rpc import Refused, Rpc
from thalweg.chain.scanner import Scanner
from thalweg.channel.onchain import BlockObserved, Call, CallSettled, ChainEvent, ChannelObserved
from thalweg.errors import Reason, ThalwegError, Unavailable, UserFault
from thalweg.units import Address, ChannelId

WATCHED_MAX: Final = 1_000_000
_BACKOFF_MAX_S: Final = 30.0
_BACKOFF_DOUBLINGS_MAX: Final = 4
_log: Final = logging.getLogger(__name__)


class EvmChain:
    """The adapter. Make it inside a running event loop, keep `run` running, and `close` it after.

    Args:
        profile: which chain and contract, and how to treat them.
        wallet: the 32-byte key of the account that pays for transactions.
        on_event: hears every event, in the event loop, never from within `submit` or `watch`.
        resume_block: a block not after the opening of any channel of interest; the scan starts there.
        on_status: hears what is wrong with the chain when it begins, and None when it is over.
    """

    def __init__(
        self,
        profile: ChainProfile,
        wallet: bytes,
        on_event: Callable[[ChainEvent], None],
        *,
        resume_block: int = 0,
        on_status: Callable[[ThalwegError | None], None] | None = None,
    ) -> None:
        self.rpc = Rpc(profile.urls, profile.timeout_s)
        self.profile = profile
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event
        self._on_status = on_status
        self._scanner = Scanner(self.rpc, profile, resume_block)
        self._outbox = Outbox(self.rpc, coincurve.PrivateKey(wallet), profile, self._settled, self._loop.time)
        self._watched: dict[ChannelId, Views | None] = {}
        self._ready = False  # the ledger is at the head: its views may be told
        self._contract_seen = False
        self._resolver: Address | None = None  # the adjudicator's own
        self._submitted = asyncio.Event()
        self._troubles: dict[str, ThalwegError] = {}

    @property
    def wallet(self) -> Address:
        """The account that pays for transactions."""
        return self._outbox.address

    @property
    def trouble(self) -> ThalwegError | None:
        """What is wrong with the chain at present."""
        return next(iter(self._troubles.values()), None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connections."""
        await self.rpc.close()

    # -- the port ---------------------------------------------------------------------------------------------------

    def submit(self, tag: str, call: Call) -> None:
        """Send a call and see it through. The same tag twice is one transaction; one that failed may be sent anew.

        A call that cannot be encoded fails as if the contract had refused it.
        """
        try:
            invocation = encode(call, self.profile.adjudicator, self._resolver)
        except Unencodable as error:
            self._loop.call_soon(self._on_event, CallSettled(tag, error=str(error)))
            return
        self.send(tag, invocation)

    def send(self, tag: str, invocation: Invocation) -> None:
        """Send any transaction from the wallet, with the same care and the same answer as `submit`."""
        if (answer := self._outbox.submit(tag, invocation)) is not None:
            self._loop.call_soon(self._on_event, answer)
        self._submitted.set()

    def watch(self, channel_id: ChannelId) -> None:
        """Report this channel's views from now on; the present ones at once, when the chain has been read.

        Raises:
            Unavailable: LIMIT, beyond `WATCHED_MAX` channels.
        """
        if channel_id in self._watched:
            return
        if len(self._watched) >= WATCHED_MAX:
            raise Unavailable(Reason.LIMIT, f"{WATCHED_MAX} channels are watched already")
        self._watched[channel_id] = None
        self._scanner.ledger.dirty.add(channel_id)
        self._scanner.ledger.expected.add(channel_id)
        if self._ready:
            self._loop.call_soon(self._report)

    # -- running ----------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """See that the RPC is what it should be.

        Raises:
            UserFault: WRONG_CHAIN or WRONG_CONTRACT; the message says what to do.
            Unavailable: it does not answer.
        """
        try:
            found = await wire.chain_id(self.rpc)
            if found != self.profile.chain_id:
                raise UserFault(
                    Reason.WRONG_CHAIN,
                    f"{self.rpc.url} is chain {found}, not {self.profile.chain_id}; give the RPC of the right chain",
                )
            if not self._contract_seen and not await wire.has_code(self.rpc, self.profile.adjudicator):
                raise UserFault(
                    Reason.WRONG_CONTRACT,
                    f"chain {found} has no contract at {wire.hexed(self.profile.adjudicator)}; "
                    "give the adjudicator's address on this chain, or deploy it",
                )
            if not self._contract_seen:
                self._resolver = await resolver_of(self.rpc, self.profile.adjudicator)
            self._contract_seen = True
        except Refused as refusal:
            raise Unavailable(Reason.UNREACHABLE, f"{self.rpc.url} refused: {refusal.message}") from refusal

    async def run(self) -> None:
        """Follow the chain and tend the outbox until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep("scan", self._scan, asyncio.Event()))
            tasks.create_task(self._keep("outbox", self._tend, self._submitted))

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]], wake: asyncio.Event) -> None:
        failures = 0
        while True:
            wake.clear()
            try:
                await work()
                failures = 0
                self._status(name, None)
            except (Unavailable, UserFault) as error:
                failures += 1
                self._status(name, error)
            wait_s = self.profile.poll_s * 2 ** min(failures, _BACKOFF_DOUBLINGS_MAX)
            try:
                async with asyncio.timeout(max(self.profile.poll_s, min(wait_s, _BACKOFF_MAX_S))):
                    await wake.wait()
            except TimeoutError:
                continue

    async def _scan(self) -> None:
        try:
            head = await wire.head(self.rpc)
        except Refused as refusal:
            raise Unavailable(Reason.UNREACHABLE, f"{self.rpc.url} refused: {refusal.message}") from refusal
        tip = self._scanner.ledger.tip
        if self._ready and tip is not None and tip.hash == head.hash and not self._troubles:
            return
        await self.check()
        self._ready = False
        moved = await self._scanner.round(head)
        self._ready = True
        self._report()
        if moved:
            self._on_event(BlockObserved(head.number, head.time))

    async def _tend(self) -> None:
        if self._outbox.idle:
            return
        await self.check()
        try:
            await self._outbox.tend()
        except Refused as refusal:
            raise Unavailable(Reason.UNREACHABLE, f"{self.rpc.url} refused: {refusal.message}") from refusal

    # -- reporting --------------------------------------------------------------------------------------------------

    def _report(self) -> None:
        """Tell the views that changed, of the channels watched."""
        if not self._ready:
            return
        dirty = self._scanner.ledger.dirty
        for channel_id in sorted(dirty & self._watched.keys()):
            views = self._scanner.ledger.views(channel_id)
            if views != self._watched[channel_id]:
                self._watched[channel_id] = views
                self._on_event(ChannelObserved(channel_id, views.head, views.final))
        dirty.clear()

    def _settled(self, answer: CallSettled, _: wire.Receipt | None) -> None:
        self._on_event(answer)

    def _status(self, name: str, error: ThalwegError | None) -> None:
        before = self.trouble
        if error is None:
            self._troubles.pop(name, None)
        else:
            self._troubles[name] = error
        after = self.trouble
        if (before and before.reason) == (after and after.reason):
            return
        if after is None:
            _log.info("the chain answers again")
        else:
            _log.warning("%s", after)
        if self._on_status is not None:
            self._on_status(after)
