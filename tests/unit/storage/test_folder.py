"""The data folder: who may use it, and that files are replaced whole."""

import os
from pathlib import Path

import pytest

from thalweg.errors import Reason, Unavailable, UserFault
from thalweg.storage import DataFolder
from thalweg.storage.folder import CONTENT_BYTES_MAX, read_whole, write_whole


def test_a_new_folder_is_the_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir(mode=0o755)
    with DataFolder.create(tmp_path / "alice") as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
        assert (folder.path / "keystore").stat().st_mode & 0o777 == 0o700
        assert (folder.path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_folder_in_use_is_refused_by_the_name_of_its_user(tmp_path: Path) -> None:
    with DataFolder.create(tmp_path / "alice"):
        with pytest.raises(UserFault, match=f"process {os.getpid()}") as refused:
            DataFolder.open(tmp_path / "alice")
        assert refused.value.reason is Reason.LOCKED
    DataFolder.open(tmp_path / "alice").close()


def test_closing_twice_does_not_take_the_lease_from_the_next(tmp_path: Path) -> None:
    first = DataFolder.create(tmp_path / "alice")
    first.close()
    with DataFolder.open(tmp_path / "alice"):
        first.close()
        with pytest.raises(UserFault) as refused:
            DataFolder.open(tmp_path / "alice")
        assert refused.value.reason is Reason.LOCKED


def test_a_folder_with_other_things_in_it_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    mode = tmp_path.stat().st_mode
    with pytest.raises(UserFault, match="letters") as refused:
        DataFolder.create(tmp_path)
    assert refused.value.reason is Reason.EXISTS
    assert tmp_path.stat().st_mode == mode


def test_a_folder_that_others_can_open_is_refused(tmp_path: Path) -> None:
    DataFolder.create(tmp_path / "alice").close()
    (tmp_path / "alice").chmod(0o750)
    with pytest.raises(UserFault, match="chmod 700") as refused:
        DataFolder.open(tmp_path / "alice")
    assert refused.value.reason is Reason.EXPOSED


def test_what_is_no_data_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserFault, match="thalweg init") as refused:
        DataFolder.open(tmp_path)
    assert refused.value.reason is Reason.NOT_FOUND
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot write"):
        DataFolder.create(tmp_path / "file" / "alice")


def test_a_file_is_replaced_whole_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / "file.new").write_bytes(b"what a crash left")
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert read_whole(path) == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="free some space") as refused:
        write_whole(path, b"new")
    assert refused.value.reason is Reason.DISK_FULL
    assert read_whole(path) == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(CONTENT_BYTES_MAX + 1))
    for name, reason in (("none", Reason.NOT_FOUND), (".", Reason.UNREACHABLE), ("large", Reason.OVERSIZED)):
        with pytest.raises(UserFault) as refused:
            read_whole(tmp_path / name)
        assert refused.value.reason is reason
        assert str(tmp_path) in refused.value.detail
