import asyncio
from typing import Any

import pytest

from thalweg.api.framing import Request
from thalweg.api.methods import METHODS, Dispatcher
from thalweg.errors import Reason, UserFault


def dispatch(method: str, **params: Any) -> object:
    return asyncio.run(Dispatcher(None, METHODS)(Request(method, "2.0", 1, params)))


def test_an_unknown_method_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UserFault, match="decline_offer") as refusal:
        dispatch("steal")
    assert refusal.value.reason == Reason.UNKNOWN_FEATURE


@pytest.mark.parametrize(
    ("method", "params", "named"),
    [
        ("pay", {}, "payments"),
        ("pay", {"payments": []}, "payments"),
        ("pay", {"payments": [{"amount": 5}]}, "amount"),
        ("pay", {"payments": [{"amount": "5"}], "wait_s": 1e9}, "wait_s"),
        ("pay", {"payments": [{"amount": "5"}], "typo": 1}, "typo"),
        ("trade", {"legs": [{"instrument": "X", "side": "steal", "quantity": "1", "price": "1"}]}, "side"),
        ("open", {"peer": "x", "own": "1", "challenge_period_s": 0}, "challenge_period_s"),
        ("connect", {"address": "/" * 513}, "address"),
        ("status", {"verbose": True}, "verbose"),
    ],
)
def test_wrong_parameters_are_refused_by_name(method: str, params: dict[str, Any], named: str) -> None:
    with pytest.raises(UserFault, match=named) as refusal:
        dispatch(method, **params)
    assert refusal.value.reason == Reason.MALFORMED
