"""What goes to the chain, and when: answers at once, challenges when others are silent, and settlement to the end."""

import msgspec
import pytest

from thalweg.channel.effects import Topic
from thalweg.channel.events import ChainReported, CloseRequested, DepositRequested, TimerFired
from thalweg.channel.judging import GRACE_S, RETRY_S
from thalweg.channel.onchain import (
    CallSettled,
    ChallengeState,
    ChannelObserved,
    CloseChannel,
    Dispute,
    PayWithdrawal,
    Progress,
    RegisterReport,
    RespondState,
    SettleClaims,
    TopUp,
    View,
)
from thalweg.channel.operations import Leg, Transfer, Withdraw
from thalweg.channel.state import Leaving, Phase, phase
from thalweg.errors import Reason, UserFault
from thalweg.instruments.report import GRID_S, Settlement, SignedReport
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.testing.oracle import FEED
from thalweg.testing.table import DEPOSIT, NOW, ORACLE, Table
from thalweg.units import SCALE, VERSION_FINAL, Amount, AssetIndex, Price, Quantity, Seat, UnixSeconds, Version

A, B = Seat(0), Seat(1)
USDC = AssetIndex(0)
LATER = UnixSeconds(NOW + 600)
DEADLINE = UnixSeconds(NOW + 900)
EXPIRY = UnixSeconds(NOW - NOW % GRID_S + 3600)


def pay(amount: int, to: Seat = B) -> Transfer:
    return Transfer(A, 0, LATER, to, USDC, Amount(amount))


def put(expiry: UnixSeconds = EXPIRY, strike: int = 50_000) -> Leg:
    terms = Instrument(payoff=Payoff.PUT, oracle=ORACLE, feed=FEED, expiry=expiry, unit=10**6, knots=(strike * SCALE,))
    return Leg(terms, A, B, Quantity(SCALE), 0)


def disputed(table: Table, version: int, *, challenger: int = B, progress: Progress | None = None) -> View:
    dispute = Dispute(Version(version), DEADLINE, Seat(challenger), progress or Progress())
    return msgspec.structs.replace(table.channels[A].head, dispute=dispute)


def calls(table: Table, seat: int) -> list[object]:
    return [submit.call for at, submit in table.calls if at == seat]


def answer_calls(table: Table, seat: int, error: str = "") -> None:
    """Let the chain answer everything a seat has sent."""
    for submit in table.channels[seat].calls:
        table.step(seat, ChainReported(table.now, CallSettled(submit.tag, error=error)))


def settle_calls(table: Table, seat: int, error: str = "") -> None:
    """Let the chain answer everything a seat has sent, and its patience pass."""
    answer_calls(table, seat, error)
    table.now = UnixSeconds(table.now + RETRY_S)
    table.step(seat, TimerFired(table.now, table.channels[seat].id))


def price(table: Table, value: int, expiry: UnixSeconds = EXPIRY, *, is_void: bool = False) -> SignedReport:
    return table.oracle.sign(Settlement(FEED, expiry, Price(0 if is_void else value * SCALE), is_void))


# --- disputes -------------------------------------------------------------------------------------------------------


def test_a_stale_challenge_is_answered_at_once_with_the_newest_agreed_state() -> None:
    table = Table().open()
    old = table.channels[A].agreed.version
    table.operate(A, pay(5))
    table.run()
    table.observe(disputed(table, old, challenger=B), [A])
    (call,) = calls(table, A)
    assert isinstance(call, RespondState)
    assert (call.shown.state, call.shown.signatures) == (
        table.channels[A].agreed.state,
        table.channels[A].agreed.signatures,
    )


def test_an_answer_does_not_wait_for_a_top_up_that_waits_for_its_allowance() -> None:
    table = Table().open()
    old = table.channels[A].agreed.version
    table.operate(A, pay(5))
    table.run()
    table.step(A, DepositRequested(NOW, "deposit", table.channels[A].id, USDC, Amount(7), LATER))
    table.observe(disputed(table, old, challenger=B), [A])
    assert [type(call) for call in calls(table, A)] == [TopUp, RespondState]
    table.observe(table.channels[A].head, [A])
    assert len(calls(table, A)) == 2, "one answer is enough"


