"""Attacks that gain nothing but the victim's loss: dust, front-running, gas, forced coins."""

import msgspec
import pytest
from tests.contracts.claims import lock, option, position
from tests.contracts.compiled import creation_code, tell
from tests.contracts.evm import BLOCK_GAS, account
from tests.contracts.scene import USD, Scene

from thalweg.chain.artefacts import ADJUDICATOR
from thalweg.channel.claims import Condition
from thalweg.channel.onchain import Call
from thalweg.channel.sheet import Holding
from thalweg.units import NATIVE, SCALE, Amount, UnixSeconds

REFUSE, BURN, BOMB, DESTROY = 1, 2, 3, 5
TRANSACTION_GAS = 2**24  # https://eips.ethereum.org/EIPS/eip-7825


def test_dust_deposits_in_front_of_every_closing_only_delay_it_until_a_challenge(scene: Scene) -> None:
    channel = scene.opened()
    mallory = channel.people[1]
    scene.give(mallory, 100)
    scene.allow(mallory, 100)
    final = channel.final((150 * USD, 50 * USD))

    for _ in range(3):
        closing = channel.closing(final)
        channel.do(channel.top_up(1, 1), mallory)
        assert channel.refusal(closing) == "adjudicator: wrong hash"

    channel.do(channel.challenge(channel.state(7, (150 * USD, 50 * USD))))
    assert channel.refusal(channel.top_up(1, 1), mallory) == "adjudicator: wrong phase"
    channel.do(channel.closing(final))
    assert channel.wallets()[0] == 150 * USD


def test_nobody_else_can_put_dust_in_the_way(scene: Scene) -> None:
    channel, mallory = scene.opened(), account("mallory")
    scene.give(mallory, 100)
    scene.allow(mallory, 100)
    unsigned = msgspec.structs.replace(channel.top_up(0, 1), signature=channel.top_up(0, 2).signature)
    closing = channel.closing(channel.final((150 * USD, 50 * USD)))

    assert channel.refusal(unsigned, mallory) == "adjudicator: wrong signer"
    tell(scene.evm, scene.token, "transfer(address,uint256)", scene.adjudicator, 100, sender=mallory)

    channel.do(closing)
    assert channel.wallets() == (150 * USD, 50 * USD)


@pytest.mark.parametrize("version", [8, 49])
def test_an_answer_that_is_front_run_with_an_older_one_still_stands(scene: Scene, version: int) -> None:
    channel = scene.opened()
    channel.do(channel.challenge(channel.state(1, (0, 200 * USD)), seat=1))
    answer = channel.invocation(channel.answer(channel.state(50, (150 * USD, 50 * USD))))

    channel.do(channel.answer(channel.state(version, (0, 200 * USD))), channel.people[1])

    assert scene.evm.refusal(answer) == ""


def test_an_answer_that_is_front_run_with_itself_has_done_its_work(scene: Scene) -> None:
    channel = scene.opened()
    newest = channel.state(50, (150 * USD, 50 * USD))
    channel.do(channel.challenge(channel.state(1, (0, 200 * USD)), seat=1))

    channel.do(channel.answer(newest), channel.people[1])

    assert channel.refusal(channel.answer(newest)) == "adjudicator: stale version"
    channel.wait()
    channel.do(channel.settlement(newest))
    assert channel.wallets() == (150 * USD, 50 * USD)


@pytest.mark.parametrize("manner", [REFUSE, BURN, BOMB])
def test_a_payee_that_refuses_burns_gas_or_answers_with_a_bomb_blocks_nobody(scene: Scene, manner: int) -> None:
    payee = scene.evm.create(creation_code("Payee"))
    tell(scene.evm, payee, "behave(uint8)", manner)
    bob = account("bob").address
    channel = scene.opened(assets=(NATIVE,), amounts=(100, 100), payouts=(payee, bob))
    before = scene.evm.coins(bob)
    channel.do(channel.challenge(channel.state(3, (60, 140))))
    channel.wait()

    receipt = channel.do(channel.settlement(channel.state(3, (60, 140))))

    assert scene.evm.coins(bob) == before + 140
    assert scene.evm.ask(scene.adjudicator, ADJUDICATOR, "claimable", NATIVE, payee) == 60
    assert receipt.gas_used < 400_000


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT")
def test_a_payee_that_destroys_itself_pays_whom_it_likes_and_nobody_else_notices(scene: Scene) -> None:
    payee = scene.evm.create(creation_code("Payee"))
    tell(scene.evm, payee, "call(address,bytes)", scene.adjudicator, b"")
    tell(scene.evm, payee, "behave(uint8)", DESTROY)
    other = scene.opened("carol", "dave", assets=(NATIVE,), amounts=(7, 8))
    channel = scene.opened(assets=(NATIVE,), amounts=(100, 100), payouts=(payee, account("bob").address))
    before = scene.evm.coins(channel.people[1].address)

    channel.do(channel.closing(channel.final((150, 50))))  # 150 come back by force, and are counted for nobody

    assert scene.evm.coins(channel.people[1].address) == before + 50
    assert scene.evm.coins(scene.adjudicator) == 150 + 15
    other.do(other.closing(other.final((15, 0))))
    assert scene.evm.coins(scene.adjudicator) == 150


