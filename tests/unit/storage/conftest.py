"""A data folder with a keystore, made without the hundred milliseconds of a real password."""

from pathlib import Path

import pytest

from thalweg.storage import DataFolder, create_keystore, v3
from thalweg.storage.mnemonic import to_mnemonic

MNEMONIC = to_mnemonic(bytes(16))


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "alice" in request.fixturenames:
        monkeypatch.setattr(v3, "SCRYPT_N", 2)


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    """Return a data folder that `thalweg init` left; its password is "password"."""
    with DataFolder.create(tmp_path / "alice") as folder:
        create_keystore(folder, "password", MNEMONIC)
    return tmp_path / "alice"
