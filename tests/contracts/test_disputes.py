import msgspec
import pytest
from tests.contracts.compiled import tell
from tests.contracts.evm import Reverted, account
from tests.contracts.scene import CHALLENGE_S, USD, Channel, Scene

from thalweg.chain.artefacts import ADJUDICATOR
from thalweg.channel.hashes import state_digest
from thalweg.channel.onchain import Dispute, Progress, RespondState, Shown
from thalweg.codec import Domain
from thalweg.crypto import sign
from thalweg.units import Seat, Signature, UnixSeconds, Version

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def _resume(channel: Channel, version: int, signatures: list[tuple[bytes, bytes]]) -> str:
    try:
        channel.fold(channel.evm.send(channel.resumption(version, signatures)))
    except Reverted as refused:
        return str(refused)
    return ""


def test_a_challenge_shows_a_state_and_starts_the_clock(scene: Scene) -> None:
    channel = scene.opened()

    channel.do(channel.challenge(channel.state(5, (150 * USD, 50 * USD)), seat=1))

    deadline = UnixSeconds(scene.evm.now() + CHALLENGE_S)
    assert channel.view.dispute == Dispute(Version(5), deadline, Seat(1), Progress())


def test_an_answer_replaces_the_state_and_moves_nothing_else(scene: Scene) -> None:
    channel = scene.opened()
    channel.do(channel.challenge(channel.state(5, (150 * USD, 50 * USD)), seat=1))
    deadline = channel.deadline
    scene.evm.travel(deadline - 5)

    channel.do(channel.answer(channel.state(9, (60 * USD, 140 * USD))))

    assert channel.view.dispute == Dispute(Version(9), deadline, Seat(1), Progress())
    channel.wait()
    channel.do(channel.settlement(channel.state(9, (60 * USD, 140 * USD))))
    assert channel.wallets() == (60 * USD, 140 * USD)


@pytest.mark.parametrize("signers", [(), (0,), (1, 0), (0, 0), (0, 1, 1)])
def test_an_answer_needs_every_signature_in_order(scene: Scene, signers: tuple[int, ...]) -> None:
    channel = scene.opened()
    channel.do(channel.challenge(channel.implicit()))
    newest = channel.state(9, (0, 200 * USD), signers=[channel.people[seat] for seat in signers])

    assert channel.refusal(channel.answer(newest)) == "adjudicator: wrong signer"


@pytest.mark.parametrize("version", [1, 4, 5])
def test_an_answer_must_be_newer(scene: Scene, version: int) -> None:
    channel = scene.opened()
    channel.do(channel.challenge(channel.state(5, (150 * USD, 50 * USD))))

    assert (
        channel.refusal(channel.answer(channel.state(version, (50 * USD, 150 * USD)))) == "adjudicator: stale version"
    )


def test_a_cheater_with_ever_newer_old_states_cannot_keep_out_the_newest(scene: Scene) -> None:
    channel = scene.opened()
    mallory = channel.people[1]
    newest = channel.invocation(channel.answer(channel.state(50, (150 * USD, 50 * USD))))
    channel.do(channel.challenge(channel.state(1, (0, 200 * USD)), seat=1), mallory)

    for version in range(2, 8):
        channel.do(channel.answer(channel.state(version, (0, 200 * USD))), mallory)
        assert scene.evm.refusal(newest) == ""

    scene.evm.send(newest)
    late = channel.answer(channel.state(49, (0, 200 * USD)))
    assert channel.refusal(late, mallory) == "adjudicator: stale version"


def test_who_vanishes_right_after_opening_can_be_challenged_with_version_0(scene: Scene) -> None:
    channel = scene.opened(amounts=(70 * USD, 30 * USD))
    scene.give(account("stranger"), 5)
    scene.allow(account("stranger"), 5)
    channel.do(channel.top_up(1, 5))
    channel.do(channel.challenge(channel.implicit()))
    channel.wait()

    channel.do(channel.settlement(channel.implicit()))

    assert channel.view.closed
    assert channel.wallets() == (70 * USD, 30 * USD + 5)


def test_version_0_is_nothing_but_what_was_deposited(scene: Scene) -> None:
    channel = scene.opened()

    invocation = channel.tampered(channel.challenge(channel.implicit()), "challenge", _2=b"\1" * 32)
    assert scene.evm.refusal(invocation) == "adjudicator: wrong hash"
    invocation = channel.tampered(channel.challenge(channel.implicit()), "challenge", _3=b"\1" * 32)
    assert scene.evm.refusal(invocation) == "adjudicator: wrong hash"


