from decimal import Decimal
from typing import Any

import pytest
from tests.integration.cli.world import World

from thalweg.chain.wire import transaction_count
from thalweg.cli.demo.story import until


def balance(world: World, channel: str) -> Decimal:
    view = world.ask(world.stage.alice, "channels", channel)
    return next(Decimal(holding["balance"]) for holding in view["holdings"] if holding["me"])


def test_a_channel_is_funded_by_both_with_one_transaction(world: World) -> None:
    stage = world.stage
    before = [world.wait(transaction_count(stage.rpc, party.wallet)) for party in (stage.alice, stage.bob)]
    channel = world.open("250.5", "100")
    after = [world.wait(transaction_count(stage.rpc, party.wallet)) for party in (stage.alice, stage.bob)]
    assert [a - b for a, b in zip(after, before, strict=True)] == [1, 0]
    for party in (world.stage.alice, world.stage.bob):
        view = world.ask(party, "channels", channel)
        assert view["phase"] == "live"
        assert {holding["balance"] for holding in view["holdings"]} == {"250.5", "100"}


def test_payments_move_money_and_say_in_which_version(world: World, channel: str) -> None:
    before = balance(world, channel)
    paid = world.ask(world.stage.alice, "pay", "1.25", "-c", channel, "--memo", "lunch", "--repeat", "3")
    assert paid["agreed"] == 3
    assert before - balance(world, channel) == Decimal("3.75")
    world.ask(world.stage.bob, "pay", "3.75", "-c", channel)
    assert balance(world, channel) == before


@pytest.mark.parametrize(
    ("amount", "reason"),
    [("1000000", "insufficient balance"), ("0", "negative amount"), ("1.0000001", "malformed"), ("ten", "malformed")],
)
def test_a_payment_that_cannot_be_is_the_users_mistake_and_changes_nothing(
    world: World, channel: str, amount: str, reason: str
) -> None:
    before = balance(world, channel)
    assert world.refuse(world.stage.alice, "pay", amount, "-c", channel) == reason
    assert world.refuse(world.stage.bob, "pay", amount, "-c", channel) == reason
    assert balance(world, channel) == before


def test_an_unknown_channel_is_refused(world: World, channel: str) -> None:
    assert world.refuse(world.stage.alice, "pay", "1", "-c", "ffff") == "unknown channel"
    assert world.refuse(world.stage.alice, "channels", "ffff") == "unknown channel"
    assert world.refuse(world.stage.alice, "close", "ffff") == "unknown channel"


def test_a_deposit_grows_and_a_withdrawal_shrinks_a_channel_that_goes_on(world: World) -> None:
    channel = world.open("100", "0")
    assert world.ask(world.stage.alice, "deposit", "50", "-c", channel)["transaction"].startswith("0x")

    async def is_counted() -> bool:  # a busy machine may take longer than the command waits
        view = await world.stage.alice.call("channel", channel=channel)
        return bool(view["holdings"][0]["deposited"] == "150")

    world.wait(until("counting the deposit", is_counted))
    world.ask(world.stage.alice, "pay", "149", "-c", channel)
    assert balance(world, channel) == 1
    assert world.ask(world.stage.bob, "withdraw", "149", "-c", channel)["transaction"].startswith("0x")
    view = world.ask(world.stage.bob, "channels", channel)
    mine = next(holding for holding in view["holdings"] if holding["me"])
    assert (mine["balance"], mine["withdrawn"]) == ("0", "149")
    assert world.refuse(world.stage.bob, "withdraw", "1", "-c", channel) == "insufficient balance"


def test_closing_together_pays_both_and_ends_the_channel(world: World) -> None:
    stage = world.stage
    before = [world.wait(stage.tokens_of(party.wallet)) for party in (stage.alice, stage.bob)]
    channel = world.open("10", "20")
    world.ask(stage.alice, "pay", "4", "-c", channel)
    closed = world.ask(stage.alice, "close", channel)
    assert closed["phase"] == "closed"
    after = [world.wait(stage.tokens_of(party.wallet)) for party in (stage.alice, stage.bob)]
    assert [a - b for a, b in zip(after, before, strict=True)] == [-4_000_000, 4_000_000]
    assert world.refuse(stage.alice, "pay", "1", "-c", channel) == "wrong phase"


def test_closing_alone_starts_a_challenge(world: World) -> None:
    channel = world.open("10", "0", "--challenge-period", "3600")
    disputed = world.ask(world.stage.alice, "close", channel, "--alone")
    assert disputed["phase"] == "disputed"
    assert disputed["chain"]["dispute"]["version"] == disputed["version"]


def proposed(world: World, own: str) -> dict[str, Any]:
    """Return the proposal that asks this deposit of bob, once it has arrived."""
    bob = world.stage.bob

    async def look() -> dict[str, Any] | None:
        found: list[dict[str, Any]] = await bob.call("proposals")
        return next((item for item in found if item["own"] == [own]), None)

    proposal: dict[str, Any] = world.wait(until("the proposal", look))
    return proposal


def test_less_time_to_answer_than_the_node_wants_is_refused_to_its_own_user(world: World) -> None:
    result = world.run(world.stage.alice, "open", world.stage.bob.address, "10", "--challenge-period", "599")
    assert result.exit_code == 2
    assert "--challenge-period-min" in result.stderr


def test_no_more_is_undecided_than_the_user_allows(world: World) -> None:
    channel = world.open("10", "10", "--undecided-max", "3")
    assert world.refuse(world.stage.alice, "pay", "4", "-c", channel) == "undecided limit"
    assert world.ask(world.stage.alice, "pay", "3", "-c", channel)["agreed"] == 1


def test_a_proposal_above_the_limit_waits_for_the_user_who_may_accept(world: World) -> None:
    stage = world.stage
    opening = ("open", stage.bob.address, "1", "--other", "100001", "--wait", "0")
    assert world.refuse(stage.alice, *opening, status=1) == "unreachable"
    proposal = proposed(world, "100001")
    assert proposal["objection"] == ""
    assert world.ask(stage.bob, "accept", proposal["id"])["phase"] == "live"


def test_a_proposal_may_be_declined_and_is_gone(world: World) -> None:
    stage = world.stage
    world.refuse(stage.alice, "open", stage.bob.address, "1", "--other", "100002", "--wait", "0", status=1)
    proposal = proposed(world, "100002")
    assert "objection" in world.run(stage.bob, "proposals").stdout
    world.ask(stage.bob, "decline", proposal["id"], "--why", "too much")
    assert proposal["id"] not in {item["id"] for item in world.ask(stage.bob, "proposals")}
    assert world.refuse(stage.bob, "accept", proposal["id"]) == "unknown channel"


def test_an_opening_the_wallet_cannot_pay_is_refused_with_the_reason(world: World) -> None:
    result = world.run(world.stage.alice, "open", world.stage.bob.address, "5000000")
    assert result.exit_code == 2
    assert "insufficient balance" in result.stderr


@pytest.mark.parametrize("address", ["nonsense", "/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/99999/p2p/12D3KooW"])
def test_an_address_that_is_none_is_refused(world: World, address: str) -> None:
    assert world.refuse(world.stage.alice, "connect", address) == "malformed"
    assert world.refuse(world.stage.alice, "open", address, "1") == "malformed"


def test_a_peer_that_does_not_answer_is_a_failure_not_a_mistake(world: World) -> None:
    nobody = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWHRcMkyFe9UumR6mp4n5cZnoCvv7GMgYE8DkD425H8GF7"
    assert world.refuse(world.stage.alice, "connect", nobody, "--wait", "0.2", status=1) == "unreachable"
