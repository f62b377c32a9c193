"""Attacks on the custody that all channels share, and on parents through what a child's terms say."""

import pytest
from eth_abi import abi as codec
from tests.contracts.claims import image, lock
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import account
from tests.contracts.family import Kid, disputed, lending, lent, settle, virtual
from tests.contracts.scene import SALT, USD, Channel, Scene

from thalweg.chain.artefacts import ADJUDICATOR
from thalweg.chain.calls import Invocation
from thalweg.channel.claims import Condition
from thalweg.channel.onchain import CloseChannel
from thalweg.channel.sheet import Holding
from thalweg.crypto import keccak
from thalweg.units import VERSION_FINAL, Address, Amount, UnixSeconds

DAY_S = 86_400
CUSTODY = 2000 * USD


def borrower(scene: Scene) -> tuple[Channel, Address]:
    """Return a channel not opened yet of a token that calls back while it is pulled, first of all to be paid whole."""
    token = scene.evm.create(creation_code("CallbackToken"))
    attack = scene.channel("mallory", "moe", assets=(token, scene.token), amounts=(1, CUSTODY, 0, 0))
    tell(scene.evm, token, "mint(address,uint256)", attack.people[0].address, 1)
    scene.allow(attack.people[0], CUSTODY)
    final = attack.state(VERSION_FINAL, tuple(Holding(Amount(a), Amount(a), Amount(a)) for a in attack.amounts))
    own = CloseChannel(attack.terms, attack.amounts, (Amount(0),) * 4, final.shown, final.holdings, SALT)
    tell(scene.evm, token, "add(address,bytes)", scene.adjudicator, attack.invocation(own).data)
    return attack, token


