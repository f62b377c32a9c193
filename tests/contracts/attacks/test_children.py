"""Attacks on whoever lends to a child channel whose people are one and the same thief."""

import pytest
from tests.contracts.evm import account
from tests.contracts.family import DAY_S, disputed, lent, settle, virtual
from tests.contracts.scene import USD, Scene


def test_a_hub_that_holds_the_opening_is_not_held_to_one_leg_of_a_child(scene: Scene) -> None:
    kid, near, far = virtual(scene, until_s=400 * DAY_S)
    one, two = lent(kid, near), lent(kid, far)
    newest = kid.state(9, (0, 50 * USD))
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near))  # by the hub: all it takes is the opening
    kid.do(kid.answer(newest))  # alice and bob, who are one
    kid.wait()
    kid.do(kid.settlement(newest))

    settle(near, one)
    disputed(far, two)
    settle(far, two)

    assert scene.balance(account("hal").address) == 200 * USD


def test_a_sham_parent_starts_no_dispute(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    sham = scene.opened("bob's sock", "bob's other sock", amounts=(0, 0))
    disputed(sham, sham.state(1, (0, 0), [kid.claim(1, (), ())]))

    assert kid.refusal(kid.challenge(kid.implicit(), sham)) == "adjudicator: malformed"

    kid.child = type(kid.child)(
        kid.child.id, kid.child.judge, kid.child.terms, kid.child.amounts, (near.id, sham.id), kid.child.salt
    )
    assert kid.refusal(kid.challenge(kid.implicit(), sham)) == "adjudicator: wrong hash"


@pytest.mark.parametrize("wait_s", [31 * DAY_S, 399 * DAY_S, 429 * DAY_S])
def test_a_child_counts_as_repaid_in_no_parent_while_another_may_see_it_decided(scene: Scene, wait_s: int) -> None:
    kid, near, far = virtual(scene, until_s=400 * DAY_S)
    one, two = lent(kid, near), lent(kid, far)
    newest = kid.state(9, (0, 50 * USD))  # alice has lost
    disputed(near, one)
    scene.evm.travel(scene.evm.now() + wait_s)
    assert near.refusal(near.settlement(one)) == "claim: child not decided"

    disputed(far, two)
    kid.do(kid.challenge(newest, far))
    kid.wait()
    kid.do(kid.settlement(newest))
    settle(near, one)
    settle(far, two)

    assert near.wallets()[0] == 70 * USD
    assert scene.balance(account("hal").address) == 200 * USD


def test_a_child_that_counts_as_repaid_in_one_parent_does_so_in_all_for_ever(scene: Scene) -> None:
    kid, near, far = virtual(scene, until_s=400 * DAY_S)
    one, two = lent(kid, near), lent(kid, far)
    newest, final = kid.state(9, (0, 50 * USD)), kid.final((0, 50 * USD))
    disputed(near, one)
    scene.evm.travel(kid.child.until + 30 * DAY_S + 1)
    settle(near, one)

    disputed(far, two)
    for start in (kid.challenge(newest, far), kid.challenge(kid.implicit()), kid.challenge(final, far)):
        assert kid.refusal(start) == "adjudicator: expired"
    assert kid.refusal(kid.closing(final)) == "adjudicator: wrong phase"
    settle(far, two)

    assert near.wallets()[0] == far.wallets()[1] == 100 * USD
    assert scene.balance(account("hal").address) == 200 * USD
