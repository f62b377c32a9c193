"""What an operation may do to a sheet. A refused one changes nothing and says why."""

import pytest

from thalweg.channel.claims import CLAIMS_MAX
from thalweg.channel.draft import Draft
from thalweg.channel.operations import (
    LEGS_MAX,
    MEMO_MAX,
    NUMBER_MAX,
    AddPositions,
    AnyOperation,
    Close,
    CountDeposit,
    Jump,
    Leg,
    SettlePositions,
    Transfer,
    Withdraw,
)
from thalweg.channel.sheet import Sheet, empty_sheet
from thalweg.errors import Reason, RuleBroken
from thalweg.instruments.report import GRID_S, Mark, Settlement
from thalweg.instruments.terms import Instrument, Payoff, Style
from thalweg.testing.oracle import FEED
from thalweg.testing.table import NOW, ORACLE, Table
from thalweg.units import (
    AMOUNT_MAX,
    QUANTITY_MAX,
    SCALE,
    ZERO_HASH,
    Address,
    Amount,
    AssetIndex,
    Hash,
    Price,
    Quantity,
    Seat,
    UnixSeconds,
)

A, B = Seat(0), Seat(1)
USDC = AssetIndex(0)
LATER = UnixSeconds(NOW + 60)
EXPIRY = UnixSeconds(NOW - NOW % GRID_S + 3600)
DEPOSIT = Amount(10**12)
TABLE = Table()
PUT = Instrument(payoff=Payoff.PUT, oracle=ORACLE, feed=FEED, expiry=EXPIRY, unit=10**6, knots=(50_000 * SCALE,))
CALL = Instrument(payoff=Payoff.CALL, oracle=ORACLE, feed=FEED, expiry=EXPIRY, unit=10**6, knots=(50_000 * SCALE,))


def funded() -> Draft:
    draft = Draft(TABLE.terms, empty_sheet(TABLE.terms), NOW)
    draft.apply(CountDeposit(A, 1, LATER, B, USDC, DEPOSIT))
    draft.apply(CountDeposit(B, 1, LATER, A, USDC, DEPOSIT))
    return draft


def trade(*legs: Leg, author: Seat = B, maker: Seat = A, number: int = 2) -> AddPositions:
    return AddPositions(author, number, LATER, maker, ZERO_HASH, legs)


def put(quantity: int = SCALE, premium: int = 1000, terms: Instrument = PUT) -> Leg:
    return Leg(terms, A, B, Quantity(quantity), premium)


def settlement(price: int, expiry: UnixSeconds = EXPIRY) -> SettlePositions:
    return SettlePositions(A, 2, LATER, TABLE.oracle.sign(Settlement(FEED, expiry, Price(price))))


