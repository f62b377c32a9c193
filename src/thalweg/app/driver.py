"""Feeds the engine: everything that arrives in one turn of the event loop shares one pump, so one commit.

An invariant that breaks in a callback would only be logged by asyncio; here it stops the process.
"""

import asyncio
from collections.abc import Callable

from thalweg.channel.events import AnyEvent
from thalweg.node.engine import GROUP_MAX, Engine


class Driver:
    """Owns the engine's turns. `crash` is told what must end the process."""

    def __init__(self, crash: Callable[[BaseException], None]) -> None:
        self._crash = crash
        self._loop = asyncio.get_running_loop()
        self._engine: Engine | None = None
        self._scheduled = False
        self._received = 0

    def drive(self, engine: Engine) -> None:
        """Take the engine over; before this, nothing may arrive."""
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """Return the engine."""
        assert self._engine is not None, "nothing arrives before `drive`"
        return self._engine

    def receive(self, event: AnyEvent) -> None:
        """Take note of something that happened."""
        self._make_room()
        self.engine.receive(event)
        self._soon()

    def receive_message(self, peer: bytes, data: bytes) -> None:
        """Take note of what a peer said."""
        self._make_room()
        self.engine.receive_message(peer, data)
        self._soon()

    def wake(self) -> None:
        """Fire the timers that are due."""
        self._guarded(self.engine.wake)

    def _make_room(self) -> None:
        self._received += 1
        if self._received >= GROUP_MAX:
            self._pump()

    def _soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self._pump()

    def _pump(self) -> None:
        self._received = 0
        self._guarded(self.engine.pump)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whatever it is, the process must not go on
            self._crash(error)
