"""The engine: durable before signed, signed before said, and nothing from outside stops it."""

from collections.abc import Iterable, Mapping

import pytest
from tests.unit.node.machine import BOB, Machine, joined, talk, the_channel

from thalweg.channel.events import (
    LinkUp,
    OperationsRequested,
)
from thalweg.channel.messages import Goodbye, Hello, StateCountersigned, StateProposed
from thalweg.channel.operations import Transfer
from thalweg.codec import encode
from thalweg.errors import InvariantBroken, Reason, UserFault
from thalweg.node.engine import INBOX_MAX, replay
from thalweg.node.ports import Mark
from thalweg.node.state import snapshot
from thalweg.testing.disk import Crash, SimJournal, SimSigner
from thalweg.units import Address, Amount, AssetIndex, ChannelId, Seat, Signature, UnixSeconds, Version


def pay(machine: Machine, amount: int = 1) -> None:
    channel = machine.engine.node.channels[the_channel(machine)]
    until = UnixSeconds(machine.now + 60)
    operation = Transfer(Seat(0), 0, until, Seat(1 - channel.seat), AssetIndex(0), Amount(amount))
    machine.engine.request(OperationsRequested(machine.now, "pay", channel.id, (operation,)))


def pay_twice(machine: Machine) -> None:
    pay(machine)
    pay(machine)


def balances(machine: Machine) -> list[int]:
    return [holding.balance for holding in machine.engine.node.channels[the_channel(machine)].agreed.sheet.holdings]


def test_two_engines_agree() -> None:
    alice, bob = joined()
    pay(alice, 5)
    pay(bob, 7)
    talk(alice, bob)
    assert balances(alice) == balances(bob) == [1002, 998]


# --- what comes from outside ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff\xfe",
        b"[]",
        b"null",
        b'{"type":"Nonsense"}',
        b'{"type":"StateProposed"}',
        b'{"type":"StateProposed","channel_id":5}',
        b'{"type":"Goodbye","reason":"because"}',
        b'{"type":"Goodbye","reason":"expired","detail":"' + b"x" * 100_000,
        b'{"type":"OperationsSent","channel_id":"","operations":' + b"[" * 10_000,
        b'{"type":"Synced","channel_id":"","agreed":1e400,"agreed_digest":"","signed":0}',
    ],
)
def test_a_message_that_cannot_be_read_costs_the_link_and_nothing_else(data: bytes) -> None:
    alice, _ = joined()
    before = snapshot(alice.engine.node)
    alice.engine.receive_message(BOB, data)
    alice.engine.pump()
    assert snapshot(alice.engine.node) == before
    assert alice.dropped == [BOB]
    assert [message.reason for _, message in alice.sent if isinstance(message, Goodbye)] == [Reason.MALFORMED]


def test_every_truncation_of_a_message_is_harmless() -> None:
    alice, bob = joined()
    pay(alice, 5)
    ((_, message),) = alice.sent
    data = encode(message)
    before = snapshot(bob.engine.node)
    for length in range(len(data)):
        bob.engine.receive_message(alice.peer, data[:length])
    bob.engine.pump()
    assert snapshot(bob.engine.node) == before
    assert len(bob.dropped) == len(data)


def test_a_peer_that_floods_loses_its_link_and_memory_stays_bounded() -> None:
    alice, bob = joined()
    who = Address(bytes(20))
    hello = encode(Hello(1, (), 1, who, who, who, who, Signature(bytes(64))))
    for _ in range(INBOX_MAX):
        alice.engine.receive_message(b"mallory", hello)
    assert alice.dropped == []
    alice.engine.receive_message(b"mallory", hello)
    assert alice.dropped == [b"mallory"]
    with pytest.raises(UserFault, match=str(Reason.LIMIT)):
        alice.engine.receive(LinkUp(alice.now, b"carol"))
    alice.engine.pump()
    alice.sent.clear()
    pay(alice, 5)
    talk(alice, bob)
    assert balances(bob) == [995, 1005]


def test_a_peers_fault_is_told_and_not_written_down() -> None:
    alice, _ = joined()
    written = len(alice.disk.entries)
    channel_id = the_channel(alice)
    stray = StateCountersigned(channel_id, Version(999), Signature(bytes(64)))
    alice.engine.receive_message(BOB, encode(stray))
    alice.engine.pump()
    assert [type(message) for _, message in alice.sent] == [Goodbye]
    assert len(alice.disk.entries) == written


def test_a_users_fault_changes_and_writes_nothing() -> None:
    alice, _ = joined()
    before, written = snapshot(alice.engine.node), len(alice.disk.entries)
    event = OperationsRequested(alice.now, "pay", ChannelId(bytes(32)), ())
    with pytest.raises(UserFault, match=str(Reason.UNKNOWN_CHANNEL)):
        alice.engine.request(event)
    assert (snapshot(alice.engine.node), len(alice.disk.entries)) == (before, written)


# --- durable, signed, said ------------------------------------------------------------------------------------------