def refused(draft: Draft, operation: AnyOperation) -> Reason:
    before = draft.sheet()
    with pytest.raises(RuleBroken) as caught:
        draft.apply(operation)
    assert draft.sheet() == before
    return caught.value.reason


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (Transfer(A, 2, LATER, B, USDC, Amount(0)), Reason.NEGATIVE),
        (Transfer(A, 2, LATER, B, USDC, Amount(-5)), Reason.NEGATIVE),
        (Transfer(A, 2, LATER, B, USDC, Amount(DEPOSIT + 1)), Reason.INSUFFICIENT),
        (Transfer(A, 2, LATER, B, USDC, Amount(2**300)), Reason.INSUFFICIENT),
        (Transfer(A, 2, LATER, A, USDC, Amount(1)), Reason.NOT_AUTHOR),
        (Transfer(A, 2, LATER, Seat(2), USDC, Amount(1)), Reason.NOT_AUTHOR),
        (Transfer(A, 2, LATER, Seat(-1), USDC, Amount(1)), Reason.NOT_AUTHOR),
        (Transfer(A, 2, LATER, B, AssetIndex(1), Amount(1)), Reason.UNKNOWN_INSTRUMENT),
        (Transfer(A, 2, LATER, B, AssetIndex(-1), Amount(1)), Reason.UNKNOWN_INSTRUMENT),
        (Transfer(A, 2, LATER, B, USDC, Amount(1), "x" * (MEMO_MAX + 1)), Reason.OVERSIZED),
        (Transfer(Seat(2), 2, LATER, B, USDC, Amount(1)), Reason.NOT_AUTHOR),
        (Transfer(Seat(-1), 2, LATER, B, USDC, Amount(1)), Reason.NOT_AUTHOR),
        (Transfer(A, 1, LATER, B, USDC, Amount(1)), Reason.OUT_OF_ORDER),
        (Transfer(A, -1, LATER, B, USDC, Amount(1)), Reason.OUT_OF_ORDER),
        (Transfer(A, NUMBER_MAX + 1, LATER, B, USDC, Amount(1)), Reason.OVERFLOW),
        (Transfer(A, 2, UnixSeconds(NOW - 1), B, USDC, Amount(1)), Reason.EXPIRED),
        (Withdraw(A, 2, LATER, USDC, Amount(DEPOSIT + 1)), Reason.INSUFFICIENT),
        (Withdraw(A, 2, LATER, USDC, Amount(-1)), Reason.NEGATIVE),
        (CountDeposit(A, 2, LATER, B, USDC, DEPOSIT), Reason.STALE_VERSION),
        (CountDeposit(A, 2, LATER, B, USDC, Amount(-1)), Reason.STALE_VERSION),
        (CountDeposit(A, 2, LATER, B, USDC, Amount(AMOUNT_MAX + 1)), Reason.OVERFLOW),
    ],
)
def test_money_that_cannot_move_is_refused_and_nothing_changes(operation: AnyOperation, reason: Reason) -> None:
    assert refused(funded(), operation) == reason


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (trade(), Reason.LIMIT),
        (trade(*(put() for _ in range(LEGS_MAX + 1))), Reason.LIMIT),
        (trade(put(), maker=B), Reason.NOT_AUTHOR),
        (trade(put(), maker=Seat(2)), Reason.NOT_AUTHOR),
        (trade(Leg(PUT, A, A, Quantity(1), 0)), Reason.NOT_AUTHOR),
        (trade(put(0)), Reason.NEGATIVE),
        (trade(put(-SCALE)), Reason.NEGATIVE),
        (trade(put(QUANTITY_MAX + 1)), Reason.NEGATIVE),
        (trade(put(premium=AMOUNT_MAX + 1)), Reason.OVERFLOW),
        (trade(put(premium=DEPOSIT + 1)), Reason.INSUFFICIENT),
        (trade(put(100 * SCALE)), Reason.UNCOVERED),
        (trade(Leg(CALL, A, B, Quantity(SCALE), 0)), Reason.UNBOUNDED),
    ],
)
def test_a_trade_that_cannot_be_is_refused_and_nothing_changes(operation: AnyOperation, reason: Reason) -> None:
    assert refused(funded(), operation) == reason


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"expiry": NOW}, Reason.INSTRUMENT_EXPIRED),
        ({"expiry": -1}, Reason.INVALID_INSTRUMENT),
        ({"oracle": Address(b"\x07" * 20)}, Reason.UNKNOWN_INSTRUMENT),
        ({"oracle": Address(b"\x07" * 21)}, Reason.INVALID_INSTRUMENT),
        ({"feed": Hash(b"")}, Reason.INVALID_INSTRUMENT),
        ({"payoff": Payoff.DIGITAL_CALL}, Reason.UNKNOWN_INSTRUMENT),
        ({"style": Style.INVERSE}, Reason.UNKNOWN_INSTRUMENT),
        ({"knots": ()}, Reason.INVALID_INSTRUMENT),
        ({"knots": (2**256,)}, Reason.INVALID_INSTRUMENT),
        ({"unit": 2**300}, Reason.INVALID_INSTRUMENT),
    ],
)
def test_an_expired_or_unknown_instrument_is_refused(terms: dict[str, object], reason: Reason) -> None:
    members = {name: getattr(PUT, name) for name in PUT.__struct_fields__}
    assert refused(funded(), trade(put(terms=Instrument(**{**members, **terms})))) == reason


