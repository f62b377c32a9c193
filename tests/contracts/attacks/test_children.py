"""Attacks on whoever lends to a child channel whose people are one and the same thief."""

from tests.contracts.evm import account
from tests.contracts.family import Kid, disputed, lending
from tests.contracts.scene import USD, Channel, Scene, State

DAY_S = 86_400


def _virtual(scene: Scene) -> tuple[Kid, Channel, Channel, State, State]:
    """A child of alice and bob over a hub: alice lent 30 of hers to it in one parent, bob 20 of his in the other."""
    kid = Kid(scene, ("alice", "bob"), (30 * USD, 20 * USD), until=scene.evm.now() + 400 * DAY_S)
    near, far = scene.opened("alice", "hub"), scene.opened("hub", "bob")
    one = lending(near, (30 * USD, 20 * USD), (kid.claim(1, (0, 1), (30 * USD, 20 * USD)),))
    two = lending(far, (30 * USD, 20 * USD), (kid.claim(1, (0, 1), (30 * USD, 20 * USD)),))
    return kid, near, far, one, two


def _settled(channel: Channel, state: State) -> None:
    channel.wait()
    channel.do(channel.settlement(state))


def test_a_hub_that_holds_the_opening_is_not_held_to_one_leg_of_a_child(scene: Scene) -> None:
    kid, near, far, one, two = _virtual(scene)
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near, one))  # by the hub: all it takes is the opening, and a month to do it in
    kid.do(kid.answer(kid.state(9, (0, 50 * USD))))  # alice and bob, who are one
    kid.wait()
    kid.do(kid.settlement(kid.state(9, (0, 50 * USD))))

    _settled(near, one)
    disputed(far, two)
    _settled(far, two)

    assert scene.balance(account("hub").address) == 200 * USD
