import msgspec
import pytest
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import Reverted, account
from tests.contracts.scene import USD, Scene

from thalweg.chain.artefacts import ADJUDICATOR
from thalweg.channel.sheet import Holding
from thalweg.units import NATIVE, Amount


def _holding(balance: int, free: int, deposited: int, withdrawn: int) -> Holding:
    return Holding(Amount(balance), Amount(free), Amount(deposited), Amount(withdrawn))


def test_a_final_state_pays_both_in_one_transaction(scene: Scene) -> None:
    channel = scene.opened()

    channel.do(channel.closing(channel.final((150 * USD, 50 * USD))))

    assert channel.view.closed
    assert channel.wallets() == (150 * USD, 50 * USD)
    assert scene.balance(scene.adjudicator) == 0


def test_payouts_go_to_the_addresses_in_the_terms(scene: Scene) -> None:
    cold = account("cold wallet").address
    channel = scene.opened(payouts=(cold, account("bob").address))

    channel.do(channel.closing(channel.final((150 * USD, 50 * USD))))

    assert scene.balance(cold) == 150 * USD
    assert scene.balance(account("alice").address) == 0


def test_several_assets_and_people_are_paid_at_once(scene: Scene) -> None:
    amounts = (1 * USD, 100, 2 * USD, 200, 3 * USD, 300)
    channel = scene.opened("alice", "bob", "carol", assets=(scene.token, NATIVE), amounts=amounts)
    before = [scene.evm.coins(one.address) for one in channel.people]

    channel.do(channel.closing(channel.final((6 * USD, 0, 0, 600, 0, 0))))

    assert channel.wallets() == (6 * USD, 0, 0)
    after = [scene.evm.coins(one.address) for one in channel.people]
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, 600, 0]


def test_a_final_state_does_not_replay_on_the_same_terms(scene: Scene) -> None:
    channel = scene.opened()
    final = channel.final((150 * USD, 50 * USD))
    channel.do(channel.closing(final))
    channel.prepare()

    assert channel.refusal(channel.opening()) == "adjudicator: wrong phase"
    assert channel.refusal(channel.closing(final)) == "adjudicator: wrong phase"


def test_only_a_final_state_closes(scene: Scene) -> None:
    channel = scene.opened()
    state = channel.state(2**40 - 2, (150 * USD, 50 * USD))

    assert channel.refusal(channel.closing(state)) == "adjudicator: wrong signer"


def test_a_final_state_of_other_balances_or_salt_is_refused(scene: Scene) -> None:
    channel = scene.opened()
    call = channel.closing(channel.final((150 * USD, 50 * USD)))

    other = msgspec.structs.replace(call, holdings=channel.final((151 * USD, 49 * USD)).holdings)
    assert channel.refusal(other) == "adjudicator: wrong signer"
    assert channel.refusal(msgspec.structs.replace(call, salt=bytes(32))) == "adjudicator: wrong signer"
    unsigned = channel.state(2**40 - 1, (150 * USD, 50 * USD), signers=channel.people[:1])
    assert channel.refusal(channel.closing(unsigned)) == "adjudicator: wrong signer"


def test_totals_that_are_not_the_chains_are_refused(scene: Scene) -> None:
    channel = scene.opened()
    call = channel.closing(channel.final((150 * USD, 50 * USD)))

    lie = msgspec.structs.replace(call, deposited=(Amount(101 * USD), Amount(100 * USD)))

    assert channel.refusal(lie) == "adjudicator: wrong hash"


def test_a_deposit_that_the_final_state_has_not_counted_is_paid_back(scene: Scene) -> None:
    channel = scene.opened()
    final = channel.final((150 * USD, 50 * USD))
    scene.give(account("stranger"), 5)
    scene.allow(account("stranger"), 5)
    channel.do(channel.top_up(1, 5))

    channel.do(channel.closing(final))

    assert channel.wallets() == (150 * USD, 50 * USD + 5)


@pytest.mark.parametrize("people", [("alice", "bob"), ("alice", "bob", "carol")])
def test_a_final_state_ends_a_dispute_at_any_time(scene: Scene, people: tuple[str, ...]) -> None:
    channel = scene.opened(*people)
    channel.do(channel.challenge(channel.implicit()))
    channel.wait()

    channel.do(channel.closing(channel.final(channel.amounts)))

    assert channel.view.closed
    assert channel.view.dispute is None
    assert scene.evm.ask(scene.adjudicator, ADJUDICATOR, "dispute", channel.id) == 0


@pytest.mark.parametrize(
    ("holdings", "paid"),
    [
        (((300, 300, 100, 0), (50, 50, 100, 0)), (200, 0)),  # more than there is: in order of seats
        (((20, 20, 100, 0), (30, 30, 100, 0)), (170, 30)),  # less than there is: the rest is the lowest seat's
        (((150, 150, 180, 0), (130, 130, 100, 0)), (70, 130)),  # a deposit counted that never arrived
        (((2**128 - 1, 0, 0, 2**128 - 1), (2**128 - 1, 0, 0, 0)), (200, 0)),
        (((0, 0, 2**128 - 1, 0), (0, 0, 2**128 - 1, 0)), (200, 0)),
    ],
)
def test_co_signed_nonsense_never_reverts_and_never_touches_anothers_money(
    scene: Scene, holdings: tuple[tuple[int, int, int, int], ...], paid: tuple[int, int]
) -> None:
    other = scene.opened("carol", "dave", amounts=(1000, 1000))
    channel = scene.opened(amounts=(100, 100))

    channel.do(channel.closing(channel.state(2**40 - 1, [_holding(*one) for one in holdings])))

    assert channel.wallets() == paid
    other.do(other.closing(other.final((1500, 500))))
    assert other.wallets() == (1500, 500)


