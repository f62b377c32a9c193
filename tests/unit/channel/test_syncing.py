"""After a reconnect, a crash, or a lost disk: both sides end with the same state, and nothing is signed twice."""

import msgspec
import pytest

from thalweg.channel.effects import SendMessage, SignState, Topic
from thalweg.channel.events import LinkDown, LinkUp, MessageReceived, SignedMark, Started, TimerFired
from thalweg.channel.hashes import state_digest
from thalweg.channel.judging import RETRY_S
from thalweg.channel.messages import StateProposed, StateShown, Synced
from thalweg.channel.onchain import View
from thalweg.channel.operations import AnyOperation, Close, Jump, Transfer
from thalweg.channel.sheet import ChannelState, Sheet
from thalweg.channel.state import Channel, Phase, make_state, phase
from thalweg.channel.step import step
from thalweg.channel.timing import alarm
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.testing.table import DEPOSIT, NOW, Table
from thalweg.units import VERSION_FINAL, VERSION_JUMP, Amount, AssetIndex, Hash, Seat, Signature, UnixSeconds, Version

A, B, C = Seat(0), Seat(1), Seat(2)
LATER = UnixSeconds(NOW + 60)


def pay(amount: int, to: Seat) -> Transfer:
    return Transfer(A, 0, LATER, to, AssetIndex(0), Amount(amount))


PAYMENT = pay(1, B)


def relink(table: Table) -> None:
    """Break every link, losing what is on it, and make them all again."""
    table.sent.clear()
    for seat, channel in enumerate(table.channels):
        for other in range(len(table.channels)):
            if other != seat:
                table.step(seat, LinkDown(table.now, table.peers[other]))
        assert not any(table.channels[seat].synced), channel
    table.link_all()
    table.run()


@pytest.mark.parametrize("said", range(8))
def test_wherever_a_link_breaks_both_sides_go_on_and_nothing_is_lost(said: int) -> None:
    table = Table(seats=3).open()
    table.operate(B, pay(1, C))
    table.operate(A, pay(10, B))
    for _ in range(said):
        if table.sent:
            table.deliver()
    relink(table)
    assert table.digest(A) == table.digest(B) == table.digest(C)
    assert table.balances() == [DEPOSIT - 10, DEPOSIT + 9, DEPOSIT + 1]


def test_nothing_is_offered_before_notes_were_compared() -> None:
    table = Table().open()
    table.step(A, LinkDown(NOW, table.peers[B]))
    table.operate(A, pay(1, B))
    table.step(B, LinkDown(NOW, table.peers[A]))
    table.link_all()
    assert table.channels[A].offered == ()
    table.run()
    assert table.balances() == [DEPOSIT - 1, DEPOSIT + 1]


def test_two_histories_of_one_version_are_a_fault() -> None:
    table = Table().open()
    channel = table.channels[B]
    other = Synced(channel.id, channel.agreed.version, Hash(bytes(32)), channel.agreed.version)
    with pytest.raises(PeerFault, match=str(Reason.WRONG_HASH)):
        table.tell(A, B, other)


@pytest.mark.parametrize("version", [-1, -(2**70), 2**70])
def test_a_nonsense_version_in_a_summary_is_harmless(version: int) -> None:
    for table in (Table(), Table().open(), Table(seats=3).open()):
        channel = table.channels[B]
        table.tell(A, B, Synced(channel.id, Version(version), Hash(bytes(32)), Version(version)))
        table.sent.clear()
        assert table.channels[B].agreed == channel.agreed


# --- a crash between signing and saving -----------------------------------------------------------------------------


def started(channel: Channel, *, recovering: bool = False, signed: int | None = None) -> tuple[Channel, list[object]]:
    marks = () if signed is None else (SignedMark(channel.id, Version(signed)),)
    after, effects = step(channel, Started(NOW, recovering, marks))
    return after, [effect for effect in effects if isinstance(effect, SignState)]


def unsigned(table: Table, operation: AnyOperation = PAYMENT) -> Channel:
    """Return seat 0's channel as a crash leaves it before the signature on what it offered was saved."""
    table.operate(A, operation)
    channel = table.channels[A]
    *dead, entry = channel.offered
    return msgspec.structs.replace(channel, offered=(*dead, msgspec.structs.replace(entry, signatures=(b"", b""))))


