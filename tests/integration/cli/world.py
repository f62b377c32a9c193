"""The processes that the tests of the commands talk to, and how they talk."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from typer.testing import CliRunner, Result

from thalweg.app.settings import DEPLOYMENT_FILE, write_deployment
from thalweg.cli.demo.show import moved
from thalweg.cli.demo.stage import PASSWORD, Party, Stage, price_path
from thalweg.cli.entry import application
from thalweg.market.smiles import default_market

PATIENCE_S = 15.0
_T = TypeVar("_T")


class World:
    """The processes, and the commands to talk to them."""

    def __init__(self, stage: Stage, runner: "asyncio.Runner") -> None:
        self.stage = stage
        self._runner = runner

    def wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run something of the stage's."""
        return self._runner.run(work)

    def run(self, party: Party | None, *arguments: str) -> Result:
        """Run a command on a trader's folder."""
        where = ("--data", str(party.folder)) if party is not None else ()
        return CliRunner().invoke(application(), [*arguments, *where], env={"THALWEG_PASSWORD": PASSWORD})

    def ask(self, party: Party | None, *arguments: str) -> Any:
        """Run a command that must succeed, and return its JSON result."""
        result = self.run(party, *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["result"]

    def refuse(self, party: Party | None, *arguments: str, status: int = 2) -> str:
        """Run a command that must fail; return its reason."""
        result = self.run(party, *arguments, "--json")
        assert result.exit_code == status, result.output
        reason: str = json.loads(result.stdout)["error"]["reason"]
        return reason

    def join(self, name: str, folder: Path) -> Party:
        """Start another trader, without money, who accepts what costs him little."""
        stage = self.stage
        party = stage.parties[name] = Party(name, folder, name.encode().ljust(16, b"."))
        write_deployment(party.folder / DEPLOYMENT_FILE, stage.deployment)
        self.wait(stage.start_trader(name))
        return party

    def open(self, own: str = "1000", other: str = "1000", *more: str) -> str:
        """Open a channel between alice and bob; return its id."""
        channel: str = self.ask(self.stage.alice, "open", self.stage.bob.address, own, "--other", other, *more)["id"]
        return channel


async def set_up(stage: Stage) -> None:
    """Start a chain, four oracles and two traders who are linked: a request that does not wait needs the link."""
    await stage.make_folders()
    await stage.start_chain(None)
    await stage.deploy()
    now = await stage.time()
    market = moved(default_market(), now)
    await stage.start_oracles(price_path(market, market.smiles[3].expiry, stage.random))
    await stage.start_traders(market)
    await stage.alice.call("connect", address=stage.bob.address, wait_s=PATIENCE_S)
