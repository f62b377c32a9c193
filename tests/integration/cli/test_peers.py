"""Nodes as processes find each other from one address, say so, and keep away whom they ban."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.integration.cli.test_node import end, up
from tests.integration.cli.world import World

from thalweg.app.settings import DEPLOYMENT_FILE

PATIENCE_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def node(world: World, folder: Path, *more: str) -> Iterator[str]:
    """Run a node and yield its address."""
    if not folder.exists():
        deployment = str(world.stage.alice.folder / DEPLOYMENT_FILE)
        world.ask(None, "init", "--data", str(folder), "--deployment", deployment)
        (folder / "port").write_text(str(free_port()))
    process = up(folder, "--listen", f"127.0.0.1:{(folder / 'port').read_text()}", *more)
    try:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        address: str = world.ask(None, "status", "--data", str(folder))["addresses"][0]
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        end(process)


def linked(world: World, folder: Path) -> dict[str, Any]:
    peers = world.ask(None, "peers", "--data", str(folder))
    return {peer["id"]: peer for peer in peers if peer["linked"]}


def wait_for(world: World, folder: Path, count: int) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE_SECONDS
    while len(found := linked(world, folder)) != count:
        assert time.monotonic() < until, found
        time.sleep(0.2)
    return found


def _look_around(world: World, folders: list[Path], tmp_path: Path) -> None:
    """The doctor, the picture and the metrics of three linked nodes."""
    report = world.ask(None, "net", "doctor", "--data", str(folders[0]))
    assert (report["state"], report["links"]) == ("public", 2)
    assert {trial["peer"] for trial in report["trials"]} == set(linked(world, folders[0]))
    page = tmp_path / "network.html"
    also = [word for folder in folders[1:] for word in ("--also", str(folder))]
    graph = world.ask(None, "net", "graph", "--plot", str(page), *also, "--data", str(folders[0]))
    assert len(graph["links"]) == len(graph["nodes"]) == len(graph["own"]) == 3
    assert page.read_text().count("<line") == 3
    assert world.refuse(None, "net", "graph", "--plot", "x.gif", "--data", str(folders[0])) == "unknown feature"
    text = world.run(None, "net", "metrics", "--data", str(folders[0])).stdout
    assert 'thalweg_links{kind="' in text
    assert text.count("thalweg_peer_score{") == 2


def test_strangers_find_each_other_from_one_address_and_show_who_they_are(world: World, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("carol", "dave", "erin")]
    with ExitStack() as stack:
        first = stack.enter_context(node(world, folders[0]))
        for folder in folders[1:]:
            stack.enter_context(node(world, folder, "--bootstrap", first))
        for folder in folders:
            wait_for(world, folder, 2)
        until = time.monotonic() + PATIENCE_SECONDS
        while not all(peer["channel_key"] and peer["rtt_ms"] for peer in linked(world, folders[1]).values()):
            assert time.monotonic() < until
            time.sleep(0.2)
        _look_around(world, folders, tmp_path)
        (banned,) = [peer for peer in linked(world, folders[0]) if peer in linked(world, folders[1])]
        assert world.ask(None, "ban", banned, "--data", str(folders[0]))["banned"]
        wait_for(world, folders[0], 1)
        assert banned not in linked(world, folders[0])
        assert world.refuse(None, "ban", "nobody", "--data", str(folders[0])) == "malformed"
        assert not world.ask(None, "pardon", banned, "--data", str(folders[0]))["banned"]
        assert world.refuse(None, "pardon", banned, "--data", str(folders[0])) == "not found"
        wait_for(world, folders[0], 2)
    with node(world, folders[1]), node(world, folders[2]):  # without the first, and without being told of anybody
        wait_for(world, folders[1], 1)
