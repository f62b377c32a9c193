"""What strangers, counterparties and a lying endpoint do to a node: nothing lasting, and nothing that costs money."""

import msgspec
import pytest
from tests.unit.node.person import (
    DEADLINE,
    Person,
    accepted,
    met,
    opened,
    request,
)

from thalweg.channel.effects import SendMessage, SetTimer
from thalweg.channel.events import ChainReported, LinkDown, LinkUp, OpenRequested, TimerFired
from thalweg.channel.hashes import opening_nonce
from thalweg.channel.messages import ChannelAccepted, ChannelProposed, Synced
from thalweg.channel.onchain import ChannelObserved, Dispute, Progress, Pull, View
from thalweg.channel.opening import FORGET_S
from thalweg.errors import PeerFault, Reason, UserFault
from thalweg.node import step as node_step
from thalweg.node.state import OPENINGS_MAX, OPENINGS_OF_PEER_MAX, Peer
from thalweg.testing.table import NOW
from thalweg.units import AMOUNT_MAX, Address, Amount, Seat, UnixSeconds, Version

# --- who I am -------------------------------------------------------------------------------------------------------


def proposal(alice: Person, bob: Person, nonce: int = 0) -> ChannelProposed:
    asked = request(alice, bob)
    terms = msgspec.structs.replace(asked.terms, nonce=opening_nonce(nonce, asked.payers))
    return ChannelProposed(terms, asked.amounts, asked.payers, asked.peers, DEADLINE, asked.secret)


@pytest.mark.parametrize("member", ["payouts", "payers", "peers"])
def test_a_proposal_that_names_me_otherwise_than_i_named_myself_is_refused(member: str) -> None:
    alice, bob = met()
    honest = proposal(alice, bob)
    if member == "payouts":
        terms = msgspec.structs.replace(honest.terms, payouts=(alice.address, Address(b"thief" * 4)))
        lie = msgspec.structs.replace(honest, terms=terms)
    elif member == "payers":
        payers = (alice.payer, alice.payer)
        terms = msgspec.structs.replace(honest.terms, nonce=opening_nonce(0, payers))
        lie = msgspec.structs.replace(honest, terms=terms, payers=payers)
    else:
        lie = msgspec.structs.replace(honest, peers=(alice.peer, b"carol"))
    with pytest.raises(PeerFault, match=f"{Reason.WRONG_SIGNER}: {member}\\[1\\]"):
        bob.hear(alice, lie)
    assert bob.node.openings == {}
    bob.hear(alice, honest)
    assert len(bob.node.openings) == 1


def test_my_own_proposal_names_me_too() -> None:
    alice, bob = met()
    asked = msgspec.structs.replace(request(alice, bob), peers=(b"alias", bob.peer))
    with pytest.raises(UserFault, match="peers"):
        alice.step(asked)
    assert alice.node.openings == {}


@pytest.mark.parametrize("size", [1, 63])
def test_an_acceptance_with_half_a_permit_is_refused(size: int) -> None:
    alice, bob = accepted()
    (message,) = bob.said(ChannelAccepted)
    odd = msgspec.structs.replace(message, pulls=(Pull(UnixSeconds(0), bytes(size)),))
    with pytest.raises(PeerFault, match=str(Reason.MALFORMED)):
        alice.hear(bob, odd)


# --- room -----------------------------------------------------------------------------------------------------------


def test_one_peer_cannot_take_the_room_of_others_or_mine() -> None:
    alice, bob = met()
    for nonce in range(OPENINGS_OF_PEER_MAX):
        bob.hear(alice, proposal(alice, bob, nonce))
    with pytest.raises(PeerFault, match=str(Reason.LIMIT)):
        bob.hear(alice, proposal(alice, bob, 999))
    bob.hear(alice, proposal(alice, bob, 0))  # said again
    carol = Person("carol")
    bob.hear(carol, carol.hello(bob))
    bob.hear(carol, proposal(carol, bob))
    bob.step(request(bob, alice))
    assert len(bob.node.openings) == OPENINGS_OF_PEER_MAX + 2


def test_what_i_accepted_takes_no_room() -> None:
    alice, bob = accepted()
    for nonce in range(1, OPENINGS_OF_PEER_MAX + 1):
        bob.hear(alice, proposal(alice, bob, nonce))
    assert len(bob.node.openings) == OPENINGS_OF_PEER_MAX + 1


