"""What is installed: the wheel holds the sources and all that they read, contracts and ABIs among it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_holds_contracts_their_abis_and_whatever_is_read(tmp_path: Path) -> None:
    command = ("wheel", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-w", str(tmp_path))
    subprocess.run([sys.executable, "-m", "pip", *command, str(PROJECT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=PROJECT, check=True, capture_output=True, text=True)
    assert {name.removeprefix("src/") for name in tracked.stdout.split()} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests", "bench"))]
