"""What a participant does not sign: its channel is as it was, and the sequencer hears why."""

from collections.abc import Callable

import msgspec
import pytest

from thalweg.channel import hashes
from thalweg.channel.answering import on_state_proposed
from thalweg.channel.effects import SignState
from thalweg.channel.messages import OPERATIONS_MAX, StateCountersigned, StateProposed, StateRefused
from thalweg.channel.operations import Close, CountDeposit, Jump, Leg, SettlePositions, Transfer, Withdraw
from thalweg.channel.sheet import ChannelState
from thalweg.channel.state import OFFERED_MAX, Offered, make_state
from thalweg.errors import PeerFault, Reason
from thalweg.instruments.report import Settlement
from thalweg.instruments.terms import Instrument, Payoff
from thalweg.testing.oracle import FEED
from thalweg.testing.table import DEPOSIT, NOW, ORACLE, Table
from thalweg.units import (
    SCALE,
    VERSION_FINAL,
    VERSION_JUMP,
    Amount,
    AssetIndex,
    Hash,
    Price,
    Quantity,
    Seat,
    UnixSeconds,
    Version,
)

A, B = Seat(0), Seat(1)
USDC = AssetIndex(0)
LATER = UnixSeconds(NOW + 60)


def pay(amount: int, number: int = 100, author: Seat = A) -> Transfer:
    return Transfer(author, number, LATER, Seat(1 - author), USDC, Amount(amount))


def proposed(table: Table, *operations: Transfer) -> StateProposed:
    """Return what seat 0 says when it offers a state, and keep it from seat 1."""
    table.operate(A, *operations)
    message = table.sent.pop()[2]
    assert isinstance(message, StateProposed)
    return message


def refusal(table: Table, message: StateProposed) -> StateRefused:
    """Give a proposal to seat 1; it must refuse, and be as it was."""
    before = table.channels[B]
    table.sent.clear()
    table.tell(A, B, message)
    assert table.channels[B] == before
    answer = table.sent.pop()[2]
    assert isinstance(answer, StateRefused)
    return answer


def fault(table: Table, message: StateProposed, source: int = A, target: int = B) -> Reason:
    before = table.channels[target]
    with pytest.raises(PeerFault) as caught:
        table.tell(source, target, message)
    assert table.channels[target] == before
    return caught.value.reason


def twin(message: StateProposed, **changes: object) -> StateProposed:
    return msgspec.structs.replace(message, **changes)


def test_a_sound_proposal_is_signed_and_agreed() -> None:
    table = Table().open()
    message = proposed(table, pay(5))
    table.tell(A, B, message)
    assert table.channels[B].agreed.version == message.version
    table.run()
    assert table.digest(A) == table.digest(B)
    assert table.balances() == [DEPOSIT - 5, DEPOSIT + 5]


def test_a_wrong_signer_is_a_fault_and_nothing_changes() -> None:
    table = Table().open()
    message = proposed(table, pay(5))
    digest = table.channels[A].offered[-1].digest
    assert fault(table, twin(message, signature=table.sign(B, digest))) == Reason.WRONG_SIGNER
    assert fault(table, twin(message, signature=table.sign(A, bytes(32)))) == Reason.WRONG_SIGNER
    assert fault(table, twin(message, signature=b"")) == Reason.WRONG_SIGNER


def test_a_state_of_another_chain_or_contract_or_channel_has_no_valid_signature_here() -> None:
    table, other = Table().open(), Table(seed=7).open()
    message = proposed(table, pay(5))
    state = table.channels[A].offered[-1].state
    for separator in (bytes(32), other.channels[A].id):
        stolen = table.sign(A, hashes.state_digest(separator, state))
        assert fault(table, twin(message, signature=stolen)) == Reason.WRONG_SIGNER
    foreign = msgspec.structs.replace(state, channel_id=other.channels[A].id)
    stolen = table.sign(A, hashes.state_digest(table.channels[A].separator, foreign))
    assert fault(table, twin(message, signature=stolen)) == Reason.WRONG_SIGNER


def test_only_seat_0_proposes_and_nobody_proposes_to_it() -> None:
    table = Table(seats=3).open()
    message = proposed(table, pay(5))
    assert fault(table, message, source=2, target=1) == Reason.NOT_SEQUENCER
    assert fault(table, message, source=1, target=0) == Reason.NOT_SEQUENCER


