"""Four oracles, one of them silent, crashing or lying: never two values, and in the end one report.

The world is as small as it can be: seconds, a queue of messages, and per oracle a state, a disk and a key. Until
`CALM` messages are lost, late and out of order; then they arrive within a second and progress is demanded.
"""

import heapq
import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.oracle.quorum import KEYS, ORACLE, SEPARATOR, SIGNERS

from thalweg.codec import decode, encode
from thalweg.crypto import sign
from thalweg.instruments.quorum import verify_equivocation, verify_report
from thalweg.instruments.report import Mark, Settlement, SignedReport, report_digest
from thalweg.oracle.agreement import SignReport
from thalweg.oracle.messages import (
    MESSAGE_BYTES_MAX,
    Attestation,
    Kind,
    Phase,
    Point,
    Proposal,
    Said,
    Statement,
    Status,
    Ticks,
    Vote,
    report_of,
    statement_digest,
    ticks_hash,
)
from thalweg.oracle.rules import Rules
from thalweg.oracle.step import (
    Accuse,
    Effect,
    Event,
    Heard,
    Memory,
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
from thalweg.units import Hash, Price, UnixSeconds

THRESHOLD = 3
EXPIRY = UnixSeconds(1_800_000_000)
CALM = EXPIRY + 40
END = CALM + 300
FEED = Hash(b"\x02" * 32)
MARK = Point(Kind.MARK, FEED, EXPIRY)
SETTLEMENT = Point(Kind.SETTLEMENT, FEED, EXPIRY)


def price(dollars: float) -> Price:
    return Price(round(dollars * 10**8))


class Crash(Exception):
    pass


class Oracle:
    """The shell that production would be, on a simulated disk."""

    def __init__(self, world: "World", seat: int, seen: Ticks) -> None:
        self.world, self.seat, self.seen = world, seat, seen
        self.rules = Rules(seat, SIGNERS, THRESHOLD, ORACLE, SEPARATOR)
        self.state: State = restored(self.rules, Memory())
        self.disk = encode(Memory())
        self.alive = True
        self.crash_rate = 0.0
        self.alarm: int | None = None
        self.published: list[SignedReport] = []
        self.attested: set[bytes] = set()
        self.proofs = 0

    def feed(self, event: Event) -> None:
        if not self.alive:
            return
        try:
            self.state, effects = step(self.state, event)
            for effect in effects:
                if self.world.now < CALM and self.world.dice.random() < self.crash_rate:
                    raise Crash
                self.perform(effect)
        except Crash:
            self.alive = False
            self.world.at(self.world.now + self.world.dice.randint(0, 9), self.start)

    def start(self) -> None:
        self.alive = True
        self.state = restored(self.rules, decode(self.disk, Memory))
        self.feed(PointScheduled(self.world.point, self.world.time()))
        self.feed(TimerFired(self.world.time()))

    def say(self, statement: Statement) -> Said:
        return Said(self.seat, statement, sign(KEYS[self.seat], statement_digest(SEPARATOR, statement)))

    def perform(self, effect: Effect) -> None:
        now = self.world.time()
        match effect:
            case Save(memory):
                self.disk = encode(memory)
            case Observe(point):
                self.feed(Observed(point, self.seen, now))
            case Say(statement):
                said = self.say(statement)
                self.feed(Heard(said, now))
                self.world.send(self.seat, range(len(SIGNERS)), said)
            case Tell(to, statement):
                self.world.send(self.seat, [to], self.say(statement))
            case SignReport(point, ticks):
                digest = report_digest(SEPARATOR, report_of(point, ticks))
                self.attested.add(digest)
                self.feed(ReportSigned(point, sign(KEYS[self.seat], digest), now))
            case WakeAt(time):
                self.alarm = time
            case Publish(report):
                verify_report(report, SIGNERS, THRESHOLD, SEPARATOR)
                self.published.append(report)
            case Accuse(proof):
                verify_equivocation(proof, SIGNERS, SEPARATOR)
                self.proofs += 1


class Liar(Oracle):
    """Signs whatever may confuse: two proposals a round, votes for everything, reports of what nobody agreed."""

    def feed(self, event: Event) -> None:
        match event:
            case Heard(said) if said.sender != self.seat:
                self.confuse(said.statement)
            case PointScheduled():
                self.world.at(self.world.point.time, self.lie)
            case _:
                pass

    def lie(self) -> None:
        for number in range(40):
            self.world.at(self.world.now + 3 * number, lambda number=number: self.mislead(number))

    def mislead(self, number: int) -> None:
        dice, point = self.world.dice, self.world.point
        for to in range(len(SIGNERS)):
            ticks = dice.choice([self.seen, self.wrong(), (None,) * len(self.seen)])
            self.tell(to, Status(point, number, ticks))
            self.tell(to, Proposal(point, number, ticks))
            self.tell(to, Attestation(point, ticks, sign(KEYS[self.seat], self.digest(ticks))))

    def confuse(self, statement: Statement) -> None:
        dice, point = self.world.dice, self.world.point
        match statement:
            case Proposal(round=number, ticks=ticks):
                for to in range(len(SIGNERS)):
                    value = ticks_hash(dice.choice([ticks, self.seen, self.wrong()]))
                    self.tell(to, Vote(point, number, dice.choice(list(Phase)), value))
                    self.tell(to, Proposal(point, number, dice.choice([ticks, self.wrong()])))
            case Vote(round=number, value=value):
                self.tell(dice.randrange(len(SIGNERS)), Vote(point, number, dice.choice(list(Phase)), value))
            case _:
                pass

    def wrong(self) -> Ticks:
        nearby = self.world.dice.choice([price(0.05), price(-0.05), price(500)])
        return tuple(None if tick is None else Price(tick + nearby) for tick in self.seen)

    def digest(self, ticks: Ticks) -> Hash:
        return report_digest(SEPARATOR, report_of(self.world.point, ticks))

    def tell(self, to: int, statement: Statement) -> None:
        self.world.send(self.seat, [to], self.say(statement))


class World:
    def __init__(self, seed: int, seen: Iterable[Ticks], point: Point = MARK, loss: float = 0.3) -> None:
        self.dice = random.Random(seed)
        self.now, self.point, self.loss = EXPIRY - 5, point, loss
        self.queue: list[tuple[int, int, object]] = []
        self.count = 0
        self.oracles = [Oracle(self, seat, ticks) for seat, ticks in enumerate(seen)]

    def time(self) -> UnixSeconds:
        return UnixSeconds(self.now)

    def at(self, time: int, action: object) -> None:
        self.count += 1
        heapq.heappush(self.queue, (time, self.count, action))

    def send(self, sender: int, to: Iterable[int], said: Said) -> None:
        data = encode(said)
        assert len(data) <= MESSAGE_BYTES_MAX
        for seat in to:
            if seat == sender or (self.now < CALM and self.dice.random() < self.loss):
                continue
            late = self.dice.choice([0, 0, 1, 2, 7]) if self.now < CALM and self.loss else self.dice.choice([0, 1])
            self.at(self.now + late, lambda seat=seat: self.deliver(seat, data))

    def deliver(self, seat: int, data: bytes) -> None:
        self.oracles[seat].feed(Heard(decode(data, Said), self.time()))

    def run(self) -> None:
        for oracle in self.oracles:
            oracle.feed(PointScheduled(self.point, self.time()))
        while self.now < END and not self.done():
            while self.queue and self.queue[0][0] <= self.now:
                action = heapq.heappop(self.queue)[2]
                assert callable(action)
                action()
            for oracle in self.oracles:
                if oracle.alarm is not None and oracle.alarm <= self.now:
                    oracle.alarm = None
                    oracle.feed(TimerFired(self.time()))
            if not self.queue or self.queue[0][0] > self.now:
                self.now += 1

    def honest(self) -> list[Oracle]:
        return [oracle for oracle in self.oracles if not isinstance(oracle, Liar)]

    def done(self) -> bool:
        return all(oracle.published for oracle in self.honest())

    def report(self) -> Mark | Settlement:
        """The one report that every honest oracle published; fails if there are two, or none."""
        honest = self.honest()
        assert len(set().union(*(oracle.attested for oracle in honest))) <= 1, "two values were signed"
        reports = {encode(signed.report): signed.report for oracle in honest for signed in oracle.published}
        assert self.done(), "no report"
        assert len(reports) == 1, "two values were reported"
        return next(iter(reports.values()))


CLOSE: list[Ticks] = [(price(60_000),), (price(60_010),), (price(60_020),), (price(60_030),)]


def test_four_that_see_much_the_same_report_the_median_at_once() -> None:
    world = World(0, CLOSE, loss=0.0)
    world.run()
    assert world.report() == Mark(FEED, EXPIRY, price(60_010))
    assert world.now <= EXPIRY + 10
    assert all(agreement.round == 0 for oracle in world.oracles for agreement in oracle.state.agreements.values())


def test_a_settlement_is_the_mean_of_thirty_agreed_ticks_one_of_them_void() -> None:
    seen: list[Ticks] = [tuple(price(60_000 + minute + seat) for minute in range(30)) for seat in range(4)]
    holes: list[Ticks] = [(None, *ticks[1:]) if seat < 2 else ticks for seat, ticks in enumerate(seen)]
    world = World(1, holes, SETTLEMENT, loss=0.0)
    world.run()
    expected = sum(price(60_001 + minute) for minute in range(1, 30)) // 29
    assert world.report() == Settlement(FEED, EXPIRY, Price(expected))


@pytest.mark.parametrize("seat", range(4))
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_three_report_while_one_is_silent(seat: int, seed: int) -> None:
    world = World(seed, CLOSE)
    world.oracles[seat] = Silent(world, seat, CLOSE[seat])
    world.run()
    reported = world.report().price
    assert CLOSE[0][0] is not None
    assert price(60_000) <= reported <= price(60_030)


class Silent(Liar):
    def feed(self, event: Event) -> None:
        """Hear, and say nothing."""


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.02, 0.1, 0.3]))
def test_crashes_between_any_two_effects_never_make_two_values(seed: int, rate: float) -> None:
    world = World(seed, CLOSE)
    for oracle in world.oracles:
        oracle.crash_rate = rate
    world.run()
    assert not world.report().is_void or world.now > EXPIRY


