"""What parents make of their loans to a child channel: one outcome, mirrored by every one of them."""

import msgspec
import pytest
from tests.contracts.claims import image
from tests.contracts.compiled import creation_code
from tests.contracts.evm import account
from tests.contracts.family import DAY_S, NOBODY, Kid, disputed, lending, lent, settle, virtual
from tests.contracts.scene import USD, Scene

from thalweg.chain.artefacts import RESOLVER
from thalweg.channel.claims import Condition
from thalweg.channel.sheet import Holding
from thalweg.units import (
    Address,
    Amount,
    UnixSeconds,
)


@pytest.mark.parametrize("is_met", [True, False])
def test_a_conditional_loan_stands_or_goes_back(scene: Scene, is_met: bool) -> None:
    kid, near, _ = virtual(scene)
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    one = lending(near, (30 * USD, 20 * USD), [kid.claim(1, (0, 1), (30 * USD, 20 * USD), condition)])
    if is_met:
        scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    disputed(near, one)
    newest = kid.state(9, (45 * USD, 5 * USD))
    kid.do(kid.challenge(newest, near))
    kid.wait()
    kid.do(kid.settlement(newest))

    settle(near, one)

    assert near.wallets() == ((115 * USD, 85 * USD) if is_met else (100 * USD, 100 * USD))


def test_a_room_over_a_hub_with_one_parent_a_participant(scene: Scene) -> None:
    parents = [scene.opened(name, "hal") for name in ("alice", "bob", "carol")]
    begun = (10 * USD, 20 * USD, 30 * USD)
    kid = Kid(scene, ("alice", "bob", "carol"), begun, scene.evm.now() + DAY_S, parents)
    lent = [(begun, 60 * USD - begun) for begun in kid.child.amounts]
    states = [
        lending(parent, loan, [kid.claim(1, (seat, NOBODY), loan)])
        for seat, (parent, loan) in enumerate(zip(parents, lent, strict=True))
    ]
    newest = kid.state(9, (60 * USD, 0, 0))
    disputed(parents[0], states[0])
    kid.do(kid.challenge(newest, parents[0]))
    kid.wait()
    kid.do(kid.settlement(newest))

    for parent, state in zip(parents, states, strict=True):
        if parent.view.dispute is None:
            disputed(parent, state)
        settle(parent, state)

    assert [parent.wallets()[0] for parent in parents] == [150 * USD, 80 * USD, 70 * USD]
    assert scene.balance(account("hal").address) == 300 * USD


def test_a_room_within_a_room(scene: Scene) -> None:
    room = scene.opened("alice", "bob", "carol", amounts=(100 * USD,) * 3)
    kid = Kid(scene, ("bob", "carol"), (10 * USD, 10 * USD), scene.evm.now() + DAY_S, [room])
    lent = (0, 10 * USD, 10 * USD)
    state = lending(room, lent, [kid.claim(1, (NOBODY, 0, 1), lent)])
    newest = kid.state(9, (3 * USD, 17 * USD))
    disputed(room, state)
    kid.do(kid.challenge(newest, room))
    kid.wait()
    kid.do(kid.settlement(newest))

    settle(room, state)

    assert room.wallets() == (100 * USD, 93 * USD, 107 * USD)


def test_a_child_of_two_assets_pays_each_in_its_own(scene: Scene) -> None:
    gold = scene.evm.create(creation_code("SilentToken"))
    assets = (scene.token, gold)
    parent = scene.opened("alice", "bob", assets=assets, amounts=(100, 200, 100, 200))
    kid = Kid(scene, ("alice", "bob"), (5, 6, 7, 8), scene.evm.now() + DAY_S, [parent], assets=(gold, scene.token))
    lent = (6, 5, 8, 7)  # the parent has its assets in the other order
    state = lending(parent, lent, [kid.claim(1, (0, 1), lent)])
    newest = kid.state(9, (12, 1, 0, 13))
    disputed(parent, state)
    kid.do(kid.challenge(newest, parent))
    kid.wait()
    kid.do(kid.settlement(newest))

    settle(parent, state)

    assert parent.wallets() == (95, 105)
    assert [scene.balance(one, gold) for one in parent.terms.payouts] == [207, 193]


