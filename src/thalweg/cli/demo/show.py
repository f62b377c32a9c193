"""The demonstration from curtain to curtain: stage, story, trouble if asked for, and the reckoning."""

import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar

import msgspec
from rich.text import Text

from thalweg.app.stopping import plain_errors
from thalweg.cli.demo import trouble
from thalweg.cli.demo.figures import DECIMALS, Figures, PartyFigures, chain_steps, facts_table, parties_table, verdict
from thalweg.cli.demo.network.figures import NetworkFigures
from thalweg.cli.demo.network.show import NetworkShow
from thalweg.cli.demo.screen import Screen, SilentScreen, TerminalScreen, indented
from thalweg.cli.demo.stage import ORACLES, TRADERS, Stage, price_path
from thalweg.cli.demo.story import Story
from thalweg.cli.reporting import console, write_json
from thalweg.errors import Reason, UserFault
from thalweg.market.smiles import Market, default_market
from thalweg.market.snapshot import load_market
from thalweg.units import SCALE, UnixSeconds

_F = TypeVar("_F")
_DAY_S: Final = 86_400
_DAYS_MIN: Final = 3  # to expiry, so that an option is worth something


def run_demo(
    scenario: str, market_file: Path | None, rpc: str | None, seed: int, keep: Path | None, as_json: bool
) -> int:
    """Give the show; return the exit status: 0 only if every party got what it must.

    Raises:
        UserFault: the market or the chain will not do.
        Unavailable: something did not answer in time.
    """
    screen: Screen = SilentScreen() if as_json else TerminalScreen(console())
    figures: Figures | NetworkFigures
    with _folder(keep) as folder:
        if scenario == "network":
            figures = asyncio.run(_until_interrupted(NetworkShow(seed, screen, folder).give))
        else:
            market = default_market() if market_file is None else load_market(market_file)
            show = _Show(scenario, market, rpc, seed, screen, folder)
            figures = asyncio.run(_until_interrupted(show.give))
    if as_json:
        write_json(figures)
    return 0 if figures.ok else 1


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Yield a folder for the show: a new one that stays, or one that is removed after."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="thalweg-demo-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True)
    except FileExistsError as error:
        raise UserFault(Reason.EXISTS, f"{keep} is there already: name a new folder") from error
    yield keep


async def _until_interrupted(give: Callable[[], Awaitable[_F]]) -> _F:
    """Give the show; Ctrl-C and a polite kill end it, the processes first."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if not interrupted:  # a second Ctrl-C must not cut short what the first began
            interrupted = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        with plain_errors():
            return await give()
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def moved(market: Market, now: UnixSeconds) -> Market:
    """Return the market as if its day were today: moved by whole days, so that expiries keep their hour."""
    days = (now - market.at) // _DAY_S
    smiles = tuple(
        msgspec.structs.replace(smile, expiry=UnixSeconds(smile.expiry + days * _DAY_S)) for smile in market.smiles
    )
    return msgspec.structs.replace(market, at=UnixSeconds(market.at + days * _DAY_S), smiles=smiles)


class _Show:
    def __init__(self, scenario: str, market: Market, rpc: str | None, seed: int, screen: Screen, folder: Path) -> None:
        self._scenario = scenario
        self._given = market
        self._url = rpc
        self._seed = seed
        self._screen = screen
        self._began = monotonic()
        self._stage = Stage(folder, seed)

    async def give(self) -> Figures:
        self._screen.show(
            Text.assemble(("Thalweg", "bold cyan"), ("  one trade, end to end, between real processes\n", "dim"))
        )
        try:
            story = await self._set_up()
            found = await self._play(story)
            figures = await self._reckon(story, found)
        finally:
            await self._stage.close()
        self._screen.show("")
        self._screen.show(indented(parties_table(figures)))
        self._screen.show("")
        self._screen.show(indented(facts_table(figures)))
        self._screen.show("")
        self._screen.show(verdict(figures))
        return figures

    async def _set_up(self) -> Story:
        stage = self._stage
        with self._screen.phase("Chain") as phase:
            phase.say("starting an EVM chain, making keys")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stage.start_chain(self._url))
                tasks.create_task(stage.make_folders())
            phase.say("deploying the contracts and a 6-decimal token")
            await stage.deploy()
            own = "our own, py-evm behind JSON-RPC" if self._url is None else stage.url
            phase.say(f"{own}; contracts and a 6-decimal USDC deployed")
        now = await stage.time()
        market = moved(self._given, now)
        expiry = self._expiry(market, now)
        with self._screen.phase("Nodes") as phase:
            phase.say(f"starting {len(ORACLES)} oracles and {len(TRADERS)} traders")
            await stage.start_oracles(price_path(market, expiry, stage.random))
            await stage.start_traders(market)
            phase.say("alice, bob and 4 oracles, of which 3 must sign; each a process with its own folder")
        with self._screen.phase("Market") as phase:
            day = datetime.fromtimestamp(expiry, UTC).strftime("%d %B %Y")
            smiles = f"{len(market.smiles)} smiles"
            phase.say(f"{market.pair} as of {self._given.day()}: index {market.index:,.0f}, {smiles}; expiry {day}")
        return Story(stage, self._screen, market, expiry)

    def _expiry(self, market: Market, now: UnixSeconds) -> UnixSeconds:
        for smile in market.smiles:
            if smile.expiry >= now + _DAYS_MIN * _DAY_S:
                return smile.expiry
        raise UserFault(Reason.INSTRUMENT_EXPIRED, f"the market has no expiry {_DAYS_MIN} days away or later")

    async def _play(self, story: Story) -> dict[str, Any]:
        await story.open()
        await story.trade()
        await story.pay()
        match self._scenario:
            case "stale":
                return await trouble.stale(story)
            case "vanish":
                return await trouble.vanish(story)
            case "crash":
                found = await trouble.crash(story)
            case _:
                found = {}
        await story.expire()
        await story.close()
        return found

    async def _reckon(self, story: Story, found: dict[str, Any]) -> Figures:
        stage = self._stage
        assert story.price is not None
        due = story.book.due(story.price)
        parties = []
        for name, deposited, expected in zip(TRADERS, story.book.deposits, due, strict=True):
            party = stage.parties[name]
            paid = await stage.tokens_of(party.wallet) - party.held + deposited
            parties.append(PartyFigures(name, deposited, paid, paid - deposited, expected))
        left = await stage.tokens_of(stage.adjudicator)
        conserved = left == 0 and sum(p.paid for p in parties) == sum(p.deposited for p in parties)
        accounts = {stage.parties[name].wallet for name in TRADERS}
        transactions, gas = await chain_steps(stage.rpc, stage.first_block, accounts)
        states_signed, messages = await stage.counted()
        return Figures(
            ok=conserved and all(party.paid == party.expected for party in parties),
            conserved=conserved,
            scenario=self._scenario,
            market=self._given.source,
            seed=self._seed,
            asset=stage.deployment.assets[0].symbol,
            decimals=DECIMALS,
            parties=tuple(parties),
            onchain_transactions=transactions,
            gas=gas,
            states_signed=states_signed,
            messages=messages,
            updates=story.updates,
            update_ms_p50=story.update_ms_p50,
            settlement_price=story.price / SCALE,
            signed_by=story.signed_by,
            seconds=round(monotonic() - self._began, 1),
            trouble=found,
        )
