"""What a hostile counterparty once could do, one test an attack. Each failed before its fix."""

import msgspec
import pytest

from thalweg.channel import hashes
from thalweg.channel.effects import Topic
from thalweg.channel.events import ChainReported, CloseRequested, Started, TimerFired
from thalweg.channel.messages import OfferDeclined, OperationsSent, StateProposed, StateRefused
from thalweg.channel.onchain import ChannelObserved, CloseChannel, Dispute, View
from thalweg.channel.opening import FORGET_S
from thalweg.channel.operations import AddPositions, Leg, Transfer
from thalweg.channel.state import make_state
from thalweg.channel.timing import alarm, is_forlorn
from thalweg.errors import Reason, UserFault
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.testing.oracle import FEED
from thalweg.testing.table import DEPOSIT, NOW, ORACLE, Table
from thalweg.units import (
    AMOUNT_MAX,
    SCALE,
    VERSION_FINAL,
    Amount,
    AssetIndex,
    Quantity,
    Seat,
    UnixSeconds,
    Version,
)

A, B, C = Seat(0), Seat(1), Seat(2)
USDC = AssetIndex(0)


def pay(table: Table, amount: int, author: Seat = A, payee: Seat = B) -> Transfer:
    return Transfer(author, 0, table.later, payee, USDC, Amount(amount))


def put() -> Leg:
    expiry = UnixSeconds(NOW + 86_400)
    terms = Instrument(payoff=Payoff.PUT, oracle=ORACLE, feed=FEED, expiry=expiry, unit=10**6, knots=(100 * SCALE,))
    return Leg(terms, B, A, Quantity(SCALE), 10)


def test_a_taken_offer_cannot_be_kept_in_reserve_until_it_suits_its_maker() -> None:
    table = Table().open()
    offer = table.offer(A, B, put())
    table.run()
    table.take(offer)
    (taken,) = table.channels[B].queue
    assert taken.valid_until <= table.now + table.policy.answer_s < offer.valid_until


def test_a_trade_that_is_more_than_may_ever_be_undecided_is_not_offered() -> None:
    table = Table(undecided_max=Amount(100)).open()
    with pytest.raises(UserFault, match=str(Reason.UNDECIDED_MAX)):
        table.offer(A, B, put())


def test_an_offer_the_sequencer_could_never_propose_is_declined_before_it_is_taken() -> None:
    table = Table(undecided_max=Amount(100)).open()
    table.offer(B, A, put())
    table.run()
    assert not table.channels[A].offers
    (declined,) = [notice for at, notice in table.notices if (at, notice.topic) == (B, Topic.OFFER_DECLINED)]
    assert declined.reason == Reason.UNDECIDED_MAX


