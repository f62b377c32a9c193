"""Why a call reverted."""

import pytest
from eth_abi import abi
from hypothesis import given
from hypothesis import strategies as st

from thalweg.chain.revert import revert_reason

ERROR, PANIC = bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")


def test_the_reason_is_the_string_that_was_reverted_with() -> None:
    assert revert_reason(ERROR + abi.encode(["string"], ["adjudicator: stale version"])) == "adjudicator: stale version"


def test_a_panic_is_named_by_its_code() -> None:
    assert revert_reason(PANIC + abi.encode(["uint256"], [0x11])) == "panic 0x11"


def test_a_custom_error_is_shown_as_it_is() -> None:
    assert revert_reason(b"\x01\x02\x03\x04") == "custom error 0x01020304"


def test_a_revert_without_data_has_no_reason() -> None:
    assert revert_reason(b"") == ""


def test_an_endless_reason_is_cut() -> None:
    assert revert_reason(ERROR + abi.encode(["string"], ["a" * 10**6])) == "a" * 512


@pytest.mark.parametrize("cut", [4, 5, 36, 67, 68, 75])
def test_a_reason_cut_short_is_shown_as_bytes(cut: int) -> None:
    data = ERROR + abi.encode(["string"], ["twelve bytes"])
    assert revert_reason(data[:cut]).startswith("custom error 0x08c379a0")


@given(st.binary(max_size=200), st.sampled_from([b"", ERROR, PANIC]))
def test_no_revert_data_is_too_strange(data: bytes, selector: bytes) -> None:
    assert isinstance(revert_reason(selector + data), str)
