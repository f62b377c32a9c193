"""Those who wait for an oracle's reports: each has one stream, a list of wants, and is told once of each."""

import asyncio
from collections.abc import Callable
from typing import Final

from thalweg.app.report_messages import Want, Wanted, check_wanted
from thalweg.codec import decode, encode
from thalweg.errors import Reason, Unavailable
from thalweg.instruments.report import SignedReport
from thalweg.network.stream import Stream

SUBSCRIBERS_MAX: Final = 1024


class _Subscriber:
    def __init__(self) -> None:
        self.wants: tuple[Want, ...] = ()
        self.told: set[Want] = set()
        self.news = asyncio.Event()


class Subscribers:
    """`find` returns a report that is whole, `want` has one made."""

    def __init__(self, find: Callable[[Want], SignedReport | None], want: Callable[[Want], None]) -> None:
        self._find = find
        self._want = want
        self._present: set[_Subscriber] = set()

    def published(self) -> None:
        """Tell everyone who waits: there is a new report."""
        for subscriber in self._present:
            subscriber.news.set()

    def wants(self) -> set[Want]:
        """Return all that is waited for now."""
        return {want for subscriber in self._present for want in subscriber.wants}

    async def serve(self, stream: Stream) -> None:
        """Serve one subscriber until he leaves.

        Raises:
            PeerFault: he broke a rule.
            Unavailable: LIMIT, too many subscribe; or the stream is gone.
        """
        if len(self._present) >= SUBSCRIBERS_MAX:
            raise Unavailable(Reason.LIMIT, f"{SUBSCRIBERS_MAX} subscribe already")
        subscriber = _Subscriber()
        self._present.add(subscriber)
        try:
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._tell(subscriber, stream))
                while (data := await stream.read_message()) is not None:
                    self._take(subscriber, data)
                telling.cancel()
        except* Unavailable:
            stream.reset()
        finally:
            self._present.discard(subscriber)

    def _take(self, subscriber: _Subscriber, data: bytes) -> None:
        wanted = decode(data, Wanted)
        check_wanted(wanted)
        subscriber.wants = wanted.wants
        subscriber.told &= set(wanted.wants)
        for want in wanted.wants:
            if self._find(want) is None:
                self._want(want)
        subscriber.news.set()

    async def _tell(self, subscriber: _Subscriber, stream: Stream) -> None:
        while True:
            await subscriber.news.wait()
            subscriber.news.clear()
            for want in subscriber.wants:
                report = None if want in subscriber.told else self._find(want)
                if report is not None:
                    subscriber.told.add(want)
                    await stream.write_message(encode(report))
