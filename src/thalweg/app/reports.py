"""A node's subscription to oracles: asks each for the settlements its positions wait for, checks what comes.

An oracle is believed in nothing: a report counts by its quorum's signatures, whoever brought it.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from thalweg.app.quorum import QuorumReader
from thalweg.app.report_messages import PROTOCOL, WANTED_MAX, Want, Wanted
from thalweg.channel.reports import awaited
from thalweg.channel.state import Channel
from thalweg.codec import decode, encode
from thalweg.errors import PeerFault, Reason, Unavailable
from thalweg.instruments.quorum import verify_report
from thalweg.instruments.report import Settlement, SignedReport
from thalweg.network.host import Host
from thalweg.network.multiaddr import Multiaddr
from thalweg.network.peer_id import PeerId
from thalweg.network.stream import Stream
from thalweg.units import Address

KEPT_MAX: Final = 1024
_RETRY_S: Final = 0.5
_RETRY_S_MAX: Final = 30.0
_log: Final = logging.getLogger(__name__)


class ReportKeeper:
    """The reports this node has seen, and what it still waits for. `deliver` takes each new one."""

    def __init__(self, oracle: Address, quorum: QuorumReader, deliver: Callable[[SignedReport], None]) -> None:
        self._oracle = oracle
        self._quorum = quorum
        self._deliver = deliver
        self._kept: OrderedDict[Want, SignedReport] = OrderedDict()
        self._wants: tuple[Want, ...] = ()
        self._changed = asyncio.Event()  # one a list of wants

    def newest(self) -> list[SignedReport]:
        """Return those kept, oldest first."""
        return list(self._kept.values())

    def want(self, channels: list[Channel]) -> None:
        """Wait for what the positions of these channels need, and for nothing else; deliver again what was kept."""
        due = tuple(sorted(wants_of(channels), key=lambda want: (want.time, want.feed))[:WANTED_MAX])
        if due != self._wants:
            self._wants = due
            self._changed.set()
            self._changed = asyncio.Event()
            for want in due:
                if want in self._kept:  # it came for another channel
                    self._deliver(self._kept[want])

    async def follow(self, host: Host, address: Multiaddr) -> None:
        """Stay subscribed to the oracle at an address until cancelled."""
        peer = address.peer
        assert peer is not None, "checked when the address was read"
        host.keep(peer, address)
        wait_s = _RETRY_S
        while True:
            try:
                stream = await host.open(peer, PROTOCOL)
                wait_s = _RETRY_S
                await self._subscribe(stream, peer)
            except Unavailable as error:
                _log.info("oracle %s: %s", peer, error)
            except PeerFault as fault:
                _log.warning("oracle %s broke a rule: %s", peer, fault)
                host.disconnect(peer, str(fault))
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _RETRY_S_MAX)

    async def _subscribe(self, stream: Stream, peer: PeerId) -> None:
        """Send wants as they change and take reports as they come, until the stream ends."""
        async with asyncio.TaskGroup() as tasks:
            told = tasks.create_task(self._tell(stream))
            try:
                while (data := await stream.read_message()) is not None:
                    await self._take(decode(data, SignedReport), peer)
            finally:
                told.cancel()

    async def _tell(self, stream: Stream) -> None:
        with suppress(Unavailable):  # the reader hears of the same loss
            while True:
                changed = self._changed
                await stream.write_message(encode(Wanted(self._wants)))
                await changed.wait()

    async def _take(self, signed: SignedReport, peer: PeerId) -> None:
        report = signed.report
        if not isinstance(report, Settlement) or signed.oracle != self._oracle:
            raise PeerFault(Reason.BAD_REPORT, f"{peer} sent a report that was not asked for")
        want = Want(report.feed, report.time)
        if want in self._kept:
            return
        quorum = await self._quorum.wait()
        verify_report(signed, quorum.signers, quorum.threshold, quorum.separator)
        self._kept[want] = signed
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        _log.info("settlement at %d: %d", report.time, report.price)
        self._deliver(signed)


def wants_of(channels: list[Channel]) -> set[Want]:
    """Return the settlements that live positions wait for next, offered ones included: after a VOID, the next point."""
    return {Want(feed, time) for channel in channels if not channel.head.closed for feed, time in awaited(channel)}
