"""From which block on the chain must be read again after a restart: before the opening of every channel still open.

A channel is watched before its opening can be mined, so the head seen at that moment, less what may be reorganised, is
early enough. `scan.json` holds one block a channel; where it is silent about one, the contract's own block is.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from thalweg.errors import Reason, UserFault
from thalweg.storage.folder import read_whole, write_whole
from thalweg.units import BlockNumber, ChannelId

FILE: Final = "scan.json"


class _Horizon(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    newest: int
    channels: dict[str, int]


class ScanHorizon:
    """The record of one node. `first` is the contract's block, `depth` how many blocks may be reorganised."""

    def __init__(self, folder: Path, first: int, depth: int) -> None:
        """Read the record.

        Raises:
            UserFault: CORRUPT.
        """
        self._path = folder / FILE
        self._first = first
        self._depth = depth
        self._known = _Horizon(first, {})
        if self._path.exists():
            try:
                self._known = msgspec.json.decode(read_whole(self._path), type=_Horizon)
            except msgspec.DecodeError as error:
                raise UserFault(Reason.CORRUPT, f"{self._path} is damaged ({error}): remove it") from error
        self._newest = self._known.newest

    def resume_block(self, live: Iterable[ChannelId]) -> int:
        """Return the block to read from, given the channels that are not closed."""
        blocks = [self._known.channels.get(channel.hex(), self._first) for channel in live]
        return max(self._first, min(blocks, default=self._known.newest - self._depth))

    def observe(self, number: BlockNumber | int) -> None:
        """Take note of the newest block."""
        self._newest = number

    def watch(self, channel: ChannelId) -> None:
        """Take note that a channel is about to be opened, unless it is known already; durable on return."""
        if channel.hex() not in self._known.channels:
            block = max(self._first, self._newest - self._depth)
            self._write({**self._known.channels, channel.hex(): block})

    def forget(self, closed: Iterable[ChannelId]) -> None:
        """Leave out channels that are closed for good, and remember how far the chain was read."""
        gone = {channel.hex() for channel in closed}
        self._write({channel: block for channel, block in self._known.channels.items() if channel not in gone})

    def _write(self, channels: dict[str, int]) -> None:
        self._known = _Horizon(self._newest, channels)
        write_whole(self._path, msgspec.json.encode(self._known))
