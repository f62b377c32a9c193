"""The rules that keep a quorum from ever signing two values, one at a time."""

import pytest
from tests.unit.oracle.quorum import KEYS, ORACLE, SEPARATOR, SIGNERS, say

from thalweg.crypto import sign
from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.instruments.report import SignedReport, report_digest
from thalweg.oracle.agreement import SignReport
from thalweg.oracle.messages import (
    Attestation,
    Certificate,
    Finished,
    Kind,
    Phase,
    Point,
    Proposal,
    Statement,
    Status,
    Ticks,
    Vote,
    report_of,
    ticks_hash,
)
from thalweg.oracle.rules import Rules
from thalweg.oracle.step import (
    POINTS_MAX,
    Effect,
    Event,
    Heard,
    Memory,
    Observe,
    Observed,
    PointScheduled,
    Publish,
    Record,
    ReportSigned,
    Save,
    Say,
    State,
    Tell,
    TimerFired,
    WakeAt,
    remembered,
    restored,
    step,
)
from thalweg.units import Hash, Price, Signature, UnixSeconds

TIME = UnixSeconds(1_800_000_000)
POINT = Point(Kind.MARK, Hash(b"\x02" * 32), TIME)
FIRST = (TIME // 60) % 4  # leads round 0
ME = (FIRST + 2) % 4  # leads round 2
RULES = Rules(ME, SIGNERS, 3, ORACLE, SEPARATOR)
MINE: Ticks = (Price(60_000 * 10**8),)
NEAR: Ticks = (Price(60_001 * 10**8),)
FAR: Ticks = (Price(66_000 * 10**8),)
VOID: Ticks = (None,)


class Bench:
    """One oracle on a bench: feed it, and keep what it does. It hears itself as a shell would let it."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.now = TIME
        self.state: State = restored(RULES, memory or Memory())
        self.effects: list[Effect] = []
        self.feed(PointScheduled(POINT, self.now))

    def feed(self, event: Event) -> None:
        self.state, effects = step(self.state, event)
        for effect in effects:
            self.effects.append(effect)
            match effect:
                case Say(statement):
                    self.hear(RULES.me, statement)
                case Observe(point):
                    self.feed(Observed(point, MINE, self.now))
                case SignReport(point, ticks):
                    signature = sign(KEYS[RULES.me], report_digest(SEPARATOR, report_of(point, ticks)))
                    self.feed(ReportSigned(point, signature, self.now))
                case _:
                    pass

    def hear(self, sender: int, statement: Statement) -> None:
        self.feed(Heard(say(sender, statement), self.now))

    def wait(self, seconds: int) -> None:
        self.now = UnixSeconds(self.now + seconds)
        self.feed(TimerFired(self.now))

    def said(self) -> list[Statement]:
        return [effect.statement for effect in self.effects if isinstance(effect, Say)]

    def votes(self, phase: Phase) -> list[tuple[int, Hash]]:
        return [(vote.round, vote.value) for vote in self.said() if isinstance(vote, Vote) and vote.phase == phase]

    def to_round(self, number: int) -> None:
        for sender in others():
            self.hear(sender, Status(POINT, number, NEAR))


def others() -> list[int]:
    return [seat for seat in range(4) if seat != RULES.me]


def leader(number: int) -> int:
    return (FIRST + number) % 4


def certificate(number: int, ticks: Ticks, voters: tuple[int, ...] = (0, 1, 2)) -> Certificate:
    vote = Vote(POINT, number, Phase.PREPARE, ticks_hash(ticks))
    return Certificate(number, ticks, voters, tuple(say(voter, vote).signature for voter in voters))


def whole(ticks: Ticks, signers: tuple[int, ...] = (0, 1, 3)) -> SignedReport:
    report = report_of(POINT, ticks)
    digest = report_digest(SEPARATOR, report)
    return SignedReport(ORACLE, report, signers, tuple(sign(KEYS[signer], digest) for signer in signers))


def lock_on(bench: Bench, number: int, ticks: Ticks) -> None:
    bench.hear(leader(number), Proposal(POINT, number, ticks))
    for sender in others():
        bench.hear(sender, Vote(POINT, number, Phase.PREPARE, ticks_hash(ticks)))


def test_a_proposal_close_to_my_own_price_gets_my_vote_once_it_is_remembered() -> None:
    bench = Bench()
    bench.hear(leader(0), Proposal(POINT, 0, NEAR))
    assert bench.votes(Phase.PREPARE) == [(0, ticks_hash(NEAR))]
    vote = next(i for i, effect in enumerate(bench.effects) if isinstance(effect, Say) and effect.statement == Vote(
        POINT, 0, Phase.PREPARE, ticks_hash(NEAR)
    ))  # fmt: skip
    saved = bench.effects[vote - 1]
    assert isinstance(saved, Save)
    assert saved.memory.records[0].prepared == 0


@pytest.mark.parametrize("ticks", [FAR, VOID])
def test_a_proposal_far_from_my_price_or_a_needless_void_gets_no_vote(ticks: Ticks) -> None:
    bench = Bench()
    bench.to_round(0)
    bench.hear(leader(0), Proposal(POINT, 0, ticks))
    assert bench.votes(Phase.PREPARE) == []


def test_a_proposal_by_anyone_but_the_leader_gets_no_vote() -> None:
    bench = Bench()
    bench.hear(leader(1), Proposal(POINT, 0, NEAR))
    assert bench.votes(Phase.PREPARE) == []


def test_a_leader_who_proposes_twice_gets_one_vote() -> None:
    bench = Bench()
    bench.hear(leader(0), Proposal(POINT, 0, NEAR))
    bench.hear(leader(0), Proposal(POINT, 0, MINE))
    assert bench.votes(Phase.PREPARE) == [(0, ticks_hash(NEAR))]


def test_a_void_is_voted_for_when_every_leader_has_had_a_turn() -> None:
    bench = Bench()
    bench.to_round(4)
    bench.hear(leader(4), Proposal(POINT, 4, VOID))
    assert bench.votes(Phase.PREPARE) == [(4, ticks_hash(VOID))]


def test_a_void_is_not_voted_for_before_the_others_were_heard() -> None:
    bench = Bench()
    bench.hear(leader(0), Proposal(POINT, 0, VOID))
    assert bench.votes(Phase.PREPARE) == []
    for sender, seen in zip(others(), [FAR, (Price(1),), (Price(2),)], strict=True):
        bench.hear(sender, Status(POINT, 0, seen))
    assert bench.votes(Phase.PREPARE) == [(0, ticks_hash(VOID))]


def test_a_quorum_of_votes_locks_me_and_a_quorum_of_locks_decides() -> None:
    bench = Bench()
    lock_on(bench, 0, NEAR)
    assert bench.votes(Phase.COMMIT) == [(0, ticks_hash(NEAR))]
    assert not any(isinstance(effect, SignReport) for effect in bench.effects)
    for sender in others():
        bench.hear(sender, Vote(POINT, 0, Phase.COMMIT, ticks_hash(NEAR)))
    assert [effect.ticks for effect in bench.effects if isinstance(effect, SignReport)] == [NEAR]
    kinds = [type(effect) for effect in bench.effects]
    assert kinds[kinds.index(SignReport) - 1] is Save


def test_votes_of_different_rounds_or_values_are_no_quorum() -> None:
    bench = Bench()
    bench.hear(leader(0), Proposal(POINT, 0, NEAR))
    one, two, three = others()
    bench.hear(one, Vote(POINT, 0, Phase.PREPARE, ticks_hash(NEAR)))
    bench.hear(two, Vote(POINT, 1, Phase.PREPARE, ticks_hash(NEAR)))
    bench.hear(three, Vote(POINT, 0, Phase.PREPARE, ticks_hash(MINE)))
    bench.hear(three, Vote(POINT, 0, Phase.PREPARE, ticks_hash(NEAR)))
    assert bench.votes(Phase.COMMIT) == []


def test_a_quorum_for_a_round_i_have_left_does_not_lock_me() -> None:
    bench = Bench()
    bench.hear(leader(0), Proposal(POINT, 0, NEAR))
    bench.to_round(1)
    for sender in others():
        bench.hear(sender, Vote(POINT, 0, Phase.PREPARE, ticks_hash(NEAR)))
    assert bench.votes(Phase.COMMIT) == []


def test_locked_on_one_value_i_vote_for_no_other() -> None:
    bench = Bench()
    lock_on(bench, 0, NEAR)
    bench.to_round(1)
    bench.hear(leader(1), Proposal(POINT, 1, MINE))
    assert [number for number, _ in bench.votes(Phase.PREPARE)] == [0]


def test_a_newer_certificate_frees_me_and_an_older_one_does_not() -> None:
    memory = Memory(records=(Record(POINT, 1, certificate(1, NEAR)),))
    for number, expected in ((0, []), (2, [(3, ticks_hash(MINE))])):
        bench = Bench(memory)
        bench.to_round(3)
        bench.hear(leader(3), Proposal(POINT, 3, MINE, certificate(number, MINE)))
        assert bench.votes(Phase.PREPARE) == expected


def test_a_certificate_carries_a_value_i_would_not_have_proposed() -> None:
    bench = Bench()
    bench.to_round(1)
    bench.hear(leader(1), Proposal(POINT, 1, FAR, certificate(0, FAR)))
    assert bench.votes(Phase.PREPARE) == [(1, ticks_hash(FAR))]


def test_as_leader_i_propose_the_newest_certificate_not_the_medians() -> None:
    bench = Bench()
    one, two, three = others()
    bench.hear(one, Status(POINT, 2, NEAR, certificate(0, NEAR)))
    bench.hear(two, Status(POINT, 2, NEAR, certificate(1, FAR)))
    bench.hear(three, Status(POINT, 2, NEAR))
    proposals = [statement for statement in bench.said() if isinstance(statement, Proposal)]
    assert proposals == [Proposal(POINT, 2, FAR, certificate(1, FAR))]


def test_as_leader_i_wait_for_a_quorum_and_then_a_moment_more() -> None:
    bench = Bench()
    one, two, _ = others()
    for sender in (one, two):
        bench.hear(sender, Status(POINT, 2, NEAR))
    assert not any(isinstance(statement, Proposal) for statement in bench.said())
    bench.wait(RULES.gather_s)
    assert [statement.ticks for statement in bench.said() if isinstance(statement, Proposal)] == [NEAR]


def test_after_a_restart_i_neither_vote_twice_nor_in_an_earlier_round() -> None:
    bench = Bench(Memory(records=(Record(POINT, 3),)))
    bench.hear(leader(0), Proposal(POINT, 0, NEAR))
    bench.hear(leader(3), Proposal(POINT, 3, NEAR))
    for sender in others():
        bench.hear(sender, Vote(POINT, 0, Phase.PREPARE, ticks_hash(NEAR)))
    assert bench.votes(Phase.PREPARE) == bench.votes(Phase.COMMIT) == []


def test_after_a_restart_what_was_decided_is_signed_again_and_nothing_else_is_voted_for() -> None:
    bench = Bench(Memory(records=(Record(POINT, -1, None, NEAR),)))
    assert [effect.ticks for effect in bench.effects if isinstance(effect, SignReport)] == [NEAR]
    bench.hear(leader(0), Proposal(POINT, 0, MINE))
    assert bench.votes(Phase.PREPARE) == []


def test_a_round_that_ends_makes_the_next_one_and_repeats_what_i_signed() -> None:
    bench = Bench(Memory(records=(Record(POINT, -1, None, NEAR),)))
    bench.effects.clear()
    bench.wait(RULES.round_s)
    statements = bench.said()
    assert Status(POINT, 1, MINE) in statements
    assert any(isinstance(statement, Attestation) for statement in statements)
    assert any(isinstance(effect, WakeAt) for effect in bench.effects)


def test_one_oracle_in_a_later_round_does_not_draw_me_there_and_two_do() -> None:
    bench = Bench()
    one, two, _ = others()
    bench.hear(one, Status(POINT, 7, NEAR))
    assert not any(isinstance(statement, Status) and statement.round for statement in bench.said())
    bench.hear(two, Status(POINT, 5, NEAR))
    assert Status(POINT, 5, MINE) in bench.said()


def test_a_finished_report_ends_the_point_and_is_told_to_whoever_still_asks() -> None:
    bench = Bench()
    bench.hear(others()[0], Finished(POINT, whole(NEAR)))
    assert [effect.report for effect in bench.effects if isinstance(effect, Publish)] == [whole(NEAR)]
    bench.hear(others()[1], Status(POINT, 3, NEAR))
    assert bench.effects[-1] == Tell(others()[1], Finished(POINT, whole(NEAR)))


def test_nothing_is_said_of_a_point_before_its_time() -> None:
    state, effects = step(restored(RULES, Memory()), PointScheduled(POINT, UnixSeconds(TIME - 100)))
    assert effects == (WakeAt(TIME),)
    said = say(others()[0], Status(POINT, 0, NEAR))
    state, effects = step(state, Heard(said, UnixSeconds(TIME - 50)))
    assert effects == (WakeAt(TIME),)
    state, effects = step(state, TimerFired(TIME))
    assert Observe(POINT) in effects
    assert state.agreements[POINT].statuses[others()[0]].seen == NEAR


def test_what_peers_say_of_points_nobody_scheduled_is_dropped() -> None:
    state = restored(RULES, Memory())
    assert step(state, Heard(say(0, Status(POINT, 0, NEAR)), TIME)) == (state, ())


def test_the_table_of_points_is_bounded_and_a_forgotten_point_never_comes_back() -> None:
    bench = Bench()
    bench.hear(others()[0], Finished(POINT, whole(NEAR)))
    later = [Point(Kind.MARK, POINT.feed, UnixSeconds(TIME + 60 * i)) for i in range(1, POINTS_MAX + 1)]
    for point in later:
        bench.feed(PointScheduled(point, TIME))
    assert POINT not in bench.state.agreements
    assert remembered(bench.state).floor == TIME
    with pytest.raises(UserFault) as refusal:
        step(bench.state, PointScheduled(POINT, TIME))
    assert refusal.value.reason == Reason.EXPIRED
    with pytest.raises(UserFault) as refusal:
        step(bench.state, PointScheduled(Point(Kind.MARK, POINT.feed, UnixSeconds(TIME + 10**6 // 60 * 60)), TIME))
    assert refusal.value.reason == Reason.LIMIT


@pytest.mark.parametrize(
    "event",
    [Observed(POINT, MINE, TIME), ReportSigned(POINT, Signature(bytes(64)), TIME)],
    ids=["observed", "signed"],
)
def test_an_answer_to_nothing_is_our_own_bug(event: Event) -> None:
    with pytest.raises(InvariantBroken):
        step(restored(RULES, Memory()), event)


def test_a_signature_on_what_was_not_decided_is_our_own_bug() -> None:
    with pytest.raises(InvariantBroken):
        Bench().feed(ReportSigned(POINT, Signature(bytes(64)), TIME))