def test_only_a_participant_starts_a_dispute_and_anybody_answers(scene: Scene) -> None:
    channel = scene.opened()
    state = channel.state(5, (150 * USD, 50 * USD))
    stranger = account("stranger")

    assert channel.refusal(channel.challenge(state, signer=stranger)) == "adjudicator: wrong signer"
    assert channel.refusal(channel.challenge(state, seat=0, signer=channel.people[1])) == "adjudicator: wrong signer"
    out_of_range = msgspec.structs.replace(channel.challenge(state), challenger=Seat(2))
    assert channel.refusal(out_of_range) == "adjudicator: wrong signer"
    channel.do(channel.challenge(state), stranger)
    channel.do(channel.answer(channel.state(6, (150 * USD, 50 * USD))), stranger)
    assert channel.view.dispute is not None
    assert channel.view.dispute.version == 6


def test_a_challenge_goes_stale(scene: Scene) -> None:
    channel = scene.opened()
    call = channel.challenge(channel.state(5, (150 * USD, 50 * USD)), valid_until=scene.evm.now() + 100)
    scene.evm.travel(call.valid_until + 1)

    assert channel.refusal(call) == "adjudicator: expired"


def test_one_dispute_at_a_time(scene: Scene) -> None:
    channel = scene.opened()
    channel.do(channel.challenge(channel.state(5, (150 * USD, 50 * USD))))

    assert channel.refusal(channel.challenge(channel.state(6, (150 * USD, 50 * USD)))) == "adjudicator: wrong phase"


def test_nothing_happens_to_a_channel_that_was_never_opened_or_is_closed(scene: Scene) -> None:
    channel = scene.opened()
    channel.do(channel.closing(channel.final((100 * USD, 100 * USD))))
    newer = channel.state(6, (100 * USD, 100 * USD))

    for call in (channel.challenge(newer), channel.answer(newer), channel.withdrawal(newer), channel.settlement(newer)):
        assert channel.refusal(call) == "adjudicator: wrong phase"
    unopened = scene.channel()
    assert unopened.refusal(unopened.challenge(unopened.implicit())) == "adjudicator: wrong phase"


def test_answers_end_and_settlement_begins_with_the_deadline(scene: Scene) -> None:
    channel = scene.opened()
    state = channel.state(5, (150 * USD, 50 * USD))
    channel.do(channel.challenge(state))
    newer = channel.state(6, (150 * USD, 50 * USD))

    scene.evm.travel(channel.deadline - 1)
    assert channel.refusal(channel.answer(newer)) == ""
    assert channel.refusal(channel.settlement(state)) == "adjudicator: not yet"

    scene.evm.travel(channel.deadline)
    assert channel.refusal(channel.answer(newer)) == "adjudicator: expired"
    assert channel.refusal(channel.settlement(state)) == ""


def test_only_the_state_that_stands_is_settled(scene: Scene) -> None:
    channel = scene.opened()
    old, new = channel.state(5, (150 * USD, 50 * USD)), channel.state(6, (50 * USD, 150 * USD))
    channel.do(channel.challenge(old))
    channel.do(channel.answer(new))
    channel.wait()

    assert channel.refusal(channel.settlement(old)) == "adjudicator: wrong hash"
    others = msgspec.structs.replace(channel.terms, payouts=tuple(reversed(channel.terms.payouts)))
    elsewhere = msgspec.structs.replace(channel.settlement(new), terms=others)
    assert channel.refusal(elsewhere) == "adjudicator: wrong hash"
    channel.do(channel.settlement(new))
    assert channel.refusal(channel.settlement(new)) == "adjudicator: wrong phase"


@pytest.mark.parametrize(
    "signers", [(), (0,), (1, 0), (0, 0), (0, 1, 1)], ids=["none", "one", "swapped", "twice", "too many"]
)
def test_a_state_needs_every_signature_in_order(scene: Scene, signers: tuple[int, ...]) -> None:
    channel = scene.opened()
    state = channel.state(5, (150 * USD, 50 * USD), signers=[channel.people[seat] for seat in signers])

    assert channel.refusal(channel.challenge(state)) == "adjudicator: wrong signer"
    assert channel.refusal(channel.withdrawal(state)) == "adjudicator: wrong signer"


def _malleable(signature: Signature) -> Signature:
    word = int.from_bytes(signature[32:])
    parity, s = word >> 255, word % 2**255
    flipped = _ORDER - s
    return Signature(signature[:32] + (flipped % 2**255 | (1 - parity) << 255).to_bytes(32))


def test_malleable_and_zero_signatures_are_refused(scene: Scene) -> None:
    channel = scene.opened()
    state = channel.state(5, (150 * USD, 50 * USD))
    one, two = state.signatures

    for bad in (
        _malleable(one),
        Signature(bytes(64)),
        Signature(bytes(32) + one[32:]),
        Signature(one[:32] + bytes(32)),
    ):
        shown = Shown(state.state, (bad, two))
        call = msgspec.structs.replace(channel.challenge(state), shown=shown)
        assert channel.refusal(call) == "adjudicator: wrong signer"


