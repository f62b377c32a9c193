"""What claims within a child channel come to, and which tick its positions close at."""

import pytest
from tests.contracts.claims import image, lock, option, position
from tests.contracts.family import DAY_S, DECIDED, disputed, lent, settle, virtual
from tests.contracts.scene import CHALLENGE_S, FEED, USD, Scene
from tests.contracts.surfaces import flat

from thalweg.chain.artefacts import RESOLVER
from thalweg.channel.claims import Condition, Subchannel
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import CloseOut
from thalweg.instruments.closeout import Leaver, exit_amount
from thalweg.instruments.report import GRID_S, Mark
from thalweg.instruments.surface import smile_at
from thalweg.units import (
    SCALE,
    ZERO_HASH,
    Amount,
    ChannelId,
    ClaimId,
    Price,
    Quantity,
    Seat,
    UnixSeconds,
)


def test_positions_of_a_child_that_are_alive_at_its_end_close_at_the_mark(scene: Scene) -> None:
    kid, near, _ = virtual(scene, until_s=2 * DAY_S)
    one = lent(kid, near)
    soon, later = scene.expiry(DAY_S), scene.expiry(200 * DAY_S)
    short, long = option(scene.oracle, 60_000, soon), option(scene.oracle, 60_000, later)
    claims = [position(1, short, 0.01), position(2, long, 0.002)]
    held = [Holding(amount, Amount(0), amount) for amount in kid.child.amounts]
    state = kid.state(4, held, claims)
    disputed(near, one)
    kid.do(kid.challenge(state, near))
    kid.wait()
    kid.do(kid.settlement(state, upto=0))
    assert kid.refusal(kid.settlement(state)) == "claim: no oracle report"
    scene.evm.travel(soon)
    scene.speak(soon, 60_300 * SCALE)
    kid.do(kid.settlement(state, upto=1))
    assert kid.progress.deltas == (3 * USD, -3 * USD)
    assert kid.refusal(kid.settlement(state)) == "claim: no oracle report"
    tick = -(-kid.child.until // GRID_S) * GRID_S
    scene.evm.travel(tick)
    report = _mark(scene, tick, later)
    smile = smile_at(report, UnixSeconds(later))
    assert smile is not None

    kid.do(kid.settlement(state))
    settle(near, one)

    worth = exit_amount(long, Quantity(SCALE // 500), smile, 0, Leaver.NEITHER)
    assert kid.outcome() == ((DECIDED, 33 * USD + worth), (DECIDED, 17 * USD - worth))
    assert near.wallets() == (103 * USD + worth, 97 * USD - worth)


@pytest.mark.parametrize("close_out", CloseOut)
@pytest.mark.parametrize("late_s", [-CHALLENGE_S, 1, 5 * DAY_S, 30 * DAY_S])
def test_nobody_chooses_the_tick_of_a_childs_end_by_when_he_disputes_it(
    scene: Scene, close_out: CloseOut, late_s: int
) -> None:
    kid, near, _ = virtual(scene, until_s=DAY_S, close_out=close_out)
    disputed(near, lent(kid, near))
    later = scene.expiry(200 * DAY_S)
    held = [Holding(amount, Amount(0), amount) for amount in kid.child.amounts]
    state = kid.state(4, held, [position(1, option(scene.oracle, 60_000, later), 0.002)])
    tick = -(-kid.child.until // GRID_S) * GRID_S
    scene.evm.travel(kid.child.until + late_s)
    kid.do(kid.challenge(state, near))
    scene.evm.travel(max(kid.deadline, tick))
    _mark(scene, tick, later)

    kid.do(kid.settlement(state))

    assert kid.outcome()[0] != (DECIDED, 30 * USD)


def test_a_child_that_closes_out_at_the_mark_does_so_at_its_own_deadline_before_its_end(scene: Scene) -> None:
    kid, near, _ = virtual(scene, close_out=CloseOut.MARK, exit_spread=5 * 10**7)  # which nobody pays
    one = lent(kid, near)
    later = scene.expiry(200 * DAY_S)
    call = option(scene.oracle, 60_000, later)
    held = [Holding(amount, Amount(0), amount) for amount in kid.child.amounts]
    state = kid.state(4, held, [position(1, call, 0.005)])
    disputed(near, one)
    kid.do(kid.challenge(state, near))
    tick = -(-(scene.evm.now() + CHALLENGE_S) // GRID_S) * GRID_S
    scene.evm.travel(tick)
    report = _mark(scene, tick, later)

    kid.do(kid.settlement(state))

    smile = smile_at(report, UnixSeconds(later))
    assert smile is not None
    worth = exit_amount(call, Quantity(SCALE // 200), smile, 0, Leaver.NEITHER)
    assert kid.outcome()[0] == (DECIDED, 30 * USD + worth)


def test_a_lock_in_a_child_resolves_by_the_same_registry(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    scene.evm.tell(scene.resolver, RESOLVER, "reveal", [b"p" * 32])
    held = [
        Holding(Amount(23 * USD), Amount(0), Amount(30 * USD)),
        Holding(Amount(20 * USD), Amount(0), Amount(20 * USD)),
    ]
    state = kid.state(4, held, [lock(1, 7 * USD, condition)])
    disputed(near, one)
    kid.do(kid.challenge(state, near))
    kid.wait()

    kid.do(kid.settlement(state))

    assert kid.outcome() == ((DECIDED, 23 * USD), (DECIDED, 27 * USD))


def test_a_childs_own_child_gives_its_lenders_their_own_back(scene: Scene) -> None:
    kid, near, _ = virtual(scene)
    one = lent(kid, near)
    nested = Subchannel(
        ClaimId(1), scene.subchannels, ChannelId(b"\7" * 32), (Seat(0), Seat(1)), (Amount(9), Amount(4)), ZERO_HASH,
        UnixSeconds(2**60),
    )  # fmt: skip
    held = [Holding(Amount(10), Amount(0), Amount(30 * USD)), Holding(Amount(20), Amount(0), Amount(20 * USD))]
    state = kid.state(4, held, [nested])
    disputed(near, one)
    kid.do(kid.challenge(state, near))
    kid.wait()

    kid.do(kid.settlement(state))

    assert kid.outcome() == ((DECIDED, 50 * USD - 24), (DECIDED, 24))  # the rest is the lowest seat's


def _mark(scene: Scene, tick: int, expiry: int) -> Mark:
    report = Mark(FEED, UnixSeconds(tick), Price(60_000 * SCALE), slices=(flat(expiry, 2 * 10**6, 60_500),))
    scene.evm.send(scene.marking(report))
    return report
