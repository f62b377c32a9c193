"""Attacks on what a settlement comes to: by participants, with co-signed states, oracles, hashes and old signatures."""

import msgspec
import pytest
from tests.contracts.claims import image, lock, option, position
from tests.contracts.evm import Reverted
from tests.contracts.scene import USD, Channel, Scene, State, tampered

from thalweg.chain.artefacts import RESOLVER
from thalweg.chain.calls import encode
from thalweg.channel.claims import Claim, Condition
from thalweg.channel.sheet import Holding
from thalweg.units import NATIVE, SCALE, Amount, UnixSeconds, Version

WEEK_S = 7 * 86_400


def _held(*balances: int) -> tuple[Holding, ...]:
    return tuple(Holding(Amount(one), Amount(0), Amount(100 * USD)) for one in balances)


def _disputed(channel: Channel, claims: tuple[Claim, ...], *holdings: Holding) -> State:
    state = channel.state(5, holdings or _held(100 * USD, 100 * USD), claims)
    channel.do(channel.challenge(state))
    channel.wait()
    return state


def test_a_withheld_countersignature_leaves_the_other_the_newest_state_he_holds(scene: Scene) -> None:
    channel = scene.opened()
    agreed = channel.state(6, (100 * USD, 100 * USD))
    withheld = channel.state(7, (90 * USD, 110 * USD))  # alice has offered it; only bob holds both signatures
    half = channel.state(7, (90 * USD, 110 * USD), signers=channel.people[:1])

    assert channel.refusal(channel.challenge(half)) == "adjudicator: wrong signer"
    channel.do(channel.challenge(agreed))
    assert (
        channel.refusal(channel.answer(withheld)) == ""
    )  # the worse of the two, and no worse, is what she has to expect
    channel.wait()
    assert channel.refusal(channel.answer(withheld)) == "adjudicator: expired"
    channel.do(channel.settlement(agreed))
    assert channel.wallets() == (100 * USD, 100 * USD)


def test_nobody_chooses_the_tick_or_the_signers_that_an_expiry_settles_at(scene: Scene) -> None:
    channel = scene.opened()
    expiry = scene.expiry(100)
    state = _disputed(channel, (position(1, option(scene.oracle, 60_000, expiry), 0.1),))
    for beside in (expiry - 60, expiry + 60):
        scene.speak(beside, 99_000 * SCALE)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"

    scene.speak(expiry, 60_100 * SCALE)
    for signers in ((0, 1, 3), (1, 2, 3)):
        again = encode(scene.register(expiry, 60_100 * SCALE, signers=signers), scene.adjudicator)
        other = encode(scene.register(expiry, 70_000 * SCALE, signers=signers), scene.adjudicator)
        assert (scene.evm.refusal(again), scene.evm.refusal(other)) == ("", "oracle: exists already")

    scene.evm.travel(expiry + 3 * WEEK_S)  # however long one waits
    channel.do(channel.settlement(state))
    assert channel.wallets() == (110 * USD, 90 * USD)


@pytest.mark.parametrize("revealed", [(b"a",), (b"h",), (b"a", b"h")])
def test_a_hub_is_never_held_to_one_leg(scene: Scene, revealed: tuple[bytes, ...]) -> None:
    expiry = scene.expiry(9_000)
    both = Condition((image(b"a" * 32), image(b"h" * 32)), UnixSeconds(scene.evm.now() + 600))
    call = option(scene.oracle, 60_000, expiry)
    near, far = scene.opened("alice", "hub"), scene.opened("hub", "bob")
    leg = (position(1, call, 0.1, 0, 1, condition=both),)
    first, second = (channel.state(5, _held(100 * USD, 100 * USD), leg) for channel in (near, far))
    near.do(near.challenge(first))
    far.do(far.challenge(second))
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [letter * 32 for letter in revealed])
    scene.evm.travel(expiry)
    scene.speak(expiry, 60_100 * SCALE)

    near.do(near.settlement(first))
    far.do(far.settlement(second))

    alice, hub = near.wallets()
    bob = far.wallets()[1]
    assert (alice - 100 * USD, bob - 100 * USD) in ((0, 0), (10 * USD, -10 * USD))
    assert hub == 200 * USD


