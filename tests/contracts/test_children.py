"""Child channels: who starts their disputes, how they are answered and decided, once and for ever."""

from collections.abc import Sequence

import msgspec
import pytest
from tests.contracts.claims import image, lock
from tests.contracts.evm import Account, Reverted, account
from tests.contracts.family import DAY_S, DECIDED, disputed, lent, settle, virtual
from tests.contracts.scene import USD, Scene, State

from thalweg.chain.artefacts import ADJUDICATOR, SUBCHANNELS
from thalweg.chain.children import Child, walked_hash
from thalweg.channel.claims import Condition
from thalweg.channel.hashes import state_digest
from thalweg.channel.sheet import Holding
from thalweg.crypto import sign
from thalweg.units import (
    VERSION_FINAL,
    Amount,
    Hash,
    UnixSeconds,
)

WRONG_SIGNER = "adjudicator: wrong signer"


def test_a_virtual_channel_is_exited_alone_and_the_hub_ends_where_it_began(scene: Scene) -> None:
    kid, near, far = virtual(scene)
    one, two = lent(kid, near), lent(kid, far)
    newest = kid.state(9, (45 * USD, 5 * USD))
    disputed(near, one)
    kid.do(kid.challenge(newest, near))
    kid.wait()
    assert near.refusal(near.settlement(one)) == "claim: child not decided"

    kid.do(kid.settlement(newest))
    settle(near, one)
    disputed(far, two)
    settle(far, two)

    assert kid.outcome() == ((DECIDED, 45 * USD), (DECIDED, 5 * USD))
    hal = account("hal").address
    assert scene.balance(account("alice").address) == 115 * USD
    assert scene.balance(account("bob").address) == 85 * USD
    assert scene.balance(hal) == 200 * USD


def test_a_child_begins_with_its_opening_and_is_answered_with_its_newest_state(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near))
    middle, newest = kid.state(3, (0, 50 * USD)), kid.state(7, (40 * USD, 10 * USD))
    kid.do(kid.answer(middle))
    assert kid.refusal(kid.answer(middle)) == "adjudicator: stale version"

    kid.do(kid.answer(newest))
    assert kid.refusal(kid.settlement(newest)) == "adjudicator: not yet"
    kid.wait()
    assert kid.refusal(kid.answer(kid.final((0, 50 * USD)))) == "adjudicator: expired"
    assert kid.refusal(kid.settlement(middle)) == "adjudicator: wrong hash"
    kid.do(kid.settlement(newest))

    assert kid.outcome() == ((DECIDED, 40 * USD), (DECIDED, 10 * USD))


def test_a_child_nobody_signed_anything_in_ends_as_it_began(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near))
    kid.wait()

    kid.do(kid.settlement(kid.implicit()))
    settle(near, one)

    assert near.wallets() == (100 * USD, 100 * USD)


def test_who_may_start_a_childs_dispute(scene: Scene) -> None:
    kid, near, far = virtual(scene)
    start = kid.challenge(kid.implicit())
    assert kid.refusal(start) == "adjudicator: malformed"  # names no parent, and `until` has not passed
    assert kid.refusal(kid.challenge(kid.implicit(), near)) == "adjudicator: wrong phase"

    disputed(near, lent(kid, near))
    assert kid.refusal(kid.challenge(kid.implicit(), far)) == "adjudicator: wrong phase"
    assert kid.refusal(kid.challenge(kid.implicit(), near)) == ""

    scene.evm.travel(kid.child.until)
    assert kid.refusal(start) == "adjudicator: malformed"
    scene.evm.travel(kid.child.until + 1)
    assert kid.refusal(start) == ""
    scene.evm.travel(kid.child.until + 30 * DAY_S)
    assert kid.refusal(start) == ""
    scene.evm.travel(kid.child.until + 30 * DAY_S + 1)
    assert kid.refusal(start) == "adjudicator: expired"
    assert kid.refusal(kid.challenge(kid.implicit(), near)) == "adjudicator: expired"


@pytest.mark.parametrize("change", ["amounts", "parents", "salt", "until", "payouts", "alone", "assets"])
def test_a_childs_terms_bind_how_it_begins(scene: Scene, change: str) -> None:
    kid, near, _ = virtual(scene)
    state = lent(kid, near)
    disputed(near, state)
    child, terms = kid.child, kid.child.terms
    changed: dict[str, Child] = {
        "amounts": msgspec.structs.replace(child, amounts=(Amount(20 * USD), Amount(30 * USD))),
        "parents": msgspec.structs.replace(child, parents=child.parents[:1]),
        "salt": msgspec.structs.replace(child, salt=Hash(bytes(32))),
        "until": msgspec.structs.replace(child, terms=msgspec.structs.replace(terms, nonce=terms.nonce % 2**192)),
        "payouts": msgspec.structs.replace(child, terms=msgspec.structs.replace(terms, payouts=terms.participants)),
        "alone": msgspec.structs.replace(
            child, terms=msgspec.structs.replace(terms, participants=terms.participants[:1])
        ),
        "assets": msgspec.structs.replace(child, terms=msgspec.structs.replace(terms, assets=terms.assets * 2)),
    }
    kid.child = changed[change]

    reason = "wrong hash" if change in ("amounts", "parents", "salt") else "malformed"
    assert kid.refusal(kid.challenge(kid.implicit(), near)) == f"adjudicator: {reason}"


