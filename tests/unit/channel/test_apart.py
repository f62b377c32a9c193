"""Two honest participants who see the chain, the oracle and the clock at different moments still agree, and soon."""

from collections import deque
from collections.abc import Iterable

import msgspec
import pytest

from thalweg.channel.effects import Topic
from thalweg.channel.events import CloseRequested, LinkDown, OfferRequested, ReportReceived, Started, TimerFired
from thalweg.channel.messages import ChannelMessage, StateProposed, StateRefused, StateShown, Synced
from thalweg.channel.onchain import Dispute, View
from thalweg.channel.opening import FORGET_S
from thalweg.channel.operations import Jump, Leg, Transfer
from thalweg.channel.state import Leaving, Phase, phase
from thalweg.channel.step import step
from thalweg.channel.timing import alarm, is_forlorn
from thalweg.errors import Reason
from thalweg.instruments.report import GRID_S, Settlement
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.testing.oracle import FEED, PRICE
from thalweg.testing.table import DEPOSIT, NOW, ORACLE, Table
from thalweg.units import SCALE, Amount, AssetIndex, Hash, Quantity, Seat, UnixSeconds, Version

A, B, C = Seat(0), Seat(1), Seat(2)
EXPIRY = UnixSeconds((NOW // GRID_S + 20) * GRID_S)
PUT = Instrument(payoff=Payoff.PUT, oracle=ORACLE, feed=FEED, expiry=EXPIRY, unit=10**6, knots=(PRICE,))
OTHER = Hash(bytes(32))
LATER = UnixSeconds(NOW + 100_000)


def pay(amount: int, to: Seat) -> Transfer:
    return Transfer(A, 0, LATER, to, AssetIndex(0), Amount(amount))


def wait(table: Table, seconds: int, seats: list[int] | None = None) -> None:
    """Let time pass, and every timer fire that somebody has set."""
    end = UnixSeconds(table.now + seconds)
    while True:
        due = [
            (at, seat)
            for seat, channel in enumerate(table.channels)
            if (seats is None or seat in seats) and 0 < (at := alarm(channel)) <= end
        ]
        if not due:
            break
        at, seat = min(due)
        table.now = UnixSeconds(max(table.now, at))
        table.step(seat, TimerFired(table.now, table.channels[seat].id))
        table.run()
    table.now = end


def relink(table: Table) -> None:
    table.sent.clear()
    table.link_all()


# --- the oracle -----------------------------------------------------------------------------------------------------


def with_tick(table: Table, time: int) -> Table:
    table.channels = [msgspec.structs.replace(channel, tick=UnixSeconds(time)) for channel in table.channels]
    return table


def test_where_marks_are_old_a_trade_is_refused_and_nobody_talks_for_ever() -> None:
    table = with_tick(Table().open(), NOW - 2 * 3600)
    table.operate(A, pay(1, B))
    table.run()
    table.trade(A, B, Leg(PUT, B, A, Quantity(SCALE), 5))
    assert table.channels[B].agreed.version < 100
    assert table.channels[A].queue == ()


def test_who_takes_the_tick_for_the_future_gets_no_endless_talk() -> None:
    table = with_tick(Table().open(), NOW + 3600)
    table.operate(A, pay(1, B))
    table.run()
    assert table.channels[B].agreed.version < 100


def test_who_refuses_all_but_empty_states_is_not_asked_for_ever() -> None:
    table = Table().open()
    table.operate(A, pay(1, B))
    for _ in range(1000):
        if not table.sent:
            break
        _, target, message = table.sent.popleft()
        if isinstance(message, StateProposed) and message.operations:
            table.tell(B, A, StateRefused(message.channel_id, message.version, -1, Reason.NO_CONSENT, ""))
        else:
            table.tell(1 - target, target, message)
    assert not table.sent
    assert table.channels[A].queue == ()


def known_only_to(seats: list[int], count: int = 2) -> Table:
    table = Table(count).open()
    table.trade(A, B, Leg(PUT, B, A, Quantity(SCALE // 100), 5))
    assert table.channels[B].agreed.sheet.claims
    table.now = UnixSeconds(EXPIRY + 10)
    signed = table.oracle.sign(Settlement(FEED, EXPIRY, PRICE, False))
    for seat in seats:
        table.step(seat, ReportReceived(table.now, signed))
    table.run()
    return table


@pytest.mark.parametrize("seats", [2, 3])
@pytest.mark.parametrize("knows", [A, B])
def test_a_settlement_heard_of_by_one_is_agreed_without_the_chain(seats: int, knows: Seat) -> None:
    table = known_only_to([knows], seats)
    wait(table, 300)
    assert not table.channels[A].agreed.sheet.claims
    assert [channel.leaving for channel in table.channels] == [Leaving.NO] * seats


# --- closing --------------------------------------------------------------------------------------------------------


def test_a_close_that_came_after_a_trade_is_refused_and_no_reason_to_leave_alone() -> None:
    table = Table().open()
    offer = table.offer(A, B, Leg(PUT, B, A, Quantity(SCALE // 100), 5))
    table.run()
    table.take(offer)
    table.step(B, CloseRequested(table.now, "close", table.channels[A].id, table.later, alone=False))
    table.run()
    assert table.channels[B].agreed.sheet.claims
    wait(table, 1000)
    assert [channel.leaving for channel in table.channels] == [Leaving.NO] * 2
    assert [notice.reason for _, notice in table.notices if notice.topic == Topic.REFUSED] == [Reason.OPEN_CLAIMS]


# --- links ----------------------------------------------------------------------------------------------------------


def test_who_loses_sight_of_the_channel_for_longer_than_answers_take_goes_on_without_the_chain() -> None:
    table = Table().open()
    before = table.channels[B].head
    table.observe(View(), [B])
    table.operate(A, pay(1, B))
    table.run()
    wait(table, table.policy.answer_s + 10)
    table.observe(before, [B])
    wait(table, 10)
    table.operate(A, pay(2, B))
    table.run()
    wait(table, 600)
    assert table.balances(A) == table.balances(B) == [DEPOSIT - 2, DEPOSIT + 2]
    assert table.channels[A].leaving == Leaving.NO


def test_a_restored_channel_resumes_though_its_user_takes_his_time() -> None:
    table = Table().open()
    table.operate(A, pay(1, B))
    table.sent.clear()
    table.step(B, Started(table.now, recovering=True))
    relink(table)
    table.run()
    assert phase(table.channels[A]) == Phase.RECOVERING
    wait(table, table.policy.answer_s + 1)
    table.operate(B, Jump(B, 0, LATER))
    table.run()
    assert [phase(channel) for channel in table.channels] == [Phase.LIVE, Phase.LIVE]


# --- the chain ------------------------------------------------------------------------------------------------------


def seen(table: Table) -> View:
    return table.channels[A].head


@pytest.mark.parametrize("blinks", [A, B])
def test_who_loses_sight_of_the_channel_while_notes_are_compared_is_ready_when_he_sees_it_again(blinks: Seat) -> None:
    table = Table().open()
    before = seen(table)
    relink(table)
    table.observe(View(), [blinks])
    table.run()
    table.observe(before, [blinks])
    table.run()
    table.operate(A, pay(1, B))
    table.run()
    assert table.balances(A) == table.balances(B) == [DEPOSIT - 1, DEPOSIT + 1]


def disputed(view: View) -> View:
    return msgspec.structs.replace(view, dispute=Dispute(Version(1), UnixSeconds(NOW + 10_000), B))


def test_what_was_asked_for_while_the_sequencer_saw_a_dispute_that_went_away_is_done() -> None:
    table = Table().open()
    before = seen(table)
    table.observe(disputed(before), [A])
    table.operate(B, pay(1, A))
    table.run()
    table.observe(before, [A])
    table.run()
    assert table.balances(B) == [DEPOSIT + 1, DEPOSIT - 1]


@pytest.mark.parametrize("hidden", [True, False])
def test_what_came_due_while_the_chain_showed_something_else_is_looked_at_again(hidden: bool) -> None:
    table = Table().open()
    before = seen(table)
    table.operate(A, pay(1, B))
    table.sent.clear()
    table.observe(View() if hidden else disputed(before), [A])
    table.now = UnixSeconds(table.now + 500)
    table.step(A, TimerFired(table.now, table.channels[A].id))
    table.observe(before, [A])
    assert 0 < alarm(table.channels[A]) <= table.now + table.policy.answer_s + table.policy.challenge_s


# --- the clock ------------------------------------------------------------------------------------------------------


def test_after_a_start_with_a_clock_that_was_ahead_nobody_waits_for_the_time_it_showed() -> None:
    table = Table().open()
    ahead = UnixSeconds(NOW + 86_400)
    late = msgspec.structs.replace(table.channels[A], ask_after=ahead, offer_after=ahead, looked=ahead)
    table.channels[A] = late
    table.step(A, Started(table.now))
    relink(table)
    table.operate(A, pay(1, B))
    table.run()
    assert table.balances(B) == [DEPOSIT - 1, DEPOSIT + 1]


def test_a_node_that_was_off_while_its_channel_opened_asks_the_chain_before_it_forgets_it() -> None:
    channel = msgspec.structs.replace(Table().channels[B], open_by=UnixSeconds(NOW + 60))
    back = UnixSeconds(NOW + 10 * FORGET_S)
    after, _ = step(channel, Started(back))
    after, _ = step(after, TimerFired(back, after.id))
    assert alarm(after) == back + FORGET_S
    assert not is_forlorn(after, UnixSeconds(0)), "no block was seen since the start"
    assert is_forlorn(after, back)


def test_what_runs_out_first_is_refused_first_whatever_waits_before_it() -> None:
    table = Table().open()
    table.step(A, LinkDown(table.now, table.peers[B]))
    soon = UnixSeconds(table.now + 60)
    table.operate(A, pay(1, B), msgspec.structs.replace(pay(2, B), valid_until=soon))
    offer = table.offer(B, A, Leg(PUT, B, A, Quantity(SCALE // 100), 5))
    table.step(
        B,
        OfferRequested(
            table.now, "request", table.channels[B].id, msgspec.structs.replace(offer, id=OTHER, valid_until=soon)
        ),
    )
    table.run()
    wait(table, 120)
    assert [notice.numbers for seat, notice in table.notices if notice.topic == Topic.REFUSED] == [(3,)]
    assert [[known.id for known in channel.offers] for channel in table.channels] == [[offer.id]] * 2


# --- three ----------------------------------------------------------------------------------------------------------


def without_link(table: Table, one: Seat, two: Seat) -> None:
    """Let what two seats have to say to each other be lost from now on."""
    table.sent = _Gap({one, two}, table.sent)


class _Gap(deque[tuple[int, int, ChannelMessage]]):
    def __init__(self, apart: set[int], sent: Iterable[tuple[int, int, ChannelMessage]]) -> None:
        super().__init__(sent)
        self._apart = apart

    def append(self, item: tuple[int, int, ChannelMessage]) -> None:
        if {item[0], item[1]} != self._apart:
            super().append(item)


@pytest.mark.parametrize("author", [A, B, C])
def test_two_who_cannot_reach_each_other_hear_from_the_sequencer_what_was_agreed(author: Seat) -> None:
    table = Table(3).open()
    without_link(table, B, C)
    table.operate(author, pay(1, C if author != C else B))
    table.run()
    wait(table, 1000)
    assert table.digest(A) == table.digest(B) == table.digest(C)
    assert [channel.leaving for channel in table.channels] == [Leaving.NO] * 3


def test_who_asks_again_and_again_what_he_lacks_is_shown_it_once() -> None:
    table = Table(3).open()
    table.operate(A, pay(1, C))
    table.run()
    channel = table.channels[A]
    lack = Synced(channel.id, Version(0), Hash(bytes(32)), Version(0), False)
    for _ in range(20):
        table.tell(C, A, lack)
    assert [target for _, target, message in table.sent if isinstance(message, StateShown)] == [C]


@pytest.mark.parametrize("seat", [A, B])
def test_a_deposit_that_follows_another_at_once_is_counted_at_once(seat: int) -> None:
    table = Table().open()
    deposited = list(table.channels[A].head.deposited)
    deposited[seat] = Amount(deposited[seat] + 7)
    table.observe(msgspec.structs.replace(table.channels[A].head, deposited=tuple(deposited)))
    table.run()
    assert table.balances()[seat] == DEPOSIT + 7
