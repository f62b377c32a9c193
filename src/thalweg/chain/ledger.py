"""What the adjudicator's logs amount to: a view of each channel at the head, and one as of the newest final block.

Pure. Final blocks are folded and forgotten; above them each block is kept with its logs, so that a reorganisation
is dropping blocks and a view at the head is the final one with the kept logs folded on top.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from thalweg.chain.calls import OPENED_TOPIC, channel_of, fold
from thalweg.chain.wire import Block, PlacedLog
from thalweg.channel.onchain import View
from thalweg.errors import Reason, Unavailable
from thalweg.units import ChannelId

CHANNELS_MAX: Final = 1_000_000
RECENT_MAX: Final = 1024  # blocks above the newest final one
_NOTHING: Final = View()


class Views(msgspec.Struct, frozen=True):
    """One channel, twice."""

    head: View = _NOTHING
    final: View = _NOTHING


class _Recent(msgspec.Struct, frozen=True):
    block: Block
    logs: tuple[PlacedLog, ...]


class Ledger:
    """The folded logs of one contract, up to a tip. `dirty` names the channels whose views may have changed.

    `from_middle`: reading does not begin with the contract, so there are channels whose opening is not read. They stay
    unopened here, unless they are `expected`: then, or without `from_middle`, their logs follow from nothing.
    """

    def __init__(self, *, from_middle: bool = False) -> None:
        self._from_middle = from_middle
        self.expected: set[ChannelId] = set()
        self.base: Block | None = None
        self.dirty: set[ChannelId] = set()
        self._final: dict[ChannelId, View] = {}
        self._recent: list[_Recent] = []

    @property
    def tip(self) -> Block | None:
        """The newest block that was folded."""
        return self._recent[-1].block if self._recent else self.base

    def views(self, channel: ChannelId) -> Views:
        """Return a channel's two views."""
        final = head = self._final.get(channel, _NOTHING)
        for recent in self._recent:
            for placed in recent.logs:
                if channel_of(placed.log) == channel:
                    head = self._fold(head, placed)
        return Views(head, final)

    def settle(self, base: Block, logs: Iterable[PlacedLog]) -> None:
        """Fold final logs, up to and including those of block `base`. There must be nothing above them yet.

        Raises:
            InvariantBroken: a log does not follow from those before it; reset.
        """
        assert not self._recent
        for placed in logs:
            self._fold_final(placed)
        self.base = base

    def extend(self, block: Block, logs: Iterable[PlacedLog]) -> None:
        """Add the tip's child, which is not final yet.

        Raises:
            Unavailable: LIMIT, if finality is further away than `RECENT_MAX` blocks.
            InvariantBroken: a log does not follow from those before it; reset.
        """
        if len(self._recent) >= RECENT_MAX:
            raise Unavailable(Reason.LIMIT, f"more than {RECENT_MAX} blocks are not final; lower final_depth")
        recent = _Recent(block, tuple(logs))
        self._recent.append(recent)
        self._mark(recent)
        for channel in {channel_of(placed.log) for placed in recent.logs}:
            self.views(channel)

    def drop_tip(self) -> bool:
        """Undo the newest block that is not final; False where there is none left."""
        if not self._recent:
            return False
        self._mark(self._recent.pop())
        return True

    def finalize(self, number: int) -> None:
        """Fold the blocks up to `number`, for they are final now."""
        while self._recent and self._recent[0].block.number <= number:
            recent = self._recent[0]
            for placed in recent.logs:
                self._fold_final(placed)
            self.base = recent.block
            del self._recent[0]

    def reset(self) -> None:
        """Forget everything, as if no block had been read; every channel known so far is dirty."""
        self.dirty.update(self._final)
        for recent in self._recent:
            self._mark(recent)
        self._recent.clear()
        self._final.clear()
        self.base = None

    def _mark(self, recent: _Recent) -> None:
        self.dirty.update(channel_of(placed.log) for placed in recent.logs)

    def _fold_final(self, placed: PlacedLog) -> None:
        channel = channel_of(placed.log)
        if channel not in self._final and len(self._final) >= CHANNELS_MAX:
            raise Unavailable(Reason.LIMIT, f"more than {CHANNELS_MAX} channels since the first block; resume later")
        view = self._fold(self._final.get(channel, _NOTHING), placed)
        if view != _NOTHING:
            self._final[channel] = view
            self.dirty.add(channel)

    def _fold(self, view: View, placed: PlacedLog) -> View:
        """Fold one log; a channel opened before reading began is others' business."""
        known = view.opened or placed.log.topics[0] == OPENED_TOPIC or channel_of(placed.log) in self.expected
        return fold(view, placed.log) if known or not self._from_middle else view
