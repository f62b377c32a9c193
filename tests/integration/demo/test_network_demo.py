"""The demonstration of the network, with fewer members than people see."""

import asyncio
from pathlib import Path

import pytest
from tests.integration.demo.test_demo import processes_of

from thalweg.cli.demo.network.show import NetworkShow
from thalweg.cli.demo.screen import SilentScreen


def test_strangers_meet_talk_lose_some_are_parted_and_heal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    figures = asyncio.run(NetworkShow(3, SilentScreen(), tmp_path, members=8, burst_seconds=0.5).give())
    assert figures.ok
    assert figures.equal
    assert (figures.members, figures.killed, len(figures.table)) == (8, 2, 6)
    assert [phase.name for phase in figures.phases] == ["calm", "after the loss", "parted", "healed"]
    assert all(phase.delivered == phase.due > 0 for phase in figures.phases)
    sent = sum(phase.sent for phase in figures.phases)
    assert {member.items for member in figures.table} == {sent}
    assert all(member.links >= 3 and member.cpu_s > 0 and member.rss_mb > 10 for member in figures.table)
    assert not processes_of(tmp_path)


def test_members_end_with_whoever_started_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    async def stop_in_the_middle() -> None:
        async with asyncio.timeout(60):
            show = asyncio.get_running_loop().create_task(NetworkShow(3, SilentScreen(), tmp_path, members=4).give())
            while len(processes_of(tmp_path)) < 2:  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.05)
            show.cancel()
            await asyncio.gather(show, return_exceptions=True)

    asyncio.run(stop_in_the_middle())
    assert not processes_of(tmp_path)