def test_a_recovering_side_does_not_sign_over_what_its_own_key_has_signed() -> None:
    table = Table().open()
    old = table.channels[B]
    table.operate(A, pay(table, DEPOSIT // 2))
    table.run()
    signed = table.channels[B].agreed.version
    restored = msgspec.structs.replace(old, signed_max=signed, recovering=True)
    table.channels[B] = restored
    cheat = Table().open()  # the same channel, in which the payment never was
    cheat.step(A, CloseRequested(cheat.now, "close", cheat.channels[A].id, cheat.later))
    final = cheat.sent.pop()[2]
    assert isinstance(final, StateProposed)
    assert final.version == VERSION_FINAL
    table.sent.clear()
    table.tell(A, B, final)
    assert table.channels[B] == restored
    answer = table.sent.pop()[2]
    assert isinstance(answer, StateRefused)
    assert answer.reason == Reason.RECOVERING


def test_a_view_that_shows_nothing_does_not_make_a_node_forget_its_states() -> None:
    table = Table().open()
    table.observe(View(), [B])
    channel = table.channels[B]
    assert not is_forlorn(channel, UnixSeconds(channel.open_by + FORGET_S + 1))


def test_no_version_lies_beyond_the_final_one() -> None:
    table = Table().open()
    table.operate(A, pay(table, 5))
    message = table.sent.pop()[2]
    assert isinstance(message, StateProposed)
    before = table.channels[B] = msgspec.structs.replace(table.channels[B], signed_max=Version(VERSION_FINAL - 1))
    sheet = table.channels[A].offered[-1].sheet
    for version in (VERSION_FINAL, VERSION_FINAL + 1):
        state = make_state(table.channels[A], Version(version), sheet)
        signature = table.sign(A, hashes.state_digest(table.channels[A].separator, state))
        beyond = msgspec.structs.replace(
            message, version=state.version, balances_hash=state.balances_hash, signature=signature
        )
        table.sent.clear()
        table.tell(A, B, beyond)
        assert table.channels[B] == before
        assert isinstance(table.sent.pop()[2], StateRefused)


def test_a_sequencer_that_has_used_up_its_versions_only_closes() -> None:
    table = Table().open()
    table.channels[A] = msgspec.structs.replace(table.channels[A], signed_max=Version(VERSION_FINAL - 1))
    table.operate(A, pay(table, 5))
    assert not table.channels[A].offered
    assert table.notices[-1][1].reason == Reason.LIMIT
    table.step(A, CloseRequested(table.now, "close", table.channels[A].id, table.later))
    assert table.channels[A].offered[-1].version == VERSION_FINAL


def test_a_final_state_goes_to_the_chain_at_once_when_an_old_one_is_challenged() -> None:
    table = Table().open()
    table.step(A, CloseRequested(table.now, "close", table.channels[A].id, table.later))
    table.run()
    table.calls.clear()
    challenged = msgspec.structs.replace(
        table.channels[B].head, dispute=Dispute(Version(1), UnixSeconds(table.now + 20), A)
    )
    table.observe(challenged, [B])
    assert [type(submit.call) for seat, submit in table.calls if seat == B] == [CloseChannel]


def test_deposits_that_one_balance_could_not_hold_are_not_counted() -> None:
    table = Table(assets=2)
    table.open((DEPOSIT, Amount(AMOUNT_MAX), DEPOSIT, Amount(1)))
    counted = [holding.deposited for holding in table.channels[A].agreed.sheet.holdings[1::2]]
    assert sum(counted) <= AMOUNT_MAX


def test_one_refusal_in_a_room_does_not_take_anothers_payment_from_him() -> None:
    table = Table(seats=3).open()
    table.operate(B, pay(table, 7, B, A))
    table.deliver()  # to the sequencer
    version = table.channels[A].offered[-1].version
    to_bob = [item for item in table.sent if item[1] == B]
    table.sent.clear()
    for source, target, message in to_bob:
        table.tell(source, target, message)
    table.sent.clear()
    table.tell(C, A, StateRefused(table.channels[A].id, version, -1, Reason.NOT_FINAL, "my view lags"))
    table.run()
    assert table.balances(B)[0] == DEPOSIT + 7
    assert not [notice for seat, notice in table.notices if seat == B and notice.numbers and notice.reason]


def test_only_its_taker_declines_an_offer_and_nobody_else_uses_it_up() -> None:
    table = Table(seats=3).open()
    offer = table.offer(A, B, put())
    table.run()
    table.tell(C, A, OfferDeclined(table.channels[A].id, offer.id, Reason.NO_CONSENT))
    stolen = AddPositions(C, 1, table.later, B, offer.id, (msgspec.structs.replace(put(), long=B, short=C),))
    table.tell(C, A, OperationsSent(table.channels[A].id, (stolen,)))
    table.run()
    assert offer in table.channels[A].offers
    table.take(offer)
    table.run()
    assert len(table.channels[A].agreed.sheet.claims) == 1


def test_a_clock_that_was_ahead_does_not_silence_the_timers_for_ever() -> None:
    table = Table().open()
    table.step(A, TimerFired(UnixSeconds(2**40), table.channels[A].id))
    table.operate(A, pay(table, 5))
    assert not alarm(table.channels[A])
    table.step(A, Started(table.now))
    assert alarm(table.channels[A]) > table.now


@pytest.mark.parametrize("seat", [A, B])
def test_a_channel_seen_once_is_watched_for_ever(seat: int) -> None:
    table = Table().open()
    event = ChannelObserved(table.channels[seat].id, View(), View())
    table.step(seat, ChainReported(UnixSeconds(NOW + 10**7), event))
    assert not is_forlorn(table.channels[seat], UnixSeconds(NOW + 10**8))
