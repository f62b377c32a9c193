from itertools import permutations
from typing import Any

import msgspec
import pytest
from tests.contracts.claims import image, lock, option, position
from tests.contracts.compiled import creation_code
from tests.contracts.evm import account
from tests.contracts.reference.books import settled
from tests.contracts.scene import FEED, USD, Channel, Scene, State

from thalweg.chain.artefacts import ADJUDICATOR, RESOLVER
from thalweg.channel.claims import Claim, Condition
from thalweg.channel.sheet import Holding
from thalweg.instruments.terms import Instrument, Payoff, knot
from thalweg.units import (
    SCALE,
    Address,
    Amount,
    Hash,
    Price,
    UnixSeconds,
)

WEEK_S = 7 * 86400


def _locked(balance: int, deposited: int, free: int = 0) -> Holding:
    return Holding(Amount(balance), Amount(free), Amount(deposited), Amount(0))


def _disputed(channel: Channel, claims: tuple[Claim, ...], *holdings: Holding, mark_time: int = 0) -> State:
    """Challenge with a state of these claims and let the deadline come."""
    held = holdings or tuple(_locked(amount, amount) for amount in channel.view.deposited)
    state = channel.state(5, held, claims, mark_time)
    channel.do(channel.challenge(state))
    channel.wait()
    return state


