import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.api.decimals import format_decimal, parse_decimal
from thalweg.errors import Reason, UserFault


@given(st.integers(-(2**128), 2**128), st.integers(0, 18))
def test_every_integer_comes_back_from_its_text(value: int, decimals: int) -> None:
    assert parse_decimal(format_decimal(value, decimals), decimals, "amount") == value


@pytest.mark.parametrize(
    ("text", "value"), [("1500.25", 1_500_250_000), ("0.000001", 1), ("7", 7_000_000), ("-1.5", -1_500_000)]
)
def test_decimal_text_is_read_exactly(text: str, value: int) -> None:
    assert parse_decimal(text, 6, "amount") == value


def test_trailing_zeros_beyond_the_decimals_lose_nothing_and_are_taken() -> None:
    assert parse_decimal("1.50000000", 6, "amount") == 1_500_000


@pytest.mark.parametrize("text", ["", "1e6", "1,5", "0x10", "+1", "1.", ".5", "1.0000001", "٣", "1" * 61, "NaN"])
def test_what_is_no_exact_decimal_is_refused_by_name(text: str) -> None:
    with pytest.raises(UserFault) as refusal:
        parse_decimal(text, 6, "amount")
    assert refusal.value.reason == Reason.MALFORMED
    assert "amount" in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "decimals", "text"), [(1_500_250_000, 6, "1500.25"), (5, 0, "5"), (-1, 6, "-0.000001")]
)
def test_numbers_are_written_without_trailing_zeros(value: int, decimals: int, text: str) -> None:
    assert format_decimal(value, decimals) == text