@pytest.mark.parametrize("version", [0, 1, -3])
def test_a_stale_version_is_refused_and_nothing_changes(version: int) -> None:
    table = Table().open()
    message = proposed(table, pay(5))
    before = table.channels[B]
    table.tell(A, B, twin(message, version=version))
    assert table.channels[B] == before
    assert isinstance(table.sent.pop()[2], StateCountersigned)


@pytest.mark.parametrize("base", [0, 1, 77, -1, 2**70])
def test_a_proposal_on_another_base_is_a_skipped_version(base: int) -> None:
    table = Table().open()
    assert table.channels[B].agreed.version > 1
    assert refusal(table, twin(proposed(table, pay(5)), base=base)).reason == Reason.SKIPPED_VERSION


def test_versions_may_have_gaps_but_not_run_away() -> None:
    table = Table().open()
    message = proposed(table, pay(5))
    ahead = Version(table.channels[B].agreed.version + OFFERED_MAX + 1)
    assert refusal(table, twin(message, version=ahead)).reason == Reason.SKIPPED_VERSION


def test_only_the_final_version_closes_and_only_a_close_is_final() -> None:
    table = Table().open()
    message = proposed(table, pay(5))
    assert refusal(table, twin(message, version=VERSION_FINAL)).reason == Reason.WRONG_PHASE
    close = twin(message, operations=(Close(A, 100, LATER),))
    assert refusal(table, close).reason == Reason.WRONG_PHASE


def test_a_jump_reaches_far_enough() -> None:
    table = Table().open()
    message = twin(proposed(table, pay(5)), operations=(Jump(A, 100, LATER),))
    base = table.channels[B].agreed.version
    for version in (message.version, base + VERSION_JUMP - 1, base + 4 * VERSION_JUMP):
        assert refusal(table, twin(message, version=version)).reason == Reason.SKIPPED_VERSION


@pytest.mark.parametrize("member", ["balances_hash", "claims_root"])
def test_balances_that_do_not_add_up_to_the_operations_are_refused(member: str) -> None:
    table = Table().open()
    message = proposed(table, pay(5))
    assert refusal(table, twin(message, **{member: Hash(bytes(31) + b"\x01")})).reason == Reason.WRONG_HASH


def test_other_operations_than_were_signed_are_refused() -> None:
    table = Table().open()
    assert refusal(table, twin(proposed(table, pay(5)), operations=(pay(6),))).reason == Reason.WRONG_HASH


def report(table: Table, price: int, *, signers: tuple[int, ...] | None = None) -> SettlePositions:
    signed = table.oracle.sign(Settlement(FEED, UnixSeconds(NOW - 60), Price(price)))
    if signers is not None:
        signed = msgspec.structs.replace(signed, signers=signers, signatures=signed.signatures[: len(signers)])
    return SettlePositions(A, 100, LATER, signed)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: pay(5, author=B), Reason.NO_CONSENT),
        (lambda _: Withdraw(B, 100, LATER, USDC, Amount(5)), Reason.NO_CONSENT),
        (lambda _: CountDeposit(A, 100, LATER, A, USDC, Amount(DEPOSIT + 1)), Reason.NOT_FINAL),
        (lambda _: CountDeposit(A, 100, LATER, B, USDC, Amount(DEPOSIT + 1)), Reason.NOT_FINAL),
        (lambda table: report(table, 5, signers=(0, 1)), Reason.BAD_REPORT),
        (lambda table: report(table, 5, signers=(0, 0, 1)), Reason.BAD_REPORT),
        (lambda table: report(table, 5, signers=(2, 1, 0)), Reason.BAD_REPORT),
        (lambda table: report(table, 5, signers=(0, 1, 9)), Reason.BAD_REPORT),
        (lambda table: report(table, -5), Reason.BAD_REPORT),
        (lambda table: report(table, 5), Reason.UNKNOWN_CLAIM),
    ],
)
def test_what_only_he_could_ask_for_or_cannot_check_is_refused(
    make: Callable[[Table], Transfer], reason: Reason
) -> None:
    table = Table().open()
    message = twin(proposed(table, pay(5)), operations=(make(table),))
    answer = refusal(table, message)
    assert (answer.reason, answer.operation) == (reason, 0)