def test_after_a_crash_what_was_offered_is_signed_again() -> None:
    channel = unsigned(Table().open())
    _, signs = started(channel)
    assert signs == [SignState(channel.id, channel.offered[0].version, channel.offered[0].digest)]


def test_after_a_crash_the_others_get_their_time_to_answer() -> None:
    table = Table().open()
    table.operate(A, pay(1, B))
    late = UnixSeconds(NOW + 10_000)
    after, _ = step(table.channels[A], Started(late))
    assert after.offered[0].answer_by == late + table.policy.answer_s


@pytest.mark.parametrize("operation", [Jump(A, 0, LATER), Close(A, 0, LATER)])
def test_after_a_crash_what_ends_a_recovery_is_signed_again(operation: AnyOperation) -> None:
    """It may be agreed already: whoever takes it back challenges with a state that it has made void."""
    table, _ = restored(2, A)
    relink(table)
    channel = unsigned(table, operation)
    after, signs = started(channel)
    assert signs == [SignState(channel.id, channel.offered[-1].version, channel.offered[-1].digest)]
    assert phase(after) == Phase.RECOVERING


@pytest.mark.parametrize("known", [True, False])
def test_a_restored_journal_signs_nothing_it_offered(known: bool) -> None:
    channel = unsigned(Table().open())
    after, signs = started(channel, recovering=known, signed=None if known else channel.offered[0].version + 1)
    assert signs == []
    assert phase(after) == Phase.RECOVERING
    assert after.offered[0].dead


# --- a lost disk ----------------------------------------------------------------------------------------------------


def restored(seats: int, loser: int, *, payments: int = 3) -> tuple[Table, Version]:
    """Return a table where one seat came back with an old journal, and what its signer remembers."""
    table = Table(seats=seats).open()
    backup = table.channels[loser]
    for _ in range(payments):
        table.operate(A, pay(1, B))
        table.run()
    signed = table.channels[loser].newest_signed
    table.channels[loser] = backup
    table.step(loser, Started(NOW, recovering=True, marks=(SignedMark(backup.id, signed),)))
    return table, signed


@pytest.mark.parametrize(("seats", "loser"), [(2, A), (2, B), (3, A), (3, B), (3, C)])
def test_who_lost_his_journal_is_shown_the_newest_state_and_resumes_by_a_jump(seats: int, loser: int) -> None:
    table, signed = restored(seats, loser)
    relink(table)
    assert table.channels[loser].agreed.version == signed
    assert table.balances(loser)[:2] == [DEPOSIT - 3, DEPOSIT + 3]
    assert {phase(channel) for channel in table.channels} == {Phase.RECOVERING}
    table.operate(loser, Jump(A, 0, LATER))
    table.run()
    assert {phase(channel) for channel in table.channels} == {Phase.LIVE}
    assert table.channels[loser].agreed.version >= signed + VERSION_JUMP
    table.operate(B, pay(1, A))
    table.run()
    assert table.balances(loser)[:2] == [DEPOSIT - 2, DEPOSIT + 2]


@pytest.mark.parametrize("loser", [A, B])
def test_a_recovering_channel_takes_no_operation_but_a_jump_or_a_close(loser: int) -> None:
    table, _ = restored(2, loser)
    relink(table)
    for seat in (A, B):
        with pytest.raises(UserFault, match=str(Reason.RECOVERING)):
            table.operate(seat, pay(1, Seat(1 - seat)))
    table.operate(loser, Close(A, 0, LATER))
    table.run()
    assert table.channels[A].agreed.version == table.channels[B].agreed.version == VERSION_FINAL


def test_what_waited_when_a_disk_was_lost_is_refused_not_forgotten() -> None:
    table, _ = restored(2, A)
    channel = msgspec.structs.replace(table.channels[B], synced=(False, False))
    table.channels[B] = channel
    table.operate(B, pay(1, A))
    relink(table)
    assert table.channels[B].queue == ()
    refusals = [item for seat, item in table.notices if seat == B and item.topic == Topic.REFUSED and item.numbers]
    assert [notice.reason for notice in refusals] == [Reason.RECOVERING]