def test_an_old_state_that_nobody_answered_in_time_is_told_to_the_user_if_its_content_is_forgotten() -> None:
    table = Table().open()
    old = table.channels[A].agreed.version
    table.operate(A, pay(5))
    table.run()
    table.now = UnixSeconds(DEADLINE + 100_000)
    table.observe(disputed(table, old), [A])
    assert not [notice for _, notice in table.notices if notice.topic == Topic.STALLED]
    table.step(A, TimerFired(table.now, table.channels[A].id))
    (told,) = [notice for _, notice in table.notices if notice.topic == Topic.STALLED]
    assert f"version {old} was not answered" in told.detail
    assert not calls(table, A)


def test_a_challenge_with_what_i_hold_needs_no_answer() -> None:
    table = Table().open()
    table.observe(disputed(table, table.channels[A].agreed.version), [A])
    assert calls(table, A) == []


def test_an_answer_that_failed_is_given_again() -> None:
    table = Table().open()
    table.observe(disputed(table, 0), [A])
    settle_calls(table, A, error="out of gas")
    assert [type(call) for call in calls(table, A)] == [RespondState, RespondState]
    assert len({submit.tag for _, submit in table.calls}) == 2


def test_a_fast_clock_does_not_keep_me_from_answering() -> None:
    table = Table().open()
    table.now = UnixSeconds(DEADLINE + table.policy.clock_skew_s)
    table.observe(disputed(table, 0), [A])
    assert [type(call) for call in calls(table, A)] == [RespondState]


def test_a_state_that_is_agreed_during_a_dispute_is_shown_too() -> None:
    table = Table(seats=3).open()
    table.operate(A, pay(5))
    for _ in range(2):
        table.deliver()  # the others sign, but their signatures are still under way
    table.observe(disputed(table, table.channels[A].agreed.version))
    assert calls(table, A) == []
    table.run()
    assert [type(call) for call in calls(table, A)] == [RespondState]


def test_a_challenger_settles_at_the_deadline_and_the_others_wait_a_little() -> None:
    table = Table().open()
    view = disputed(table, table.channels[A].agreed.version, challenger=B)
    table.observe(view)
    for seat, first in ((B, DEADLINE + 1), (A, DEADLINE + 1 + GRACE_S)):
        table.now = UnixSeconds(first - 1)
        table.step(seat, TimerFired(table.now, table.channels[seat].id))
        assert calls(table, seat) == []
        table.now = UnixSeconds(first)
        table.step(seat, TimerFired(table.now, table.channels[seat].id))
        assert [type(call) for call in calls(table, seat)] == [SettleClaims]


def test_a_dispute_that_a_reorganisation_takes_back_is_gone() -> None:
    table = Table().open()
    before = table.channels[A].head
    table.observe(disputed(table, 0), [A])
    assert phase(table.channels[A]) == Phase.DISPUTED
    table.observe(before, [A])
    assert phase(table.channels[A]) == Phase.LIVE


def test_version_0_can_be_challenged_and_settled_without_any_signature() -> None:
    table = Table()
    view = View(opened=True, deposited=(DEPOSIT, DEPOSIT), withdrawn=(Amount(0), Amount(0)))
    table.observe(view, [A])
    table.step(A, CloseRequested(NOW, "close", table.channels[A].id, LATER, alone=True))
    (challenge,) = calls(table, A)
    assert isinstance(challenge, ChallengeState)
    assert (challenge.shown.state.version, challenge.shown.signatures) == (0, ())
    answer_calls(table, A)
    table.observe(msgspec.structs.replace(view, dispute=Dispute(Version(0), DEADLINE, A)), [A])
    table.now = UnixSeconds(DEADLINE + 1)
    table.step(A, TimerFired(table.now, table.channels[A].id))
    settle = calls(table, A)[-1]
    assert isinstance(settle, SettleClaims)
    assert (settle.state.version, settle.claims, settle.upto) == (0, (), 0)
    assert all(holding.balance == holding.deposited == 0 for holding in settle.holdings)


# --- settlement of positions ----------------------------------------------------------------------------------------


def ended(table: Table, progress: Progress | None = None) -> None:
    """Let a dispute at the newest agreed state be over."""
    table.now = UnixSeconds(DEADLINE + 1)
    table.observe(disputed(table, table.channels[A].agreed.version, challenger=A, progress=progress), [A])