def test_a_payee_that_calls_back_gets_nothing_twice(scene: Scene) -> None:
    payee = scene.evm.create(creation_code("Payee"))
    channel = scene.opened(assets=(NATIVE,), amounts=(100, 100), payouts=(payee, account("bob").address))
    closing = channel.closing(channel.final((150, 50)))
    tell(scene.evm, payee, "call(address,bytes)", scene.adjudicator, channel.invocation(closing).data)
    other = scene.opened("carol", "dave", assets=(NATIVE,), amounts=(1000, 1000))

    channel.do(closing)

    assert scene.evm.coins(payee) == 150
    assert scene.evm.coins(scene.adjudicator) == sum(other.amounts)


def test_a_payee_that_calls_back_to_collect_gets_what_is_his_once(scene: Scene) -> None:
    payee = scene.evm.create(creation_code("Payee"))
    tell(scene.evm, payee, "behave(uint8)", REFUSE)
    channel = scene.opened(assets=(NATIVE,), amounts=(100, 100), payouts=(payee, account("bob").address))
    channel.do(channel.closing(channel.final((150, 50))))
    collect = scene.call(ADJUDICATOR, "collect", NATIVE, payee)
    tell(scene.evm, payee, "call(address,bytes)", scene.adjudicator, collect.data)
    other = scene.opened("carol", "dave", assets=(NATIVE,), amounts=(1000, 1000), payouts=(payee,) * 2)

    other.do(other.closing(other.final((900, 1100))))

    assert scene.evm.coins(payee) == 2000 + 150
    assert scene.evm.coins(scene.adjudicator) == 0
    assert scene.evm.ask(scene.adjudicator, ADJUDICATOR, "claimable", NATIVE, payee) == 0


@pytest.mark.parametrize("how", ["close", "settle", "last claim"])
def test_the_dearest_closing_fits_into_a_transaction(scene: Scene, how: str) -> None:
    payees = tuple(scene.evm.create(creation_code("Payee")) for _ in range(16))
    greedy = tuple(scene.evm.create(creation_code("OddToken")) for _ in range(3))
    people = tuple(f"person {index}" for index in range(16))
    channel = scene.opened(*people, assets=(NATIVE, *greedy), amounts=(2,) * 64, payouts=payees)
    call: Call = channel.closing(channel.final((2,) * 64))
    if how != "close":
        now = Condition((), UnixSeconds(0))
        escrowed = (Holding(Amount(1), Amount(1), Amount(2)), *(Holding(Amount(2), Amount(1), Amount(2)),) * 63)
        claims = (lock(1, 1, now),) if how == "last claim" else ()
        state = channel.state(5, escrowed if claims else (2,) * 64, claims)
        channel.do(channel.challenge(state))
        channel.wait()
        call = channel.settlement(state)
    for payee in payees:
        tell(scene.evm, payee, "behave(uint8)", BURN)
    for token in greedy:
        tell(scene.evm, token, "eat(bool)", True)

    receipt = scene.evm.send(channel.invocation(call), gas=TRANSACTION_GAS)

    assert receipt.gas_used > 64 * 200_000  # every payout burned what it may
    owed = [scene.evm.ask(scene.adjudicator, ADJUDICATOR, "claimable", one, payees[15]) for one in (NATIVE, *greedy)]
    assert owed == [2, 2, 2, 2]


def test_as_many_claims_as_fit_are_settled_in_runs_that_each_fit_into_a_block(scene: Scene) -> None:
    people = tuple(f"person {index}" for index in range(16))
    channel = scene.opened(*people, amounts=(100 * USD,) * 16)
    expiry = scene.expiry(100)
    claims = tuple(
        position(number, option(scene.oracle, 60_000 + number, expiry), 0.001, number % 16, (number + 1) % 16)
        for number in range(1, 257)
    )
    held = tuple(Holding(amount, Amount(0), amount) for amount in channel.amounts)
    state = channel.state(5, held, claims)
    channel.do(channel.challenge(state))
    channel.wait()
    scene.speak(expiry, 60_900 * SCALE)

    dearest = 0
    while not channel.view.closed:
        dearest = max(dearest, channel.do(channel.settlement(state)).gas_used)

    assert dearest < BLOCK_GAS // 8
    assert sum(channel.wallets()) == 1600 * USD