def test_premium_moves_and_what_backs_the_position_is_not_free() -> None:
    draft = funded()
    draft.apply(trade(put(premium=1000)))
    long, short = draft.sheet().holdings
    assert (long.balance, long.free) == (DEPOSIT - 1000, DEPOSIT - 1000)
    assert (short.balance, short.free) == (DEPOSIT + 1000, DEPOSIT + 1000 - 50_000 * 10**6)


def test_money_that_backs_a_position_cannot_be_spent() -> None:
    draft = funded()
    draft.apply(trade(put(premium=0)))
    free = draft.sheet().holdings[B].free
    assert refused(draft, Transfer(B, 3, LATER, A, USDC, Amount(free + 1))) == Reason.UNCOVERED
    assert refused(draft, Withdraw(B, 3, LATER, USDC, Amount(free + 1))) == Reason.UNCOVERED
    draft.apply(Transfer(B, 3, LATER, A, USDC, free))


def test_a_claim_is_never_there_twice_the_same_instrument_nets() -> None:
    draft = funded()
    draft.apply(trade(put(3 * SCALE)))
    draft.apply(trade(Leg(PUT, B, A, Quantity(4 * SCALE), 0), number=3))
    (claim,) = draft.sheet().claims
    assert (claim.id, claim.long, claim.short, claim.quantity) == (1, B, A, SCALE)  # type: ignore[union-attr]
    draft.apply(trade(put(SCALE), number=4))
    assert draft.sheet().claims == ()
    draft.apply(trade(put(SCALE), number=5))
    assert [claim.id for claim in draft.sheet().claims] == [2]


def test_a_net_position_has_its_limit_too() -> None:
    draft = funded()
    tiny = Instrument(payoff=Payoff.PUT, oracle=ORACLE, feed=FEED, expiry=EXPIRY, unit=1, knots=(1,))
    draft.apply(trade(put(QUANTITY_MAX, 0, tiny)))
    assert refused(draft, trade(put(1, 0, tiny), number=3)) == Reason.OVERFLOW


def test_a_state_holds_so_many_claims_and_no_more() -> None:
    draft = funded()
    instruments = [
        Instrument(payoff=Payoff.PUT, oracle=ORACLE, feed=FEED, expiry=EXPIRY, unit=1, knots=(SCALE + index,))
        for index in range(CLAIMS_MAX + 1)
    ]
    for number, terms in enumerate(instruments[:-1]):
        draft.apply(trade(put(1, 0, terms), number=2 + number))
    assert refused(draft, trade(put(1, 0, instruments[-1]), number=1000)) == Reason.TOO_MANY_CLAIMS


def test_a_position_settles_once_to_the_unit() -> None:
    draft = funded()
    draft.apply(trade(put(SCALE, 0)))
    draft.apply(settlement(40_000 * SCALE + 1))
    long, short = draft.sheet().holdings
    assert long.balance - DEPOSIT == DEPOSIT - short.balance == 10_000 * 10**6 - 1
    assert draft.sheet().required == (0, 0)
    assert refused(draft, SettlePositions(A, 3, LATER, settlement(1).report)) == Reason.UNKNOWN_CLAIM


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (Settlement(FEED, EXPIRY, Price(0), is_void=True), Reason.NO_REPORT),
        (Mark(FEED, EXPIRY, Price(SCALE)), Reason.NO_REPORT),
        (Settlement(FEED, UnixSeconds(EXPIRY + GRID_S), Price(SCALE)), Reason.UNKNOWN_CLAIM),
        (Settlement(Hash(bytes(32)), EXPIRY, Price(SCALE)), Reason.UNKNOWN_CLAIM),
    ],
)
def test_only_the_price_of_its_own_expiry_settles_a_position(report: Settlement | Mark, reason: Reason) -> None:
    draft = funded()
    draft.apply(trade(put()))
    operation = SettlePositions(A, 2, LATER, TABLE.oracle.sign(report))
    assert refused(draft, operation) == reason