def test_a_lie_about_the_newest_state_binds_the_liar() -> None:
    """B shows the restored A a state older than the newest; the jump they then agree on voids everything before it."""
    table = Table().open()
    backup = table.channels[A]
    table.operate(A, pay(1, B))
    table.run()
    old = table.channels[B]
    table.operate(A, pay(100, B))
    table.run()
    newest = table.channels[A]
    table.channels[A], table.channels[B] = backup, old
    table.step(A, Started(NOW, recovering=True, marks=(SignedMark(backup.id, newest.newest_signed),)))
    relink(table)
    table.operate(A, Jump(A, 0, LATER))
    table.run()
    assert table.channels[A].agreed.version > newest.agreed.version + VERSION_JUMP // 2
    assert table.balances() == [DEPOSIT - 1, DEPOSIT + 1]


def test_nothing_at_or_below_the_signers_mark_is_signed_after_a_restore() -> None:
    table, signed = restored(2, B, payments=2)
    channel = table.channels[B]
    assert channel.signed_max == signed
    lower = StateProposed(channel.id, signed, channel.agreed.version, UnixSeconds(0), (), Hash(b""), Hash(b""), b"")  # type: ignore[arg-type]
    after, effects = step(channel, MessageReceived(NOW, table.peers[A], lower))
    assert after == channel
    assert not any(isinstance(effect, SignState) for effect in effects)


def test_when_the_final_state_was_signed_and_lost_nothing_else_can_be_agreed() -> None:
    table = Table().open()
    backup = table.channels[A]
    table.channels[A], _ = started(backup, recovering=True, signed=VERSION_FINAL)
    with pytest.raises(UserFault, match=str(Reason.WRONG_PHASE)):
        table.operate(A, Jump(A, 0, LATER))


# --- states that are shown ------------------------------------------------------------------------------------------


def shown(table: Table) -> StateShown:
    agreed = table.channels[A].agreed
    return StateShown(table.channels[A].id, agreed.state, agreed.sheet, agreed.signatures)


def edited(sheet: Sheet, **changes: object) -> Sheet:
    return msgspec.structs.replace(sheet, **changes)


@pytest.mark.parametrize(
    "lie",
    [
        lambda message: msgspec.structs.replace(message, signatures=message.signatures[:1]),
        lambda message: msgspec.structs.replace(message, signatures=message.signatures[::-1]),
        lambda message: msgspec.structs.replace(message, sheet=edited(message.sheet, holdings=())),
        lambda message: msgspec.structs.replace(message, sheet=edited(message.sheet, required=())),
        lambda message: msgspec.structs.replace(message, sheet=edited(message.sheet, numbers=(2**60, 0))),
        lambda message: msgspec.structs.replace(
            message, sheet=edited(message.sheet, holdings=message.sheet.holdings[::-1])
        ),
        lambda message: msgspec.structs.replace(
            message, state=msgspec.structs.replace(message.state, version=message.state.version + 1)
        ),
        lambda message: msgspec.structs.replace(
            message, state=msgspec.structs.replace(message.state, channel_id=bytes(32))
        ),
    ],
)
def test_a_shown_state_is_believed_by_its_signatures_alone(lie: object) -> None:
    table, _ = restored(2, B)
    before = table.channels[B]
    with pytest.raises(PeerFault):
        table.tell(A, B, lie(shown(table)))  # type: ignore[operator]
    assert table.channels[B] == before
    table.tell(A, B, shown(table))
    assert table.channels[B].agreed == table.channels[A].agreed


def test_money_that_does_not_add_up_is_not_believed_with_everybodys_signature() -> None:
    table, _ = restored(2, B)
    message, before = shown(table), table.channels[B]
    first, *others = message.sheet.holdings
    richer = msgspec.structs.replace(first, balance=first.balance + 1, free=first.free + 1)
    sheet = edited(message.sheet, holdings=(richer, *others))
    state = make_state(before, message.state.version, sheet)
    digest = state_digest(before.separator, state)
    lie = StateShown(before.id, state, sheet, (table.sign(A, digest), table.sign(B, digest)))
    with pytest.raises(PeerFault, match=str(Reason.NOT_CONSERVED)):
        table.tell(A, B, lie)
    assert table.channels[B] == before