def test_many_strangers_leave_room_for_my_own_openings() -> None:
    bob = Person("bob")
    for number in range(OPENINGS_MAX // OPENINGS_OF_PEER_MAX):
        stranger = Person(f"stranger {number}")
        bob.hear(stranger, stranger.hello(bob))
        for nonce in range(OPENINGS_OF_PEER_MAX):
            bob.hear(stranger, proposal(stranger, bob, nonce))
    alice = Person("alice")
    bob.hear(alice, alice.hello(bob))
    with pytest.raises(PeerFault, match=str(Reason.LIMIT)):
        bob.hear(alice, proposal(alice, bob))
    bob.step(request(bob, alice))
    assert len(bob.node.openings) == OPENINGS_MAX + 1


def test_my_own_openings_have_a_limit_too() -> None:
    alice, bob = met()
    asked = request(alice, bob)

    def ask(nonce: int) -> OpenRequested:
        terms = msgspec.structs.replace(asked.terms, nonce=opening_nonce(nonce, asked.payers))
        return msgspec.structs.replace(asked, terms=terms)

    for nonce in range(OPENINGS_MAX):
        alice.step(ask(nonce))
    with pytest.raises(UserFault, match=str(Reason.LIMIT)):
        alice.step(ask(999))


def test_strangers_that_are_gone_are_forgotten_where_room_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_step, "PEERS_MAX", 4)
    alice, _ = opened()  # she knows bob, and has a channel with him
    asked, stranger, linked, late = (Person(name) for name in ("asked", "stranger", "linked", "late"))
    for other in (asked, stranger, linked):
        alice.hear(other, other.hello(alice))
    alice.step(request(alice, asked))
    for gone in (b"bob", asked.peer, stranger.peer):
        alice.step(LinkDown(NOW, gone))
    alice.hear(late, late.hello(alice))
    assert list(alice.node.peers) == [b"bob", asked.peer, linked.peer, late.peer]
    with pytest.raises(PeerFault, match=str(Reason.LIMIT)):
        alice.hear(stranger, stranger.hello(alice))
    alice.hear(late, late.hello(alice))


def test_a_second_hello_on_a_link_is_not_heard_but_one_on_a_new_link_is() -> None:
    alice, bob = opened()
    funded = View(opened=True, deposited=(Amount(0),) * 2, withdrawn=(Amount(0),) * 2)
    alice.step(ChainReported(NOW, ChannelObserved(next(iter(alice.node.channels)), funded, funded)))
    hello = bob.hello(alice)
    before = alice.node
    alice.hear(bob, hello)
    assert alice.node is before
    alice.step(LinkUp(NOW, bob.peer))
    assert alice.node.peers[bob.peer] == Peer(bob.address, bob.address, bob.payer, up=False)
    alice.effects.clear()
    alice.hear(bob, hello)
    assert alice.node.peers[bob.peer].up
    assert any(isinstance(item, SendMessage) and isinstance(item.message, Synced) for item in alice.effects)


# --- channels that never come to be ---------------------------------------------------------------------------------


def test_who_accepted_and_waits_in_vain_is_woken_to_forget() -> None:
    _, bob = accepted()
    (channel_id,) = bob.node.channels
    (timer,) = [item for item in bob.effects if isinstance(item, SetTimer)]
    assert timer == SetTimer(channel_id, UnixSeconds(DEADLINE + FORGET_S))
    bob.step(TimerFired(timer.at, channel_id, timer.at))
    assert bob.node.channels == {}


def test_a_channel_in_which_something_was_agreed_is_never_forgotten() -> None:
    alice, _ = opened()
    ((channel_id, channel),) = alice.node.channels.items()
    agreed = msgspec.structs.replace(
        channel.agreed, state=msgspec.structs.replace(channel.agreed.state, version=Version(3))
    )
    lived = msgspec.structs.replace(channel, agreed=agreed)
    alice.node = msgspec.structs.replace(alice.node, channels={channel_id: lived})
    alice.step(TimerFired(UnixSeconds(DEADLINE + FORGET_S), channel_id, UnixSeconds(DEADLINE + FORGET_S)))
    assert channel_id in alice.node.channels


# --- a lying endpoint -----------------------------------------------------------------------------------------------

TWO = (Amount(100),) * 2
NONE = (Amount(0),) * 2
DISPUTE = Dispute(Version(0), DEADLINE, Seat(0))


@pytest.mark.parametrize(
    "view",
    [
        View(opened=True),
        View(opened=True, deposited=TWO, withdrawn=NONE[:1]),
        View(opened=True, deposited=TWO * 2, withdrawn=NONE * 2),
        View(deposited=TWO[:1]),
        View(opened=True, deposited=(Amount(-1), Amount(0)), withdrawn=NONE),
        View(opened=True, deposited=(Amount(AMOUNT_MAX + 1), Amount(0)), withdrawn=NONE),
        View(dispute=DISPUTE),
        View(opened=True, deposited=TWO, withdrawn=NONE, dispute=msgspec.structs.replace(DISPUTE, challenger=Seat(2))),
        View(
            opened=True,
            deposited=TWO,
            withdrawn=NONE,
            dispute=msgspec.structs.replace(DISPUTE, progress=Progress(1, True, (1,), NONE)),
        ),
    ],
)
def test_a_view_that_no_such_channel_can_have_is_not_believed(view: View) -> None:
    alice, _ = opened()
    (channel_id,) = alice.node.channels
    before = alice.node
    good = View(opened=True, deposited=TWO, withdrawn=NONE)
    alice.step(ChainReported(NOW, ChannelObserved(channel_id, view, good)))
    alice.step(ChainReported(NOW, ChannelObserved(channel_id, good, view)))
    assert alice.node is before
    alice.step(ChainReported(NOW, ChannelObserved(channel_id, good, View())))
    assert alice.node.channels[channel_id].head == good
