"""Oracles that say VOID, say nothing, or say nonsense: what prices a position then, and that nothing stays locked."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.claims import option, position
from tests.contracts.compiled import creation_code, tell
from tests.contracts.marked import EXIT_SPREAD, INDEX, WEEK_S, gain, held, marked, speak
from tests.contracts.scene import CHALLENGE_S, USD, Scene

from thalweg.chain.calls import Invocation
from thalweg.channel.terms import CloseOut
from thalweg.crypto import keccak
from thalweg.instruments.closeout import Leaver, exit_amount
from thalweg.instruments.payoff import payoff_amount
from thalweg.instruments.report import GRID_S
from thalweg.units import SCALE, Address, Price, Quantity

TRANSACTION_GAS = 2**24  # the most that one may use, https://eips.ethereum.org/EIPS/eip-7825


def test_a_void_mark_moves_on_to_the_next_grid_point(scene: Scene) -> None:
    expiry = scene.expiry(20 * 86_400)
    call = option(scene.oracle, 60_000, expiry)
    channel, state, tick = marked(scene, [position(1, call, 0.01)])
    scene.evm.travel(tick + GRID_S)
    scene.mark(tick, 0, is_void=True)
    scene.mark(tick + GRID_S, INDEX)  # an index alone prices no option

    smile = speak(scene, tick + 2 * GRID_S, expiry)
    channel.do(channel.settlement(state))

    assert gain(channel) == exit_amount(call, Quantity(SCALE // 100), smile, EXIT_SPREAD, Leaver.LONG)


def test_voids_that_reach_the_expiry_end_at_its_report(scene: Scene) -> None:
    channel = scene.opened(close_out=CloseOut.MARK)
    tick = -(-(scene.evm.now() + CHALLENGE_S + 60) // GRID_S) * GRID_S
    call = option(scene.oracle, 60_000, tick + GRID_S)
    state = channel.state(5, held(100 * USD, 100 * USD), [position(1, call, 0.01)])
    scene.evm.travel(tick - CHALLENGE_S)
    channel.do(channel.challenge(state))
    assert channel.deadline == tick
    scene.evm.travel(tick + GRID_S)
    scene.mark(tick, 0, is_void=True)
    scene.speak(tick + GRID_S, 60_900 * SCALE)

    channel.do(channel.settlement(state))

    assert gain(channel) == 9 * USD


def test_where_the_oracle_stays_silent_the_co_signed_tick_values_after_a_week(scene: Scene) -> None:
    expiry, tick = scene.evm.now() + 60 * 86_400, scene.tick()
    call = option(scene.oracle, 60_000, expiry)
    smile = speak(scene, tick, expiry)
    channel, state, point = marked(scene, [position(1, call, 0.01)], mark_time=tick)
    scene.evm.travel(point + WEEK_S)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    scene.evm.travel(point + WEEK_S + 1)

    channel.do(channel.settlement(state))

    assert gain(channel) == exit_amount(call, Quantity(SCALE // 100), smile, EXIT_SPREAD, Leaver.LONG)


def test_a_co_signed_tick_without_a_surface_pays_what_its_index_says(scene: Scene) -> None:
    expiry, tick = scene.evm.now() + 60 * 86_400, scene.tick()
    scene.mark(tick, 60_800 * SCALE)
    call = option(scene.oracle, 60_000, expiry)
    channel, state, point = marked(scene, [position(1, call, 0.01)], mark_time=tick)
    scene.evm.travel(point + WEEK_S + 1)

    channel.do(channel.settlement(state))

    assert gain(channel) == payoff_amount(call, Quantity(SCALE // 100), Price(60_800 * SCALE))


@pytest.mark.parametrize("close_out", CloseOut)
def test_where_nobody_shows_even_the_co_signed_tick_nothing_moves_and_nothing_stays_locked(
    scene: Scene, close_out: CloseOut
) -> None:
    expiry = scene.evm.now() + (60 if close_out == CloseOut.MARK else 0) * 86_400
    channel = scene.opened(close_out=close_out)
    call = option(Address(b"\x77" * 20), 60_000, expiry)
    state = channel.state(5, held(100 * USD, 100 * USD), [position(1, call, 0.01)], mark_time=scene.tick())
    channel.do(channel.challenge(state))
    since = -(-channel.deadline // GRID_S) * GRID_S if close_out == CloseOut.MARK else channel.deadline
    scene.evm.travel(since + 2 * WEEK_S)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    scene.evm.travel(since + 2 * WEEK_S + 1)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (100 * USD, 100 * USD)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), wild=st.integers(0, 2**256 - 1))
def test_an_oracle_that_answers_nonsense_never_locks_a_channel(scene: Scene, data: st.DataObject, wild: int) -> None:
    """Whatever a bad oracle calls a smile: it is priced, or it is no answer."""
    snapshot = scene.evm.snapshot()
    oracle = scene.evm.create(creation_code("WildOracle"))
    words = [data.draw(st.sampled_from((wild, 1, 2**255, 2**64, SCALE, 0, 2**256 - 1))) for _ in range(13)]
    scene.evm.send(_wild(oracle, words))
    expiry = scene.expiry(20 * 86_400)
    channel, state, _ = marked(scene, [position(1, option(oracle, 60_000, expiry), 0.01)])
    if channel.refusal(channel.settlement(state)):
        scene.evm.travel(channel.deadline + 2 * WEEK_S + 100)

    channel.do(channel.settlement(state))

    assert channel.view.closed
    assert sum(channel.wallets()) == 200 * USD
    scene.evm.revert(snapshot)


def _wild(oracle: Address, words: Sequence[int]) -> Invocation:
    return Invocation(oracle, keccak(b"say(uint256[13])")[:4] + b"".join(one.to_bytes(32) for one in words))


@pytest.mark.parametrize("late_s", [1, WEEK_S])
def test_where_no_mark_was_signed_an_expiry_that_has_come_since_settles_after_a_week(scene: Scene, late_s: int) -> None:
    expiry = scene.expiry(2 * 3600)
    call = option(scene.oracle, 60_000, expiry)
    channel, state, point = marked(scene, [position(1, call, 0.01)], mark_time=scene.tick(), challenger=1)
    assert point < expiry
    scene.evm.travel(expiry)
    scene.speak(expiry, 0, is_void=True)
    scene.evm.travel(expiry + GRID_S)
    scene.speak(expiry + GRID_S, 66_000 * SCALE)
    scene.evm.travel(point + WEEK_S)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    scene.evm.travel(point + WEEK_S + late_s)

    channel.do(channel.settlement(state))

    assert gain(channel) == 60 * USD


def test_an_expiry_that_has_come_speaks_before_the_co_signed_tick(scene: Scene) -> None:
    expiry, tick = scene.expiry(2 * 3600), scene.tick()
    call = option(scene.oracle, 60_000, expiry)
    speak(scene, tick, expiry)
    channel, state, point = marked(scene, [position(1, call, 0.01)], mark_time=tick)
    scene.evm.travel(expiry)
    scene.speak(expiry, 66_000 * SCALE)
    scene.evm.travel(point + WEEK_S + 1)

    channel.do(channel.settlement(state))

    assert gain(channel) == 60 * USD


@pytest.mark.parametrize("past_s", [1, 30, 59])
def test_void_marks_walk_to_an_expiry_off_the_grid_and_not_past_it(scene: Scene, past_s: int) -> None:
    oracle = scene.evm.create(creation_code("VoidOracle"))
    tick = -(-(scene.evm.now() + CHALLENGE_S + 120) // GRID_S) * GRID_S
    channel = scene.opened(close_out=CloseOut.MARK)
    expiry = tick + GRID_S + past_s
    state = channel.state(5, held(100 * USD, 100 * USD), [position(1, option(oracle, 60_000, expiry), 0.01)])
    scene.evm.travel(tick - CHALLENGE_S)
    channel.do(channel.challenge(state, 1))
    scene.evm.travel(expiry)
    tell(scene.evm, oracle, "settle(uint64,uint256)", expiry, 66_000 * SCALE)

    channel.do(channel.settlement(state))

    assert gain(channel) == 60 * USD


def test_an_oracle_that_burns_its_gas_over_voids_locks_nobody_out_of_a_transaction(scene: Scene) -> None:
    oracle = scene.evm.create(creation_code("BurningOracle"))
    tick = -(-(scene.evm.now() + CHALLENGE_S + 120) // GRID_S) * GRID_S
    channel = scene.opened(close_out=CloseOut.MARK)
    call = option(oracle, 60_000, tick + 59 * GRID_S)  # as many marks as are walked, then as many settlements
    state = channel.state(5, held(100 * USD, 100 * USD), [position(1, call, 0.01)])
    scene.evm.travel(tick - CHALLENGE_S)
    channel.do(channel.challenge(state))
    scene.evm.travel(tick + 3 * WEEK_S)

    channel.fold(scene.evm.send(channel.invocation(channel.settlement(state)), gas=TRANSACTION_GAS))

    assert channel.wallets() == (100 * USD, 100 * USD)