def test_a_claim_is_resolved_once(scene: Scene) -> None:
    channel = scene.opened()
    met = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    later = scene.expiry(10**6)
    claims = (lock(1, 7 * USD, met), position(2, option(scene.oracle, 60_000, later), 0.1))
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    state = _disputed(channel, claims, *_held(93 * USD, 100 * USD))
    first = channel.invocation(channel.settlement(state, upto=1))
    scene.evm.send(first)

    assert scene.evm.refusal(first) == "adjudicator: wrong hash"
    fresh = msgspec.structs.replace(
        channel.settlement(state, upto=1), withdrawn=(Amount(0), Amount(7 * USD))
    )  # the right totals, and a progress that forgets
    assert channel.refusal(fresh) == "adjudicator: wrong hash"
    assert channel.wallets() == (0, 7 * USD)


def test_no_proof_of_a_claim_serves_at_another_place(scene: Scene) -> None:
    channel = scene.opened()
    expiry = scene.expiry(100)
    claims = tuple(position(number, option(scene.oracle, 60_000, expiry), 0.01 * number) for number in range(1, 5))
    state = _disputed(channel, claims)
    scene.speak(expiry, 60_100 * SCALE)
    honest = channel.invocation(channel.settlement(state, upto=2))
    for count in (2, 3, 5, 0):
        tree = (count, 0, bytes(32))
        assert scene.evm.refusal(tampered(honest, "resolve", _6=tree))
    with pytest.raises(Reverted):
        scene.evm.send(tampered(honest, "resolve", _8=[b"\1" * 32]))


def test_an_old_final_state_does_not_close_another_channel_of_the_same_people(scene: Scene) -> None:
    first, second = scene.opened(), scene.opened()
    final = first.final((200 * USD, 0))
    first.do(first.closing(final))

    replayed = msgspec.structs.replace(second.closing(second.final((0, 0))), shown=final.shown, holdings=final.holdings)

    assert second.refusal(replayed) == "adjudicator: wrong signer"


def test_old_withdrawals_give_nobody_more_than_the_newest_state_says(scene: Scene) -> None:
    channel = scene.opened()
    spent = (Holding(Amount(60 * USD), Amount(60 * USD), Amount(100 * USD), Amount(40 * USD)), _held(100 * USD)[0])
    early = channel.state(3, spent)
    newest = channel.state(9, (Holding(Amount(10 * USD), Amount(0), Amount(100 * USD), Amount(40 * USD)),
                               Holding(Amount(150 * USD), Amount(0), Amount(100 * USD), Amount(0))))  # fmt: skip
    for _ in range(2):
        channel.do(channel.withdrawal(early))
    channel.do(channel.challenge(early))
    channel.do(channel.answer(newest))
    channel.wait()
    channel.do(channel.settlement(newest))

    assert channel.wallets() == (50 * USD, 150 * USD)


@pytest.mark.parametrize("late", [0, 1])
def test_the_last_second_counts_and_the_next_does_not(scene: Scene, late: int) -> None:
    channel = scene.channel()
    channel.prepare()
    opening = channel.opening(deadline=scene.evm.now() + 50)
    scene.evm.travel(opening.deadline + late)
    assert channel.refusal(opening) == ("adjudicator: expired" if late else "")
    channel = scene.opened()
    top_up = channel.top_up(0, 0)
    scene.evm.travel(top_up.deadline + late)
    assert channel.refusal(top_up) == ("adjudicator: expired" if late else "")
    state = channel.state(4, (100 * USD, 100 * USD))
    call = channel.challenge(state, valid_until=scene.evm.upcoming + 50)
    scene.evm.travel(call.valid_until + late)
    assert channel.refusal(call) == ("adjudicator: expired" if late else "")


