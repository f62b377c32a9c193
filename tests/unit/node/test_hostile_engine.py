"""What strangers say costs no disk, and what a signature leads to is on disk before it happens."""

from collections.abc import Callable

import msgspec
import pytest
from tests.unit.node.machine import BOB, Machine, joined, the_channel

from thalweg.channel.effects import SignDigest, SignState
from thalweg.channel.events import ChainReported, LinkUp, OperationsRequested, TimerFired
from thalweg.channel.messages import Goodbye, OperationsSent, StateProposed
from thalweg.channel.onchain import ChannelObserved, View
from thalweg.channel.operations import Transfer
from thalweg.codec import decode, encode
from thalweg.errors import Reason, UserFault
from thalweg.node.engine import replay
from thalweg.node.state import snapshot
from thalweg.testing.disk import SimJournal, SimSigner
from thalweg.units import Amount, AssetIndex, ChannelId, Hash, Seat, Signature, UnixSeconds, Version


def transfer(machine: Machine, *, author: int = 0, to: int = 1, number: int = 0, until: int = 60) -> Transfer:
    return Transfer(Seat(author), number, UnixSeconds(machine.now + until), Seat(to), AssetIndex(0), Amount(1))


class SlowSigner(SimSigner):
    """A signer that takes a second for a digest."""

    def __init__(self, machine: Machine, on_signed: Callable[[ChannelId, Version], None]) -> None:
        super().__init__(machine.key, machine.disk, on_signed)
        self._clock = machine.clock

    def sign_digest(self, digest: Hash) -> Signature:
        self._clock._skew_s += 1
        return super().sign_digest(digest)


def test_what_changes_nothing_is_not_written_down() -> None:
    alice, _ = joined()
    written = len(alice.disk.entries)
    for _ in range(20):
        alice.engine.receive_message(b"stranger", encode(Goodbye(Reason.FLOOD, "x" * 500)))
    alice.engine.receive(LinkUp(alice.now, b"stranger"))
    alice.engine.pump()
    assert len(alice.disk.entries) == written
    assert [notice.detail for notice in alice.notices].count(b"stranger".hex() + " " + "x" * 500) == 20
    assert [peer for peer, _ in alice.sent] == [b"stranger"]


def test_a_long_explanation_is_cut_to_what_a_peer_takes() -> None:
    alice, _ = joined()
    alice.engine.receive_message(BOB, b'{"type":"' + b"x" * 5000 + b'"}')
    ((_, said),) = alice.sent
    assert isinstance(said, Goodbye)
    assert decode(encode(said), Goodbye) == said


def test_a_journal_is_compacted_for_its_bytes_too() -> None:
    alice, _ = joined()
    alice.bytes_max = 4000
    alice.boot()
    longest = 0
    for _ in range(40):
        alice.engine.request(OperationsRequested(alice.now, "", the_channel(alice), (transfer(alice),)))
        longest = max(longest, sum(map(len, alice.disk.entries)))
    assert 1000 < longest < 4000
    alice.engine.save()
    again, _ = replay(SimJournal(alice.disk), alice.empty())
    assert snapshot(again) == snapshot(alice.engine.node)


def test_the_bytes_that_a_journal_holds_already_count() -> None:
    alice, _ = joined()
    alice.bytes_max = sum(map(len, alice.disk.entries)) + 150  # more than the start that follows, less than the request
    alice.boot()
    assert alice.disk.entries
    alice.engine.request(OperationsRequested(alice.now, "", the_channel(alice), (transfer(alice),)))
    assert alice.disk.entries == []


def test_a_request_that_could_not_be_read_back_is_refused_and_not_written_down() -> None:
    alice, _ = joined()
    before, written = alice.engine.node, len(alice.disk.entries)
    odd = msgspec.structs.replace(transfer(alice), memo="m" * 65)
    with pytest.raises(UserFault, match=str(Reason.MALFORMED)):
        alice.engine.request(OperationsRequested(alice.now, "", the_channel(alice), (odd,)))
    assert alice.engine.node is before
    assert len(alice.disk.entries) == written


def test_a_state_that_only_a_signed_refusal_brought_about_is_on_disk_before_it_is_signed() -> None:
    alice, _ = joined()
    key = the_channel(alice)
    later = UnixSeconds(alice.now + 1)
    held_back = msgspec.structs.replace(alice.engine.node.channels[key], ask_after=later)
    alice.engine.node = msgspec.structs.replace(alice.engine.node, channels={key: held_back})
    alice.engine._journal.compact(snapshot(alice.engine.node))
    view = View(opened=True, deposited=(Amount(1000), Amount(1007)), withdrawn=(Amount(0),) * 2)
    alice.engine.receive(ChainReported(alice.now, ChannelObserved(key, view, view)))
    alice.engine.pump()
    expired = transfer(alice, author=1, to=0, number=50, until=-1)
    signed: list[bool] = []

    def on_signed(channel_id: ChannelId, version: Version) -> None:
        node, _ = replay(SimJournal(alice.disk), alice.empty())
        signed.append(node.channels[channel_id].newest_signed >= version)

    alice.engine._signer = SlowSigner(alice, on_signed)
    alice.engine.receive_message(BOB, encode(OperationsSent(key, (expired,))))
    alice.engine.pump()
    assert [type(message) for _, message in alice.sent][-1] is StateProposed
    assert signed == [True]


def test_a_signature_for_a_channel_that_is_gone_changes_nothing() -> None:
    alice, _ = joined()
    gone = ChannelId(bytes(32))
    before = alice.engine.node
    alice.engine._run(
        [SignState(gone, Version(1), Hash(bytes(32))), SignDigest(gone, "refusal/1/1/EXPIRED/", Hash(bytes(32)))]
    )
    alice.engine.receive(TimerFired(alice.now, gone))
    alice.engine.pump()
    assert alice.engine.node is before
