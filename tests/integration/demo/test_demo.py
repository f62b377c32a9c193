"""The demonstration from outside: what it prints, how it exits, and that it leaves nothing behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SNAPSHOTS = Path(__file__).parents[4] / "shared" / "data" / "option-chain"
PATIENCE_S = 150.0
_POLL_S = 0.05


ANVIL_INSTALLED = Path(__file__).parents[1] / "chain/anvil/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
ANVIL = os.environ.get("ANVIL") or (str(ANVIL_INSTALLED) if ANVIL_INSTALLED.exists() else shutil.which("anvil"))


def start(*arguments: str, temporary: Path) -> "subprocess.Popen[str]":
    """Start a demonstration whose every process can be found by its temporary folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "thalweg.cli", "demo", *arguments],
        env={**os.environ, "TMPDIR": str(temporary)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def processes_of(temporary: Path) -> list[int]:
    """Return the processes that were started with this temporary folder and still run."""
    mark = f"TMPDIR={temporary}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes() + b"\0":
                    found.append(int(entry.name))
            except OSError:  # it ended, or is not ours
                continue
    return found


def until(what: str, look: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(_POLL_S)  # the condition is another process's


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not processes_of(tmp_path), "the demonstration left processes behind"
    assert not list(tmp_path.glob("thalweg-demo-*")), "the demonstration left its folder behind"


def play(temporary: Path, *arguments: str) -> dict[str, Any]:
    """Give a demonstration with --json and return its one object, everything every scenario owes checked."""
    process = start("--json", *arguments, temporary=temporary)
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out + errors
    assert out.count("\n") == 1
    assert not errors
    told: dict[str, Any] = json.loads(out)
    assert told["ok"] is True
    assert told["conserved"] is True
    parties = told["parties"]
    assert [party["name"] for party in parties] == ["alice", "bob"]
    assert sum(party["pnl"] for party in parties) == 0
    assert all(party["paid"] - party["deposited"] == party["pnl"] for party in parties)
    assert all(party["paid"] == party["expected"] for party in parties)
    assert told["onchain_transactions"] >= len(told["gas"]) >= 2
    assert told["settlement_price"] > 0
    assert told["update_ms_p50"] > 0
    assert told["states_signed"] > 200
    assert told["messages"] > 200
    return told


@pytest.mark.slow
def test_the_plain_show_takes_two_transactions_and_a_seed_repeats_it(temporary: Path) -> None:
    told = play(temporary, "--seed", "11")
    assert told["scenario"] == "plain"
    assert told["onchain_transactions"] == 2
    assert set(told["gas"]) == {"open", "close"}
    process = start("--seed", "11", temporary=temporary)
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out + errors
    assert "\x1b" not in out, "no colours without a terminal"
    assert out.count("to the unit") == 2
    assert f"{told['settlement_price']:,.2f}" in out


@pytest.mark.slow
def test_a_stale_state_is_answered_and_the_newest_is_paid(temporary: Path) -> None:
    told = play(temporary, "--scenario", "stale")
    assert {"open", "challenge", "respond", "register", "resolve"} <= set(told["gas"])
    assert told["trouble"]["shown"] < told["trouble"]["newest"]


@pytest.mark.slow
def test_when_the_other_vanishes_the_chain_settles_at_the_oracles_price(temporary: Path) -> None:
    told = play(temporary, "--scenario", "vanish", "--seed", "7")
    assert {"open", "challenge", "register", "resolve"} <= set(told["gas"])
    assert "respond" not in told["gas"]


@pytest.mark.slow
def test_twenty_kills_in_the_middle_of_updates_lose_nothing(temporary: Path) -> None:
    told = play(temporary, "--scenario", "crash")
    assert told["trouble"]["kills"] == 20
    assert sum(told["trouble"]["killed"].values()) == 20
    assert told["onchain_transactions"] == 2, told["gas"]


@pytest.mark.slow
@pytest.mark.skipif(not SNAPSHOTS.is_dir(), reason="option-chain snapshots are not here")
def test_the_show_is_priced_from_a_real_option_chain(temporary: Path) -> None:
    snapshot = sorted(SNAPSHOTS.glob("*.csv.gz"))[0]
    told = play(temporary, "--market", str(snapshot))
    assert snapshot.name.removesuffix(".csv.gz") in told["market"]


def _answers(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
@pytest.mark.skipif(ANVIL is None, reason="anvil is not installed; `make anvil` installs it")
def test_the_show_goes_on_another_chain_too(temporary: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    anvil = subprocess.Popen([str(ANVIL), "--port", str(port), "--silent"])
    try:
        until("anvil listening", lambda: _answers(port))
        told = play(temporary, "--scenario", "vanish", "--rpc", f"http://127.0.0.1:{port}")
        assert "resolve" in told["gas"]
    finally:
        anvil.terminate()
        anvil.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "processes"), [(signal.SIGINT, 2), (signal.SIGKILL, 4), (signal.SIGTERM, 6), (signal.SIGINT, 8)]
)
def test_whenever_and_however_it_is_ended_no_process_is_left(
    tmp_path: Path, how: signal.Signals, processes: int
) -> None:
    process = start(temporary=tmp_path)
    until("starting", lambda: len(processes_of(tmp_path)) >= processes)
    process.send_signal(how)
    out, errors = process.communicate(timeout=PATIENCE_S)
    until("ending every process", lambda: not processes_of(tmp_path))
    if how != signal.SIGKILL:
        assert process.returncode == 130, out + errors
        assert "interrupted" in errors
        assert not list(tmp_path.glob("thalweg-demo-*"))


def test_a_chain_that_does_not_answer_is_named(tmp_path: Path) -> None:
    process = start("--json", "--rpc", "http://127.0.0.1:1", temporary=tmp_path)
    out, _ = process.communicate(timeout=PATIENCE_S)
    answer = json.loads(out)
    assert process.returncode == 1
    assert answer["error"]["reason"] == "unreachable"
    assert "127.0.0.1:1" in answer["error"]["detail"]


def test_a_folder_to_keep_must_be_new(tmp_path: Path) -> None:
    process = start("--json", "--keep", str(tmp_path), temporary=tmp_path)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert json.loads(out)["error"]["reason"] == "exists already"