def test_a_mark_time_that_nobody_signed_is_not_believed() -> None:
    table, _ = restored(2, B)
    message = shown(table)
    table.tell(A, B, msgspec.structs.replace(message, sheet=edited(message.sheet, mark_time=2**300)))
    assert table.channels[B].agreed.sheet.mark_time == 0


def test_a_shown_state_that_is_not_newer_changes_nothing() -> None:
    table = Table().open()
    before = table.channels[B]
    table.tell(A, B, shown(table))
    assert table.channels[B] == before


def test_a_state_i_signed_is_agreed_when_it_is_shown_with_everybodys_signature() -> None:
    table = Table(seats=3).open()
    table.operate(A, pay(1, B))
    while table.channels[B].agreed.version == table.channels[A].agreed.version:
        source, target, message = table.sent.popleft()
        if (source, target) != (C, A):  # seat 2's signature never reaches seat 0
            table.tell(source, target, message)
    assert table.channels[A].offered
    table.tell(B, A, StateShown(table.channels[B].id, *_parts(table.channels[B])))
    assert table.digest(A) == table.digest(B)
    assert not table.channels[A].recovering


def _parts(channel: Channel) -> tuple[ChannelState, Sheet, tuple[Signature, ...]]:
    return channel.agreed.state, channel.agreed.sheet, channel.agreed.signatures


def test_a_channel_that_the_chain_first_shows_compares_notes_even_if_it_must_recover() -> None:
    table = Table()
    table.step(B, Started(NOW, recovering=True))
    view = View(opened=True, deposited=(DEPOSIT, DEPOSIT), withdrawn=(Amount(0), Amount(0)))
    table.observe(view)
    said = [(source, type(message)) for source, _, message in table.sent]
    assert said == [(A, Synced), (B, Synced)]
    table.run()
    assert all(phase(channel) == Phase.RECOVERING for channel in table.channels)


def test_a_link_that_comes_up_is_greeted_with_where_i_stand() -> None:
    table = Table().open()
    _, effects = step(table.channels[B], LinkUp(NOW, table.peers[A]))
    (said,) = [effect.message for effect in effects if isinstance(effect, SendMessage)]
    assert isinstance(said, Synced)
    assert (said.agreed, said.signed, said.recovering) == (table.channels[B].agreed.version,) * 2 + (False,)


# --- the chain, seen by one before the other ------------------------------------------------------------------------


@pytest.mark.parametrize(("seats", "first"), [(2, A), (2, B), (3, A), (3, B), (3, C)])
@pytest.mark.parametrize("relinks", [False, True])
def test_nothing_is_offered_to_who_does_not_see_the_channel_yet(seats: int, first: Seat, relinks: bool) -> None:
    table = Table(seats)
    table.link_all()
    for seat in sorted(range(seats), key=lambda seat: seat != first):
        assert not table.channels[A].offered
        table.observe(View(opened=True, deposited=(DEPOSIT,) * seats, withdrawn=(Amount(0),) * seats), [seat])
        if relinks:
            relink(table)
        table.run()
    assert table.balances(A) == table.balances(B) == [DEPOSIT] * seats
    assert not [notice for _, notice in table.notices if notice.topic == Topic.REFUSED]


def test_who_loses_sight_of_the_channel_is_offered_little_and_goes_on_when_he_sees_it_again() -> None:
    table = Table().open()
    seen = table.channels[B].head
    table.observe(View(), [B])
    table.operate(A, pay(1, B))
    table.run()
    assert len(table.channels[A].offered) == 3
    table.observe(seen, [B])
    table.run()
    table.now = UnixSeconds(table.now + RETRY_S)
    assert alarm(table.channels[A]) <= table.now
    table.step(A, TimerFired(table.now, table.channels[A].id))
    table.run()
    assert table.balances(A) == table.balances(B) == [DEPOSIT - 1, DEPOSIT + 1]
