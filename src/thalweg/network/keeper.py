"""Staying connected to one peer: dial, wait for the loss, back off, dial again."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from thalweg.errors import Unavailable
from thalweg.network.limits import Limits
from thalweg.network.multiaddr import Multiaddr

STABLE_SECONDS: Final = 10.0  # a link that lived this long ends the series of failures
_DOUBLINGS_MAX: Final = 32
_RANDOM: Final = secrets.SystemRandom()
_log: Final = logging.getLogger(__name__)


class Keeper:
    """Dials one peer whenever it is not linked."""

    def __init__(
        self,
        address: Multiaddr,
        limits: Limits,
        *,
        dial: Callable[[Multiaddr], Awaitable[object]],
        is_linked: Callable[[], bool],
    ) -> None:
        self._address = address
        self._limits = limits
        self._dial = dial
        self._is_linked = is_linked
        self._changed = asyncio.Event()
        self._is_new_address = False
        self._failures = 0

    def move(self, address: Multiaddr) -> None:
        """Dial another address from now on."""
        if address != self._address:
            self._address = address
            self._is_new_address = True
            self._changed.set()

    def wake(self) -> None:
        """Look again: a link came or went."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the peer connected until cancelled."""
        while True:
            if self._is_linked():
                await self._outlive_link()
            else:
                await self._try()
            await self._pause()

    async def _outlive_link(self) -> None:
        clock = asyncio.get_running_loop().time
        linked_at = clock()
        while self._is_linked():
            await self._change()
        self._failures = 0 if clock() - linked_at >= STABLE_SECONDS else self._failures + 1

    async def _try(self) -> None:
        self._is_new_address = False
        try:
            await self._dial(self._address)
        except Unavailable as failure:
            self._failures += 1
            _log.debug("%s: %s (failure %d in a row)", self._address, failure, self._failures)

    async def _pause(self) -> None:
        """Wait for the backoff to pass, unless the peer is linked or has a new address."""
        try:
            async with asyncio.timeout(backoff_seconds(self._failures, self._limits, _RANDOM.random())):
                while not self._is_linked() and not self._is_new_address:
                    await self._change()
        except TimeoutError:
            return

    async def _change(self) -> None:
        await self._changed.wait()
        self._changed.clear()


def backoff_seconds(failures: int, limits: Limits, chance: float) -> float:
    """Return how long to wait: doubled with each failure up to a limit, and between half and all of that by chance."""
    doubled = limits.retry_seconds_min * 2.0 ** min(failures, _DOUBLINGS_MAX)
    return min(limits.retry_seconds_max, doubled) * (0.5 + chance / 2)
