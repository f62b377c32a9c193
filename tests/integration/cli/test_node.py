import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.cli.world import World

from thalweg.app.settings import DEPLOYMENT_FILE
from thalweg.cli.demo.stage import PASSWORD

ENVIRONMENT = {**os.environ, "THALWEG_PASSWORD": PASSWORD}


def up(folder: Path, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "thalweg.cli", "up", "--data", str(folder), "--json", "--attached", *more]
    return subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def end(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Wait for a process's end; return what it said."""
    return process.communicate(timeout=30)


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    """A fresh node's folder on the world's chain."""
    deployment = str(world.stage.alice.folder / DEPLOYMENT_FILE)
    world.ask(None, "init", "--data", str(tmp_path / "carol"), "--deployment", deployment)
    return tmp_path / "carol"


def test_a_node_tells_who_and_how_it_is(world: World) -> None:
    status = world.ask(world.stage.alice, "status")
    assert status["peer"] in status["addresses"][0]
    assert status["chain"]["trouble"] is None
    assert status["asset"]["symbol"] == "USDC"
    assert status["peers"] == 1 or world.ask(world.stage.alice, "connect", world.stage.bob.address)["up"]
    peers = world.ask(world.stage.alice, "peers")
    assert {peer["agent"].partition("/")[0] for peer in peers if peer["agent"]} == {"thalweg"}


def test_every_list_is_readable_without_json(world: World, channel: str) -> None:
    for command in ("status", "peers", "channels", "proposals", "offers", "positions", "reports", "counters"):
        result = world.run(world.stage.alice, command)
        assert result.exit_code == 0, result.output
        assert result.stdout
        assert "\x1b" not in result.stdout
    assert channel in world.run(world.stage.alice, "channels", channel).stdout


def test_a_second_process_on_a_folder_is_refused_by_name(world: World) -> None:
    second = up(world.stage.alice.folder)
    out, _ = end(second)
    answer = json.loads(out)
    assert second.returncode == 2
    assert answer["error"]["reason"] == "data folder in use"
    assert str(world.stage.alice.child and world.stage.alice.child.process.pid) in answer["error"]["detail"]
    assert world.ask(world.stage.alice, "status")["version"]


def test_a_wrong_password_opens_nothing(world: World, folder: Path) -> None:
    (folder.parent / "password").write_text("guess\n")
    wrong = up(folder, "--password-file", str(folder.parent / "password"))
    out, _ = end(wrong)
    assert wrong.returncode == 2
    assert json.loads(out)["error"]["reason"] == "wrong password"


def test_a_deployment_on_another_chain_is_refused(folder: Path) -> None:
    file = folder / DEPLOYMENT_FILE
    file.write_text(file.read_text().replace("31337", "31338"))
    wrong = up(folder)
    out, _ = end(wrong)
    assert wrong.returncode == 2
    assert json.loads(out)["error"]["reason"] == "wrong chain"


def test_a_journal_of_another_contract_is_refused(world: World, folder: Path) -> None:
    node = up(folder)
    assert node.stdout is not None
    node.stdout.readline()
    world.ask(None, "connect", world.stage.bob.address, "--data", str(folder))
    node.send_signal(signal.SIGTERM)
    end(node)
    file = folder / DEPLOYMENT_FILE
    described = json.loads(file.read_text())
    file.write_text(json.dumps({**described, "adjudicator": described["oracle"]}))
    wrong = up(folder)
    out, _ = end(wrong)
    assert wrong.returncode == 2
    assert json.loads(out)["error"]["reason"] == "wrong contract"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, None])
def test_a_node_ends_in_good_order_and_its_endpoint_is_gone(folder: Path, how: signal.Signals | None) -> None:
    node = up(folder)
    assert node.stdout is not None
    assert json.loads(node.stdout.readline())["ready"] is True
    assert (folder / "api.json").stat().st_mode & 0o777 == 0o600
    if how is not None:
        node.send_signal(how)
    out, errors = end(node)  # closes standard input, which ends an attached node too
    assert (node.returncode, out, errors) == (0, "", "")
    assert not (folder / "api.json").exists()
    again = up(folder)
    assert again.stdout is not None
    assert json.loads(again.stdout.readline())["ready"] is True
    end(again)
    assert again.returncode == 0


def test_a_node_starts_without_its_chain_and_says_so(folder: Path) -> None:
    file = folder / DEPLOYMENT_FILE
    described = json.loads(file.read_text())
    file.write_text(json.dumps({**described, "rpc": ["http://127.0.0.1:1"]}))
    node = up(folder)
    assert node.stdout is not None
    assert json.loads(node.stdout.readline())["ready"] is True
    node.send_signal(signal.SIGTERM)
    _, errors = end(node)
    assert node.returncode == 0
    assert "goes on without it" in errors


def test_no_secret_is_in_the_log(world: World, channel: str) -> None:
    party = world.stage.alice
    log = (party.folder / "node.log").read_text()
    token = json.loads((party.folder / "api.json").read_text())["token"]
    assert "opened" in log
    for secret in (token, PASSWORD, party.keys.mnemonic, party.keys.wallet.to_hex(), party.keys.channel(0).to_hex()):
        assert secret not in log