@pytest.mark.parametrize("balances", [(90 * USD, 70 * USD), (0, 0), (50 * USD, 50 * USD)])
def test_a_parent_pays_no_more_than_it_lent_and_no_less(scene: Scene, balances: tuple[int, int]) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    disputed(near, one)
    newest = kid.state(9, balances)
    kid.do(kid.challenge(newest, near))
    kid.wait()
    kid.do(kid.settlement(newest))

    settle(near, one)

    assert sum(near.wallets()) == 200 * USD
    assert 70 * USD <= near.wallets()[0] <= 120 * USD


def test_a_child_that_nobody_disputes_gives_its_lenders_their_own_back_a_month_after_its_end(scene: Scene) -> None:
    kid, near, _ = virtual(scene, until_s=400 * DAY_S)
    one = lent(kid, near)
    disputed(near, one)
    scene.evm.travel(kid.child.until + 30 * DAY_S)
    assert near.refusal(near.settlement(one)) == "claim: child not decided"
    scene.evm.travel(kid.child.until + 30 * DAY_S + 1)

    near.do(near.settlement(one))

    assert near.wallets() == (100 * USD, 100 * USD)


def test_a_loan_without_end_is_repaid_two_years_and_a_month_after_its_channels_deadline(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    claim = msgspec.structs.replace(kid.claim(1, (0, 1), (30 * USD, 20 * USD)), until=UnixSeconds(2**64 - 1))
    one = lending(near, (30 * USD, 20 * USD), [claim])
    disputed(near, one)
    scene.evm.travel(near.deadline + 760 * DAY_S)
    assert near.refusal(near.settlement(one)) == "claim: child not decided"
    scene.evm.travel(near.deadline + 760 * DAY_S + 1)

    near.do(near.settlement(one))

    assert near.wallets() == (100 * USD, 100 * USD)


def test_a_judge_that_does_not_exist_locks_nobody_for_ever(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    claim = msgspec.structs.replace(kid.claim(1, (0, 1), (30 * USD, 20 * USD)), judge=Address(b"\x66" * 20))
    one = lending(near, (30 * USD, 20 * USD), [claim])
    disputed(near, one)
    scene.evm.travel(kid.child.until + 30 * DAY_S + 1)

    near.do(near.settlement(one))

    assert near.wallets() == (100 * USD, 100 * USD)


def test_a_claim_on_more_seats_than_it_has_allocations_for_never_reverts(scene: Scene) -> None:
    tokens = (scene.token, *(scene.evm.create(creation_code("SilentToken")) for _ in range(3)))
    near = scene.opened("alice", "hal", assets=tokens, amounts=(100,) * 8)
    kid = Kid(scene, ("alice", "bob"), (4,) * 8, scene.evm.now() + DAY_S, [near], assets=tokens)
    claim = kid.claim(1, (0, 1) + (7,) * 12, (1,) * 16)
    one = near.state(5, [Holding(Amount(90), Amount(90), Amount(100))] * 8, [claim])
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near))
    kid.wait()
    kid.do(kid.settlement(kid.implicit()))

    settle(near, one)

    assert [scene.balance(payout, token) for payout in near.terms.payouts for token in tokens] == [110] * 4 + [
        90
    ] * 4  # who lent what nobody counts is the lowest


@pytest.mark.parametrize(
    ("seats", "lent"), [(1, 29), (6, 24), (7, 23), (16, 14), (17, 13), (15, 15), (29, 1), (30, 0), (0, 30)]
)
@pytest.mark.parametrize("assets", [1, 2, 3, 4])
def test_no_shape_of_a_loan_locks_a_parent(scene: Scene, assets: int, seats: int, lent: int) -> None:
    tokens = (scene.token, *(scene.evm.create(creation_code("SilentToken")) for _ in range(assets - 1)))
    near = scene.opened("alice", "hal", assets=tokens, amounts=(100,) * 2 * assets)
    kid = Kid(scene, ("alice", "bob"), (50,) * 2 * assets, scene.evm.now() + DAY_S, [near], assets=tokens)
    claim = kid.claim(1, [NOBODY, *range(seats - 1)][:seats], (1,) * lent)
    one = near.state(5, [Holding(Amount(90), Amount(90), Amount(100))] * 2 * assets, [claim])
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near))
    kid.wait()
    kid.do(kid.settlement(kid.implicit()))

    settle(near, one)

    assert sum(scene.balance(payout, token) for payout in near.terms.payouts for token in tokens) == 200 * assets
