"""Which of an oracle's words prices a position, told to the second: each test has it say just what is looked at."""

import pytest
from tests.contracts.claims import option, position
from tests.contracts.marked import WEEK_S
from tests.contracts.oracles import FEED, T, Talker
from tests.contracts.scene import USD, Scene

from thalweg.channel.claims import Position
from thalweg.instruments.report import GRID_S
from thalweg.instruments.terms import Payoff
from thalweg.units import SCALE, Address, Hash

SILENT = "claim: no oracle report"
YEAR_S = 365 * 86_400


@pytest.fixture
def talker(scene: Scene) -> Talker:
    return Talker(scene)


def _call(talker: Talker, expiry: int, number: int = 1) -> Position:
    """Return a hundredth of a call: it gains what the price is over 60,000, in cents."""
    return position(number, option(talker.address, 60_000, expiry, feed=FEED), 0.01)


def _price(gain: int) -> int:
    return (60_000 + gain) * SCALE


def _gain(talker: Talker, expiry: int, deadline: int = T, *, is_mark: bool = True, mark_time: int = 0) -> int:
    """Return what long gains of a hundred, once his only position is resolved."""
    accruals = talker.accruals([_call(talker, expiry)], deadline, is_mark=is_mark, mark_time=mark_time)
    assert accruals[1][0] == -accruals[0][0]
    return accruals[0][0] * 100 // USD


@pytest.mark.parametrize("late_s", [0, 1, 59])
def test_the_tick_is_the_first_point_of_the_grid_at_or_after_the_deadline(
    scene: Scene, talker: Talker, late_s: int
) -> None:
    scene.evm.travel(T + 10_000)
    tick, expiry = T + (GRID_S if late_s else 0), T + YEAR_S
    for beside, gain in ((tick - GRID_S, 1), (tick, 700), (tick + GRID_S, 3)):
        talker.smiles(beside, expiry, _price(gain))

    assert _gain(talker, expiry, T + late_s) == 700


def test_what_expires_at_the_tick_settles_at_its_report(scene: Scene, talker: Talker) -> None:
    scene.evm.travel(T + 10_000)
    talker.smiles(T, T, _price(900))
    talker.settles(T, _price(200))

    assert _gain(talker, T) == 200


@pytest.mark.parametrize("after_s", [30, GRID_S])
def test_a_void_mark_at_the_last_tick_before_the_expiry_leaves_it_to_its_report(
    scene: Scene, talker: Talker, after_s: int
) -> None:
    scene.evm.travel(T + 10_000)
    expiry = T + after_s
    talker.smiles(T, expiry, void=1)
    talker.smiles(T + GRID_S, expiry, _price(900))
    talker.settles(expiry, _price(200))

    assert _gain(talker, expiry) == 200


@pytest.mark.parametrize("after_s", [30, GRID_S])
def test_a_mark_at_the_last_tick_before_the_expiry_prices_it(scene: Scene, talker: Talker, after_s: int) -> None:
    scene.evm.travel(T + 10_000)
    talker.smiles(T, T + after_s, _price(900))
    talker.settles(T + after_s, _price(200))

    assert _gain(talker, T + after_s) == 900


@pytest.mark.parametrize("after_s", [30, GRID_S])
def test_a_tick_that_may_yet_speak_is_waited_for_although_the_expiry_has_spoken(
    scene: Scene, talker: Talker, after_s: int
) -> None:
    talker.settles(T + after_s, _price(200))
    scene.evm.travel(T + WEEK_S)
    assert talker.refusal([_call(talker, T + after_s)], T, is_mark=True) == SILENT
    scene.evm.travel(T + WEEK_S + 1)

    assert _gain(talker, T + after_s) == 200


@pytest.mark.parametrize("is_mark", [False, True])
def test_sixty_points_of_the_grid_are_looked_at_and_no_more(scene: Scene, talker: Talker, is_mark: bool) -> None:
    scene.evm.travel(T + 10_000)
    expiry = T + YEAR_S if is_mark else T
    for number in range(59):
        if is_mark:
            talker.smiles(T + number * GRID_S, expiry, void=1)
        else:
            talker.settles(T + number * GRID_S, void=1)
    here = scene.evm.snapshot()
    for number, last in ((60, SILENT), (59, "")):
        time = T + number * GRID_S
        if number == 60:
            talker.smiles(T + 59 * GRID_S, expiry, void=1)
            talker.settles(T + 59 * GRID_S, void=1)
        talker.smiles(time, expiry, _price(5))
        talker.settles(time, _price(5))
        assert talker.refusal([_call(talker, expiry)], T, is_mark=is_mark) == last
        scene.evm.revert(here)


@pytest.mark.parametrize(("is_mark", "expiry"), [(False, T), (True, T)])
def test_what_has_expired_by_the_tick_ends_at_the_co_signed_index_and_not_at_its_smile(
    scene: Scene, talker: Talker, is_mark: bool, expiry: int
) -> None:
    talker.smiles(T - 600, expiry, _price(900))
    talker.marks(T - 600, _price(300))
    scene.evm.travel(T + WEEK_S + 1)

    assert _gain(talker, expiry, is_mark=is_mark, mark_time=T - 600) == 300


def test_an_expiry_that_is_void_all_along_ends_at_the_co_signed_smile(scene: Scene, talker: Talker) -> None:
    expiry = T + 30
    for number in range(60):
        talker.settles(expiry + number * GRID_S, void=1)
    talker.smiles(T - 600, expiry, _price(900))
    scene.evm.travel(T + WEEK_S + 1)

    assert _gain(talker, expiry, mark_time=T - 600) == 900


