"""What a participant may cost the sequencer: so much memory, so many signatures, and one full answer a link."""

import msgspec
import pytest

from thalweg.channel import hashes, queueing
from thalweg.channel.effects import SendMessage
from thalweg.channel.events import LinkDown, LinkUp, MessageReceived
from thalweg.channel.messages import OperationRefused, OperationsSent, StateProposed, Synced
from thalweg.channel.onchain import View
from thalweg.channel.operations import AddPositions, AnyOperation, CountDeposit, Leg, Transfer, Withdraw
from thalweg.channel.state import Channel, Phase, phase
from thalweg.channel.step import step
from thalweg.errors import PeerFault, Reason
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.testing.table import DEPOSIT, NOW, ORACLE, Table
from thalweg.units import (
    AMOUNT_MAX,
    ZERO_HASH,
    Amount,
    AssetIndex,
    Quantity,
    Seat,
    UnixSeconds,
)

A, B = Seat(0), Seat(1)
USDC = AssetIndex(0)
LATER = UnixSeconds(NOW + 600)
OVER = UnixSeconds(NOW - 1)


def pays(count: int, *, first: int = 100, until: UnixSeconds = LATER) -> tuple[Transfer, ...]:
    return tuple(Transfer(B, number, until, A, USDC, Amount(1)) for number in range(first, first + count))


def trade(number: int, legs: int, *, premium: int = 0, knot: int = 1) -> AddPositions:
    option = Instrument(Payoff.PUT, ORACLE, ZERO_HASH, LATER, 10**6, (knot,))
    return AddPositions(B, number, LATER, A, ZERO_HASH, (Leg(option, A, B, Quantity(1), premium),) * legs)


def apart() -> Table:
    """Return a table where nothing can be agreed: the participant is linked, but does not compare notes."""
    table = Table().open()
    table.step(A, LinkDown(NOW, table.peers[B]))
    return table


def send(table: Table, *operations: AnyOperation) -> None:
    table.tell(B, A, OperationsSent(table.channels[A].id, operations))


# --- memory ---------------------------------------------------------------------------------------------------------


def test_one_participant_has_his_share_of_the_queue_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "AUTHOR_WEIGHT_MAX", 30)
    table = apart()
    send(table, *pays(9), trade(200, 20))
    before = table.channels[A]
    with pytest.raises(PeerFault, match=str(Reason.LIMIT)):
        send(table, *pays(1, first=300))
    assert table.channels[A] is before
    send(table, *pays(9))  # said again, as after a reconnect
    assert table.channels[A].queue == before.queue


@pytest.mark.parametrize(
    "operation",
    [
        Transfer(B, 100, LATER, A, USDC, Amount(AMOUNT_MAX + 1)),
        Transfer(B, 100, LATER, A, USDC, Amount(-1)),
        Withdraw(B, 100, LATER, USDC, Amount(10**4000)),
        CountDeposit(B, 100, LATER, A, USDC, Amount(AMOUNT_MAX + 1)),
        trade(100, 1, premium=-AMOUNT_MAX - 1),
        trade(100, 1, knot=2**256),
    ],
)
def test_a_number_beyond_what_the_contracts_count_with_is_not_queued(operation: AnyOperation) -> None:
    table = apart()
    before = table.channels[A]
    with pytest.raises(PeerFault, match=str(Reason.OVERFLOW)):
        send(table, operation)
    assert table.channels[A] is before


def test_nothing_is_queued_for_a_channel_that_is_closed() -> None:
    table = apart()
    table.observe(msgspec.structs.replace(table.channels[A].head, closed=True), [A])
    send(table, *pays(3))
    assert table.channels[A].queue == ()


def test_what_comes_before_the_sequencer_has_seen_the_channel_open_waits() -> None:
    table = Table()
    view = View(opened=True, deposited=(DEPOSIT,) * 2, withdrawn=(Amount(0),) * 2)
    table.link_all()
    table.run()
    table.observe(view, [B])
    table.run()
    assert phase(table.channels[A]) == Phase.OPENING
    assert table.channels[A].queue == table.channels[B].queue != ()
    table.observe(view, [A])
    table.run()
    assert table.channels[A].queue == table.channels[B].queue == ()


# --- signatures -----------------------------------------------------------------------------------------------------


def test_who_makes_the_sequencer_refuse_without_end_is_not_heard_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "REFUSED_MAX", 10)
    table = Table().open()
    send(table, *pays(6, until=OVER))
    send(table, *pays(6, until=OVER))
    assert sum(isinstance(message, OperationRefused) for _, _, message in table.sent) == 12
    before = table.channels[A]
    with pytest.raises(PeerFault, match=str(Reason.LIMIT)):
        send(table, *pays(1))
    assert table.channels[A] is before
    table.now = UnixSeconds(NOW + queueing.REFUSED_S)
    send(table, *pays(1))
    assert table.channels[A].offered[-1].operations == pays(1)


def test_anothers_refusals_are_not_mine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queueing, "REFUSED_MAX", 1)
    table = Table(seats=3).open()
    send(table, *pays(3, until=OVER))
    number = table.channels[2].next_number
    mine = Transfer(Seat(2), number, LATER, A, USDC, Amount(1))
    table.tell(2, A, OperationsSent(table.channels[A].id, (mine,)))
    assert table.channels[A].offered[-1].operations == (mine,)
    with pytest.raises(PeerFault, match=str(Reason.LIMIT)):
        send(table, *pays(1))


# --- one full answer a link -----------------------------------------------------------------------------------------


def stand(channel: Channel) -> Synced:
    """Return what a participant says who has agreed to nothing since `channel` did."""
    digest = hashes.state_digest(channel.separator, channel.agreed.state)
    return Synced(channel.id, channel.agreed.version, digest, channel.agreed.version)


def answers(table: Table, said: Synced) -> list[object]:
    after, effects = step(table.channels[A], MessageReceived(NOW, table.peers[B], said))
    table.channels[A] = after
    return [effect.message for effect in effects if isinstance(effect, SendMessage)]


def test_comparing_notes_is_answered_in_full_once_a_link() -> None:
    table = Table().open()
    said = stand(table.channels[B])
    table.operate(A, Transfer(A, 0, LATER, B, USDC, Amount(1)))
    assert answers(table, said) == []  # the link is as old as the channel
    for _ in range(2):
        table.step(A, LinkUp(NOW, table.peers[B]))
        assert [type(message) for message in answers(table, said)] == [Synced, StateProposed]
        assert answers(table, said) == []
