"""The node: whom it talks to, how channels come to be, and what it does not let anybody break."""

import msgspec
import pytest
from tests.unit.node.person import (
    DEADLINE,
    POLICY,
    Person,
    accepted,
    authorized,
    met,
    opened,
    proposed,
    request,
    terms_of,
)

from thalweg.channel.effects import Authorize, Notify, SendMessage, SetTimer, Submit, Topic, Watch
from thalweg.channel.events import (
    AcceptRequested,
    ChainReported,
    LinkDown,
    Policy,
    Started,
    TimerFired,
)
from thalweg.channel.messages import ChannelAccepted, ChannelProposed, StateRefused, Synced
from thalweg.channel.onchain import CallSettled, ChannelObserved, View
from thalweg.channel.opening import FORGET_S
from thalweg.crypto import sign
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.node.state import restore, snapshot
from thalweg.testing.table import NOW
from thalweg.units import Address, Amount, ChannelId, Hash, UnixSeconds, Version

# --- greeting -------------------------------------------------------------------------------------------------------


def test_two_nodes_that_greeted_know_each_other() -> None:
    alice, bob = met()
    assert alice.node.peers[bob.peer].address == bob.address
    assert alice.node.peers[bob.peer].up


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wire_version": 2}, Reason.UNKNOWN_FEATURE),
        ({"required": ("channel/1", "telepathy/7")}, Reason.UNKNOWN_FEATURE),
        ({"chain_id": 1}, Reason.WRONG_CHAIN),
        ({"chain_id": 2**300}, Reason.WRONG_CHAIN),
        ({"contract": Address(bytes(20))}, Reason.WRONG_CONTRACT),
        ({"payout": Address(bytes(20))}, Reason.WRONG_SIGNER),
        ({"payer": Address(bytes(20))}, Reason.WRONG_SIGNER),
        ({"address": Address(bytes(20))}, Reason.WRONG_SIGNER),
        ({"binding": b""}, Reason.WRONG_SIGNER),
    ],
)
def test_a_peer_of_another_world_is_refused_by_name(changes: dict[str, object], reason: Reason) -> None:
    alice, bob = Person("alice"), Person("bob")
    before = alice.node
    with pytest.raises(PeerFault) as caught:
        alice.hear(bob, msgspec.structs.replace(bob.hello(alice), **changes))
    assert caught.value.reason == reason
    assert alice.node == before


def test_nobody_can_greet_with_anothers_hello() -> None:
    alice, bob, mallory = Person("alice"), Person("bob"), Person("mallory")
    with pytest.raises(PeerFault, match=str(Reason.WRONG_SIGNER)):
        alice.hear(mallory, bob.hello(alice))


def test_nothing_is_taken_before_the_greeting_or_after_the_link() -> None:
    alice, bob = Person("alice"), Person("bob")
    message = StateRefused(ChannelId(bytes(32)), Version(1), -1, Reason.EXPIRED)
    with pytest.raises(PeerFault, match=str(Reason.OUT_OF_ORDER)):
        alice.hear(bob, message)
    alice, bob = met()
    alice.step(LinkDown(NOW, bob.peer))
    with pytest.raises(PeerFault, match=str(Reason.OUT_OF_ORDER)):
        alice.hear(bob, message)


def test_a_message_about_an_unknown_channel_is_a_fault_but_comparing_notes_is_not() -> None:
    alice, bob = met()
    unknown = ChannelId(bytes(32))
    with pytest.raises(PeerFault, match=str(Reason.UNKNOWN_CHANNEL)):
        alice.hear(bob, StateRefused(unknown, Version(1), -1, Reason.EXPIRED))
    before = alice.node
    alice.hear(bob, Synced(unknown, Version(1), Hash(bytes(32)), Version(1)))
    assert alice.node == before


def test_who_has_no_seat_in_a_channel_is_not_heard() -> None:
    alice, _ = opened()
    mallory = Person("mallory")
    alice.hear(mallory, mallory.hello(alice))
    (channel_id,) = alice.node.channels
    with pytest.raises(PeerFault, match=str(Reason.UNKNOWN_CHANNEL)):
        alice.hear(mallory, StateRefused(channel_id, Version(1), -1, Reason.EXPIRED))


# --- openings -------------------------------------------------------------------------------------------------------


def test_all_sign_and_the_proposer_sends_one_transaction() -> None:
    alice, bob = opened()
    (submit,) = [effect for effect in alice.effects if isinstance(effect, Submit)]
    assert len(submit.call.signatures) == 2  # type: ignore[union-attr]
    assert list(alice.node.channels) == list(bob.node.channels)
    assert any(isinstance(effect, Watch) for effect in bob.effects)


