"""Following the chain: from a block to its head, and with it through reorganisations.

Final blocks are read in ranges by number; those above are read one by one, by hash, so that each log is known to be of
the block it is counted to. `round` does one catch-up and may be called again whatever it raised.
"""

import logging
from typing import Final

from thalweg.chain import wire
from thalweg.chain.calls import CHANNEL_TOPICS
from thalweg.chain.ledger import Ledger
from thalweg.chain.profile import ChainProfile
from thalweg.chain.rpc import Refused, Rpc
from thalweg.errors import InvariantBroken, Reason, Unavailable

SHRINK_ROUNDS: Final = 3  # a head below ours is a lagging node, until it has said so this often
_log: Final = logging.getLogger(__name__)


class Scanner:
    """Keeps a ledger at the head of the chain, from block `first` on."""

    def __init__(self, rpc: Rpc, profile: ChainProfile, first: int) -> None:
        self.ledger = Ledger(from_middle=first > 0)
        self._rpc = rpc
        self._profile = profile
        self._first = first
        self._range_blocks = profile.logs_range_blocks
        self._shrunk_rounds = 0

    async def round(self, head: wire.Block) -> bool:
        """Bring the ledger to `head`; say whether its tip moved.

        Raises:
            Unavailable: the chain does not answer, or what it answers does not fit together; call again.
        """
        before = self.ledger.tip
        if before is not None and before.hash == head.hash:
            self._shrunk_rounds = 0
            return False
        if before is not None and head.number < before.number and self._lagging():
            return False
        self._shrunk_rounds = 0
        try:
            await self._rewind(head)
            await self._advance(head)
        except (InvariantBroken, ValueError, IndexError) as error:  # logs that do not fit each other
            self.ledger.reset()
            raise Unavailable(
                Reason.MALFORMED, f"the chain's logs do not add up, reading all again: {error}"
            ) from error
        except Refused as refusal:
            raise Unavailable(Reason.UNREACHABLE, f"the chain's RPC refused: {refusal.message}") from refusal
        return True

    def _lagging(self) -> bool:
        self._shrunk_rounds += 1
        return self._shrunk_rounds < SHRINK_ROUNDS

    async def _rewind(self, head: wire.Block) -> None:
        """Drop what is no longer canonical."""
        while (tip := self.ledger.tip) is not None:
            if tip.number <= head.number:
                there = head if tip.number == head.number else await wire.block(self._rpc, tip.number)
                if there is not None and there.hash == tip.hash:
                    return
            if not self.ledger.drop_tip():
                _log.error("final block %d was reorganised away; reading everything again", tip.number)
                self.ledger.reset()

    async def _advance(self, head: wire.Block) -> None:
        final = head.number - self._profile.final_depth
        while (first := self._next()) <= final:
            await self._read_range(first, min(final, first + self._range_blocks - 1), head)
        if first > head.number + 1:
            raise Unavailable(Reason.UNREACHABLE, f"the chain ends at block {head.number}, before ours at {first}")
        for block in await self._chain_from(first, head):
            where = {"blockHash": wire.hexed(block.hash)}
            logs = await wire.logs(self._rpc, where, self._profile.adjudicator, CHANNEL_TOPICS)
            if any(placed.block_hash != block.hash for placed in logs):
                raise Unavailable(Reason.MALFORMED, "the chain's RPC sent logs of another block")
            self.ledger.extend(block, logs)
        self.ledger.finalize(final)

    def _next(self) -> int:
        tip = self.ledger.tip
        return self._first if tip is None else tip.number + 1

    async def _read_range(self, first: int, last: int, head: wire.Block) -> None:
        """Fold the logs of final blocks; ask for fewer blocks at a time where the node finds them too many."""
        where = {"fromBlock": hex(first), "toBlock": hex(last)}
        try:
            logs = await wire.logs(self._rpc, where, self._profile.adjudicator, CHANNEL_TOPICS)
        except Refused:
            if last == first:
                raise
            self._range_blocks = max(1, (last - first + 1) // 2)
            return
        base = head if last == head.number else await wire.block(self._rpc, last)
        if base is None or base.number != last:
            raise Unavailable(Reason.MALFORMED, f"the chain's RPC has no block {last}")
        for placed in logs:
            if not first <= placed.block_number <= last:
                raise Unavailable(Reason.MALFORMED, "the chain's RPC sent logs of other blocks")
            if placed.block_number == last and placed.block_hash != base.hash:
                raise Unavailable(Reason.MALFORMED, "the chain was reorganised while its logs were read")
        self.ledger.finalize(last)
        self.ledger.settle(base, logs)

    async def _chain_from(self, first: int, head: wire.Block) -> list[wire.Block]:
        """Return the blocks from number `first` to `head`, each the parent of the next."""
        blocks: list[wire.Block] = []
        block = head
        while block.number >= first:
            blocks.append(block)
            tip = self.ledger.tip
            if block.number == first:
                if tip is not None and block.parent != tip.hash:
                    raise Unavailable(Reason.MALFORMED, "the chain was reorganised while it was read")
                break
            parent = await wire.block_of(self._rpc, block.parent)
            if parent is None or parent.number != block.number - 1:
                raise Unavailable(Reason.MALFORMED, "the chain's RPC does not know its own blocks")
            block = parent
        return blocks[::-1]
