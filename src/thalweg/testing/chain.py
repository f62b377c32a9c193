"""A simulated chain over the adjudicator's model: blocks, a pool of transactions, reorganisations, finality.

A block keeps the ledger after it, so undoing one is forgetting it. Transactions that a reorganisation drops go back
to the pool. Each node has its own adapter (`ChainPort`), which knows what the production one knows: the outcome of the
calls it sent since it was started, and the views of the channels it watches.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from thalweg.channel.onchain import (
    BlockObserved,
    Call,
    CallSettled,
    ChainEvent,
    ChannelObserved,
    Dispute,
    OpenChannel,
    RespondState,
    SettleClaims,
    View,
)
from thalweg.testing.adjudicator import execute
from thalweg.testing.clock import Timeline
from thalweg.testing.faults import Faults, strikes
from thalweg.testing.ledger import Ledger, Reverted
from thalweg.units import Address, BlockNumber, ChannelId, UnixSeconds

BLOCK_MS: Final = 4_000
FINAL_DEPTH: Final = 4  # a block under so many others is final, or on some chains at once; no reorganisation reaches it
INCLUSION_MS: Final = (200, 6_000)
SEEN_MS: Final = (0, 2_000)  # until a node has heard of a block: some see it while others do not yet
BEHIND_MAX: Final = 3  # blocks that an endpoint may go back, for one answer
FINAL_LATE: Final = (0, 0, 2, 8)  # blocks that a node's final view may trail that of others
STUCK_MS: Final = (30_000, 200_000)
GAS: Final = 100_000
_REPORTED: Final = -1  # in the place of a transaction's number
_COPIED: Final = (OpenChannel, RespondState, SettleClaims)  # calls whose copy does the same, whoever sends it


class Transaction(msgspec.Struct, frozen=True):
    """A call on its way. `number` names it."""

    number: int
    sender: Address
    call: Call


class Block(msgspec.Struct, frozen=True):
    """A block and the ledger after it."""

    number: BlockNumber
    time: UnixSeconds
    ledger: Ledger
    transactions: tuple[Transaction, ...] = ()


class SimChain:
    """The chain everybody sees."""

    def __init__(self, timeline: Timeline, rng: random.Random, faults: Faults, genesis: Ledger) -> None:
        self.faults = faults
        self.transactions = 0
        self.reorgs = 0
        self._final_depth = FINAL_DEPTH if faults.reorg else rng.choice((0, FINAL_DEPTH))
        self._timeline = timeline
        self._rng = rng
        self.outcomes: dict[int, str] = {}  # by transaction number, of those in blocks; empty: it went well
        self.blocks = [Block(BlockNumber(0), timeline.now_s, genesis)]
        self._pool: list[tuple[int, Transaction]] = []  # (when it can be mined, it)
        self._ports: list[ChainPort] = []
        self.cheats: set[Address] = set()  # whose transactions need not come back after a reorganisation
        self.listeners: list[Callable[[], None]] = []
        timeline.after(BLOCK_MS, self._tick)

    @property
    def head(self) -> Block:
        """Return the newest block."""
        return self.blocks[-1]

    @property
    def final(self) -> Block:
        """Return the newest block that cannot be undone."""
        return self.block(self._final_depth)

    @property
    def final_depth(self) -> int:
        """Return how many blocks are not final."""
        return self._final_depth

    def block(self, depth: int) -> Block:
        """Return the block under so many others, or the first."""
        return self.blocks[max(0, len(self.blocks) - 1 - depth)]

    def join(self, port: "ChainPort") -> int:
        """Tell a node's adapter of every block; return how many blocks its final view trails."""
        self._ports.append(port)
        return self._rng.choice(FINAL_LATE)

    def leave(self, port: "ChainPort") -> None:
        """Forget an adapter, whose node stopped. Its transactions stay in the pool."""
        self._ports.remove(port)

    def has(self, port: "ChainPort") -> bool:
        """Say whether an adapter's node runs."""
        return port in self._ports

    def send(self, sender: Address, call: Call) -> int:
        """Put a call into the pool; return its number."""
        if isinstance(call, _COPIED) and strikes(self._rng, self.faults.front_run):
            self._enter(Address(b"\xfe" * 20), call, INCLUSION_MS[0])
        wait = self._rng.randint(*(STUCK_MS if strikes(self._rng, self.faults.stuck) else INCLUSION_MS))
        return self._enter(sender, call, wait)

    def heal(self) -> None:
        """Have no more faults; what is stuck goes through."""
        self.faults = Faults()
        self._pool = [(self._timeline.now_ms, transaction) for _, transaction in self._pool]

    def mint(self, ledger_change: Callable[[Ledger], Ledger]) -> None:
        """Change the newest ledger directly: for setting up a world."""
        self.blocks[-1] = msgspec.structs.replace(self.head, ledger=ledger_change(self.head.ledger))

    def _enter(self, sender: Address, call: Call, wait_ms: int) -> int:
        self.transactions += 1
        self._pool.append((self._timeline.now_ms + wait_ms, Transaction(self.transactions, sender, call)))
        return self.transactions

    def _tick(self) -> None:
        if strikes(self._rng, self.faults.reorg) and len(self.blocks) > FINAL_DEPTH:
            self._undo(self._rng.randint(1, FINAL_DEPTH - 1))
        self._mine()
        for port in self._ports:
            behind = self._rng.randint(1, BEHIND_MAX) if strikes(self._rng, self.faults.behind) else 0
            self._timeline.after(self._rng.randint(*SEEN_MS), partial(port.on_blocks, behind))
        for listener in self.listeners:
            listener()
        self._timeline.after(BLOCK_MS, self._tick)

    def _undo(self, depth: int) -> None:
        """Forget the newest blocks; their transactions wait again, in any order. The chain does not get shorter."""
        self.reorgs += 1
        gone = [transaction for block in self.blocks[-depth:] for transaction in block.transactions]
        del self.blocks[-depth:]
        for transaction in gone:
            del self.outcomes[transaction.number]
            if transaction.sender in self.cheats and self._rng.randrange(2):
                continue
            self._pool.append((self._timeline.now_ms + self._rng.randrange(20_000), transaction))
        for _ in range(depth):
            self._mine()

    def _mine(self) -> None:
        now_ms = self._timeline.now_ms
        ready = [entry for entry in self._pool if entry[0] <= now_ms]
        self._pool = [entry for entry in self._pool if entry[0] > now_ms]
        ledger = self.head.ledger
        time = UnixSeconds(max(self._timeline.now_s, self.head.time + 1))
        ready.sort(key=lambda entry: entry[0])
        for _, transaction in ready:
            try:
                ledger = execute(ledger, transaction.call, transaction.sender, time)
                self.outcomes[transaction.number] = ""
            except Reverted as reverted:
                self.outcomes[transaction.number] = str(reverted)
        mined = tuple(transaction for _, transaction in ready)
        self.blocks.append(Block(BlockNumber(self.head.number + 1), time, ledger, mined))


