import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import thalweg
from thalweg.cli.entry import application

COMMANDS = (
    "demo", "init", "up", "chain", "deploy", "oracle", "status", "peers", "connect", "reports", "counters", "open",
    "ban", "pardon",
    "proposals", "accept", "decline", "channels", "pay", "deposit", "withdraw", "resume", "close", "trade", "offers",
    "take", "positions", "backup", "restore", "version", "price", "iv", "surface",
    "calibrate",
)  # fmt: skip


def run(*arguments: str, password: str = "secret") -> Result:
    return CliRunner().invoke(application(), list(arguments), env={"THALWEG_PASSWORD": password})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_speaks_json(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_no_command_is_forgotten() -> None:
    assert {command.name for command in application().registered_commands} == set(COMMANDS)


def test_the_version_is_the_packages() -> None:
    assert json.loads(run("version", "--json").stdout) == {"ok": True, "result": {"version": thalweg.__version__}}
    assert 'version = "' + thalweg.__version__ + '"' in (Path(__file__).parents[3] / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("pay", "1"), ("status",), ("channels",), ("open", "12D3KooW", "1"), ("close",), ("positions",),
        ("trade", "buy", "1", "BTC_USDC-27MAR26-60000-C", "1"),
    ],
)  # fmt: skip
def test_asking_where_no_node_runs_says_how_to_start_one(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--data", str(tmp_path))
    assert result.exit_code == 1
    assert "thalweg up" in result.stderr
    assert not result.stdout


def test_a_folder_that_does_not_exist_is_the_users_mistake(tmp_path: Path) -> None:
    result = run("status", "--data", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "thalweg init" in result.stderr


def test_with_json_an_error_is_one_object_on_standard_output(tmp_path: Path) -> None:
    result = run("status", "--data", str(tmp_path / "nowhere"), "--json")
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert (answer["ok"], answer["error"]["reason"]) == (False, "not found")
    assert not result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("steal",), ("pay",), ("pay", "1", "--wait", "never"), ("up", "--answer", "0"), ("demo", "--scenario", "dull")],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
    told = run(*arguments, "--json")
    assert told.exit_code == 2
    answer = json.loads(told.stdout)
    assert (answer["ok"], answer["error"]["reason"]) == (False, "malformed")
    assert answer["error"]["detail"]


def test_a_leg_that_is_none_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    result = run("trade", "hold", "1", "BTC", "1", "--data", str(tmp_path))
    assert result.exit_code == 2
    assert "buy|sell QUANTITY INSTRUMENT PRICE" in result.stderr


def test_init_makes_a_private_folder_once(tmp_path: Path) -> None:
    folder = tmp_path / "alice"
    first = json.loads(run("init", "--data", str(folder), "--json").stdout)["result"]
    assert len(first["mnemonic"].split()) == 12
    assert first["peer"].startswith("12D3KooW")
    assert folder.stat().st_mode & 0o777 == 0o700
    again = run("init", "--data", str(folder))
    assert again.exit_code == 2
    assert "already" in again.stderr


def test_the_same_words_make_the_same_keys_and_are_not_shown_again(tmp_path: Path) -> None:
    first = json.loads(run("init", "--data", str(tmp_path / "a"), "--json").stdout)["result"]
    (tmp_path / "words").write_text(first.pop("mnemonic") + "\n")
    words = ("--mnemonic-file", str(tmp_path / "words"))
    second = json.loads(run("init", "--data", str(tmp_path / "b"), *words, "--json").stdout)["result"]
    assert {**second, "data": first["data"]} == first


def test_init_with_wrong_words_or_a_wrong_deployment_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("never gonna give")
    (tmp_path / "d.json").write_text('{"rpc": 5}')
    for wrong in (("--mnemonic-file", "words"), ("--deployment", "d.json")):
        result = run("init", "--data", str(tmp_path / "new"), wrong[0], str(tmp_path / wrong[1]))
        assert result.exit_code == 2
        assert not (tmp_path / "new").exists()


def test_a_node_without_deployment_is_told_where_to_get_one(tmp_path: Path) -> None:
    run("init", "--data", str(tmp_path / "a"))
    result = run("up", "--data", str(tmp_path / "a"))
    assert result.exit_code == 2
    assert "--deployment" in result.stderr


@pytest.mark.parametrize("listen", ["4001", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_to_listen_at_must_have_a_port(tmp_path: Path, listen: str) -> None:
    result = run("up", "--data", str(tmp_path), "--listen", listen)
    assert result.exit_code == 2
    assert "127.0.0.1:4001" in result.stderr


def test_a_demo_on_a_market_that_is_none_fails_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "market.csv").write_text("a,b\n1,2\n")
    result = run("demo", "--json", "--market", str(tmp_path / "market.csv"))
    assert result.exit_code == 2
    assert json.loads(result.stdout)["ok"] is False