def test_no_signature_serves_another_channel_chain_contract_version_or_type(scene: Scene) -> None:
    channel, other = scene.opened(), scene.opened()
    state = channel.state(5, (150 * USD, 50 * USD))
    elsewhere = [
        Domain(scene.evm.chain_id + 1, scene.adjudicator),
        Domain(scene.evm.chain_id, scene.resolver),
        Domain(scene.evm.chain_id, scene.adjudicator, version="2"),
        Domain(scene.evm.chain_id, scene.adjudicator, name="Thalweg Oracle"),
    ]

    foreign = msgspec.structs.replace(other.challenge(other.state(5, (0, 0))), shown=state.shown)
    assert other.refusal(foreign) == "adjudicator: wrong signer"
    renumbered = Shown(msgspec.structs.replace(state.state, version=Version(6)), state.signatures)
    call = msgspec.structs.replace(channel.challenge(channel.state(6, (0, 0))), shown=renumbered)
    assert channel.refusal(call) == "adjudicator: wrong signer"
    for domain in elsewhere:
        message = state_digest(domain.separator(), state.state)
        shown = Shown(state.state, tuple(sign(one.key, message) for one in channel.people))
        call = msgspec.structs.replace(channel.challenge(state), shown=shown)
        assert channel.refusal(call) == "adjudicator: wrong signer"
    as_challenge = msgspec.structs.replace(channel.challenge(state), signature=state.signatures[0])
    assert channel.refusal(as_challenge) == "adjudicator: wrong signer"


def test_the_same_signatures_are_worth_nothing_on_a_second_deployment(scene: Scene) -> None:
    channel = scene.opened()
    state = channel.state(5, (150 * USD, 50 * USD))
    second = scene.evm.deploy(ADJUDICATOR, scene.resolver)
    for person, amount in zip(channel.people, channel.amounts, strict=True):
        scene.give(person, amount)
        tell(scene.evm, scene.token, "approve(address,uint256)", second, amount, sender=person)

    for call in (channel.opening(), channel.challenge(state)):
        invocation = msgspec.structs.replace(channel.invocation(call), to=second)
        assert scene.evm.refusal(invocation) in ("adjudicator: wrong signer", "adjudicator: wrong phase")


def test_everybody_together_calls_a_dispute_off(scene: Scene) -> None:
    channel = scene.opened()
    first = channel.challenge(channel.state(5, (150 * USD, 50 * USD)))
    channel.do(first)

    assert _resume(channel, 6, channel.resume_signatures(6, channel.deadline)) == ""

    assert channel.view.dispute is None
    assert channel.refusal(first) == "adjudicator: stale version"
    assert channel.refusal(channel.challenge(channel.state(6, (100 * USD, 100 * USD)))) == ""
    for version, reason in ((5, "adjudicator: stale version"), (6, "")):
        assert channel.refusal(channel.withdrawal(channel.state(version, (100 * USD, 100 * USD)))) == reason
    channel.do(channel.closing(channel.final((120 * USD, 80 * USD))))
    assert channel.wallets() == (120 * USD, 80 * USD)


def test_a_resume_is_for_one_dispute_and_a_newer_version(scene: Scene) -> None:
    channel = scene.opened()
    channel.do(channel.challenge(channel.state(5, (150 * USD, 50 * USD))))
    deadline = channel.deadline

    assert _resume(channel, 5, channel.resume_signatures(5, deadline)) == "adjudicator: stale version"
    assert _resume(channel, 6, channel.resume_signatures(6, deadline + 1)) == "adjudicator: wrong signer"
    assert _resume(channel, 6, channel.resume_signatures(6, deadline)[:1]) == "adjudicator: wrong signer"
    signatures = channel.resume_signatures(6, deadline)
    assert _resume(channel, 6, signatures) == ""
    assert _resume(channel, 6, signatures) == "adjudicator: wrong phase"


def test_a_challenge_period_too_long_for_the_word_is_cut(scene: Scene) -> None:
    channel = scene.opened(challenge_period_s=2**32 - 1)

    channel.do(channel.challenge(channel.implicit()))

    assert channel.deadline == 2**32 - 1


def test_sixteen_people_dispute_and_settle(scene: Scene) -> None:
    channel = scene.opened(*(f"person {index}" for index in range(16)), amounts=(100,) * 16)
    balances = (0,) * 8 + (200,) * 8
    channel.do(channel.challenge(channel.state(5, (100,) * 16), seat=15))
    channel.do(channel.answer(channel.state(6, balances)))
    channel.wait()

    channel.do(channel.settlement(channel.state(6, balances)))

    assert channel.wallets() == balances


def test_a_record_without_amounts_is_enough_to_answer(scene: Scene) -> None:
    channel = scene.opened()
    newest = channel.state(9, (60 * USD, 140 * USD))
    channel.do(channel.challenge(channel.state(5, (150 * USD, 50 * USD))))

    tower = RespondState(channel.terms, Shown(newest.state, newest.signatures))

    assert channel.refusal(tower, account("tower")) == ""