def test_live_positions_wait_for_their_price_and_what_is_free_does_not() -> None:
    table = Table().open()
    table.trade(A, B, put())
    ended(table)
    (call,) = calls(table, A)
    assert isinstance(call, SettleClaims)
    assert call.upto == 0
    settle_calls(table, A)
    table.calls.clear()
    table.observe(
        disputed(table, table.channels[A].agreed.version, challenger=A, progress=Progress(released=True)), [A]
    )
    assert calls(table, A) == []


def test_a_known_price_is_registered_first_and_then_settles() -> None:
    table = Table().open()
    table.trade(A, B, put())
    ended(table, Progress(released=True))
    table.report(price(table, 40_000))
    (register,) = calls(table, A)
    assert isinstance(register, RegisterReport)
    assert (register.time, register.price) == (EXPIRY, 40_000 * SCALE)
    settle_calls(table, A, error="exists")
    settle = calls(table, A)[-1]
    assert isinstance(settle, SettleClaims)
    assert settle.upto == 1


def test_a_void_and_the_price_after_it_are_both_registered() -> None:
    table = Table().open()
    table.trade(A, B, put())
    ended(table, Progress(released=True))
    table.report(price(table, 0, is_void=True))
    settle_calls(table, A)
    table.report(price(table, 40_000, UnixSeconds(EXPIRY + GRID_S)))
    settle_calls(table, A)
    times = [call.time for call in calls(table, A) if isinstance(call, RegisterReport)]
    assert times == [EXPIRY, EXPIRY + GRID_S]
    assert isinstance(calls(table, A)[-1], SettleClaims)


def test_a_settlement_that_fails_registers_its_reports_again() -> None:
    table = Table().open()
    table.trade(A, B, put())
    ended(table, Progress(released=True))
    table.report(price(table, 40_000))
    settle_calls(table, A)
    settle_calls(table, A, error="no oracle report")
    assert [type(call) for call in calls(table, A)] == [RegisterReport, SettleClaims, RegisterReport]


def test_positions_are_settled_in_their_order_as_far_as_prices_are_known() -> None:
    table = Table().open()
    later = UnixSeconds(EXPIRY + 3600)
    table.trade(A, B, put(), put(strike=40_000), put(later))
    ended(table, Progress(released=True))
    table.report(price(table, 30_000))
    settle_calls(table, A)
    settle = calls(table, A)[-1]
    assert isinstance(settle, SettleClaims)
    assert (settle.progress.cursor, settle.upto, len(settle.claims)) == (0, 2, 3)


def test_a_report_of_another_oracle_or_expiry_is_not_kept() -> None:
    table = Table().open()
    table.trade(A, B, put())
    signed = price(table, 1)
    table.report(msgspec.structs.replace(signed, oracle=bytes(20)))
    table.report(price(table, 1, UnixSeconds(EXPIRY + 7)))
    table.report(price(table, 1, UnixSeconds(EXPIRY - GRID_S)))
    assert table.channels[A].reports == ()


def test_with_a_known_price_the_sequencer_settles_without_a_transaction() -> None:
    table = Table().open()
    table.trade(A, B, put())
    table.now = UnixSeconds(EXPIRY + 1)
    table.report(price(table, 40_000))
    table.run()
    assert table.balances() == [DEPOSIT + 10_000 * 10**6, DEPOSIT - 10_000 * 10**6]
    assert table.channels[B].agreed.sheet.claims == ()
    assert table.calls == []


def test_voids_settle_off_the_chain_too() -> None:
    table = Table().open()
    table.trade(A, B, put())
    table.now = UnixSeconds(EXPIRY + 2 * GRID_S)
    table.report(price(table, 0, is_void=True))
    table.run()
    assert len(table.channels[A].agreed.sheet.claims) == 1
    table.report(price(table, 40_000, UnixSeconds(EXPIRY + GRID_S)))
    table.run()
    assert table.balances() == [DEPOSIT + 10_000 * 10**6, DEPOSIT - 10_000 * 10**6]


def test_a_sequencer_that_does_not_settle_is_left() -> None:
    table = Table().open()
    table.trade(A, B, put())
    table.now = UnixSeconds(EXPIRY + 1)
    table.report(price(table, 40_000))
    table.sent.clear()
    table.now = UnixSeconds(table.now + table.policy.answer_s + table.policy.challenge_s)
    table.step(B, TimerFired(table.now, table.channels[B].id))
    assert table.channels[B].leaving == Leaving.ALONE
    assert [type(call) for call in calls(table, B)] == [ChallengeState]


