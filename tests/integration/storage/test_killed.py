"""Real processes on one data folder: killed at any moment, locked out, and backed up from outside."""

import contextlib
import importlib.util
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from thalweg.errors import Reason, UserFault
from thalweg.storage import DataFolder, Keys, Standing, create_keystore, open_folder, v3
from thalweg.storage.backup import backup, restore
from thalweg.storage.mnemonic import to_mnemonic
from thalweg.units import Hash

WRITER = Path(__file__).with_name("writer.py")
KILLS = 12


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("writer", WRITER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


writer = _load()


@pytest.fixture
def alice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(v3, "SCRYPT_N", 2)
    with DataFolder.create(tmp_path / "alice") as folder:
        create_keystore(folder, "password", to_mnemonic(bytes(16)))
    return tmp_path / "alice"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a writer that has begun; kill it at the end."""
    with subprocess.Popen([sys.executable, str(WRITER), str(path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def acknowledged(process: subprocess.Popen[str], lines: int) -> int:
    """Read what the writer says is durable, so many times; return the last."""
    assert process.stdout is not None
    return int([process.stdout.readline() for _ in range(lines)][-1])


def test_a_killed_writer_loses_nothing_it_acknowledged_and_tears_nothing(alice: Path) -> None:
    moments = random.Random(5)
    durable = 0
    for kill in range(KILLS):
        with writing(alice) as process:
            durable = acknowledged(process, moments.randint(1, 60))
            process.kill()
            assert process.stdout is not None
            said = process.stdout.read().split("\n")[:-1]  # the last line may be cut short
            durable = max([durable, *map(int, said)])
        opened = open_folder(alice, "password")
        try:
            assert opened.standing is Standing.OWN, kill
            assert opened.journal.identity.generation == 2 * (kill + 1)
            snapshot = opened.journal.snapshot()
            base = int.from_bytes(snapshot) if snapshot else 0
            entries = list(opened.journal.entries())
            seq = opened.journal.seq
            assert seq >= durable
            assert entries == [writer.entry(number) for number in range(base + 1, seq + 1)]
            mark = opened.signer.mark(writer.CHANNEL)
            assert mark is not None
            assert durable <= mark.version <= seq
            assert mark.digest == writer.digest(mark.version)
            with pytest.raises(UserFault) as refused:
                opened.signer.sign_state(writer.CHANNEL, mark.version, Hash(bytes(32)))
            assert refused.value.reason is Reason.SIGNED_BEFORE
        finally:
            opened.close()


def test_a_second_process_is_refused_by_the_pid_of_the_first(alice: Path) -> None:
    with writing(alice) as process:
        with pytest.raises(UserFault, match=f"in use by process {process.pid}") as refused:
            open_folder(alice, "password")
        assert refused.value.reason is Reason.LOCKED
        acknowledged(process, 3)
    opened = open_folder(alice, "password")  # a killed process holds nothing
    opened.close()


def test_backups_from_outside_are_consistent_while_the_node_writes(alice: Path, tmp_path: Path) -> None:
    keys = Keys(bytes(16))
    target = tmp_path / "alice.backup"
    with writing(alice) as process:
        before = 0
        for _ in range(5):
            durable = acknowledged(process, 10)
            header = backup(alice, target, keys)
            assert header.entries >= durable > before
            before = durable
    restore(target, tmp_path / "restored", "password", keys.mnemonic)
    opened = open_folder(tmp_path / "restored", "password")
    try:
        assert opened.standing is Standing.RECOVERING
        assert opened.journal.seq == header.entries
        snapshot = opened.journal.snapshot()
        base = int.from_bytes(snapshot) if snapshot else 0
        expected = [writer.entry(number) for number in range(base + 1, header.entries + 1)]
        assert list(opened.journal.entries()) == expected
    finally:
        opened.close()