def test_live_positions_settle_at_the_oracles_price(scene: Scene) -> None:
    channel = scene.opened()
    expiry = scene.expiry(100)
    spread = (
        position(1, option(scene.oracle, 60_000, expiry), 0.1),
        position(2, option(scene.oracle, 61_000, expiry), 0.1, long=1, short=0),
        position(3, option(scene.oracle, 59_000, expiry, Payoff.PUT), 0.05, long=1, short=0),
    )
    state = _disputed(channel, spread)
    scene.speak(expiry, 60_400 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.view.closed
    assert channel.wallets() == (140 * USD, 60 * USD)
    assert scene.evm.ask(scene.adjudicator, ADJUDICATOR, "dispute", channel.id) == 0


def test_a_curve_settles_too(scene: Scene) -> None:
    channel = scene.opened()
    expiry = scene.expiry(100)
    knots = tuple(knot(Price(x * SCALE), y * SCALE) for x, y in ((0, 50), (50_000, 50), (60_000, -30), (70_000, -30)))
    instrument = Instrument(Payoff.CURVE, scene.oracle, FEED, UnixSeconds(expiry), 10**6, knots)
    state = _disputed(channel, (position(1, instrument),))
    scene.speak(expiry, 80_000 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (70 * USD, 130 * USD)


def test_what_the_oracle_has_not_spoken_on_waits_and_what_is_before_it_does_not(scene: Scene) -> None:
    channel = scene.opened()
    soon, later = scene.expiry(100), scene.expiry(10**6)
    claims = (
        position(1, option(scene.oracle, 60_000, soon), 0.1),
        position(2, option(scene.oracle, 60_000, later), 0.1),
    )
    held = (_locked(100 * USD, 100 * USD, free=40 * USD), _locked(100 * USD, 100 * USD, free=10 * USD))
    state = _disputed(channel, claims, *held)

    channel.do(channel.settlement(state, upto=0))
    assert channel.wallets() == (40 * USD, 10 * USD)
    assert channel.view.withdrawn == (40 * USD, 10 * USD)

    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    assert channel.refusal(channel.settlement(state, upto=1)) == "claim: no oracle report"
    scene.speak(soon, 60_100 * SCALE)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    channel.do(channel.settlement(state, upto=1))
    assert channel.view.dispute is not None
    assert channel.view.dispute.progress.cursor == 1
    assert channel.view.dispute.progress.deltas == (10 * USD, -10 * USD)

    scene.evm.travel(later)
    scene.speak(later, 60_200 * SCALE)
    channel.do(channel.settlement(state))
    assert channel.wallets() == (130 * USD, 70 * USD)


@pytest.mark.parametrize("split", [(), (0,), (1,), (2, 5), (0, 0, 1, 2, 3, 4, 5, 6), (3, 6)])
def test_any_split_of_runs_has_the_same_result(scene: Scene, split: tuple[int, ...]) -> None:
    channel = scene.opened("alice", "bob", "carol", amounts=(100 * USD,) * 3)
    expiry = scene.expiry(100)
    claims = tuple(
        position(
            number, option(scene.oracle, 59_000 + 500 * number, expiry), 0.01 * number,
            long=number % 3, short=(number + 1 + number % 2) % 3,
        )
        for number in range(1, 8)
    )  # fmt: skip
    held = tuple(_locked(100 * USD, 100 * USD, free=seat * 10 * USD) for seat in range(3))
    state = _disputed(channel, claims, *held)
    scene.speak(expiry, 61_234 * SCALE)

    for upto in split:
        channel.do(channel.settlement(state, upto))
    channel.do(channel.settlement(state))

    assert channel.view.closed
    expected = settled(held, [(100 * USD, 0)] * 3, claims, {FEED: Price(61_234 * SCALE)})
    assert channel.wallets() == expected
    assert sum(expected) == 300 * USD


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_claims_changes_nothing(scene: Scene, order: tuple[int, ...]) -> None:
    channel = scene.opened("alice", "bob", "carol")
    expiry = scene.expiry(100)
    kinds = (
        lambda number: position(number, option(scene.oracle, 60_000, expiry), 0.1, long=0, short=2),
        lambda number: position(number, option(scene.oracle, 60_000, expiry), 0.2, long=1, short=2, premium=5 * USD),
        lambda number: lock(number, 10 * USD, Condition((), UnixSeconds(0)), payer=2, payee=0),
    )
    claims = tuple(kinds[kind](number) for number, kind in enumerate(order, 1))
    held = (_locked(100 * USD, 100 * USD), _locked(95 * USD, 100 * USD), _locked(90 * USD, 100 * USD))
    state = _disputed(channel, claims, *held)
    scene.speak(expiry, 60_400 * SCALE)

    channel.do(channel.settlement(state))

    # carol loses 40 and 80 of 90: winners are cut to three quarters
    assert channel.wallets() == (140 * USD, 155 * USD, 5 * USD)


def test_losses_are_capped_by_what_is_not_free_and_winners_cut_pro_rata(scene: Scene) -> None:
    channel = scene.opened("alice", "bob", "carol", amounts=(100 * USD,) * 3)
    expiry = scene.expiry(100)
    call = option(scene.oracle, 60_000, expiry)
    claims = (position(1, call, 0.2, long=1, short=0), position(2, call, 0.1, long=2, short=0))
    state = _disputed(
        channel,
        claims,
        _locked(100 * USD, 100 * USD, free=30 * USD),
        _locked(100 * USD, 100 * USD),
        _locked(100 * USD, 100 * USD),
    )
    scene.speak(expiry, 61_000 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (30_000_001, 146_666_666, 123_333_333)


def test_a_gain_of_a_single_unit_is_paid(scene: Scene) -> None:
    channel = scene.opened(amounts=(3, 3))
    expiry = scene.expiry(100)
    call = option(scene.oracle, 60_000, expiry, unit=1)
    state = _disputed(channel, (position(1, call, 1, long=1, short=0),), _locked(3, 3), _locked(3, 3))
    scene.speak(expiry, 60_001 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (2, 4)


def test_a_lock_is_never_junior_to_a_losing_position(scene: Scene) -> None:
    channel = scene.opened(amounts=(20 * USD, 5 * USD))
    expiry = scene.expiry(100)
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    claims = (
        position(1, option(scene.oracle, 60_000, expiry), 1.0, long=1, short=0),
        lock(2, 10 * USD, condition),
    )
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    state = _disputed(channel, claims, _locked(10 * USD, 20 * USD), _locked(5 * USD, 5 * USD))
    scene.speak(expiry, 99_000 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (0, 25 * USD)


def test_a_lock_pays_at_once_when_it_is_resolved(scene: Scene) -> None:
    channel = scene.opened(amounts=(20 * USD, 5 * USD))
    later = scene.expiry(10**6)
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    claims = (lock(1, 7 * USD, condition), position(2, option(scene.oracle, 60_000, later), 0.1))
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32, b"p" * 32])
    state = _disputed(channel, claims, _locked(13 * USD, 20 * USD), _locked(5 * USD, 5 * USD))

    channel.do(channel.settlement(state, upto=1))

    assert channel.wallets() == (0, 7 * USD)
    assert channel.view.dispute is not None
    assert channel.view.dispute.progress.escrow == (0, 7 * USD)
    scene.evm.travel(later)
    scene.speak(later, 60_050 * SCALE)
    channel.do(channel.settlement(state))
    assert channel.wallets() == (18 * USD, 7 * USD)


def test_a_lock_without_preimage_goes_back_after_its_deadline_only(scene: Scene) -> None:
    channel = scene.opened(amounts=(20 * USD, 5 * USD))
    condition = Condition((image(b"p" * 32), image(b"q" * 32)), UnixSeconds(scene.evm.now() + 10_000))
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    state = _disputed(channel, (lock(1, 7 * USD, condition),), _locked(13 * USD, 20 * USD), _locked(5 * USD, 5 * USD))

    scene.evm.travel(condition.deadline)
    assert channel.refusal(channel.settlement(state)) == "preimages: not yet"
    scene.evm.travel(condition.deadline + 1)
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"q" * 32])  # too late

    channel.do(channel.settlement(state))
    assert channel.wallets() == (20 * USD, 5 * USD)


@pytest.mark.parametrize(("is_met", "paid"), [(True, (17 * USD, 23 * USD)), (False, (20 * USD, 20 * USD))])
@pytest.mark.parametrize("premium", [8 * USD, -8 * USD])
def test_a_conditional_position_stands_with_its_premium_or_not_at_all(
    scene: Scene, is_met: bool, paid: tuple[int, int], premium: int
) -> None:
    channel = scene.opened(amounts=(20 * USD, 20 * USD))
    expiry = scene.expiry(100)
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    long, short = (0, 1) if premium > 0 else (1, 0)
    payoff = Payoff.CALL if premium > 0 else Payoff.PUT  # alice pays 8, and gets 5 from a call or pays for a put
    quantity = 0.1
    claim = position(1, option(scene.oracle, 60_000, expiry, payoff), quantity, long, short, premium, condition)
    if is_met:
        scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    # the premium is in escrow: it has left the balance of the side that owes it
    owing = 0
    held = [_locked(20 * USD, 20 * USD), _locked(20 * USD, 20 * USD)]
    held[owing] = _locked(12 * USD, 20 * USD)
    state = _disputed(channel, (claim,), *held)
    price = 60_050 if premium > 0 else 59_950
    scene.speak(expiry, price * SCALE)

    channel.do(channel.settlement(state))

    if premium > 0:
        assert channel.wallets() == paid
    else:
        assert channel.wallets() == ((7 * USD, 33 * USD) if is_met else (20 * USD, 20 * USD))


def test_uncounted_deposits_and_unpaid_withdrawals_leave_at_the_deadline(scene: Scene) -> None:
    channel = scene.opened(amounts=(100, 100))
    scene.give(account("stranger"), 9)
    scene.allow(account("stranger"), 9)
    later = scene.expiry(10**6)
    claims = (position(1, option(scene.oracle, 60_000, later), 0.1),)
    held = (_locked(100, 100), Holding(Amount(70), Amount(0), Amount(100), Amount(30)))
    channel.do(channel.top_up(0, 9))
    state = _disputed(channel, claims, *held)

    channel.do(channel.settlement(state, upto=0))

    assert channel.wallets() == (9, 30)
    channel.do(channel.settlement(state, upto=0))
    assert channel.wallets() == (9, 30)


def test_a_void_report_moves_on_to_the_next_grid_point(scene: Scene) -> None:
    channel = scene.opened()
    expiry = scene.expiry(100)
    state = _disputed(channel, (position(1, option(scene.oracle, 60_000, expiry), 0.1),))
    scene.speak(expiry, 0, is_void=True)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    scene.speak(expiry + 60, 0, is_void=True)
    scene.speak(expiry + 120, 60_100 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (110 * USD, 90 * USD)


def test_where_the_oracle_stays_silent_the_co_signed_tick_settles_after_a_week(scene: Scene) -> None:
    channel = scene.opened()
    expiry, tick = scene.evm.now() + 100, scene.tick()
    state = _disputed(channel, (position(1, option(scene.oracle, 60_000, expiry), 0.1),), mark_time=tick)
    scene.mark(tick, 60_200 * SCALE)

    scene.evm.travel(channel.deadline + WEEK_S)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    scene.evm.travel(channel.deadline + WEEK_S + 1)
    channel.do(channel.settlement(state))

    assert channel.wallets() == (120 * USD, 80 * USD)


def test_a_report_that_comes_after_the_week_still_speaks_before_the_co_signed_tick(scene: Scene) -> None:
    channel = scene.opened()
    expiry, tick = scene.expiry(100), scene.tick()
    state = _disputed(channel, (position(1, option(scene.oracle, 60_000, expiry), 0.1),), mark_time=tick)
    scene.mark(tick, 60_200 * SCALE)
    scene.evm.travel(channel.deadline + WEEK_S + 1)
    scene.speak(expiry, 60_100 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (110 * USD, 90 * USD)


def test_a_tick_nobody_signed_settles_nothing(scene: Scene) -> None:
    channel = scene.opened()
    expiry, tick = scene.evm.now() + 100, scene.tick()
    state = _disputed(channel, (position(1, option(scene.oracle, 60_000, expiry), 0.1),), mark_time=tick)
    scene.mark(tick, 0, is_void=True)
    scene.mark(tick - 60, 60_200 * SCALE)
    scene.evm.travel(channel.deadline + WEEK_S + 1)

    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"


def test_an_oracle_that_is_called_with_too_little_gas_is_not_silent(scene: Scene) -> None:
    channel = scene.opened()
    expiry = scene.expiry(100)
    state = _disputed(channel, (position(1, option(scene.oracle, 60_000, expiry), 0.1),))
    scene.speak(expiry, 60_100 * SCALE)
    invocation = channel.invocation(channel.settlement(state))

    assert scene.evm.refusal(invocation, gas=170_000) == "claim: more gas needed"


def test_an_oracle_without_code_is_silent(scene: Scene) -> None:
    channel = scene.opened()
    nowhere = Address(b"\x77" * 20)
    state = _disputed(channel, (position(1, option(nowhere, 60_000, scene.evm.now()), 0.1),))

    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"


@pytest.mark.parametrize(("payoff", "style"), [(6, 0), (0, 3), (255, 255)])
def test_what_does_not_exist_moves_nothing_and_locks_nothing(scene: Scene, payoff: int, style: int) -> None:
    channel = scene.opened()
    terms: dict[str, Any] = {"payoff": payoff, "style": style}
    instrument = msgspec.structs.replace(option(scene.oracle, 60_000, scene.evm.now()), **terms)
    state = _disputed(channel, (position(1, instrument, 0.1),))

    channel.do(channel.settlement(state))

    assert channel.wallets() == (100 * USD, 100 * USD)


def test_seats_that_do_not_exist_move_nothing_and_lock_nothing(scene: Scene) -> None:
    channel = scene.opened()
    expiry = scene.expiry(100)
    nowhere = Condition((image(b"p" * 32),), UnixSeconds(1))
    claims = (
        position(1, option(scene.oracle, 60_000, expiry), 0.1, long=0, short=2),
        position(2, option(scene.oracle, 60_000, expiry), 0.1, long=255, short=1),
        lock(3, 1 * USD, nowhere, payer=200),
        lock(4, 1 * USD, nowhere, asset=3),
    )
    state = _disputed(channel, claims, _locked(98 * USD, 100 * USD), _locked(100 * USD, 100 * USD))
    scene.speak(expiry, 61_000 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (100 * USD, 100 * USD)


def test_positions_of_a_second_asset_settle_in_it(scene: Scene) -> None:
    other = scene.evm.create(creation_code("SilentToken"))
    amounts = (100 * USD, 50, 100 * USD, 60)
    channel = scene.opened(assets=(scene.token, other), amounts=amounts)
    expiry = scene.expiry(100)
    condition = Condition((), UnixSeconds(0))
    claims = (position(1, option(scene.oracle, 60_000, expiry), 0.1), lock(2, 20, condition, asset=1))
    held = (_locked(100 * USD, 100 * USD), _locked(30, 50), _locked(100 * USD, 100 * USD), _locked(60, 60))
    state = _disputed(channel, claims, *held)
    scene.speak(expiry, 60_100 * SCALE)

    channel.do(channel.settlement(state, upto=1))
    channel.do(channel.settlement(state))

    assert channel.wallets() == (110 * USD, 90 * USD)
    assert [scene.balance(one.address, other) for one in channel.people] == [30, 80]


def test_a_dispute_resumed_in_the_middle_of_its_settlement_forgets_it(scene: Scene) -> None:
    channel = scene.opened()
    later = scene.expiry(10**6)
    claims = (position(1, option(scene.oracle, 60_000, later), 0.1),)
    state = _disputed(channel, claims, _locked(100 * USD, 100 * USD, free=40 * USD), _locked(100 * USD, 100 * USD))
    channel.do(channel.settlement(state, upto=0))

    channel.do(channel.closing(channel.final((70 * USD, 90 * USD))))

    assert channel.wallets() == (110 * USD, 90 * USD)


def test_a_hash_is_registered_once_with_its_first_time(scene: Scene) -> None:
    preimage = b"z" * 32
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [preimage])
    first = scene.evm.ask(scene.resolver, RESOLVER, "revealed", image(preimage))
    scene.evm.travel(first + 100)

    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [preimage])

    assert scene.evm.ask(scene.resolver, RESOLVER, "revealed", image(preimage)) == first != 0
    assert scene.evm.ask(scene.resolver, RESOLVER, "revealed", Hash(preimage)) == 0


@pytest.mark.parametrize("count", [32, 33])
def test_thirty_two_preimages_are_registered_at_once_and_no_more(scene: Scene, count: int) -> None:
    call = scene.call(RESOLVER, "reveal", [bytes([number]) * 32 for number in range(count)])

    assert (scene.evm.refusal(call) == "") == (count == 32)
