"""The sequencer's duties: first in, first out, everything included or refused with a signed reason."""

import msgspec
import pytest

from thalweg.channel.effects import Notify, Topic
from thalweg.channel.events import OperationsRequested, TimerFired
from thalweg.channel.judging import RETRY_S
from thalweg.channel.messages import (
    OPERATIONS_MAX,
    OperationRefused,
    OperationsSent,
    StateCountersigned,
    StateProposed,
    StateRefused,
)
from thalweg.channel.operations import NUMBER_MAX, Close, SettlePositions, Transfer
from thalweg.channel.state import PIPELINE_MAX, QUEUE_MAX, Channel, Leaving
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.instruments.report import Settlement
from thalweg.testing.oracle import FEED
from thalweg.testing.table import DEPOSIT, NOW, Table
from thalweg.units import AMOUNT_MAX, VERSION_FINAL, Amount, AssetIndex, Price, Seat, UnixSeconds

A, B, C = Seat(0), Seat(1), Seat(2)
USDC = AssetIndex(0)
LATER = UnixSeconds(NOW + 60)


def pay(amount: int, *, to: Seat = A, number: int = 0, author: Seat = A, until: UnixSeconds = LATER) -> Transfer:
    return Transfer(author, number, until, to, USDC, Amount(amount))


def refusals(table: Table, seat: int) -> list[Notify]:
    return [notice for at, notice in table.notices if at == seat and notice.topic == Topic.REFUSED and notice.numbers]


def next_number(table: Table, seat: int) -> int:
    return table.channels[seat].next_number


def test_operations_of_all_sides_are_agreed_and_everybody_holds_the_same() -> None:
    table = Table(seats=3).open()
    table.operate(B, pay(10, to=C), pay(20, to=A))
    table.operate(C, pay(5, to=B))
    table.operate(A, pay(1, to=B))
    table.run()
    assert table.digest(A) == table.digest(B) == table.digest(C)
    assert table.balances() == [DEPOSIT + 20 - 1, DEPOSIT - 30 + 5 + 1, DEPOSIT + 10 - 5]
    assert all(channel.queue == () for channel in table.channels)


def test_one_bad_operation_is_refused_with_a_signature_and_its_neighbours_are_agreed() -> None:
    table = Table().open()
    bad = next_number(table, B) + 1
    table.operate(B, pay(1), pay(DEPOSIT), pay(2))
    table.run()
    assert table.balances() == [DEPOSIT + 3, DEPOSIT - 3]
    (notice,) = refusals(table, B)
    assert (notice.numbers, notice.reason) == ((bad,), Reason.INSUFFICIENT)


def test_a_refusal_needs_the_sequencers_signature() -> None:
    table = Table(seats=3).open()
    table.sent.clear()
    table.operate(B, pay(1))
    number = table.channels[B].queue[0].number
    forged = OperationRefused(table.channels[B].id, B, number, Reason.EXPIRED, "", table.sign(C, bytes(32)))
    before = table.channels[B]
    for source in (A, C):
        with pytest.raises(PeerFault):
            table.tell(source, B, forged)
    assert table.channels[B] == before


def test_operations_in_anothers_name_are_a_fault() -> None:
    table = Table(seats=3).open()
    for author in (A, C):
        with pytest.raises(PeerFault, match=str(Reason.NOT_AUTHOR)):
            table.tell(B, A, OperationsSent(table.channels[A].id, (pay(1, author=author, number=99, to=B),)))


@pytest.mark.parametrize("number", [NUMBER_MAX + 1, 2**256, 2**4000])
def test_a_number_beyond_all_bounds_is_a_fault(number: int) -> None:
    table = Table().open()
    with pytest.raises(PeerFault, match=str(Reason.OVERFLOW)):
        table.tell(B, A, OperationsSent(table.channels[A].id, (pay(DEPOSIT, author=B, number=number),)))


