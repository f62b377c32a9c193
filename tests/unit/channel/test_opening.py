"""Opening: what terms may be, who must sign, and what becomes of an opening that the chain does not show."""

import msgspec
import pytest

from thalweg.channel.hashes import opening_nonce
from thalweg.channel.messages import ChannelProposed
from thalweg.channel.opening import DEADLINE_MAX_S, FORGET_S, MISSED_S, check_terms, on_proposed
from thalweg.channel.terms import PARTICIPANTS_MAX, CloseOut, Terms
from thalweg.channel.timing import alarm, is_forlorn
from thalweg.errors import PeerFault, Reason, RuleBroken
from thalweg.testing.table import NOW, Table
from thalweg.units import AMOUNT_MAX, NATIVE, Address, Amount, Hash, UnixSeconds

TABLE = Table()
PAYERS = (Address(b"\x01" * 20), Address(b"\x02" * 20))
TERMS = msgspec.structs.replace(TABLE.terms, nonce=opening_nonce(0, PAYERS))
SEPARATOR = TABLE.channels[0].separator


def terms(**changes: object) -> Terms:
    return msgspec.structs.replace(TERMS, **changes)


MANY = tuple(Address(bytes([index + 1]) * 20) for index in range(PARTICIPANTS_MAX + 1))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"participants": TERMS.participants[:1], "payouts": TERMS.payouts[:1]}, Reason.MALFORMED),
        ({"participants": MANY, "payouts": MANY}, Reason.MALFORMED),
        ({"participants": TERMS.participants[:1] * 2}, Reason.MALFORMED),
        ({"participants": (TERMS.participants[0], Address(b"\x01" * 19))}, Reason.MALFORMED),
        ({"payouts": TERMS.payouts[:1]}, Reason.MALFORMED),
        ({"payouts": (TERMS.payouts[0], NATIVE)}, Reason.MALFORMED),
        ({"assets": ()}, Reason.MALFORMED),
        ({"assets": TERMS.assets * 2}, Reason.MALFORMED),
        ({"assets": MANY[:5]}, Reason.MALFORMED),
        ({"settlement": 1}, Reason.MALFORMED),
        ({"settlement": -1}, Reason.MALFORMED),
        ({"challenge_period_s": 0}, Reason.MALFORMED),
        ({"challenge_period_s": 2**32}, Reason.MALFORMED),
        ({"close_out": CloseOut.MARK}, Reason.UNKNOWN_FEATURE),
        ({"oracle": Address(b"")}, Reason.MALFORMED),
        ({"risk_params_hash": Hash(b"")}, Reason.MALFORMED),
        ({"exit_spread": -1}, Reason.OVERFLOW),
        ({"exit_spread": 2**64}, Reason.OVERFLOW),
        ({"nonce": -1}, Reason.OVERFLOW),
        ({"nonce": 2**256}, Reason.OVERFLOW),
    ],
)
def test_terms_that_can_make_no_channel_are_refused(changes: dict[str, object], reason: Reason) -> None:
    with pytest.raises(RuleBroken) as caught:
        check_terms(terms(**changes))
    assert caught.value.reason == reason


def proposal(**changes: object) -> ChannelProposed:
    message = ChannelProposed(
        terms=TERMS,
        amounts=(Amount(5), Amount(5)),
        payers=PAYERS,
        peers=TABLE.peers,
        deadline=UnixSeconds(NOW + 60),
        secret=Hash(bytes(32)),
    )
    return msgspec.structs.replace(message, **changes)


def reason_of(message: ChannelProposed, *, peer: bytes = TABLE.peers[0], me: int = 1) -> Reason:
    with pytest.raises(PeerFault) as caught:
        on_proposed(message, peer, SEPARATOR, TERMS.participants[me], NOW)
    return caught.value.reason


def test_a_sound_proposal_waits_for_the_user() -> None:
    progress = on_proposed(proposal(), TABLE.peers[0], SEPARATOR, TERMS.participants[1], NOW)
    assert progress.opening is not None
    assert (progress.opening.seat, progress.opening.policy) == (1, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amounts": (Amount(5),)}, Reason.MALFORMED),
        ({"amounts": (Amount(5), Amount(-5))}, Reason.NEGATIVE),
        ({"amounts": (AMOUNT_MAX, Amount(1))}, Reason.OVERFLOW),
        ({"payers": ()}, Reason.MALFORMED),
        ({"payers": PAYERS[::-1]}, Reason.WRONG_HASH),
        ({"payers": (Address(b""), Address(b""))}, Reason.MALFORMED),
        ({"peers": TABLE.peers[:1] * 2}, Reason.MALFORMED),
        ({"secret": Hash(b"")}, Reason.MALFORMED),
        ({"deadline": NOW}, Reason.EXPIRED),
        ({"deadline": NOW + DEADLINE_MAX_S + 1}, Reason.EXPIRED),
        ({"deadline": 2**300}, Reason.EXPIRED),
        ({"terms": terms(nonce=2**300)}, Reason.OVERFLOW),
    ],
)
def test_a_proposal_that_makes_no_sense_is_its_senders_fault(changes: dict[str, object], reason: Reason) -> None:
    assert reason_of(proposal(**changes)) == reason


def test_a_channel_is_proposed_by_its_seat_0_to_its_participants() -> None:
    assert reason_of(proposal(), peer=TABLE.peers[1]) == Reason.NOT_SEQUENCER
    assert reason_of(proposal(), me=0) == Reason.NOT_SEQUENCER
    stranger = Table(seed=9).terms
    assert reason_of(proposal(terms=stranger)) == Reason.WRONG_SIGNER


def test_an_opening_that_failed_is_remembered_until_it_can_never_be_mined() -> None:
    channel = msgspec.structs.replace(Table().channels[0], open_by=UnixSeconds(NOW + 60))
    at = alarm(channel)
    assert at == NOW + 60 + FORGET_S
    assert not is_forlorn(channel, UnixSeconds(NOW + 60 + MISSED_S - 1))
    assert is_forlorn(channel, at)
    assert not is_forlorn(Table().open().channels[0], UnixSeconds(at * 2))
