"""The short siege: model and contract side by side for thousands of calls, the same ones every time."""

import os

import pytest
from tests.contracts.siege.story import besiege

CALLS = 500 if os.environ.get("HYPOTHESIS_PROFILE") == "mutants" else 5_000


@pytest.mark.slow
@pytest.mark.timeout(900)  # half a minute on an idle core
def test_contract_and_model_agree_through_a_siege(capsys: pytest.CaptureFixture[str]) -> None:
    made = besiege(CALLS, is_repeatable=True)

    with capsys.disabled():
        print(f" [{made:,} calls]", end="")
    assert made >= CALLS
