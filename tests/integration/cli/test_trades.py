from typing import Any

import pytest
from tests.integration.cli.world import World

from thalweg.cli.demo.show import moved
from thalweg.market.names import OptionName, instrument_of
from thalweg.market.smiles import Market, default_market
from thalweg.units import SCALE, Price


@pytest.fixture(scope="session")
def market(world: World) -> Market:
    return moved(default_market(), world.wait(world.stage.time()))


def put(world: World, market: Market, below: int) -> tuple[str, float]:
    """Return a put's name and its model price now: options decay by the hour, and bob's node knows what time it is."""
    strike = Price((round(market.index) // 1_000 - below) * 1_000 * SCALE)
    name = str(OptionName("BTC", "USDC", market.smiles[4].expiry, strike, is_call=False))
    now = world.wait(world.stage.time())
    return name, market.price(instrument_of(name, world.stage.oracle, 10**6), now) / SCALE


def held(world: World, name: str, channel: str) -> str | None:
    views: list[dict[str, Any]] = world.ask(world.stage.alice, "positions")
    found = [view["quantity"] for view in views if (view["instrument"], view["channel"]) == (name, channel)]
    return found[0] if found else None


def test_a_trade_at_a_good_price_is_taken_by_bobs_node_and_nets(world: World, market: Market, channel: str) -> None:
    name, price = put(world, market, 2)
    generous, modest = f"{price * 1.1:.2f}", f"{price * 0.9:.2f}"
    world.ask(world.stage.alice, "trade", "buy", "0.1", name, generous, "-c", channel)
    assert held(world, name, channel) == "0.1"
    world.ask(world.stage.alice, "trade", "sell", "0.04", name, modest, "-c", channel)
    assert held(world, name, channel) == "0.06"
    world.ask(world.stage.alice, "trade", "sell", "0.06", name, modest, "-c", channel)
    assert held(world, name, channel) is None


def test_a_trade_at_a_bad_price_is_declined_with_the_takers_words(world: World, market: Market, channel: str) -> None:
    name, price = put(world, market, 3)
    result = world.run(world.stage.alice, "trade", "buy", "0.1", name, f"{price * 0.5:.2f}", "-c", channel)
    assert result.exit_code == 2
    assert "worse than my model's price" in result.stderr
    assert held(world, name, channel) is None


def test_an_offer_may_be_looked_at_taken_and_declined_by_hand(world: World, market: Market, channel: str) -> None:
    stage, (name, price) = world.stage, put(world, market, 4)
    for answer in ("taken", "declined"):
        world.refuse(stage.bob, "trade", "sell", "0.05", name, f"{price:.2f}", "-c", channel, "--wait", "0", status=1)
        offer = next(item for item in world.ask(stage.alice, "offers", "-c", channel) if not item["mine"])
        assert offer["legs"][0]["side"] == "buy"
        if answer == "taken":
            assert world.ask(stage.alice, "take", offer["id"][:16])["version"] > 0
            assert held(world, name, channel) == "0.05"
        else:
            world.ask(stage.alice, "take", offer["id"][:16], "--decline")
            assert held(world, name, channel) == "0.05"
        assert world.refuse(stage.alice, "take", offer["id"]) == "unknown offer"


@pytest.mark.parametrize(
    ("trade", "reason"),
    [
        (("sell", "1", "BTC_USDC-25DEC37-60000-C", "1"), "loss is unbounded"),
        (("sell", "10", "BTC_USDC-25DEC37-60000-P", "1"), "collateral does not cover"),
        (("buy", "1", "BTC_USDC-25DEC20-60000-C", "1"), "instrument expired"),
        (("buy", "1", "BTC-25DEC37-60000-C", "1"), "unknown instrument"),
        (("buy", "1", "BTC_USDC-60000-C", "1"), "unknown instrument"),
        (("buy", "0", "BTC_USDC-25DEC37-60000-C", "1"), "negative amount"),
        (("buy", "1", "BTC_USDC-25DEC37-60000-C", "-1"), "negative amount"),
        (("buy", "1", "BTC_USDC-25DEC37-60000-P", "900000"), "insufficient balance"),
    ],
)  # fmt: skip
def test_a_trade_that_cannot_be_is_the_users_mistake(
    world: World, channel: str, trade: tuple[str, ...], reason: str
) -> None:
    result = world.run(None, "trade", "-c", channel, "--data", str(world.stage.alice.folder), "--", *trade)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"thalweg: {reason}")