def test_the_proposer_signs_last() -> None:
    alice, _ = accepted()
    assert not any(isinstance(effect, Authorize) for effect in alice.effects)


def test_an_acceptance_that_was_lost_is_said_again_when_it_is_asked_for_again() -> None:
    alice, bob = accepted()
    bob.effects.clear()
    (proposal,) = alice.said(ChannelProposed)
    bob.hear(alice, proposal)
    assert len(bob.said(ChannelAccepted)) == 1


def test_a_wallet_that_was_asked_before_a_crash_is_asked_again() -> None:
    alice, bob = proposed()
    (channel_id,) = bob.node.openings
    bob.step(AcceptRequested(NOW, channel_id, POLICY))
    bob.effects.clear()
    bob.step(Started(NOW))
    assert any(isinstance(effect, Authorize) for effect in bob.effects)
    alice.effects.clear()
    alice.step(Started(NOW))
    assert not any(isinstance(effect, Authorize) for effect in alice.effects)


def test_an_acceptance_must_be_signed_by_the_payer() -> None:
    alice, bob = accepted()
    (message,) = bob.said(ChannelAccepted)
    before = alice.node
    forged = msgspec.structs.replace(message, signature=sign(bob.key, bytes(32)))
    with pytest.raises(PeerFault, match=str(Reason.WRONG_SIGNER)):
        alice.hear(bob, forged)
    with pytest.raises(PeerFault, match=str(Reason.MALFORMED)):
        alice.hear(bob, msgspec.structs.replace(message, pulls=()))
    assert alice.node == before


def test_a_key_that_its_peer_did_not_show_has_no_seat() -> None:
    alice, bob = met()
    mallory = Person("mallory")
    message = request(alice, bob)
    terms = msgspec.structs.replace(terms_of(mallory, bob), nonce=message.terms.nonce)
    lie = ChannelProposed(terms, message.amounts, message.payers, message.peers, DEADLINE, Hash(bytes(32)))
    with pytest.raises(PeerFault, match=str(Reason.WRONG_SIGNER)):
        bob.hear(alice, lie)


def test_a_policy_must_fit_the_terms() -> None:
    alice, bob = met()
    odd = Policy(undecided_max=())
    with pytest.raises(UserFault, match=str(Reason.MALFORMED)):
        alice.step(request(alice, bob, policy=odd))
    alice, bob = proposed()
    (channel_id,) = bob.node.openings
    with pytest.raises(UserFault, match=str(Reason.MALFORMED)):
        bob.step(AcceptRequested(NOW, channel_id, odd))


def test_an_opening_somebody_else_sent_first_is_not_forgotten() -> None:
    alice, _ = opened()
    (channel_id,) = alice.node.channels
    alice.step(ChainReported(NOW, CallSettled(f"{channel_id.hex()}/open", error="wrong phase")))
    assert [item.topic for item in alice.effects if isinstance(item, Notify)][-1] == Topic.OPENING_DECLINED
    view = View(opened=True, deposited=(Amount(100),) * 2, withdrawn=(Amount(0),) * 2)
    alice.step(ChainReported(NOW, ChannelObserved(channel_id, view, view)))
    assert alice.node.channels[channel_id].head.opened


def test_an_opening_that_can_never_be_mined_any_more_is_forgotten() -> None:
    alice, bob = opened()
    for person in (alice, bob):
        (channel_id,) = person.node.channels
        late = UnixSeconds(DEADLINE + FORGET_S)
        for seen in (0, DEADLINE):  # no block since the start, or none that comes long enough after it
            person.step(TimerFired(late, channel_id, UnixSeconds(seen)))
            assert channel_id in person.node.channels, "the chain may show it yet"
        timer = [item for item in person.effects if isinstance(item, SetTimer)][-1]
        assert timer.at == late + FORGET_S
        person.step(TimerFired(timer.at, channel_id, timer.at))
        assert person.node.channels == {}


def test_a_wallet_that_cannot_pay_ends_the_opening_on_both_sides() -> None:
    alice, bob = proposed()
    (channel_id,) = bob.node.openings
    bob.step(AcceptRequested(NOW, channel_id, POLICY))
    bob.step(authorized(bob, error="insufficient balance"))
    assert bob.node.openings == {}
    (declined,) = [item.message for item in bob.effects if isinstance(item, SendMessage)][-1:]
    alice.hear(bob, declined)
    assert alice.node.openings == {}


def test_a_snapshot_is_the_whole_node() -> None:
    alice, _ = opened()
    assert restore(snapshot(alice.node)) == alice.node
    assert snapshot(restore(snapshot(alice.node))) == snapshot(alice.node)