def test_operations_go_to_the_sequencer_in_bounded_messages() -> None:
    table = Table(seats=3).open()
    channel_id = table.channels[A].id
    with pytest.raises(PeerFault, match=str(Reason.NOT_SEQUENCER)):
        table.tell(B, C, OperationsSent(channel_id, (pay(1, author=B, number=99),)))
    many = tuple(pay(1, author=B, number=100 + index) for index in range(OPERATIONS_MAX + 1))
    with pytest.raises(PeerFault, match=str(Reason.OVERSIZED)):
        table.tell(B, A, OperationsSent(channel_id, many))


def test_what_is_sent_twice_is_done_once() -> None:
    table = Table().open()
    table.operate(B, pay(7))
    message = table.sent[0][2]
    table.run()
    table.tell(B, A, message)
    table.run()
    assert table.balances() == [DEPOSIT + 7, DEPOSIT - 7]
    assert refusals(table, B) == []


def test_a_report_nobody_can_verify_is_refused_and_stops_nothing() -> None:
    table = Table().open()
    signed = table.oracle.sign(Settlement(FEED, UnixSeconds(NOW - 60), Price(5)))
    for bad in (
        msgspec.structs.replace(signed, signers=(0,), signatures=signed.signatures[:1]),
        msgspec.structs.replace(signed, report=Settlement(FEED, UnixSeconds(60 * 2**300), Price(5))),
    ):
        table.operate(B, SettlePositions(B, 0, LATER, bad), pay(1))
        table.run()
    assert [notice.reason for notice in refusals(table, B)] == [Reason.BAD_REPORT, Reason.OVERFLOW]
    assert table.balances() == [DEPOSIT + 2, DEPOSIT - 2]


def test_a_full_queue_refuses_and_the_node_goes_on() -> None:
    table = Table().open()
    channel = msgspec.structs.replace(table.channels[A], synced=(False, False))
    full = tuple(pay(1, author=A, number=1000 + index, to=B) for index in range(QUEUE_MAX))
    table.channels[A] = msgspec.structs.replace(channel, queue=full)
    with pytest.raises(UserFault, match=str(Reason.LIMIT)):
        table.operate(A, pay(1, to=B))
    table.observe(msgspec.structs.replace(channel.head, deposited=(DEPOSIT, Amount(DEPOSIT + 5))))
    assert len(table.channels[A].queue) == QUEUE_MAX


def silent(table: Table) -> None:
    """Let everything that is said be lost."""
    table.sent.clear()


def test_at_most_so_much_is_undecided() -> None:
    table = Table(undecided_max=Amount(100)).open()
    table.operate(A, pay(60, to=B), pay(50, to=B), pay(30, to=B))
    (offered,) = table.channels[A].offered
    assert [operation.amount for operation in offered.operations] == [60]  # type: ignore[union-attr]
    assert len(table.channels[A].queue) == 2
    table.run()
    assert table.balances() == [DEPOSIT - 140, DEPOSIT + 140]


def test_more_than_may_ever_be_undecided_is_refused() -> None:
    table = Table(undecided_max=Amount(100)).open()
    table.operate(A, pay(101, to=B))
    assert [notice.reason for notice in refusals(table, A)] == [Reason.UNDECIDED_MAX]


def test_at_most_so_many_states_are_under_way_and_the_rest_share_the_next() -> None:
    table = Table().open()
    for _ in range(PIPELINE_MAX + 5):
        table.operate(A, pay(1, to=B))
    assert len(table.channels[A].offered) == PIPELINE_MAX
    before = table.channels[A].agreed.version
    table.run()
    assert table.channels[A].agreed.version == before + PIPELINE_MAX + 1
    assert table.balances() == [DEPOSIT - PIPELINE_MAX - 5, DEPOSIT + PIPELINE_MAX + 5]


def test_nothing_is_offered_while_an_answer_is_overdue_and_then_the_newest_agreed_state_is_shown() -> None:
    table = Table().open()
    table.operate(A, pay(1, to=B))
    silent(table)
    table.now = UnixSeconds(NOW + table.policy.answer_s)
    table.operate(A, pay(1, to=B, until=UnixSeconds(NOW + 600)))
    assert len(table.channels[A].offered) == 1
    table.now = UnixSeconds(table.now + table.policy.challenge_s)
    table.step(A, TimerFired(table.now, table.channels[A].id))
    assert table.channels[A].leaving == Leaving.ALONE
    ((_, call),) = table.calls
    assert call.call.shown.state.version == table.channels[A].agreed.version  # type: ignore[union-attr]


