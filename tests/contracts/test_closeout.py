"""Disputes that end at the mark, in the coin, or with a delivery: the contracts pay what the twins say."""

import pytest
from tests.contracts.claims import image, option, position
from tests.contracts.compiled import creation_code
from tests.contracts.marked import EXIT_SPREAD, INDEX, gain, held, marked, speak, surface
from tests.contracts.scene import FEED, USD, Channel, Scene, State
from tests.contracts.surfaces import flat

from thalweg.channel.claims import Condition
from thalweg.channel.sheet import Holding
from thalweg.channel.terms import CloseOut
from thalweg.instruments.closeout import Leaver, exit_amount, exit_exchange
from thalweg.instruments.report import GRID_S, Mark
from thalweg.instruments.surface import smile_at
from thalweg.instruments.terms import Instrument, Payoff, Style, knot
from thalweg.units import PRICE_MAX, SCALE, Address, Amount, Price, Quantity, UnixSeconds


@pytest.mark.parametrize("challenger", [0, 1])
@pytest.mark.parametrize("long", [0, 1])
def test_a_live_position_is_valued_at_the_mark_less_what_the_challenger_pays(
    scene: Scene, challenger: int, long: int
) -> None:
    expiry = scene.expiry(20 * 86_400)
    call = option(scene.oracle, 60_000, expiry)
    channel, state, tick = marked(scene, [position(1, call, 0.01, long, 1 - long)], challenger=challenger)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"

    smile = speak(scene, tick, expiry)
    channel.do(channel.settlement(state))

    leaver = Leaver.LONG if challenger == long else Leaver.SHORT
    amount = exit_amount(call, Quantity(SCALE // 100), smile, EXIT_SPREAD, leaver)
    fair = exit_amount(call, Quantity(SCALE // 100), smile, 0, leaver)
    assert channel.view.closed
    assert gain(channel) == (amount if long == 0 else -amount)
    assert abs(abs(fair - amount) * 20 - fair) <= 20
    assert fair > 15 * USD


@pytest.mark.parametrize("style", [Style.LINEAR, Style.INVERSE])
@pytest.mark.parametrize("payoff", Payoff)
def test_every_payoff_is_closed_out_at_what_its_twin_says(scene: Scene, payoff: Payoff, style: Style) -> None:
    expiry = scene.expiry(20 * 86_400)
    points = ((0, -40), (58_000, 30), (61_000, -20), (64_000, 50), (65_000, 50))
    knots = tuple(knot(Price(x * SCALE), y * SCALE) for x, y in points)
    terms = knots if payoff == Payoff.CURVE else (61_000 * SCALE,)
    unit = 10**8 if style == Style.INVERSE else 10**6
    instrument = Instrument(payoff, scene.oracle, FEED, UnixSeconds(expiry), unit, terms, style)
    channel, state, tick = marked(scene, [position(1, instrument, 0.02)])

    smile = speak(scene, tick, expiry)
    channel.do(channel.settlement(state))

    assert gain(channel) == exit_amount(instrument, Quantity(SCALE // 50), smile, EXIT_SPREAD, Leaver.LONG) != 0


def test_what_has_expired_settles_at_its_report_and_not_at_the_mark(scene: Scene) -> None:
    expiry = scene.expiry(100)
    channel, state, tick = marked(scene, [position(1, option(scene.oracle, 60_000, expiry), 0.01)])
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    scene.speak(expiry, 60_700 * SCALE)

    channel.do(channel.settlement(state))

    assert gain(channel) == 7 * USD
    assert tick > expiry


def test_the_tick_is_computed_and_nobody_chooses_it(scene: Scene) -> None:
    expiry = scene.expiry(20 * 86_400)
    channel, state, tick = marked(scene, [position(1, option(scene.oracle, 60_000, expiry), 0.01)])

    scene.evm.travel(tick + 3 * GRID_S)
    for other in (tick - GRID_S, tick + GRID_S, tick + 2 * GRID_S):
        scene.mark(other, INDEX, surface(other))
        assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"


# --- delivery -------------------------------------------------------------------------------------------------------


def _physical(
    scene: Scene,
    payoff: Payoff,
    expiry: int,
    *,
    close_out: CloseOut = CloseOut.EXPIRY,
    condition: Condition | None = None,
) -> tuple[Channel, State, Instrument, Address]:
    """Dispute a channel of dollars and gold in which alice is long two contracts of one gold at 30 dollars."""
    gold = scene.evm.create(creation_code("SilentToken"))
    amounts = (100 * USD, 1000, 100 * USD, 1000)
    channel = scene.opened(assets=(scene.token, gold), amounts=amounts, close_out=close_out, exit_spread=EXIT_SPREAD)
    terms = 30 * SCALE, 100
    instrument = Instrument(payoff, scene.oracle, FEED, UnixSeconds(expiry), 10**6, terms, Style.PHYSICAL, 1)
    claim = position(1, instrument, 2, condition=condition or Condition())
    strike, goods = 60 * USD, 200
    buyer = 1 if payoff == Payoff.PUT else 0  # who has put up the strike
    balances = [100 * USD, 1000, 100 * USD, 1000]
    balances[2 * buyer] -= strike
    balances[2 * (1 - buyer) + 1] -= goods
    held = [
        Holding(Amount(balance), Amount(balance), Amount(amount))
        for balance, amount in zip(balances, amounts, strict=True)
    ]
    state = channel.state(5, held, [claim])
    channel.do(channel.challenge(state))
    channel.wait()
    return channel, state, instrument, gold


def _assets(channel: Channel, gold: Address) -> tuple[int, ...]:
    scene = channel.scene
    return tuple(
        held for payout in channel.terms.payouts for held in (scene.balance(payout) // USD, scene.balance(payout, gold))
    )


@pytest.mark.parametrize(
    ("payoff", "price", "expected"),
    [
        (Payoff.CALL, 31, (40, 1200, 160, 800)),
        (Payoff.CALL, 30, (100, 1000, 100, 1000)),
        (Payoff.CALL, 2, (100, 1000, 100, 1000)),
        (Payoff.PUT, 29, (160, 800, 40, 1200)),
        (Payoff.PUT, 30, (100, 1000, 100, 1000)),
        (Payoff.FORWARD, 1, (40, 1200, 160, 800)),
        (Payoff.FORWARD, 99, (40, 1200, 160, 800)),
    ],
)
def test_both_sides_of_a_delivery_exchange_or_take_back(
    scene: Scene, payoff: Payoff, price: int, expected: tuple[int, ...]
) -> None:
    expiry = scene.expiry(100)
    channel, state, _, gold = _physical(scene, payoff, expiry)
    assert channel.refusal(channel.settlement(state)) == "claim: no oracle report"
    scene.speak(expiry, price * SCALE)

    channel.do(channel.settlement(state))

    assert channel.view.closed
    assert _assets(channel, gold) == expected


def test_a_conditional_delivery_that_never_stood_gives_both_sides_their_own_back(scene: Scene) -> None:
    condition = Condition((image(b"p" * 32),), UnixSeconds(scene.evm.now() + 50))
    channel, state, _, gold = _physical(scene, Payoff.CALL, scene.evm.now() + 100, condition=condition)

    channel.do(channel.settlement(state))  # no report is needed

    assert _assets(channel, gold) == (100, 1000, 100, 1000)


@pytest.mark.parametrize("payoff", [Payoff.CALL, Payoff.PUT, Payoff.FORWARD])
@pytest.mark.parametrize("forward", [27, 30, 45])
def test_a_live_delivery_is_paid_for_out_of_its_own_escrow(scene: Scene, payoff: Payoff, forward: int) -> None:
    expiry = scene.expiry(20 * 86_400)
    channel, state, instrument, gold = _physical(scene, payoff, expiry, close_out=CloseOut.MARK)
    tick = -(-channel.deadline // GRID_S) * GRID_S
    scene.evm.travel(max(tick, scene.evm.now() + 1))
    report = Mark(FEED, UnixSeconds(tick), Price(forward * SCALE), slices=(flat(expiry, 4 * 10**6, forward),))
    scene.evm.send(scene.marking(report))
    smile = smile_at(report, UnixSeconds(expiry))
    assert smile is not None

    channel.do(channel.settlement(state))

    paid, moved = exit_exchange(instrument, Quantity(2 * SCALE), smile, EXIT_SPREAD, Leaver.LONG)
    sign = -1 if payoff == Payoff.PUT else 1  # with a put alice is the seller
    dollars, goods = [scene.balance(channel.terms.payouts[0], asset) for asset in (scene.token, gold)]
    assert (dollars, goods) == (100 * USD - sign * paid, 1000 + sign * moved)
    assert sum(channel.wallets()) == 200 * USD
    assert (paid, moved) != (0, 0) or (payoff, forward) == (Payoff.FORWARD, 30)


@pytest.mark.parametrize(
    ("knots", "deliver"), [((30 * SCALE,), 1), ((30 * SCALE, 100), 9), ((2**63, 100), 1), ((30 * SCALE, 2**200), 1)]
)
def test_a_delivery_of_nonsense_locks_nothing(scene: Scene, knots: tuple[int, ...], deliver: int) -> None:
    channel = scene.opened()
    expiry = scene.tick()
    terms = Instrument(Payoff.CALL, scene.oracle, FEED, UnixSeconds(expiry), 10**6, knots, Style.PHYSICAL, deliver)
    state = channel.state(5, held(100 * USD, 100 * USD), [position(1, terms, 2)])
    channel.do(channel.challenge(state))
    channel.wait()
    scene.speak(expiry, PRICE_MAX)

    channel.do(channel.settlement(state))

    assert channel.view.closed
    assert sum(channel.wallets()) == 200 * USD


# --- in the coin ----------------------------------------------------------------------------------------------------


def test_an_inverse_option_settles_in_the_coin(scene: Scene) -> None:
    channel = scene.opened(amounts=(2 * 10**8, 2 * 10**8))
    expiry = scene.expiry(100)
    terms = Instrument(Payoff.CALL, scene.oracle, FEED, UnixSeconds(expiry), 10**8, (50_000 * SCALE,), Style.INVERSE)
    held = (Holding(Amount(2 * 10**8), Amount(0), Amount(2 * 10**8)),) * 2
    state = channel.state(5, held, [position(1, terms, 3)])
    channel.do(channel.challenge(state))
    channel.wait()
    scene.speak(expiry, 62_500 * SCALE)

    channel.do(channel.settlement(state))

    assert channel.wallets() == (2 * 10**8 + 6 * 10**7, 2 * 10**8 - 6 * 10**7)  # 3 * 12,500 / 62,500 coins
