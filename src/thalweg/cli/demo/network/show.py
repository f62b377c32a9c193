"""The demonstration of the network: strangers find each other, talk, lose members, are parted, and heal."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Final

from rich.text import Text

from thalweg.cli.demo.network.figures import (
    NetworkFigures,
    PhaseFigures,
    member_figures,
    members_table,
    phases_table,
    quantile,
    verdict,
)
from thalweg.cli.demo.network.members import MemberProcess, Members
from thalweg.cli.demo.screen import Screen, indented
from thalweg.errors import Reason, Unavailable

MEMBERS: Final = 20
LOST: Final = 5
STARTED_AT_ONCE: Final = 4
PER_SECOND: Final = 100  # messages, all members together
BURST_SECONDS: Final = 3.0
PATIENCE_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.25
DELIVERED_MIN: Final = 0.999
SETTLE_SECONDS: Final = 2.0  # for the last messages of a burst
LATE_SECONDS_MAX: Final = 15.0  # more, on a machine that is busy with something else


class NetworkShow:
    """The show. `give` it once."""

    def __init__(
        self, seed: int, screen: Screen, folder: Path, members: int = MEMBERS, burst_seconds: float = BURST_SECONDS
    ) -> None:
        self._screen = screen
        self._chance = random.Random(seed)  # noqa: S311 - which members are lost
        self._members = Members(folder)
        self._count = members
        self._burst_seconds = burst_seconds
        self._lost = LOST * members // MEMBERS
        self._began = monotonic()
        self._phases: list[PhaseFigures] = []
        self._heard = 0  # messages that passed a member that lives to the end

    async def give(self) -> NetworkFigures:
        """Play everything and return the figures.

        Raises:
            Unavailable: a member ended, or something did not happen in time.
        """
        self._screen.show(Text.assemble(("Thalweg", "bold cyan"), ("  strangers who know one address\n", "dim")))
        try:
            found_s = await self._find()
            idle = {member.number: (await member.ask("state"))["cpu_s"] for member in self._members.running}
            await self._talk("calm", self._members.running)
            await self._lose()
            await self._talk("after the loss", self._members.running)
            healed_s = await self._part_and_heal()
            await self._talk("healed", self._members.running)
            figures = await self._reckon(found_s, healed_s, idle)
        finally:
            await self._members.stop()
        for item in ("", indented(phases_table(figures)), "", indented(members_table(figures)), "", verdict(figures)):
            self._screen.show(item)
        return figures

    async def _find(self) -> float:
        with self._screen.phase("Strangers") as phase:
            phase.say("starting the one that everybody knows")
            first = await self._members.start(1)
            waiting = list(range(2, self._count + 1))
            while waiting:
                batch, waiting = waiting[:STARTED_AT_ONCE], waiting[STARTED_AT_ONCE:]
                await asyncio.gather(*(self._members.start(number, first.address) for number in batch))
                phase.say(f"{self._count - len(waiting)} processes; 1 address")
            began = monotonic()
            await self._until(
                "everybody knows everybody",
                lambda state: state["known"] == self._count - 1 and state["mesh"] >= min(4, self._count - 1),
            )
            seconds = monotonic() - began
            phase.say(
                f"{self._count} processes know each other's signed announcements, {seconds:.1f} s after the last start"
            )
        return round(seconds, 2)

    async def _talk(self, name: str, members: list[MemberProcess]) -> None:
        """Let members talk, and see what arrives at all of them."""
        with self._screen.phase("Gossip") as phase:
            each = round(PER_SECOND * self._burst_seconds / len(members))
            rate = PER_SECOND / len(members)
            phase.say(f"{name}: {PER_SECOND} signed messages a second")
            await asyncio.gather(*(one.ask("publish", phase=name, count=each, per_second=rate) for one in members))
            await asyncio.sleep(self._burst_seconds + SETTLE_SECONDS)
            figures = await self._count_heard(name, members, each)
            self._phases.append(figures)
            phase.say(
                f"{name}: {figures.sent} messages, {figures.share:.2%} delivered, "
                f"p50 {figures.ms_p50:.1f} ms, p99 {figures.ms_p99:.1f} ms"
            )

    async def _count_heard(self, name: str, members: list[MemberProcess], each: int) -> PhaseFigures:
        sent = each * len(members)
        deadline = monotonic() + LATE_SECONDS_MAX
        while True:
            latencies = [value for one in members for value in await one.ask("heard", phase=name)]
            if len(latencies) >= sent * (len(members) - 1) or monotonic() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        self._heard += sent
        return PhaseFigures(
            name, len(members), sent, sent * (len(members) - 1), len(latencies),
            round(quantile(latencies, 0.5), 2), round(quantile(latencies, 0.99), 2),
        )  # fmt: skip

    async def _lose(self) -> None:
        with self._screen.phase("Loss") as phase:
            others = self._members.running[1:]
            lost = self._chance.sample(others, self._lost)
            await asyncio.gather(*(member.kill() for member in lost))
            left = len(self._members.running)
            await self._until("the meshes have closed", lambda state: state["links"] < left and state["mesh"] >= 4)
            phase.say(f"{len(lost)} members killed at once; {left} are left, their meshes closed again")

    async def _part_and_heal(self) -> float:
        members = self._members.running
        half = len(members) // 2
        sides = members[:half], members[half:]
        with self._screen.phase("Partition") as phase:
            for side, other in (sides, sides[::-1]):
                names = [member.peer for member in other]
                await asyncio.gather(*(member.ask("cut", peers=names) for member in side))
            phase.say(f"{len(sides[0])} and {len(sides[1])} members cannot see each other; both go on talking")
            each = round(PER_SECOND * self._burst_seconds / len(members))
            rate = PER_SECOND / len(members)
            await asyncio.gather(*(one.ask("publish", phase="parted", count=each, per_second=rate) for one in members))
            await asyncio.sleep(self._burst_seconds + SETTLE_SECONDS)
            parts = [await self._count_heard("parted", side, each) for side in sides]
            due, delivered = sum(part.due for part in parts), sum(part.delivered for part in parts)
            self._phases.append(PhaseFigures(
                "parted", len(members), sum(part.sent for part in parts), due, delivered,
                max(part.ms_p50 for part in parts), max(part.ms_p99 for part in parts),
            ))  # fmt: skip
        with self._screen.phase("Healing") as phase:
            began = monotonic()
            await self._members.ask_all("heal")
            await self._until_equal()
            seconds = round(monotonic() - began, 2)
            phase.say(f"all {len(members)} have what the others said meanwhile, {seconds:.1f} s after they met again")
        return seconds

    async def _reckon(self, found_s: float, healed_s: float, idle: dict[int, float]) -> NetworkFigures:
        states = {member.number: await member.ask("state") for member in self._members.running}
        equal = len({state["print"] for state in states.values()}) == 1
        phases = tuple(self._phases)
        return NetworkFigures(
            ok=equal and all(phase.share >= DELIVERED_MIN for phase in phases),
            scenario="network",
            members=self._count,
            killed=self._lost,
            found_s=found_s,
            healed_s=healed_s,
            phases=phases,
            table=tuple(member_figures(number, state, idle[number], self._heard) for number, state in states.items()),
            equal=equal,
            seconds=round(monotonic() - self._began, 1),
        )

    async def _until(self, what: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            states = await self._members.ask_all("state")
            if all(map(holds, states)):
                return
            if monotonic() > deadline:
                lagging = [state for state in states if not holds(state)]
                raise Unavailable(Reason.UNREACHABLE, f"not within {PATIENCE_SECONDS:.0f} s: {what}; {lagging[0]}")
            await asyncio.sleep(POLL_SECONDS)

    async def _until_equal(self) -> None:
        deadline = monotonic() + PATIENCE_SECONDS
        while len({state["print"] for state in await self._members.ask_all("state")}) > 1:
            if monotonic() > deadline:
                raise Unavailable(Reason.UNREACHABLE, f"shelves still differ after {PATIENCE_SECONDS:.0f} s")
            await asyncio.sleep(POLL_SECONDS)
