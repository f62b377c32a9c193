"""A connection through a relay: an asyncio transport over a stream, so that a link runs on it as on a socket."""

import asyncio
from collections import deque
from typing import Any, Final

from thalweg.errors import ThalwegError
from thalweg.network.link import INBOX_BYTES, Link
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.stream import Stream

QUEUED_BYTES_MAX: Final = 64 * 1024  # handed to the stream and not sent, before the link waits with more


class Circuit(asyncio.Transport):
    """The stream that a relay joined to another one. `run` it until it ends."""

    def __init__(self, stream: Stream, relay: Multiaddr, link: Link) -> None:
        """`relay` is where the relay is, its id included."""
        super().__init__()
        self._stream = stream
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._relay: PeerId = stream.peer
        self._arrived: deque[bytes] = deque()
        self._has_ended = False  # the peer's side
        self._is_closing = False
        self._is_full = False
        self._is_over = False
        self._is_scheduled = False
        self._is_paused = False
        self._changed = asyncio.Event()
        link.route = relay.to(stream.peer).via()

    def start(self) -> None:
        """Connect the link."""
        self._link.connection_made(self)
        self._stream.divert(self)

    async def run(self) -> None:
        """Let the link wait while the relay takes nothing; return when the connection is over."""
        try:
            while not self._is_over:
                await self._changed.wait()
                self._changed.clear()
                while self._is_full and not self._is_over:
                    if self._stream.queued() <= QUEUED_BYTES_MAX // 2:
                        self._is_full = False
                        self._link.resume_writing()
                    else:
                        await self._stream.drained()
        finally:
            self.abort()
            self._lose()

    # what the link asks

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue bytes."""
        if not self._is_closing and data and self._stream.push(bytes(data)) > QUEUED_BYTES_MAX and not self._is_full:
            self._is_full = True
            self._link.pause_writing()
            self._changed.set()

    def write_eof(self) -> None:
        """End our side after what is queued."""
        self._stream.close()

    def close(self) -> None:
        """End the connection after what is queued."""
        if not self._is_closing:
            self._is_closing = True
            self._stream.close()
            self._loop.call_soon(self._lose)

    def abort(self) -> None:
        """End the connection at once."""
        self._is_closing = True
        self._stream.reset()
        self._loop.call_soon(self._lose)

    def is_closing(self) -> bool:
        """Say whether nothing can be written any more."""
        return self._is_closing

    def pause_reading(self) -> None:
        """Hand nothing on; the stream's window fills."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Hand on again."""
        self._is_paused = False
        self._soon()

    def is_reading(self) -> bool:
        """Say whether what arrives is handed on."""
        return not self._is_paused

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the relay as the other end's name; there is no socket."""
        return (f"relay {self._relay}", 0) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the limit is this module's."""

    # what the stream says; the link acts later, never inside the link that carries it

    def received(self, data: memoryview) -> None:
        """Keep bytes for the link."""
        self._arrived += (bytes(data[start : start + INBOX_BYTES]) for start in range(0, len(data), INBOX_BYTES))
        self._soon()

    def ended(self) -> None:
        """Note that the peer sends nothing more."""
        self._has_ended = True
        self._soon()

    def lost(self, error: ThalwegError) -> None:
        """Note that the stream is gone."""
        self._is_closing = self._has_ended = True
        self._soon()

    def _soon(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._hand_on)

    def _hand_on(self) -> None:
        self._is_scheduled = False
        while self._arrived and not self._is_paused and not self._is_over:
            part = self._arrived.popleft()
            self._stream.credit(len(part))
            self._link.get_buffer(len(part))[: len(part)] = part
            self._link.buffer_updated(len(part))
        if self._has_ended and not self._arrived:
            self.close()
            self._lose()

    def _lose(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._changed.set()
            self._link.connection_lost(None)
