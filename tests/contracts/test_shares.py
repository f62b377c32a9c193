"""Who is due what, for any accruals at all: the contract pays what the reference says, and never reverts."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.compiled import creation_code
from tests.contracts.reference import shares
from tests.contracts.scene import Scene
from tests.contracts.walk import Walk

from thalweg.channel.sheet import Holding
from thalweg.units import Amount

DEPOSIT_MAX = 2**124 - 1
amounts = st.sampled_from((0, 1, 2, 50, 100, DEPOSIT_MAX, 2**128 - 1)) | st.integers(0, 200)
margins = st.sampled_from((0, 1, -1, 2**127 - 1, 2**127, 2**200, -(2**200), -(2**255))) | st.integers(-300, 300)
escrows = st.sampled_from((0, 1, 2**128 - 1, 2**128, 2**200)) | st.integers(0, 300)


@st.composite
def columns(draw: st.DrawFn, seats: int) -> list[shares.Cell]:
    """Return an asset's cells: some were paid more than they brought, never more than all have."""
    brought = [draw(st.just(DEPOSIT_MAX) | st.integers(0, 200)) for _ in range(seats)]
    left = sum(brought)
    cells = []
    for deposited in brought:
        withdrawn = draw(st.just(0) | st.integers(0, min(left, 2**128 - 1)))
        left -= withdrawn
        counted = (Amount(draw(st.just(deposited) | amounts)), Amount(draw(st.just(withdrawn) | amounts)))
        holding = Holding(Amount(draw(amounts)), Amount(draw(amounts)), *counted)
        cells.append(shares.Cell(holding, deposited, withdrawn, draw(margins), draw(escrows)))
    return cells


@pytest.fixture(scope="module")
def walk(deployed: Scene) -> Walk:
    return Walk(deployed, deployed.evm.create(creation_code("PriceInFeed")))


def _due(walk: Walk, assets: list[list[shares.Cell]], *, is_last: bool) -> list[int]:
    cells = [cell for row in zip(*assets, strict=True) for cell in row]
    progress = (5, [(cell.margin, cell.escrow) for cell in cells])
    _, due = walk.resolve(
        (),
        [cell.holding for cell in cells],
        [(cell.deposited, cell.withdrawn) for cell in cells],
        progress,
        5,
        payees=([], [bytes([index]) * 20 for index in range(len(assets))], 0),
        tree=(5 if is_last else 6, 0, bytes(32)),
    )
    return list(due)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), seats=st.integers(2, 4), is_last=st.booleans())
def test_whatever_claims_have_come_to_everybody_is_due_what_the_reference_says(
    walk: Walk, data: st.DataObject, seats: int, is_last: bool
) -> None:
    assets = [data.draw(columns(seats)) for _ in range(data.draw(st.integers(1, 2)))]
    pay = shares.settled if is_last else shares.released

    expected = [due for row in zip(*map(pay, assets), strict=True) for due in row]

    assert _due(walk, assets, is_last=is_last) == expected


def _cell(balance: int, deposited: int, margin: int = 0) -> shares.Cell:
    return shares.Cell(Holding(Amount(balance), Amount(0), Amount(deposited)), deposited, 0, margin)


# by these a share is another one where a margin is cut two units later, or one earlier
@pytest.mark.parametrize(
    ("lost", "other"), [(2**124 - 656_116, 2**127 - 623_685_184), (2**124 - 32_519, 2**127 - 884_302_097)]
)
@pytest.mark.parametrize("margin", [2**127 - 2, 2**127 - 1, 2**127, 2**130])
def test_a_margin_beyond_what_honest_terms_come_to_is_cut_to_the_unit(
    walk: Walk, margin: int, lost: int, other: int
) -> None:
    column = [_cell(0, 0, margin), _cell(0, 0, other), _cell(lost, lost, -(2**127))]

    due = _due(walk, [column], is_last=True)

    assert due == shares.settled(column)
    assert (
        due[0] == min(margin, 2**127 - 1) * lost // (min(margin, 2**127 - 1) + other) + 1
    )  # a remainder is the first's


@pytest.mark.parametrize(("left", "gains"), [(1, (1, 0)), (1, (0, 1)), (2, (1, 1)), (3, (1, 1))])
def test_the_last_unit_is_paid(walk: Walk, left: int, gains: tuple[int, int]) -> None:
    column = [_cell(0, 0, gains[0]), _cell(0, 0, gains[1]), _cell(left, left, -sum(gains))]

    due = _due(walk, [column], is_last=True)

    assert due == [gains[0], gains[1], left - sum(gains)]