class FullDisk(SimJournal):
    """A journal that cannot be written."""

    def append(self, entries: Iterable[bytes], marks: Mapping[ChannelId, Mark] | None = None) -> None:
        raise InvariantBroken(str(Reason.DISK_FULL))


def test_on_a_full_disk_nothing_is_signed_or_said() -> None:
    alice, _ = joined()
    marks = dict(alice.disk.marks)
    alice.engine._journal = FullDisk(alice.disk)
    with pytest.raises(InvariantBroken, match=str(Reason.DISK_FULL)):
        pay(alice)
    assert alice.sent == []
    assert alice.disk.marks == marks


def test_a_state_is_on_disk_before_it_is_signed() -> None:
    alice, _ = joined()
    channel_id = the_channel(alice)
    seen: list[bool] = []

    def on_signed(_: ChannelId, version: int) -> None:
        node, _count = replay(SimJournal(alice.disk), alice.empty())
        seen.append(node.channels[channel_id].newest_signed >= version)

    alice.engine._signer = SimSigner(alice.key, alice.disk, on_signed)
    pay(alice)
    pay(alice)
    assert seen == [True, True]


def test_a_signature_is_on_its_way_before_what_it_leads_to_is_worked_out() -> None:
    """While it travels the other side is idle; whatever this side does first costs both."""
    alice, bob = joined()
    channel_id = the_channel(bob)
    flushed: list[Version] = []  # what Bob counted as agreed when his words left
    bob.flush = lambda: flushed.append(bob.engine.node.channels[channel_id].agreed.version)  # type: ignore[method-assign]
    before = bob.engine.node.channels[channel_id].agreed.version
    pay(alice)
    talk(alice, bob)
    assert flushed[0] == before
    assert bob.engine.node.channels[channel_id].agreed.version == before + 1


def steps_of_a_payment() -> int:
    """Count the writes and effects of one payment, as the fuse counts them."""
    alice, _ = joined()
    steps = 0
    burn = alice.disk.fuse.burn

    def count() -> None:
        nonlocal steps
        steps += 1
        burn()

    alice.disk.fuse.burn = count  # type: ignore[method-assign]
    pay_twice(alice)
    return steps


@pytest.mark.parametrize("step", range(steps_of_a_payment()))
def test_a_crash_at_any_write_or_effect_loses_no_state_that_was_signed(step: int) -> None:
    alice, bob = joined()
    before = alice.engine.node.channels[the_channel(alice)].newest_signed
    alice.disk.fuse.light(step)
    with pytest.raises(Crash):
        pay_twice(alice)
    alice.disk.fuse.put_out()
    alice.boot()
    channel = alice.engine.node.channels[the_channel(alice)]
    assert alice.disk.marks[channel.id].version <= channel.newest_signed
    assert not channel.recovering
    alice.sent.clear()
    bob.sent.clear()
    for one, two in ((alice, bob), (bob, alice)):
        one.engine.receive(LinkUp(one.now, two.peer))
    talk(alice, bob)
    paid = 1000 - balances(alice)[0]
    assert balances(alice) == balances(bob) == [1000 - paid, 1000 + paid]
    assert alice.engine.node.channels[channel.id].agreed.version == before + paid


def test_states_offered_together_are_signed_in_order_each_saved_before_the_next() -> None:
    alice, _ = joined()
    channel_id = the_channel(alice)
    until = UnixSeconds(alice.now + 60)
    for _ in range(3):
        operation = Transfer(Seat(0), 0, until, Seat(1), AssetIndex(0), Amount(1))
        alice.engine.receive(OperationsRequested(alice.now, "pay", channel_id, (operation,)))
    alice.engine.pump()
    versions = [message.version for _, message in alice.sent if isinstance(message, StateProposed)]
    assert len(versions) == 3
    assert versions == sorted(versions)
    node, _ = replay(SimJournal(alice.disk), alice.empty())
    signed = [bool(entry.signatures[0]) for entry in node.channels[channel_id].offered]
    assert signed == [True, True, False]


@pytest.mark.parametrize("entries_max", [1, 7, 20_000])
def test_the_journal_alone_gives_the_node_again_byte_for_byte(entries_max: int) -> None:
    alice, bob = joined(entries_max)
    for _ in range(5):
        pay(alice, 3)
        pay(bob, 2)
        talk(alice, bob)
    for machine in (alice, bob):
        machine.engine.save()
        again, _ = replay(SimJournal(machine.disk), machine.empty())
        assert snapshot(again) == snapshot(machine.engine.node)


def test_an_entry_of_another_journal_is_not_replayed() -> None:
    alice, _ = joined()
    foreign = encode(OperationsRequested(alice.now, "pay", ChannelId(bytes(32)), ()))
    for odd in (b"nonsense", b'{"type":"LinkUp"}', foreign):
        alice.disk.entries.append(odd)
        with pytest.raises(InvariantBroken, match="cannot be replayed"):
            replay(SimJournal(alice.disk), alice.empty())
        alice.disk.entries.pop()