YES = (1, 2, 2**255, 2**256 - 1)


@pytest.mark.parametrize("yes", YES)
def test_any_word_but_zero_is_a_yes(scene: Scene, talker: Talker, yes: int) -> None:
    scene.evm.travel(T + 10_000)
    expiry = T + YEAR_S
    talker.settles(T - 600, _price(200), known=yes)
    talker.settles(T, void=yes)
    talker.settles(T + GRID_S, _price(300))
    talker.smiles(T, expiry, _price(400), known=yes)
    talker.smiles(T + GRID_S, expiry, void=yes)
    talker.smiles(T + 2 * GRID_S, expiry, _price(500))

    assert _gain(talker, T - 600, is_mark=False) == 200
    assert _gain(talker, T, is_mark=False) == 300
    assert _gain(talker, expiry) == 400
    assert _gain(talker, expiry, T + GRID_S) == 500


@pytest.mark.parametrize("is_mark", [False, True])
def test_a_price_out_of_range_is_no_void_and_moves_nothing(scene: Scene, talker: Talker, is_mark: bool) -> None:
    scene.evm.travel(T + 10_000)
    expiry = T + YEAR_S if is_mark else T
    talker.settles(T, 2**256 - 1)
    talker.smiles(T, expiry, 2**256 - 1)
    talker.settles(T + GRID_S, _price(300))
    talker.smiles(T + GRID_S, expiry, _price(300))

    assert _gain(talker, expiry, is_mark=is_mark) == 0


@pytest.mark.parametrize("payoff", [Payoff.CALL, Payoff.PUT, Payoff.FORWARD, Payoff.DIGITAL_PUT])
@pytest.mark.parametrize("is_mark", [False, True])
def test_where_nothing_prices_a_position_it_moves_nothing(
    scene: Scene, talker: Talker, payoff: Payoff, is_mark: bool
) -> None:
    claim = position(1, option(talker.address, 60_000, T, payoff, feed=FEED), 0.01)
    scene.evm.travel(T + 2 * WEEK_S + 1)

    assert talker.accruals([claim], T, is_mark=is_mark) == [(0, 0), (0, 0)]


def test_an_oracle_at_nowhere_is_waited_for_like_any_other(scene: Scene, talker: Talker) -> None:
    nothing = position(1, option(Address(bytes(20)), 60_000, 0, feed=Hash(bytes(32))), 0.01)
    scene.evm.travel(T + 2 * WEEK_S)
    assert talker.refusal([nothing], T) == SILENT
    scene.evm.travel(T + 2 * WEEK_S + 1)

    assert talker.accruals([nothing], T) == [(0, 0), (0, 0)]


@pytest.mark.parametrize("differing", ["oracle", "feed", "expiry", "nothing"])
def test_positions_of_one_run_are_priced_each_by_its_own_report(scene: Scene, talker: Talker, differing: str) -> None:
    other = Talker(scene)
    scene.evm.travel(T + 10_000)
    talker.settles(T, _price(200))
    talker.settles(T - GRID_S, _price(300))
    other.settles(T, _price(400))
    mine = _call(talker, T)
    its = {
        "oracle": position(2, option(other.address, 60_000, T, feed=FEED), 0.01),
        "feed": position(2, option(talker.address, 60_000, T, feed=Hash(b"\6" * 32)), 0.01),
        "expiry": _call(talker, T - GRID_S, 2),
        "nothing": _call(talker, T, 2),
    }[differing]
    if differing == "feed":
        assert talker.refusal([mine, its], T) == SILENT  # it has said nothing of the other
        return

    gain = {"oracle": 600, "expiry": 500, "nothing": 400}[differing]
    assert talker.accruals([mine, its], T)[0] == (gain * USD // 100, 0)


@pytest.mark.parametrize("is_mark", [False, True])
def test_an_oracle_that_is_asked_with_too_little_gas_is_not_silent(scene: Scene, talker: Talker, is_mark: bool) -> None:
    scene.evm.travel(T + 10_000)
    expiry = T + YEAR_S if is_mark else T
    talker.settles(T, _price(200))
    talker.smiles(T, expiry, _price(200))

    refusals = [
        talker.refusal([_call(talker, expiry)], T, is_mark=is_mark, gas=gas) for gas in (110_000, 150_000, 600_000)
    ]

    assert refusals == ["claim: more gas needed", "claim: more gas needed", ""]


def test_the_oracle_is_asked_once_for_positions_of_one_expiry_that_follow_each_other(
    scene: Scene, talker: Talker
) -> None:
    scene.evm.travel(T + 10_000)
    gas = {}
    for expiries in ((T, T, T + GRID_S), (T, T + GRID_S, T)):
        for expiry in expiries:
            talker.settles(expiry, _price(5))
        here = scene.evm.snapshot()
        gas[expiries] = talker.gas([_call(talker, expiry, number) for number, expiry in enumerate(expiries)], T)
        scene.evm.revert(here)
    together, apart = gas.values()

    assert together + 500 < apart


def test_a_put_settles_for_as_little_gas_as_a_call(scene: Scene, talker: Talker) -> None:
    scene.evm.travel(T + 10_000)
    talker.settles(T, _price(0))
    gas = []
    for payoff, strike in ((Payoff.CALL, 59_900), (Payoff.PUT, 60_100)):
        here = scene.evm.snapshot()
        claim = position(1, option(talker.address, strike, T, payoff, feed=FEED), 0.01)
        gas.append(talker.gas([claim], T))
        scene.evm.revert(here)

    assert abs(gas[0] - gas[1]) < 300
