"""The demonstration's price path: exact where it was told, alike for everyone, noisy for each."""

from itertools import pairwise

import pytest

from thalweg.errors import UserFault
from thalweg.oracle.messages import Kind, Point
from thalweg.oracle.source import Path, seen_price, seen_ticks, true_price
from thalweg.units import SCALE, Hash, Price, UnixSeconds

DAY = 86_400
START = UnixSeconds(1_800_000_000)
END = UnixSeconds(START + 14 * DAY)
PATH = Path(b"seed", ((START, Price(60_000 * SCALE)), (END, Price(66_000 * SCALE))))


def test_the_path_passes_through_its_points_and_stands_still_outside() -> None:
    assert true_price(PATH, START) == true_price(PATH, UnixSeconds(START - 5)) == 60_000 * SCALE
    assert true_price(PATH, END) == true_price(PATH, UnixSeconds(END + 5)) == 66_000 * SCALE


def test_the_path_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    times = [UnixSeconds(START + hour * 3_600) for hour in range(1, 300)]
    again = Path(b"seed", PATH.points)
    other = Path(b"dees", PATH.points)
    assert [true_price(PATH, time) for time in times] == [true_price(again, time) for time in times]
    assert [true_price(PATH, time) for time in times] != [true_price(other, time) for time in times]


def test_the_path_moves_about_as_much_as_its_volatility_says() -> None:
    hours = [true_price(PATH, UnixSeconds(START + hour * 3_600)) / SCALE for hour in range(14 * 24 + 1)]
    moves = [(after / before - 1) ** 2 for before, after in pairwise(hours)]
    realised = (sum(moves) / len(moves) * 24 * 365.25) ** 0.5
    assert 0.4 < realised < 0.6


def test_neighbouring_seconds_are_close() -> None:
    noon = UnixSeconds(START + 12 * 3_600)
    assert abs(true_price(PATH, UnixSeconds(noon + 1)) / true_price(PATH, noon) - 1) < 0.001


def test_each_oracle_sees_its_own_price_within_the_noise() -> None:
    noon = UnixSeconds(START + 12 * 3_600)
    seen = [seen_price(PATH, oracle, noon) for oracle in range(4)]
    truth = true_price(PATH, noon)
    assert len(set(seen)) == 4
    assert all(abs(price - truth) * 10_000 <= truth for price in seen)


def test_a_settlement_is_observed_as_thirty_ticks() -> None:
    point = Point(Kind.SETTLEMENT, Hash(bytes(32)), END)
    ticks = seen_ticks(PATH, 0, point)
    assert len(ticks) == 30
    assert ticks[-1] == seen_price(PATH, 0, UnixSeconds(END - 60))


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((START, Price(1)), (START, Price(2))),
        ((END, Price(1)), (START, Price(2))),
        ((START, Price(0)),),
        ((START, Price(2**63)),),
    ],
)
def test_points_out_of_order_or_range_are_refused(points: tuple[tuple[UnixSeconds, Price], ...]) -> None:
    with pytest.raises(UserFault):
        Path(b"", points)
