"""The chain port as the engine sees it: waits for the first sight of the chain, adds permits, counts.

After a restart the engine asks again for every call that was under way. Until the chain was read once nobody knows
which of them it has carried out already: sent too early, an opening that succeeded would look like one that failed.
"""

from collections.abc import Callable
from typing import Final

from thalweg.api.backend import Counters
from thalweg.chain.evm import EvmChain
from thalweg.channel.onchain import BlockObserved, Call, CallSettled, ChainEvent, TopUp
from thalweg.units import NATIVE, ChannelId

HELD_MAX: Final = 100_000


class OutwardChain:
    """Implements `thalweg.node.ports.Chain` over an `EvmChain`."""

    def __init__(
        self,
        counters: Counters,
        deliver: Callable[[ChainEvent], None],
        on_block: Callable[[BlockObserved], None],
        on_watch: Callable[[ChannelId], None],
    ) -> None:
        self._counters = counters
        self._deliver = deliver
        self._on_block = on_block
        self._on_watch = on_watch
        self._chain: EvmChain | None = None
        self._top_up: Callable[[str, TopUp], None] | None = None
        self._seen = False  # the chain was read once
        self._held: list[tuple[str, Call]] = []
        self._kinds: dict[str, str] = {}

    def attach(self, chain: EvmChain, top_up: Callable[[str, TopUp], None]) -> None:
        """Work on this adapter; `top_up` gets the deposits that need a permit first."""
        self._chain, self._top_up = chain, top_up

    @property
    def chain(self) -> EvmChain:
        """Return the adapter."""
        assert self._chain is not None, "nothing is asked for before `attach`"
        return self._chain

    def submit(self, tag: str, call: Call) -> None:
        """Send a call and see it through."""
        self._kinds[tag] = type(call).__name__
        if not self._seen:
            self._held.append((tag, call))
        elif isinstance(call, TopUp) and call.terms.assets[call.asset] != NATIVE and self._top_up is not None:
            self._top_up(tag, call)
        else:
            self.chain.submit(tag, call)

    def submit_now(self, tag: str, call: Call) -> None:
        """Send a call that has all it needs."""
        self.chain.submit(tag, call)

    def watch(self, channel_id: ChannelId) -> None:
        """Report this channel's views from now on."""
        self._on_watch(channel_id)
        self.chain.watch(channel_id)

    def heard(self, event: ChainEvent) -> None:
        """Take what the chain adapter reports. Blocks move the clock; they are no business of the engine's."""
        match event:
            case BlockObserved():
                self._on_block(event)
                self._release()
            case CallSettled():
                self._count(event)
                if event.tag in self._kinds:
                    del self._kinds[event.tag]
                    self._deliver(event)
            case _:
                self._deliver(event)

    def _release(self) -> None:
        if not self._seen:
            self._seen = True
            held, self._held = self._held, []
            for tag, call in held:
                self.submit(tag, call)

    def _count(self, settled: CallSettled) -> None:
        kind = self._kinds.get(settled.tag, "approve")
        counted = self._counters.calls_failed if settled.error else self._counters.calls
        counted[kind] += 1
        self._counters.gas[kind] += settled.gas_used