def view_of(ledger: Ledger, channel_id: ChannelId) -> View:
    """Return a channel as an adapter reads it from the chain's logs."""
    account = ledger.accounts.get(channel_id)
    if account is None:
        return View()
    contest = account.contest
    dispute = None
    if contest is not None:
        dispute = Dispute(contest.version, contest.deadline, contest.challenger, contest.progress)
    return View(
        opened=True,
        closed=account.is_closed,
        deposited=account.deposited,
        withdrawn=account.withdrawn,
        dispute=dispute,
    )


class ChainPort:
    """The chain port of one node: one adapter a start."""

    def __init__(self, chain: SimChain, payer: Address, report: Callable[[ChainEvent], None]) -> None:
        self._chain = chain
        self._payer = payer
        self._report = report
        self._tags: dict[str, int] = {}
        self._watched: dict[ChannelId, tuple[View, View] | None] = {}
        self.is_blind = False
        self._final_late = chain.join(self)

    def submit(self, tag: str, call: Call) -> None:
        """Send a call; the same tag twice is one transaction, as long as this adapter lives."""
        if tag not in self._tags:
            self._tags[tag] = self._chain.send(self._payer, call)

    def watch(self, channel_id: ChannelId) -> None:
        """Report this channel's views from now on."""
        self._watched.setdefault(channel_id, None)

    def on_blocks(self, behind: int) -> None:
        """Report what changed, as of so many blocks ago, unless this node cannot reach the chain, or stopped."""
        if self.is_blind or not self._chain.has(self):
            return
        head, final = self._chain.block(behind), self._chain.block(behind + self._chain.final_depth + self._final_late)
        for channel_id, before in self._watched.items():
            views = view_of(head.ledger, channel_id), view_of(final.ledger, channel_id)
            if views != before:
                self._watched[channel_id] = views
                self._report(ChannelObserved(channel_id, *views))
        self._report(BlockObserved(head.number, head.time))
        self._report_outcomes()

    def _report_outcomes(self) -> None:
        """Report each call once it is in a block. (One that is undone later goes through again by itself.)"""
        for tag, number in self._tags.items():
            error = self._chain.outcomes.get(number)
            if error is not None:
                self._tags[tag] = _REPORTED
                self._report(CallSettled(tag, transaction=f"{number:064x}", gas_used=GAS, error=error))
