"""The shell of one oracle's pure rounds: performs their effects in order and feeds the answers back.

It owns the key, the source, the memory and what peers and subscribers hear. The pure machine is `oracle.step`.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import coincurve

from thalweg.app.oracle_memory import OracleMemory
from thalweg.app.report_messages import Want
from thalweg.codec import decode, encode
from thalweg.crypto import sign
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.instruments.report import SignedReport, report_digest
from thalweg.oracle.agreement import SignReport
from thalweg.oracle.messages import MESSAGE_BYTES_MAX, Kind, Point, Said, Statement, report_of, statement_digest
from thalweg.oracle.rules import Rules
from thalweg.oracle.source import Path, seen_ticks
from thalweg.oracle.step import (
    Accuse,
    Effect,
    Event,
    Heard,
    Observe,
    Observed,
    PointScheduled,
    Publish,
    ReportSigned,
    Save,
    Say,
    State,
    Tell,
    TimerFired,
    WakeAt,
    restored,
    step,
)
from thalweg.units import UnixSeconds

SCHEDULED_MAX: Final = 128  # points that are open at once; what is wanted beyond waits
_log: Final = logging.getLogger(__name__)


class OracleShell:
    """One oracle. `broadcast` sends to all others, `publish` hands on whole reports, `wake_at` sets the alarm."""

    def __init__(
        self,
        rules: Rules,
        key: coincurve.PrivateKey,
        source: Path,
        memory: OracleMemory,
        now: Callable[[], UnixSeconds],
        broadcast: Callable[[bytes], None],
        wake_at: Callable[[UnixSeconds], None],
        publish: Callable[[SignedReport], None],
    ) -> None:
        self._rules = rules
        self._key = key
        self._source = source
        self._memory = memory
        self._now = now
        self._broadcast = broadcast
        self._wake_at = wake_at
        self._publish = publish
        self._state: State = restored(rules, memory.memory)
        self._wanted: set[Want] = set()
        self.said = 0

    def tick(self) -> None:
        """Let the time pass: the alarm went off, or the chain's clock moved."""
        self._schedule_wanted()
        self._feed(TimerFired(self._now()))

    def want(self, want: Want) -> None:
        """Have a settlement reported when its time comes."""
        if self._memory.report(want) is None:
            self._wanted.add(want)
            self.tick()

    def _schedule_wanted(self) -> None:
        """Schedule what is wanted, soonest first, as far as there is room: the others must know a point beforehand."""
        open_points = sum(agreement.report is None for agreement in self._state.agreements.values())
        for want in sorted(self._wanted, key=lambda want: want.time)[: max(0, SCHEDULED_MAX - open_points)]:
            self._wanted.discard(want)
            try:
                self._feed(PointScheduled(Point(Kind.SETTLEMENT, want.feed, want.time), self._now()))
            except UserFault as refusal:
                _log.warning("settlement at %d cannot be reported: %s", want.time, refusal)

    def hear(self, data: bytes) -> None:
        """Take another oracle's message.

        Raises:
            PeerFault: it breaks a rule; nothing changed.
        """
        if len(data) > MESSAGE_BYTES_MAX:
            raise PeerFault(Reason.OVERSIZED, f"a message of {len(data)} bytes; at most {MESSAGE_BYTES_MAX}")
        said = decode(data, Said)
        if said.sender == self._rules.me:
            raise PeerFault(Reason.WRONG_SIGNER, "a message in my own name")
        self._feed(Heard(said, self._now()))

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _feed(self, event: Event) -> None:
        """Step, perform the effects in order, and feed each answer before the next effect."""
        self._state, effects = step(self._state, event)
        work = deque(effects)
        while work:
            answer = self._perform(work.popleft())
            if answer is not None:
                self._state, more = step(self._state, answer)
                work.extend(more)

    def _perform(self, effect: Effect) -> Event | None:
        match effect:
            case Save():
                self._memory.save(effect.memory)
            case Observe():
                ticks = seen_ticks(self._source, self._rules.me, effect.point)
                return Observed(effect.point, ticks, self._now())
            case Say():
                said = self._said(effect.statement)
                self._broadcast(encode(said))
                return Heard(said, self._now())
            case Tell():
                self._broadcast(encode(self._said(effect.statement)))
            case SignReport():
                digest = report_digest(self._rules.separator, report_of(effect.point, effect.ticks))
                return ReportSigned(effect.point, sign(self._key, digest), self._now())
            case WakeAt():
                self._wake_at(effect.time)
            case Publish():
                self._memory.publish(effect.report)
                self._publish(effect.report)
            case Accuse():
                _log.error("oracle %d signed two reports of one point: %s", effect.proof.signer, encode(effect.proof))
        return None

    def _said(self, statement: Statement) -> Said:
        self.said += 1
        digest = statement_digest(self._rules.separator, statement)
        return Said(self._rules.me, statement, sign(self._key, digest))
