"""How the wallet lets the contract take tokens: by permit, else by allowance, and not twice."""

import asyncio
from types import SimpleNamespace
from typing import Any

import coincurve
import pytest

from thalweg.app.funding import Funding
from thalweg.chain import token
from thalweg.chain.rpc import Refused
from thalweg.channel.effects import Authorize
from thalweg.channel.events import FundingAuthorized
from thalweg.testing.table import Table
from thalweg.units import Address, Amount, Hash, UnixSeconds

OWNER, SPENDER = Address(b"o" * 20), Address(b"s" * 20)


def fund(monkeypatch: pytest.MonkeyPatch, refusal: Refused | None) -> tuple[FundingAuthorized, list[str]]:
    """Have an opening paid from a token that answers a question about permits like that; return what was sent too."""
    sent: list[str] = []

    async def nonce(*_: object) -> int:
        if refusal is not None:
            raise refusal
        return 7

    async def plenty(*_: object) -> Amount:
        return Amount(10**9)

    async def separator(*_: object) -> Hash:
        return Hash(bytes(32))

    for name, answer in (("permit_nonce", nonce), ("balance", plenty), ("allowance", plenty), ("separator", separator)):
        monkeypatch.setattr(token, name, answer)
    chain: Any = SimpleNamespace(
        wallet=OWNER, rpc=None, profile=SimpleNamespace(adjudicator=SPENDER), send=lambda tag, _: sent.append(tag)
    )
    terms = Table().channels[0].terms

    async def pay() -> FundingAuthorized:
        answered = asyncio.get_running_loop().create_future()
        funding = Funding(coincurve.PrivateKey(b"k" * 32), lambda: UnixSeconds(1), answered.set_result, lambda *_: None)
        funding.attach(chain)
        funding.authorize(Authorize(Table().channels[0].id, terms, (Amount(5),), 0, Hash(b"d" * 32), UnixSeconds(99)))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(funding.run())
            answer: FundingAuthorized = await answered
            running.cancel()
        return answer

    return asyncio.run(pay()), sent


def test_a_token_with_permits_costs_no_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, sent = fund(monkeypatch, None)
    assert answer.pulls[0].signature
    assert not sent


def test_a_token_without_permits_gets_an_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, sent = fund(monkeypatch, Refused(3, "execution reverted"))
    assert not answer.pulls[0].signature
    assert sent == ["approve/1"]


def test_an_rpc_that_has_enough_to_do_is_not_taken_for_a_token_without_permits(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, sent = fund(monkeypatch, Refused(-32005, "limit exceeded"))
    assert "limit exceeded" in answer.error
    assert not sent
