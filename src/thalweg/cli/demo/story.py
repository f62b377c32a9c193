"""The story: open, trade, pay, expire, close. Each step asks the nodes, and notes in the book what must come of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from thalweg.api.decimals import format_decimal, parse_decimal
from thalweg.cli.demo.book import Book, Deal, DealLeg
from thalweg.cli.demo.figures import DECIMALS, money
from thalweg.cli.demo.screen import Screen, indented, plain_table
from thalweg.cli.demo.stage import ORACLES, Party, Stage
from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.market.names import OptionName, instrument_of
from thalweg.market.smiles import Market
from thalweg.pricing.black import YEAR_S
from thalweg.units import SCALE, Price, Quantity, UnixSeconds, mul_div_down, mul_div_up

DEPOSIT: Final = 50_000  # whole tokens, each
CHALLENGE_PERIOD_S: Final = 3_600
PAYMENTS: Final = 100
PAYMENT: Final = 1_250_000  # base units
PATIENCE_S: Final = 30.0
TOKEN: Final = 10**DECIMALS
_POLL_S: Final = 0.05
_STRIKE_STEP: Final = 1_000
_TICK: Final = SCALE // 5  # prices are offered in steps of 0.20
_MARGIN_PPM: Final = 5_000  # what alice gives away on the model's price, so that bob's node agrees
_PPM: Final = 1_000_000
_SPREAD_PERCENT: Final = 30  # of a deposit, that a position may lock up
_PUT_PERCENT: Final = 75
_LOT: Final = 5  # hundredths of a contract: premiums come out in whole cents
_SPREAD_MAX: Final = 200  # hundredths of a contract

Leg = tuple[str, str, int, bool]  # "buy" or "sell", quantity, strike, is it a call


async def until(what: str, look: Callable[[], Awaitable[Any]], patience_s: float = PATIENCE_S) -> Any:
    """Return what `look` finds, looking again until it is true.

    Raises:
        Unavailable: it does not become true in time.
    """
    try:
        async with asyncio.timeout(patience_s):
            while not (found := await look()):  # noqa: ASYNC110 - another process changes
                await asyncio.sleep(_POLL_S)
            return found
    except TimeoutError as error:
        raise Unavailable(Reason.UNREACHABLE, f"{what} did not happen within {patience_s:g} s") from error


class Story:
    """One channel between alice and bob, from its opening to its end."""

    def __init__(self, stage: Stage, screen: Screen, market: Market, expiry: UnixSeconds) -> None:
        self.stage = stage
        self.screen = screen
        self.market = market
        self.expiry = expiry
        self.book = Book((DEPOSIT * TOKEN, DEPOSIT * TOKEN))
        self.channel = ""
        self.price: Price | None = None
        self.signed_by = ""
        self.updates, self.update_ms_p50 = 0, 0.0
        self._rows: list[tuple[Deal, dict[str, Any]]] = []

    # -- asking ------------------------------------------------------------------------------------------------------

    async def view(self, party: Party) -> dict[str, Any]:
        """Return the channel as a party sees it."""
        found: dict[str, Any] = await party.call("channel", channel=self.channel)
        return found

    async def is_level(self) -> bool:
        """Say whether both hold the same agreed state and nothing is under way."""
        alice, bob = await self.view(self.stage.alice), await self.view(self.stage.bob)
        busy = any(view["offered"] or view["waiting"] or not view["connected"] for view in (alice, bob))
        return not busy and alice["version"] == bob["version"] and alice["holdings"][0]["deposited"] != "0"

    # -- open --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Fund both sides with one transaction."""
        with self.screen.phase("Channel") as phase:
            phase.say("alice and bob sign, one transaction funds both sides")
            view = await self.stage.alice.call(
                "open",
                peer=self.stage.bob.address,
                own=str(DEPOSIT),
                other=str(DEPOSIT),
                challenge_period_s=CHALLENGE_PERIOD_S,
            )
            self.channel = view["id"]
            await until("counting the deposits", self.is_level)
            phase.say(f"alice and bob put in {DEPOSIT:,} USDC each: one transaction, both signatures")

    # -- trade -------------------------------------------------------------------------------------------------------

    async def trade(self) -> None:
        """Trade a call spread and a put, priced by the market; then take part of the put back, which nets."""
        middle = round(self.market.forward(self.expiry) / _STRIKE_STEP) * _STRIKE_STEP
        years = (self.expiry - self.market.at) / YEAR_S
        deviation = self.market.forward(self.expiry) * self.market.volatility(self.expiry, middle) * years**0.5
        apart = max(1, round(deviation / _STRIKE_STEP)) * _STRIKE_STEP
        low, high = middle - apart, middle + apart
        spread = format_decimal(min(_SPREAD_MAX, DEPOSIT * _SPREAD_PERCENT // apart), 2)
        put = DEPOSIT * _PUT_PERCENT // low // _LOT * _LOT
        back = put * 2 // 5 // _LOT * _LOT
        with self.screen.phase("Trades") as phase:
            phase.say("alice offers, bob's node compares with its own model")
            await self._deal("a call spread", (("buy", spread, middle, True), ("sell", spread, high, True)))
            await self._deal("a put", (("sell", format_decimal(put, 2), low, False),))
            await self._deal("part of it back", (("buy", format_decimal(back, 2), low, False),))
            reason = await self._refusal((("sell", "1", middle, True),))
            net = f"{len(self._rows)} trades, {len(self.book.positions())} net positions, all covered"
            phase.say(f"{net}; a naked call is refused: {reason}")
        self.screen.show(indented(self._deals_table()))

    async def _deal(self, title: str, legs: tuple[Leg, ...]) -> None:
        now = await self.stage.time()
        deal = Deal(title, tuple(self._leg(leg, now) for leg in legs))
        await self._offer(deal)
        self.book.deals.append(deal)
        await until("agreeing on the trade", self.is_level)
        self._rows.append((deal, await self.view(self.stage.alice)))

    def _leg(self, leg: Leg, now: UnixSeconds) -> DealLeg:
        side, quantity, strike, is_call = leg
        base, _, quote = self.market.pair.partition("_")
        name = str(OptionName(base, quote, self.expiry, Price(strike * SCALE), is_call))
        instrument = instrument_of(name, self.stage.oracle, TOKEN)
        model = self.market.price(instrument, now)
        buys = side == "buy"
        if buys:
            price = mul_div_up(model, _PPM + _MARGIN_PPM, _PPM * _TICK) * _TICK
        else:
            price = mul_div_down(model, _PPM - _MARGIN_PPM, _PPM * _TICK) * _TICK
        amount = parse_decimal(quantity, 8, "quantity")
        premium = mul_div_down(price * amount, TOKEN, SCALE * SCALE)
        return DealLeg(name, instrument, buys, Quantity(amount), Price(price), premium if buys else -premium)

    async def _offer(self, deal: Deal) -> None:
        legs = [
            {
                "instrument": leg.name,
                "side": "buy" if leg.buys else "sell",
                "quantity": format_decimal(leg.quantity, 8),
                "price": format_decimal(leg.price, 8),
            }
            for leg in deal.legs
        ]
        await self.stage.alice.call("trade", channel=self.channel, legs=legs)

    async def _refusal(self, legs: tuple[Leg, ...]) -> str:
        """Offer what must be refused; return why it was.

        Raises:
            UserFault: it was not.
        """
        now = await self.stage.time()
        try:
            await self._offer(Deal("", tuple(self._leg(leg, now) for leg in legs)))
        except UserFault as fault:
            return str(fault.reason)
        raise UserFault(Reason.UNBOUNDED, "an uncovered trade was agreed to")

    def _deals_table(self) -> Table:
        table = plain_table(
            ("alice", "left"), (self.market.pair, "left"), ("size", "right"), ("price", "right"),
            ("premium", "right"), ("her\ncollateral", "right"), ("his\ncollateral", "right"),
        )  # fmt: skip
        held = [[_base_units(holding["required"]) for holding in view["holdings"]] for _, view in self._rows]
        for (deal, _), required in zip(self._rows, held, strict=True):
            for index, leg in enumerate(deal.legs):
                last = index == len(deal.legs) - 1
                table.add_row(
                    Text("buys" if leg.buys else "sells", "green" if leg.buys else "yellow"),
                    leg.name.partition("-")[2],
                    format_decimal(leg.quantity, 8),
                    f"{leg.price / SCALE:,.2f}",
                    money(-leg.premium, signed=True),
                    *(money(amount) if last else "" for amount in required),
                )
        return table

    # -- pay ---------------------------------------------------------------------------------------------------------

    async def pay(self) -> None:
        """Pay one after another, each state durable on both sides before the next."""
        with self.screen.phase("Payments") as phase:
            phase.say(f"{PAYMENTS} states, one after another")
            payment = {"amount": format_decimal(PAYMENT, DECIMALS)}
            await self.stage.alice.call("pay", channel=self.channel, payments=[payment], repeat=PAYMENTS)
            self.book.paid += PAYMENTS * PAYMENT
            await self.stage.bob.call("pay", channel=self.channel, payments=[payment] * 10)
            self.book.paid -= 10 * PAYMENT
            counted = await self.stage.alice.call("counters")
            self.updates, self.update_ms_p50 = counted["updates"], counted["update_ms_p50"]
            phase.say(
                f"{PAYMENTS} from alice one by one, {counted['update_ms_p50']:.1f} ms each; 10 from bob in one state"
            )

    # -- the end -----------------------------------------------------------------------------------------------------

    async def expire(self) -> None:
        """Jump to expiry; the oracles sign, the two settle by signing, without a transaction."""
        with self.screen.phase("Expiry") as phase:
            phase.say("the clock jumps, the oracles agree on the average of 30 minutes")
            await self.stage.jump_to(self.expiry)
            price = await self.settlement()
            phase.say(f"settles at {price / SCALE:,.2f}; both sign the payoff")
            await until("settling the positions", self._is_settled)
            await until("both nodes' clocks following the chain's", self._is_late)
            phase.say(f"{self.signed_by} signed {price / SCALE:,.2f}; both signed the payoff, no transaction")

    async def settlement(self) -> Price:
        """Return the price the quorum signed, once alice has it."""

        async def look() -> list[Any]:
            found = await self.stage.alice.call("reports")
            return [report for report in found if report["time"] == self.expiry and not report["void"]]

        reports = await until("the oracles' settlement", look)
        self.price = Price(parse_decimal(reports[0]["price"], 8, "price"))
        self.signed_by = f"{len(reports[0]['signers'])} of {len(ORACLES)} oracles"
        return self.price

    async def _is_settled(self) -> bool:
        return not (await self.view(self.stage.alice))["positions"] and await self.is_level()

    async def _is_late(self) -> bool:
        """Say whether both have seen the jump: to one who sees it later, what was signed before is days old."""
        states = [await party.call("status") for party in (self.stage.alice, self.stage.bob)]
        return all(state["time"] >= self.expiry for state in states)

    async def close(self) -> None:
        """Close together: one transaction pays both."""
        with self.screen.phase("Close") as phase:
            phase.say("both sign the final state")
            await self.stage.alice.call("close", channel=self.channel)
            phase.say("both signed the final state; one transaction paid both")


def _base_units(text: str) -> int:
    return parse_decimal(text, DECIMALS, "amount")