def refuse(table: Table, source: int, version: int, operation: int = -1, detail: str = "") -> None:
    table.tell(source, A, StateRefused(table.channels[A].id, version, operation, Reason.NOT_FINAL, detail))  # type: ignore[arg-type]


def test_a_refused_state_is_superseded_and_only_the_operation_at_fault_is_lost() -> None:
    table = Table().open()
    table.operate(A, pay(1, to=B), pay(2, to=B), pay(4, to=B))
    silent(table)
    version = table.channels[A].offered[0].version
    refuse(table, B, version, operation=1)
    table.run()
    assert table.channels[A].agreed.version > version
    assert table.balances() == [DEPOSIT - 5, DEPOSIT + 5]
    assert [notice.reason for notice in refusals(table, A)] == [Reason.NOT_FINAL]


def test_after_a_refusal_comes_a_state_that_nobody_can_refuse() -> None:
    table = Table().open()
    table.operate(A, pay(1, to=B))
    silent(table)
    refused = table.channels[A].offered[0].version
    refuse(table, B, refused)
    said = [message for _, _, message in table.sent if isinstance(message, StateProposed)]
    assert [(message.version, len(message.operations)) for message in said] == [(refused + 1, 0), (refused + 2, 1)]
    table.sent.pop()
    refuse(table, B, refused + 2, operation=0)
    table.run()
    assert not any(entry.dead for entry in table.channels[A].offered)
    assert table.balances() == [DEPOSIT, DEPOSIT]


def test_a_refused_state_that_is_signed_after_all_counts_and_nothing_is_done_twice() -> None:
    table = Table(seats=3).open()
    table.operate(A, pay(1, to=B))
    first = table.channels[A].offered[0]
    silent(table)
    refuse(table, B, first.version)
    silent(table)
    for seat in (B, C):
        table.tell(seat, A, StateCountersigned(table.channels[A].id, first.version, table.sign(seat, first.digest)))
    assert table.channels[A].agreed.version == first.version
    assert table.balances() == [DEPOSIT - 1, DEPOSIT + 1, DEPOSIT]
    assert refusals(table, A) == []


def test_whoever_refuses_everything_gets_no_endless_talk() -> None:
    table = Table().open()
    table.operate(A, pay(1, to=B))
    for _ in range(40):
        live = [entry for entry in table.channels[A].offered if not entry.dead]
        silent(table)
        if not live:
            table.now = UnixSeconds(table.now + RETRY_S)
            table.step(A, TimerFired(table.now, table.channels[A].id))
            continue
        refuse(table, B, live[0].version)
    assert len(table.channels[A].offered) <= 64
    assert table.channels[A].queue == ()
    assert table.now < LATER, "refused, not run out"


def test_a_peers_long_explanation_is_cut() -> None:
    table = Table().open()
    table.operate(A, pay(1, to=B))
    silent(table)
    refuse(table, B, table.channels[A].offered[0].version, operation=0, detail="x" * 100_000)
    (notice,) = refusals(table, A)
    assert len(notice.detail) < 1000


def test_the_final_state_is_offered_alone_and_last() -> None:
    table = Table().open()
    table.operate(A, pay(1, to=B), Close(A, 0, LATER), pay(2, to=B))
    assert [entry.version for entry in table.channels[A].offered] != [VERSION_FINAL]
    table.run()
    assert table.channels[A].agreed.version == table.channels[B].agreed.version == VERSION_FINAL
    assert table.balances() == [DEPOSIT - 1, DEPOSIT + 1]
    assert len(table.channels[A].agreed.sheet.claims) == 0


