"""The six kinds of token that have cost others money, from the opening to the last payout."""

import pytest
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import Reverted, account
from tests.contracts.scene import Scene

from thalweg.chain.artefacts import ADJUDICATOR
from thalweg.units import Address


@pytest.fixture
def odd(scene: Scene) -> Address:
    return scene.evm.create(creation_code("OddToken"))


def _claimable(scene: Scene, token: Address, payee: Address) -> int:
    return int(scene.evm.ask(scene.adjudicator, ADJUDICATOR, "claimable", token, payee))


def test_a_token_that_begins_to_keep_a_fee_costs_its_payees_and_nobody_else(scene: Scene, odd: Address) -> None:
    channel, other = scene.opened(assets=(odd,), amounts=(100, 100)), scene.opened(assets=(odd,), amounts=(7, 8))
    tell(scene.evm, odd, "set_fee(uint256)", 1)

    channel.do(channel.closing(channel.final((150, 50))))

    assert [scene.balance(one.address, odd) for one in channel.people] == [149, 49]
    assert scene.balance(scene.adjudicator, odd) == sum(other.amounts)


def test_a_token_that_returns_nothing_pays(scene: Scene) -> None:
    token = scene.evm.create(creation_code("SilentToken"))
    channel = scene.opened(assets=(token,), amounts=(100, 100))

    channel.do(channel.closing(channel.final((150, 50))))

    assert [scene.balance(one.address, token) for one in channel.people] == [150, 50]
    assert not any(_claimable(scene, token, one.address) for one in channel.people)


def test_a_token_that_returns_false_is_believed_and_what_it_kept_waits(scene: Scene, odd: Address) -> None:
    channel = scene.opened(assets=(odd,), amounts=(100, 100))
    tell(scene.evm, odd, "lie(bool)", True)
    channel.do(channel.closing(channel.final((150, 50))))
    tell(scene.evm, odd, "lie(bool)", False)

    for person, amount in zip(channel.people, (150, 50), strict=True):
        assert _claimable(scene, odd, person.address) == amount
        scene.evm.tell(scene.adjudicator, ADJUDICATOR, "collect", odd, person.address, sender=person)
        assert scene.balance(person.address, odd) == amount


def test_a_token_that_calls_back_while_it_pays_gets_nothing_twice(scene: Scene, odd: Address) -> None:
    other = scene.opened("carol", "dave", assets=(odd,), amounts=(1000, 1000))
    channel = scene.opened(assets=(odd,), amounts=(100, 100))
    spent = channel.state(4, (100, 100))
    for call in (channel.closing(channel.final((150, 50))), channel.challenge(spent), channel.withdrawal(spent)):
        here = scene.evm.snapshot()
        tell(scene.evm, odd, "echo(address,bytes)", scene.adjudicator, channel.invocation(call).data)
        scene.evm.send(channel.invocation(channel.closing(channel.final((150, 50)))))
        assert [scene.balance(one.address, odd) for one in channel.people] == [150, 50]
        assert scene.balance(scene.adjudicator, odd) == sum(other.amounts)
        scene.evm.revert(here)


def test_a_token_that_calls_back_while_it_is_paid_in_cannot_be_counted_twice(scene: Scene, odd: Address) -> None:
    channel = scene.opened(assets=(odd,), amounts=(100, 100))
    friend = account("friend")
    scene.give(friend, 50, odd)
    scene.allow(friend, 50, odd)
    inner = channel.invocation(channel.top_up(0, 25))
    tell(scene.evm, odd, "echo(address,bytes)", scene.adjudicator, inner.data)

    channel.do(channel.top_up(0, 25), friend)

    assert channel.view.deposited == (125, 100)
    assert scene.balance(scene.adjudicator, odd) == 225


def test_whom_a_token_blocks_waits_and_all_others_are_paid(scene: Scene, odd: Address) -> None:
    channel = scene.opened("alice", "bob", "carol", assets=(odd,), amounts=(100, 100, 100))
    tell(scene.evm, odd, "block_address(address,bool)", channel.people[1].address, True)
    channel.do(channel.challenge(channel.state(3, (50, 100, 150))))
    channel.wait()

    channel.do(channel.settlement(channel.state(3, (50, 100, 150))))

    assert [scene.balance(one.address, odd) for one in channel.people] == [50, 0, 150]
    assert _claimable(scene, odd, channel.people[1].address) == 100


@pytest.mark.parametrize(
    ("left", "paid", "waiting"), [(0, [0, 0], [150, 50]), (60, [0, 50], [150, 0]), (199, [0, 50], [150, 0])]
)
def test_a_token_that_rebases_away_what_is_held_pays_while_it_can_and_owes_the_rest(
    scene: Scene, odd: Address, left: int, paid: list[int], waiting: list[int]
) -> None:
    plain = scene.opened(amounts=(5, 6))
    channel = scene.opened(assets=(odd,), amounts=(100, 100))
    tell(scene.evm, odd, "rebase(address,uint256)", scene.adjudicator, left)

    channel.do(channel.closing(channel.final((150, 50))))

    assert sorted(scene.balance(one.address, odd) for one in channel.people) == sorted(paid)
    assert sorted(_claimable(scene, odd, one.address) for one in channel.people) == sorted(waiting)
    plain.do(plain.closing(plain.final((11, 0))))
    assert plain.wallets() == (11, 0)


def test_a_token_that_rebases_upward_gives_nobody_what_is_not_his(scene: Scene, odd: Address) -> None:
    channel = scene.opened(assets=(odd,), amounts=(100, 100))
    tell(scene.evm, odd, "rebase(address,uint256)", scene.adjudicator, 10_000)

    channel.do(channel.closing(channel.final((150, 50))))

    assert [scene.balance(one.address, odd) for one in channel.people] == [150, 50]


def test_a_token_that_keeps_a_fee_cannot_be_paid_in(scene: Scene, odd: Address) -> None:
    tell(scene.evm, odd, "set_fee(uint256)", 1)
    channel = scene.channel(assets=(odd,), amounts=(100, 100))
    channel.prepare()

    with pytest.raises(Reverted, match="insufficient balance"):
        channel.do(channel.opening())