def test_a_withdrawal_pays_one_and_the_channel_goes_on(scene: Scene) -> None:
    channel = scene.opened(amounts=(100, 100))
    state = channel.state(7, (_holding(60, 60, 100, 40), _holding(100, 100, 100, 0)))

    channel.do(channel.withdrawal(state))

    assert channel.wallets() == (40, 0)
    assert channel.view.withdrawn == (40, 0)
    assert not channel.view.closed
    channel.do(channel.closing(channel.final((10, 150))))
    assert channel.wallets() == (50, 150)


def test_a_withdrawal_is_paid_once(scene: Scene) -> None:
    channel = scene.opened(amounts=(100, 100))
    state = channel.state(7, (_holding(60, 60, 100, 40), _holding(100, 100, 100, 0)))
    channel.do(channel.withdrawal(state))

    channel.do(channel.withdrawal(state))

    assert channel.wallets() == (40, 0)


def test_a_withdrawal_by_a_state_that_one_side_never_received_leaves_him_the_states_he_has(scene: Scene) -> None:
    channel = scene.opened(amounts=(100, 100))
    held = channel.state(6, (100, 100))
    withheld = channel.state(7, (_holding(60, 60, 100, 40), _holding(100, 100, 100, 0)))
    channel.do(channel.withdrawal(withheld))

    channel.do(channel.challenge(held))
    channel.wait()
    channel.do(channel.settlement(held))

    assert channel.wallets() == (100, 100)  # the older state knows nothing of the 40; the totals do


def test_a_withdrawal_never_exceeds_what_the_channel_holds(scene: Scene) -> None:
    other = scene.opened("carol", "dave", amounts=(1000, 1000))
    channel = scene.opened(amounts=(100, 100))
    state = channel.state(7, (_holding(0, 0, 100, 150), _holding(0, 0, 100, 2**128 - 1)))

    channel.do(channel.withdrawal(state))

    assert channel.wallets() == (150, 50)
    assert scene.balance(scene.adjudicator) == sum(other.amounts)


def test_no_withdrawal_while_a_dispute_stands(scene: Scene) -> None:
    channel = scene.opened(amounts=(100, 100))
    state = channel.state(7, (_holding(60, 60, 100, 40), _holding(100, 100, 100, 0)))
    channel.do(channel.challenge(channel.implicit()))

    assert channel.refusal(channel.withdrawal(state)) == "adjudicator: wrong phase"
    scene.give(account("stranger"), 5)
    scene.allow(account("stranger"), 5)
    assert channel.refusal(channel.top_up(0, 5)) == "adjudicator: wrong phase"


def test_a_payout_that_fails_becomes_claimable_and_blocks_nobody(scene: Scene) -> None:
    token = scene.evm.create(creation_code("OddToken"))
    channel = scene.opened(assets=(token,), amounts=(100, 100))
    alice, bob = channel.people
    tell(scene.evm, token, "block_address(address,bool)", alice.address, True)

    channel.do(channel.closing(channel.final((150, 50))))

    assert (scene.balance(alice.address, token), scene.balance(bob.address, token)) == (0, 50)
    assert scene.evm.ask(scene.adjudicator, ADJUDICATOR, "claimable", token, alice.address) == 150
    with pytest.raises(Reverted, match="payments: refused"):
        scene.evm.tell(scene.adjudicator, ADJUDICATOR, "collect", token, alice.address, sender=alice)
    scene.evm.tell(scene.adjudicator, ADJUDICATOR, "collect", token, account("new wallet").address, sender=alice)
    assert scene.balance(account("new wallet").address, token) == 150
    with pytest.raises(Reverted, match="insufficient balance"):
        scene.evm.tell(scene.adjudicator, ADJUDICATOR, "collect", token, alice.address, sender=alice)


@pytest.mark.parametrize("fault", ["lie(bool)", "eat(bool)"])
def test_a_token_that_lies_or_eats_gas_blocks_nobody(scene: Scene, fault: str) -> None:
    token = scene.evm.create(creation_code("OddToken"))
    channel = scene.opened(assets=(token, NATIVE), amounts=(100, 7, 100, 7))
    tell(scene.evm, token, fault, True)
    before = scene.evm.coins(channel.people[1].address)

    channel.do(channel.closing(channel.final((150, 0, 50, 14))))

    assert channel.view.closed
    assert scene.evm.coins(channel.people[1].address) == before + 14
    assert scene.evm.ask(scene.adjudicator, ADJUDICATOR, "claimable", token, channel.people[0].address) == 150


@pytest.mark.parametrize("is_burning", [False, True])
def test_a_hostile_payee_only_hurts_himself(scene: Scene, is_burning: bool) -> None:
    bomb = scene.evm.create(creation_code("Bomb"))
    if is_burning:
        tell(scene.evm, bomb, "burn()")
    bob = account("bob").address
    channel = scene.opened(assets=(NATIVE,), amounts=(100, 100), payouts=(bomb, bob))
    before = scene.evm.coins(bob)

    receipt = channel.do(channel.closing(channel.final((150, 50))))

    assert scene.evm.coins(bob) == before + 50
    assert scene.evm.ask(scene.adjudicator, ADJUDICATOR, "claimable", NATIVE, bomb) == 150
    assert receipt.gas_used < 400_000


def test_too_little_gas_makes_the_call_fail_and_not_the_payout(scene: Scene) -> None:
    channel = scene.opened()
    invocation = channel.invocation(channel.closing(channel.final((150 * USD, 50 * USD))))

    assert scene.evm.refusal(invocation, gas=250_000) == "tokens: more gas needed"
    for gas in range(60_000, 400_000, 10_000):
        assert scene.evm.refusal(invocation, gas=gas) != "" or gas > 300_000