def voids(*steps: int) -> tuple[Settlement, ...]:
    return tuple(Settlement(FEED, UnixSeconds(EXPIRY + step * GRID_S), Price(0), is_void=True) for step in steps)


def test_void_reports_move_on_to_the_next_grid_point() -> None:
    draft = funded()
    draft.apply(trade(put(SCALE, 0)))
    price = Settlement(FEED, UnixSeconds(EXPIRY + 2 * GRID_S), Price(40_000 * SCALE))
    signed = tuple(TABLE.oracle.sign(void) for void in voids(0, 1))
    draft.apply(SettlePositions(A, 2, LATER, TABLE.oracle.sign(price), signed))
    assert draft.sheet().holdings[A].balance == DEPOSIT + 10_000 * 10**6


@pytest.mark.parametrize("steps", [(0,), (1,), (1, 0), (0, 0), (0, 2), (-1, 0)])
def test_a_gap_in_the_void_reports_settles_nothing(steps: tuple[int, ...]) -> None:
    draft = funded()
    draft.apply(trade(put(SCALE, 0)))
    price = Settlement(FEED, UnixSeconds(EXPIRY + 2 * GRID_S), Price(40_000 * SCALE))
    signed = tuple(TABLE.oracle.sign(void) for void in voids(*steps))
    operation = SettlePositions(A, 2, LATER, TABLE.oracle.sign(price), signed)
    assert refused(draft, operation) in (Reason.NO_REPORT, Reason.UNKNOWN_CLAIM)


def test_a_channel_with_open_claims_does_not_close() -> None:
    draft = funded()
    draft.apply(trade(put()))
    assert refused(draft, Close(A, 2, LATER)) == Reason.OPEN_CLAIMS


@pytest.mark.parametrize("last", [Close(A, 2, LATER), Jump(A, 2, LATER)])
def test_nothing_follows_a_close_or_a_jump_in_one_state(last: AnyOperation) -> None:
    draft = funded()
    draft.apply(last)
    assert refused(draft, Transfer(B, 2, LATER, A, USDC, Amount(1))) == Reason.WRONG_PHASE


def test_what_is_at_stake_is_capped_and_counted() -> None:
    draft = Draft(TABLE.terms, funded().sheet(), NOW, (100,))
    draft.apply(Transfer(A, 2, LATER, B, USDC, Amount(60)))
    assert refused(draft, Transfer(A, 3, LATER, B, USDC, Amount(41))) == Reason.UNDECIDED_MAX
    draft.apply(Transfer(B, 3, LATER, A, USDC, Amount(40)))
    assert draft.exposure == [100]


def test_the_mark_never_goes_back() -> None:
    draft = funded()
    draft.advance_mark(UnixSeconds(NOW))
    with pytest.raises(RuleBroken, match=str(Reason.MARK_TIME_BACK)):
        draft.advance_mark(UnixSeconds(NOW - 60))


def test_a_deficit_may_shrink_but_not_grow() -> None:
    sheet: Sheet = funded().sheet()
    short = Draft(TABLE.terms, sheet, NOW)
    short.apply(trade(put(19 * SCALE, 0)))
    under = short.sheet()
    holdings = list(under.holdings)
    lost = 900 * 10**9  # as if a report had cost B most of what he has
    members = {name: getattr(holdings[B], name) for name in holdings[B].__struct_fields__}
    holdings[B] = type(holdings[B])(**{**members, "balance": DEPOSIT - lost, "free": 0, "withdrawn": lost})
    fields = {name: getattr(under, name) for name in under.__struct_fields__}
    in_deficit = Sheet(**{**fields, "holdings": tuple(holdings)})
    draft = Draft(TABLE.terms, in_deficit, NOW)
    assert refused(draft, trade(put(1, 0), number=3)) == Reason.UNCOVERED
    draft.apply(trade(Leg(PUT, B, A, Quantity(SCALE), 0), number=3))
    assert draft.sheet().required[B] == 18 * 50_000 * 10**6