@pytest.mark.parametrize("seat", range(4))
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.0, 0.1]))
def test_a_liar_can_neither_split_nor_stop_three_honest_ones(seat: int, seed: int, rate: float) -> None:
    world = World(seed, CLOSE, loss=seed % 3 / 10)
    for oracle in world.oracles:
        oracle.crash_rate = rate
    world.oracles[seat] = Liar(world, seat, CLOSE[seat])
    world.run()
    report = world.report()
    honest = [oracle.seen[0] for oracle in world.honest()]
    tolerance = price(60_000 * 0.002)
    assert report.is_void or all(seen is None or abs(report.price - seen) <= tolerance + price(30) for seen in honest)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_prices_that_stay_apart_are_reported_as_void(seed: int) -> None:
    apart: list[Ticks] = [(price(60_000),), (price(61_000),), (price(62_000),), (price(63_000),)]
    world = World(seed, apart)
    world.run()
    assert world.report() == Mark(FEED, EXPIRY, Price(0), True)


def test_a_broken_source_makes_a_void_not_a_halt() -> None:
    blind: list[Ticks] = [(price(60_000),), (price(60_001),), (None,), (None,)]
    world = World(5, blind)
    world.run()
    assert world.report().is_void


def test_two_reports_by_one_signer_are_proven_by_whoever_hears_both() -> None:
    world = World(7, CLOSE, loss=0.0)
    world.oracles[3] = Liar(world, 3, CLOSE[3])
    world.run()
    for _ in range(3):
        for oracle in world.honest():
            for dollars in (59_000, 59_001):
                ticks: Ticks = (price(dollars),)
                lie = Attestation(MARK, ticks, sign(KEYS[3], report_digest(SEPARATOR, report_of(MARK, ticks))))
                oracle.feed(Heard(world.oracles[3].say(lie), world.time()))
    assert all(oracle.proofs for oracle in world.honest())