def test_void_reports_alone_are_no_reason_to_leave() -> None:
    table = Table().open()
    table.trade(A, B, put())
    table.now = UnixSeconds(EXPIRY + 1)
    table.report(price(table, 0, is_void=True))
    table.now = UnixSeconds(table.now + 10 * table.policy.answer_s)
    table.step(B, TimerFired(table.now, table.channels[B].id))
    assert table.channels[B].leaving == Leaving.NO


# --- leaving together, money in and out -----------------------------------------------------------------------------


def test_who_asked_for_the_close_shows_it_and_the_other_waits_for_him() -> None:
    table = Table().open()
    table.step(B, CloseRequested(NOW, "close", table.channels[B].id, LATER))
    table.run()
    assert [channel.agreed.version for channel in table.channels] == [VERSION_FINAL, VERSION_FINAL]
    (call,) = calls(table, B)
    assert isinstance(call, CloseChannel)
    assert calls(table, A) == []
    table.now = UnixSeconds(NOW + table.policy.answer_s + GRACE_S)
    table.step(A, TimerFired(table.now, table.channels[A].id))
    assert [type(call) for call in calls(table, A)] == [CloseChannel]


def test_who_gets_no_answer_to_a_close_leaves_alone() -> None:
    table = Table().open()
    table.step(B, CloseRequested(NOW, "close", table.channels[B].id, LATER))
    table.sent.clear()
    table.now = LATER
    table.step(B, TimerFired(LATER, table.channels[B].id))
    assert [type(call) for call in calls(table, B)] == [ChallengeState]


def test_a_channel_with_positions_is_not_closed_together() -> None:
    table = Table().open()
    table.trade(A, B, put())
    with pytest.raises(UserFault, match=str(Reason.OPEN_CLAIMS)):
        table.step(A, CloseRequested(NOW, "close", table.channels[A].id, LATER))


def test_a_withdrawal_is_paid_by_the_agreed_state() -> None:
    table = Table().open()
    table.operate(B, Withdraw(B, 0, LATER, USDC, Amount(300)))
    table.run()
    (call,) = calls(table, B)
    assert isinstance(call, PayWithdrawal)
    assert call.holdings[B].withdrawn == 300
    assert calls(table, A) == []
    answer_calls(table, B)
    table.observe(msgspec.structs.replace(table.channels[B].head, withdrawn=(Amount(0), Amount(300))))
    assert len(calls(table, B)) == 1


def test_a_deposit_counts_when_it_is_final_and_not_before() -> None:
    table = Table().open()
    more = msgspec.structs.replace(table.channels[A].head, deposited=(DEPOSIT, Amount(DEPOSIT + 7)))
    for seat in (A, B):
        seen = ChannelObserved(table.channels[seat].id, more, table.channels[seat].final)
        table.step(seat, ChainReported(NOW, seen))
    table.run()
    assert table.balances() == [DEPOSIT, DEPOSIT]
    table.now = UnixSeconds(NOW + 60)
    table.observe(more)
    table.run()
    assert table.balances() == [DEPOSIT, DEPOSIT + 7]


def test_a_deposit_names_its_new_total() -> None:
    table = Table().open()
    table.step(B, DepositRequested(NOW, "deposit", table.channels[B].id, USDC, Amount(7), LATER))
    (call,) = calls(table, B)
    assert isinstance(call, TopUp)
    assert (call.participant, call.amount, call.deposited) == (B, 7, (DEPOSIT, DEPOSIT))


@pytest.mark.parametrize(("asset", "amount"), [(0, 0), (0, -1), (0, 2**128), (1, 5), (-1, 5)])
def test_a_deposit_that_cannot_be_is_refused(asset: int, amount: int) -> None:
    table = Table().open()
    event = DepositRequested(NOW, "deposit", table.channels[B].id, AssetIndex(asset), Amount(amount), LATER)
    with pytest.raises(UserFault):
        table.step(B, event)
    assert table.calls == []


def test_the_user_hears_what_became_of_a_call() -> None:
    table = Table().open()
    table.observe(disputed(table, 0), [A])
    settle_calls(table, A, error="out of gas")
    (notice,) = [item for seat, item in table.notices if seat == A and item.topic == Topic.CALL]
    assert "out of gas" in notice.detail