def test_a_childs_id_can_never_be_opened_with_deposits(scene: Scene) -> None:
    kid, *_ = virtual(scene)
    channel = scene.channel()
    channel.terms = kid.child.terms

    assert channel.refusal(channel.opening()) == "adjudicator: malformed"


def test_a_childs_states_are_worth_nothing_to_the_adjudicator_and_the_other_way(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    disputed(near, lent(kid, near))
    childs, parents = kid.state(8, (0, 50 * USD)), near.state(8, (0, 200 * USD))

    assert kid.refusal(kid.challenge(_signed(childs, kid.people, scene.separator), near)) == WRONG_SIGNER
    assert near.refusal(near.answer(_signed(parents, near.people, kid.separator))) == WRONG_SIGNER
    assert kid.refusal(kid.challenge(_signed(childs, kid.people, kid.separator), near)) == ""
    assert near.refusal(near.answer(_signed(parents, near.people, scene.separator))) == ""


def _signed(state: State, people: Sequence[Account], separator: bytes) -> State:
    """Return a state signed anew, as it is, under some domain."""
    digest = state_digest(separator, state.state)
    return msgspec.structs.replace(state, signatures=tuple(sign(one.key, digest) for one in people))


@pytest.mark.parametrize("signers", [(), (0,), (1, 0)])
def test_a_childs_dispute_needs_every_signature_in_order(scene: Scene, signers: tuple[int, ...]) -> None:
    kid, near, _ = virtual(scene)
    disputed(near, lent(kid, near))
    state = kid.state(8, (0, 50 * USD), signers=[kid.people[seat] for seat in signers])

    assert kid.refusal(kid.challenge(state, near)) == WRONG_SIGNER


def test_an_outcome_is_fixed_once(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    disputed(near, one)
    newest = kid.state(9, (45 * USD, 5 * USD))
    kid.do(kid.challenge(newest, near))
    assert kid.refusal(kid.challenge(newest, near)) == "adjudicator: wrong phase"
    kid.wait()
    kid.do(kid.settlement(newest))

    scene.evm.travel(kid.child.until + 1)
    for again in (kid.challenge(kid.implicit()), kid.answer(kid.final((0, 50 * USD)))):
        assert kid.refusal(again) == "adjudicator: wrong phase"
    assert kid.refusal(kid.settlement(newest)) == "adjudicator: wrong phase"
    assert kid.refusal(kid.call_off(newest)) == "adjudicator: wrong phase"
    assert scene.evm.ask(scene.subchannels, SUBCHANNELS, "dispute", kid.child.id) == 0


def test_only_the_resolver_decides(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    nothing = (0, ())
    for contract, name in ((scene.subchannels, SUBCHANNELS), (scene.adjudicator, ADJUDICATOR)):
        with pytest.raises(Reverted, match="wrong signer"):
            scene.evm.tell(contract, name, "apply", kid.child.id, ((), (), 0), (), (), nothing, 0, 0)
    assert near.view.opened


def test_a_child_whose_claims_nobody_can_show_is_called_off_after_three_months(scene: Scene) -> None:
    kid, near, _ = virtual(scene, until_s=2 * DAY_S)
    one = lent(kid, near)
    junk = kid.state(4, (0, 50 * USD))
    junk = msgspec.structs.replace(junk, state=msgspec.structs.replace(junk.state, claims_root=Hash(b"\1" * 32)))
    signed = _signed(junk, kid.people, kid.separator)
    disputed(near, one)
    kid.do(kid.challenge(signed, near))
    scene.evm.travel(kid.child.until + 90 * DAY_S)
    assert kid.refusal(kid.call_off(signed)) == "adjudicator: not yet"
    scene.evm.travel(kid.child.until + 90 * DAY_S + 1)
    assert kid.refusal(kid.call_off(kid.implicit())) == "adjudicator: wrong hash"

    kid.do(kid.call_off(signed))
    near.do(near.settlement(one))

    assert kid.outcome() == ((DECIDED, 30 * USD), (DECIDED, 20 * USD))
    assert near.wallets() == (100 * USD, 100 * USD)


def test_a_child_that_is_stuck_in_the_middle_is_called_off_too(scene: Scene) -> None:
    kid, near, _ = virtual(scene, until_s=2 * DAY_S)
    one = lent(kid, near)
    never = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 4000 * DAY_S))
    now = Condition((), UnixSeconds(0))
    held = [
        Holding(Amount(20 * USD), Amount(0), Amount(30 * USD)),
        Holding(Amount(20 * USD), Amount(0), Amount(20 * USD)),
    ]
    state = kid.state(4, held, [lock(1, 5 * USD, now), lock(2, 5 * USD, never)])
    disputed(near, one)
    kid.do(kid.challenge(state, near))
    kid.wait()
    kid.do(kid.settlement(state, upto=1))
    assert kid.refusal(kid.settlement(state)) == "preimages: not yet"
    scene.evm.travel(kid.child.until + 90 * DAY_S + 1)
    assert kid.refusal(kid.call_off(state)) == "adjudicator: wrong hash"

    kid.do(kid.call_off(state, walked_hash(kid.progress)))

    assert kid.outcome() == ((DECIDED, 30 * USD), (DECIDED, 20 * USD))


def test_everybody_together_decides_a_child_in_dispute_at_once(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    disputed(near, one)
    final = kid.final((12 * USD, 38 * USD))
    assert kid.refusal(kid.closing(final)) == "adjudicator: wrong phase"
    kid.do(kid.challenge(kid.implicit(), near))
    for signers in ((), (kid.people[0],), kid.people[::-1]):
        assert kid.refusal(kid.closing(kid.state(VERSION_FINAL, (12 * USD, 38 * USD), signers=signers))) == WRONG_SIGNER
    assert kid.refusal(kid.closing(kid.state(9, (12 * USD, 38 * USD)))) == WRONG_SIGNER
    claimed = kid.state(VERSION_FINAL, (12 * USD, 38 * USD), [lock(1, 5, Condition())])
    assert kid.refusal(kid.closing(claimed)) == WRONG_SIGNER

    kid.do(kid.closing(final))
    settle(near, one)

    assert kid.outcome() == ((DECIDED, 12 * USD), (DECIDED, 38 * USD))
    assert near.wallets() == (82 * USD, 118 * USD)
    assert kid.refusal(kid.closing(final)) == "adjudicator: wrong phase"


def test_a_final_state_decides_a_child_even_in_the_middle_of_its_settlement(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    disputed(near, lent(kid, near))
    held = [Holding(Amount(20 * USD), Amount(0), amount) for amount in kid.child.amounts]
    never = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 400 * DAY_S))
    state = kid.state(4, held, [lock(1, 5 * USD, Condition()), lock(2, 5 * USD, never)])
    kid.do(kid.challenge(state, near))
    kid.wait()
    kid.do(kid.settlement(state, upto=1))

    kid.do(kid.closing(kid.final((12 * USD, 38 * USD))))

    assert kid.outcome() == ((DECIDED, 12 * USD), (DECIDED, 38 * USD))


def test_everybody_together_calls_a_childs_dispute_off(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    disputed(near, one)
    older, newer = kid.state(3, (0, 50 * USD)), kid.state(8, (50 * USD, 0))
    kid.do(kid.challenge(older, near))
    deadline = kid.deadline
    assert kid.refusal(kid.resumption(3, deadline)) == "adjudicator: stale version"
    assert kid.refusal(kid.resumption(8, deadline + 1)) == WRONG_SIGNER
    assert kid.refusal(kid.resumption(8, deadline, signers=kid.people[:1])) == WRONG_SIGNER

    kid.do(kid.resumption(8, deadline))

    assert kid.deadline == 0
    assert kid.outcome() == ((0, 0), (0, 0))
    assert kid.refusal(kid.resumption(9, deadline)) == "adjudicator: wrong phase"
    for old in (older, kid.implicit()):
        assert kid.refusal(kid.challenge(old, near)) == "adjudicator: stale version"
    kid.do(kid.challenge(newer, near))
    assert kid.refusal(kid.resumption(8, kid.deadline)) == "adjudicator: stale version"
    kid.wait()
    kid.do(kid.settlement(newer))
    settle(near, one)
    assert near.wallets() == (120 * USD, 80 * USD)


def test_a_child_that_was_called_off_together_and_never_disputed_again_counts_as_repaid(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    disputed(near, one)
    kid.do(kid.challenge(kid.state(3, (0, 50 * USD)), near))
    kid.do(kid.resumption(8, kid.deadline))
    scene.evm.travel(kid.child.until + 30 * DAY_S)
    assert near.refusal(near.settlement(one)) == "claim: child not decided"

    scene.evm.travel(kid.child.until + 30 * DAY_S + 1)
    near.do(near.settlement(one))

    assert near.wallets() == (100 * USD, 100 * USD)
    assert kid.refusal(kid.challenge(kid.state(9, (0, 50 * USD)), near)) == "adjudicator: expired"