@pytest.mark.parametrize("late", [0, 1])
def test_a_preimage_in_the_last_second_counts_and_in_the_next_does_not(scene: Scene, late: int) -> None:
    channel = scene.opened()
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 9_000))
    state = _disputed(channel, (lock(1, 7 * USD, condition),), *_held(93 * USD, 100 * USD))
    scene.evm.travel(condition.deadline + late)
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    scene.evm.travel(condition.deadline + 2)

    channel.do(channel.settlement(state))

    assert channel.wallets() == ((100 * USD, 100 * USD) if late else (93 * USD, 107 * USD))


@pytest.mark.parametrize("greatest", [2**256 - 1, 2**255, 2**128, 2**124])
def test_amounts_up_to_the_last_bit_overflow_nothing(scene: Scene, greatest: int) -> None:
    channel = scene.channel(assets=(NATIVE,))
    for name, opening in (
        ("open_pair", channel.invocation(channel.opening())), ("open", channel.plain_opening(channel.opening())),
    ):  # fmt: skip
        assert scene.evm.refusal(tampered(opening, name, _1=(greatest, 1))) != ""
        assert scene.evm.refusal(tampered(opening, name, _1=(greatest, 2**256 - greatest))) != ""
    channel = scene.opened()
    deposit = channel.invocation(channel.top_up(0, 1))
    assert scene.evm.refusal(tampered(deposit, "deposit", _4=greatest)) != ""
    final = channel.final((100 * USD, 100 * USD))
    for name, closing in (
        ("close_pair", channel.invocation(channel.closing(final))), ("close", channel.plain_closing(final)),
    ):  # fmt: skip
        for word in ((greatest, 0), (0, greatest)):
            assert scene.evm.refusal(tampered(closing, name, _2=(word, (0, 0)))) == "adjudicator: wrong signer"
            assert scene.evm.refusal(tampered(closing, name, _1=word)) == "adjudicator: wrong hash"


def test_a_co_signed_claim_of_everything_there_could_be_takes_the_channel_and_no_more(scene: Scene) -> None:
    other = scene.opened("carol", "dave")
    channel = scene.opened()
    met = Condition((), UnixSeconds(0))
    everything = Holding(Amount(2**128 - 1), Amount(2**128 - 1), Amount(0), Amount(2**128 - 1))
    state = _disputed(channel, tuple(lock(number, 2**128 - 1, met) for number in (1, 2, 3)), everything, everything)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (200 * USD, 0)
    assert scene.balance(scene.adjudicator) == sum(other.amounts)


def test_a_version_of_all_ones_is_final_and_needs_every_signature(scene: Scene) -> None:
    channel = scene.opened()
    last = channel.state(Version(2**40 - 1), (0, 200 * USD), signers=(channel.people[1],) * 2)

    for call in (channel.closing(last), channel.challenge(last)):
        assert channel.refusal(call) == "adjudicator: wrong signer"


@pytest.mark.parametrize("brought", [0, 4, 6])
def test_a_top_up_in_coins_counts_what_it_brings_and_nothing_else(scene: Scene, brought: int) -> None:
    rich = scene.opened("carol", "dave", assets=(NATIVE,), amounts=(1000, 1000))
    channel = scene.opened(assets=(NATIVE,), amounts=(100, 100))
    call = channel.invocation(channel.top_up(1, 5))

    short = msgspec.structs.replace(call, value=Amount(brought))

    assert scene.evm.refusal(short) == "adjudicator: insufficient balance"
    scene.evm.send(call)
    assert scene.evm.coins(scene.adjudicator) == sum(rich.amounts) + sum(channel.amounts) + 5


@pytest.mark.parametrize("amounts", [(1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("is_plain", [False, True])
def test_a_single_unit_is_paid_for_too(scene: Scene, is_plain: bool, amounts: tuple[int, int]) -> None:
    channel = scene.channel(amounts=amounts)
    opening = channel.plain_opening(channel.opening()) if is_plain else channel.invocation(channel.opening())
    assert scene.evm.refusal(opening) == "token: allowance"

    channel.prepare()
    channel.fold(scene.evm.send(opening))

    assert scene.balance(scene.adjudicator) == sum(amounts)