def test_a_report_with_numbers_beyond_all_bounds_is_refused_and_harmless() -> None:
    table = Table().open()
    signed = report(table, 5).report
    odd = msgspec.structs.replace(signed, report=Settlement(FEED, UnixSeconds(60 * 2**256), Price(5)))
    message = twin(proposed(table, pay(5)), operations=(SettlePositions(A, 100, LATER, odd),))
    assert refusal(table, message).reason == Reason.OVERFLOW


def test_what_was_signed_is_said_again_and_signed_once() -> None:
    table = Table(seats=3).open()
    message = proposed(table, pay(5))
    table.tell(A, B, message)
    table.sent.clear()
    before = table.channels[B]
    table.tell(A, B, message)
    assert table.channels[B] == before
    assert [type(said) for _, _, said in table.sent] == [StateCountersigned, StateCountersigned]


def test_a_proposal_that_came_twice_before_it_was_signed_is_signed_once() -> None:
    table = Table(seats=3).open()
    message = proposed(table, pay(5))
    first = on_state_proposed(table.channels[B], A, message, NOW)
    assert [type(effect) for effect in first.effects] == [SignState]
    assert on_state_proposed(first.channel, A, message, NOW).effects == ()


def resigned(table: Table, message: StateProposed, version: int) -> StateProposed:
    """Return a proposal as a dishonest sequencer would make it: the same content at any version."""
    channel = table.channels[A]
    entry: Offered = channel.offered[-1]
    state: ChannelState = make_state(channel, Version(version), entry.sheet)
    return twin(
        message,
        version=version,
        balances_hash=state.balances_hash,
        claims_root=state.claims_root,
        signature=table.sign(A, hashes.state_digest(channel.separator, state)),
    )


def test_a_version_below_one_that_was_signed_is_never_signed_any_more() -> None:
    table = Table(seats=3).open()
    message = proposed(table, pay(5))
    table.tell(A, B, resigned(table, message, message.version + 5))
    for version in range(message.version, message.version + 5):
        assert refusal(table, resigned(table, message, version)).reason == Reason.STALE_VERSION


def test_a_sequencer_cannot_fill_the_others_memory_with_states() -> None:
    table = Table(seats=3).open()
    message = proposed(table, pay(0 + 5))
    for step in range(OFFERED_MAX):
        table.tell(A, B, resigned(table, message, message.version + step))
    assert refusal(table, resigned(table, message, message.version + OFFERED_MAX)).reason == Reason.LIMIT


def test_an_oversized_proposal_is_a_fault() -> None:
    table = Table().open()
    many = tuple(pay(1, number) for number in range(100, 101 + OPERATIONS_MAX))
    assert fault(table, twin(proposed(table, pay(5)), operations=many)) == Reason.OVERSIZED


def test_a_mark_from_the_future_is_refused() -> None:
    table = Table().open()
    assert refusal(table, twin(proposed(table, pay(5)), mark_time=NOW + 3600)).reason == Reason.NOT_YET


def test_a_trade_on_an_old_mark_is_refused_and_a_payment_on_it_is_not() -> None:
    table = Table().open()
    terms = Instrument(Payoff.PUT, ORACLE, FEED, UnixSeconds(NOW + 86_400), 10**6, (100 * SCALE,))
    offer = table.offer(B, A, Leg(terms, A, B, Quantity(SCALE), 10))
    table.run()
    table.take(offer)
    message = table.sent.pop()[2]
    assert isinstance(message, StateProposed)
    age_max_s = table.policy.mark_age_max_s
    assert refusal(table, twin(message, mark_time=NOW - age_max_s - 1)).reason == Reason.MARK_TOO_OLD
    assert refusal(table, twin(message, mark_time=NOW - age_max_s)).reason == Reason.WRONG_HASH  # old, not too old
    payment = twin(message, operations=(pay(5),), mark_time=NOW - age_max_s - 1)
    assert refusal(table, payment).reason == Reason.WRONG_HASH  # judged on its merits


def test_after_the_final_state_nothing_is_signed() -> None:
    table = Table().open()
    message = proposed(table, pay(5))
    table.tell(A, B, message)
    table.operate(A, Close(A, 0, LATER))
    table.run()
    assert table.channels[B].agreed.version == VERSION_FINAL
    before = table.channels[B]
    table.tell(A, B, twin(message, version=message.version + 1, base=VERSION_FINAL))
    assert table.channels[B] == before
