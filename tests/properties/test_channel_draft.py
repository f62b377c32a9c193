"""Laws of a sheet under any operations: money is conserved, everybody is covered, a refusal changes nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.channel.claims import Position
from thalweg.channel.draft import Draft
from thalweg.channel.invariants import check_sheet
from thalweg.channel.operations import (
    AddPositions,
    AnyOperation,
    CountDeposit,
    Leg,
    SettlePositions,
    Transfer,
    Withdraw,
)
from thalweg.channel.sheet import Sheet, empty_sheet
from thalweg.errors import RuleBroken
from thalweg.instruments.report import GRID_S, Settlement, SignedReport
from thalweg.instruments.terms import Instrument, Payoff, knot
from thalweg.testing.checks import check_cover, check_money
from thalweg.testing.oracle import FEED
from thalweg.testing.table import NOW, ORACLE, Table
from thalweg.units import SCALE, ZERO_HASH, Amount, AssetIndex, Price, Quantity, Seat, UnixSeconds

SEATS = 3
TERMS = Table(SEATS, assets=2).terms
LATER = UnixSeconds(NOW + 60)
EXPIRIES = tuple(UnixSeconds(NOW - NOW % GRID_S + GRID_S * step) for step in (10, 20))
STRIKES = (50_000, 80_000, 100_000)
DEPOSIT = Amount(10**11)

seats = st.integers(-1, SEATS).map(Seat)
assets = st.integers(-1, 2).map(AssetIndex)
amounts = st.one_of(st.integers(-5, 1000), st.integers(0, 2 * DEPOSIT), st.integers(0, 2**130)).map(Amount)
expiries = st.sampled_from(EXPIRIES)
quantities = st.one_of(st.integers(-1, SCALE // 100), st.integers(1, 10 * SCALE)).map(Quantity)


def instrument(payoff: Payoff, strike: int, expiry: UnixSeconds) -> Instrument:
    low = Price(strike * SCALE)
    knots: tuple[int, ...] = (low,)
    if payoff == Payoff.CURVE:
        top = 10_000 * SCALE + 7
        knots = (knot(Price(0), -3), knot(low, 0), knot(Price(low + top), top), knot(Price(low + top + 1), top))
    return Instrument(payoff=payoff, oracle=ORACLE, feed=FEED, expiry=expiry, unit=10**6, knots=knots)


instruments = st.builds(
    instrument, st.sampled_from((Payoff.CALL, Payoff.PUT, Payoff.CURVE)), st.sampled_from(STRIKES), expiries
)
premiums = st.one_of(st.integers(-1000, 1000), st.integers(-(2**129), 2**129))
numbers = st.just(0)  # set by `run`


def leg_between(one: Seat, two: Seat) -> st.SearchStrategy[Leg]:
    sides = st.sampled_from(((one, two), (two, one)))
    return st.builds(lambda pair, *rest: Leg(rest[0], *pair, *rest[1:]), sides, instruments, quantities, premiums)


@st.composite
def trades(draw: st.DrawFn) -> AddPositions:
    author, maker = draw(seats), draw(seats)
    legs = tuple(draw(st.lists(leg_between(author, maker), min_size=1, max_size=3)))
    return AddPositions(author, 0, LATER, maker, ZERO_HASH, legs)


def settlement(expiry: UnixSeconds, price: int) -> SettlePositions:
    signed = SignedReport(ORACLE, Settlement(FEED, expiry, Price(price)), (), ())
    return SettlePositions(Seat(0), 0, LATER, signed)


operations: st.SearchStrategy[AnyOperation] = st.one_of(
    st.builds(Transfer, seats, numbers, st.just(LATER), seats, assets, amounts),
    st.builds(Withdraw, seats, numbers, st.just(LATER), assets, amounts),
    st.builds(CountDeposit, seats, numbers, st.just(LATER), seats, assets, amounts),
    trades(),
    trades(),
    st.builds(settlement, expiries, st.integers(0, 200_000 * SCALE)),
)


def funded() -> Sheet:
    draft = Draft(TERMS, empty_sheet(TERMS), NOW)
    for number, cell in enumerate(range(SEATS * 2)):
        seat, asset = divmod(cell, 2)
        draft.apply(CountDeposit(Seat(0), number + 1, LATER, Seat(seat), AssetIndex(asset), DEPOSIT))
    return draft.sheet()


FUNDED = funded()


def numbered(operation: AnyOperation, number: int) -> AnyOperation:
    members = {name: getattr(operation, name) for name in operation.__struct_fields__}
    return type(operation)(**{**members, "number": number})


def run(draft: Draft, wanted: list[AnyOperation]) -> list[AnyOperation]:
    """Apply what can be applied; return it. Each refusal must leave the draft as it was."""
    done = []
    for index, operation in enumerate(wanted):
        operation = numbered(operation, 100 + index)
        before, exposure = draft.sheet(), list(draft.exposure)
        try:
            draft.apply(operation)
        except RuleBroken:
            assert (draft.sheet(), draft.exposure) == (before, exposure)
        else:
            done.append(operation)
    return done


@given(st.lists(operations, max_size=25))
@settings(max_examples=150, deadline=None)
def test_money_is_conserved_and_everybody_covered_whatever_is_tried(wanted: list[AnyOperation]) -> None:
    draft = Draft(TERMS, FUNDED, NOW)
    run(draft, wanted)
    sheet = draft.sheet()
    check_sheet(sheet, 2, 0)
    check_money(sheet, TERMS)
    check_cover(sheet, TERMS)


@given(st.lists(operations, max_size=15), st.integers(0, 15))
@settings(max_examples=60, deadline=None)
def test_one_batch_or_two_states_come_to_the_same_sheet(wanted: list[AnyOperation], cut: int) -> None:
    whole = Draft(TERMS, FUNDED, NOW)
    done = run(whole, wanted)
    first = Draft(TERMS, FUNDED, NOW)
    for operation in done[:cut]:
        first.apply(operation)
    second = Draft(TERMS, first.sheet(), NOW)
    for operation in done[cut:]:
        second.apply(operation)
    assert second.sheet() == whole.sheet()


def positions(draft: Draft) -> set[tuple[Instrument, int, int, int]]:
    claims = draft.sheet().claims
    return {(c.instrument, c.long, c.short, c.quantity) for c in claims if isinstance(c, Position)}


@given(st.permutations(range(4)), st.lists(leg_between(Seat(0), Seat(1)), min_size=4, max_size=4))
@settings(max_examples=80, deadline=None)
def test_netting_does_not_depend_on_the_order_of_trades(order: list[int], legs: list[Leg]) -> None:
    small = [Leg(x.instrument, x.long, x.short, Quantity(max(1, abs(x.quantity) % 1000)), 0) for x in legs]
    books = []
    for sequence in (range(4), order):
        draft = Draft(TERMS, FUNDED, NOW)
        trades_done = [AddPositions(Seat(1), 0, LATER, Seat(0), ZERO_HASH, (small[index],)) for index in sequence]
        if len(run(draft, list(trades_done))) < 4:
            return  # a leg alone may be unbounded where the four together are not
        books.append((positions(draft), [holding.balance for holding in draft.sheet().holdings]))
    assert books[0] == books[1]


@given(trades(), st.integers(0, 200_000 * SCALE), st.integers(0, 200_000 * SCALE))
@settings(max_examples=80, deadline=None)
def test_settlement_moves_money_but_makes_none_and_nobody_goes_below_zero(
    trade: AddPositions, first: int, second: int
) -> None:
    draft = Draft(TERMS, FUNDED, NOW)
    run(draft, [trade, settlement(EXPIRIES[0], first), settlement(EXPIRIES[1], second)])
    sheet = draft.sheet()
    assert sheet.claims == ()
    assert sum(holding.balance for holding in sheet.holdings[::2]) == SEATS * DEPOSIT
    assert min(holding.balance for holding in sheet.holdings) >= 0
    assert sheet.required == (0,) * SEATS