@pytest.mark.parametrize("how", ["close", "settle"])
def test_nobody_borrows_the_custody_to_make_the_payouts_of_others_fail(scene: Scene, how: str) -> None:
    victim = scene.opened("carol", "dave", amounts=(CUSTODY // 2, CUSTODY // 2))
    if how == "close":
        paid = victim.invocation(victim.closing(victim.final((1500 * USD, 500 * USD))))
    else:
        state = victim.state(3, (1500 * USD, 500 * USD))
        victim.do(victim.challenge(state))
        victim.wait()
        paid = victim.invocation(victim.settlement(state))
    attack, token = borrower(scene)
    tell(scene.evm, token, "add(address,bytes)", paid.to, paid.data)

    assert scene.evm.refusal(attack.invocation(attack.opening())) != ""
    scene.evm.send(paid)

    assert victim.wallets() == (1500 * USD, 500 * USD)


def _mint(scene: Scene, token: Address, who: Address, amount: int) -> None:
    tell(scene.evm, token, "mint(address,uint256)", who, amount)


def _opened(scene: Scene, token: Address, *amounts: int) -> Channel:
    """Return a channel of a token whose payers need give no allowance."""
    channel = scene.channel(f"payer of {amounts[0]}", "other", assets=(token,), amounts=amounts)
    for person, amount in zip(channel.people, amounts, strict=True):
        _mint(scene, token, person.address, amount)
    channel.do(channel.opening())
    return channel


@pytest.mark.parametrize(
    ("returned", "reason"),
    [(0, "adjudicator: insufficient balance"), (1, "adjudicator: insufficient balance"), (2, "")],
)
def test_who_borrows_the_custody_by_a_top_up_pays_for_it_and_takes_nothing(
    scene: Scene, returned: int, reason: str
) -> None:
    token = scene.evm.create(creation_code("CallbackToken"))  # calls before it moves, as ERC-777 calls who pays
    victim, attack = _opened(scene, token, 500, 500), _opened(scene, token, 1, 0)
    mallory, carol = attack.people[0], victim.people[0]
    _mint(scene, token, mallory.address, 1)
    paid = victim.invocation(victim.closing(victim.final((1000, 0))))
    mint = keccak(b"mint(address,uint256)")[:4]
    given_back = Invocation(token, mint + codec.encode(("address", "uint256"), (scene.adjudicator, returned)))
    borrowed = attack.state(VERSION_FINAL, (Holding(Amount(2), Amount(2), Amount(2)), Holding()))
    grown = (Amount(2), Amount(0))
    own = CloseChannel(attack.terms, grown, (Amount(0),) * 2, borrowed.shown, borrowed.holdings, SALT)
    for step in (attack.invocation(own), paid, given_back):
        tell(scene.evm, token, "add(address,bytes)", step.to, step.data)
    top_up = attack.invocation(attack.top_up(0, 1))

    assert scene.evm.refusal(top_up, mallory) == reason
    if reason:
        return
    scene.evm.send(top_up, mallory)

    # the two that she was paid, for two that she paid in and the two (minted here) that she gave back
    assert scene.balance(mallory.address, token) == 2
    assert scene.balance(scene.adjudicator, token) == 1000 + 2
    scene.evm.tell(scene.adjudicator, ADJUDICATOR, "collect", token, carol.address, sender=carol)
    assert scene.balance(carol.address, token) == 1000


def test_what_a_payout_could_not_afford_is_collected_with_more_gas(scene: Scene) -> None:
    heavy = scene.evm.create(creation_code("HeavyToken"))
    channel = scene.opened(assets=(heavy,), amounts=(100, 100))
    channel.do(channel.closing(channel.final((150, 50))))
    alice = channel.people[0]
    assert scene.balance(alice.address, heavy) == 0

    scene.evm.tell(scene.adjudicator, ADJUDICATOR, "collect", heavy, alice.address, sender=alice)

    assert scene.balance(alice.address, heavy) == 150


@pytest.mark.parametrize("how", ["until", "period"])
def test_no_child_makes_its_parents_wait_for_more_than_two_years(scene: Scene, how: str) -> None:
    month = 30 * DAY_S
    until, period = (2**63, 3600) if how == "until" else (scene.evm.now() + 10 * DAY_S, month + 1)
    near = scene.opened("alice", "hal")
    kid = Kid(scene, ("alice", "bob"), (30 * USD, 20 * USD), until, [near], challenge_period_s=period)
    one = lending(near, (30 * USD, 20 * USD), [kid.claim(1, (0, 1), (30 * USD, 20 * USD))])
    disputed(near, one)

    assert "malformed" in kid.refusal(kid.challenge(kid.implicit(), near))
    scene.evm.travel(min(until, near.deadline + 730 * DAY_S) + month + 1)
    near.do(near.settlement(one))

    assert near.wallets() == (100 * USD, 100 * USD)
    assert scene.balance(account("hal").address) == 100 * USD


def test_a_child_that_can_be_settled_is_not_called_off(scene: Scene) -> None:
    near = scene.opened("alice", "hal")
    kid = Kid(scene, ("alice", "bob"), (30 * USD, 20 * USD), scene.evm.now() + 10 * DAY_S, [near])
    one = lending(near, (30 * USD, 20 * USD), [kid.claim(1, (0, 1), (30 * USD, 20 * USD))])
    disputed(near, one)
    newest = kid.state(9, (50 * USD, 0))
    kid.do(kid.challenge(newest, near))
    scene.evm.travel(kid.child.until + 365 * DAY_S)

    assert kid.refusal(kid.call_off(newest)) == "adjudicator: not yet"
    kid.do(kid.settlement(newest))


def test_a_child_whose_balances_its_people_hide_locks_its_lenders_for_a_year_and_no_longer(scene: Scene) -> None:
    kid, near, far = virtual(scene)
    one, two = lent(kid, near), lent(kid, far)
    hidden = kid.state(9, (0, 50 * USD))  # the hub knows its hash alone
    disputed(near, one)
    kid.do(kid.challenge(hidden, near))
    scene.evm.travel(kid.child.until + 365 * DAY_S + 1)

    kid.do(kid.call_off(hidden))  # which takes no more than the event says
    settle(near, one)
    disputed(far, two)
    settle(far, two)

    assert scene.balance(account("hal").address) == 200 * USD


def test_a_child_that_nobody_can_settle_is_called_off(scene: Scene) -> None:
    near = scene.opened("alice", "hal")
    kid = Kid(scene, ("alice", "bob"), (30 * USD, 20 * USD), scene.evm.now() + 10 * DAY_S, [near])
    one = lending(near, (30 * USD, 20 * USD), [kid.claim(1, (0, 1), (30 * USD, 20 * USD))])
    disputed(near, one)
    stuck = kid.state(4, (30 * USD, 19 * USD), [lock(1, 1 * USD, Condition((image(b"x" * 32),), UnixSeconds(2**60)))])
    kid.do(kid.challenge(stuck, near))
    scene.evm.travel(scene.evm.now() + 200 * DAY_S)

    kid.do(kid.call_off(stuck))


def test_a_child_that_was_disputed_as_it_began_is_called_off_too(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    disputed(near, one)
    kid.do(kid.challenge(kid.implicit(), near))
    scene.evm.travel(kid.child.until + 365 * DAY_S + 1)

    kid.do(kid.call_off(kid.implicit()))
    settle(near, one)