def test_a_refused_final_state_can_only_be_decided_on_chain() -> None:
    table = Table().open()
    table.operate(A, Close(A, 0, LATER))
    silent(table)
    refuse(table, B, VERSION_FINAL)
    assert table.channels[A].leaving == Leaving.ALONE
    with pytest.raises(UserFault, match=str(Reason.WRONG_PHASE)):
        table.operate(A, pay(1, to=B))


def test_a_countersignature_must_be_the_signers_own() -> None:
    table = Table(seats=3).open()
    table.operate(A, pay(1, to=B))
    entry = table.channels[A].offered[0]
    before: Channel = table.channels[A]
    for signature in (table.sign(C, entry.digest), table.sign(B, bytes(32)), table.sign(B, entry.digest)[:-1]):
        with pytest.raises(PeerFault, match=str(Reason.WRONG_SIGNER)):
            table.tell(B, A, StateCountersigned(before.id, entry.version, signature))  # type: ignore[arg-type]
    assert table.channels[A] == before


def test_signatures_that_come_before_their_state_are_kept_but_not_without_end() -> None:
    table = Table(seats=3).open()
    table.operate(A, pay(1, to=B))
    table.sent.rotate(-1)
    table.deliver()  # seat 2 gets the proposal first, and signs
    for version in range(1000, 2000):
        table.tell(C, B, StateCountersigned(table.channels[B].id, version, table.sign(C, bytes(32))))  # type: ignore[arg-type]
    assert len(table.channels[B].early) <= 16
    table.run()
    assert table.digest(A) == table.digest(B) == table.digest(C)
    assert table.balances() == [DEPOSIT - 1, DEPOSIT + 1, DEPOSIT]


def test_what_is_not_included_in_time_is_given_up_with_a_reason() -> None:
    table = Table().open()
    for seat in (A, B):
        table.channels[seat] = msgspec.structs.replace(table.channels[seat], synced=(False, False))
    table.operate(A, pay(1, to=B))
    table.operate(B, pay(1))
    silent(table)
    table.now = UnixSeconds(LATER + 1)
    for seat in (A, B):
        table.step(seat, TimerFired(table.now, table.channels[seat].id))
        assert table.channels[seat].queue == ()
        assert [notice.reason for notice in refusals(table, seat)] == [Reason.EXPIRED]


def test_what_waits_when_the_channel_closes_is_refused() -> None:
    table = Table().open()
    table.channels[B] = msgspec.structs.replace(table.channels[B], synced=(False, False))
    table.operate(B, pay(1))
    table.observe(msgspec.structs.replace(table.channels[B].head, closed=True))
    assert table.channels[B].queue == ()
    assert [notice.reason for notice in refusals(table, B)] == [Reason.WRONG_PHASE]
    table.run()
    assert table.channels[A].queue == ()


def test_a_user_cannot_ask_for_too_much_at_once() -> None:
    table = Table().open()
    many = tuple(pay(1) for _ in range(OPERATIONS_MAX + 1))
    before = table.channels[B]
    with pytest.raises(UserFault, match=str(Reason.LIMIT)):
        table.step(B, OperationsRequested(NOW, "request", before.id, many))
    assert table.channels[B] == before


@pytest.mark.parametrize("seat", [A, B])
@pytest.mark.parametrize("amount", [-1, AMOUNT_MAX + 1])
def test_a_user_cannot_make_his_node_say_what_would_cost_it_the_link(seat: Seat, amount: int) -> None:
    table = Table().open()
    before = table.channels[seat]
    with pytest.raises(UserFault, match=str(Reason.OVERFLOW)):
        table.operate(seat, pay(amount, to=Seat(1 - seat)))
    assert table.channels[seat] == before
    assert not table.sent


def test_states_say_their_base_so_that_gaps_are_no_riddle() -> None:
    table = Table().open()
    base = table.channels[A].agreed.version
    table.operate(A, pay(1, to=B))
    table.operate(A, pay(1, to=B))
    said = [message for _, _, message in table.sent if isinstance(message, StateProposed)]
    assert [(message.base, message.version) for message in said] == [(base, base + 1), (base + 1, base + 2)]
