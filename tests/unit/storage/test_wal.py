"""The write-ahead log: a crash may cut short its last commit, and nothing else may be amiss."""

import contextlib
import shutil
from pathlib import Path

import pytest

from thalweg.errors import Reason, UserFault
from thalweg.storage import SqliteJournal, new_journal_id
from thalweg.storage.wal import log_is_whole

HEADER, FRAME = 32, 24 + 4096
APPENDS = 12


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """Return a journal as a crash leaves it: twelve appends of one frame each are in the log alone."""
    (tmp_path / "live").mkdir()
    live = tmp_path / "live" / "journal.sqlite3"
    SqliteJournal.create(live, new_journal_id())
    with contextlib.closing(SqliteJournal.open(live)) as journal:
        for number in range(APPENDS):
            journal.append([bytes((number,))])
        for suffix in ("", "-wal"):
            shutil.copy(f"{live}{suffix}", tmp_path / f"journal.sqlite3{suffix}")
    return tmp_path / "journal.sqlite3"


def log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def entries(path: Path) -> list[int]:
    with contextlib.closing(SqliteJournal.open(path)) as journal:
        return [entry[0] for entry in journal.entries()]


def test_a_crash_loses_nothing(crashed: Path) -> None:
    assert entries(crashed) == list(range(APPENDS))


@pytest.mark.parametrize("frame", range(APPENDS))
@pytest.mark.parametrize("offset", [0, 5, 8, 13, 16, 21, 24, 24 + 4095])
def test_a_rotten_frame_before_the_last_is_refused(crashed: Path, frame: int, offset: int) -> None:
    content = bytearray(log(crashed).read_bytes())
    content[HEADER + frame * FRAME + offset] ^= 1
    log(crashed).write_bytes(content)
    last = len(content) // FRAME - 1
    if frame == last:
        assert entries(crashed) == list(range(APPENDS - 1))
        return
    for _ in range(2):
        with pytest.raises(UserFault, match="write-ahead log") as refused:
            SqliteJournal.open(crashed)
        assert refused.value.reason is Reason.CORRUPT
    assert log(crashed).read_bytes() == content


@pytest.mark.parametrize("offset", range(HEADER))
def test_a_rotten_header_is_refused(crashed: Path, offset: int) -> None:
    content = bytearray(log(crashed).read_bytes())
    content[offset] ^= 0x10
    log(crashed).write_bytes(content)
    assert not log_is_whole(log(crashed))


def test_a_frame_overwritten_in_part_is_refused(crashed: Path) -> None:
    content = bytearray(log(crashed).read_bytes())
    for start, size in ((HEADER + 2 * FRAME, 512), (HEADER + 2 * FRAME + 100, 4000), (0, HEADER), (0, 3 * FRAME)):
        damaged = content.copy()
        damaged[start : start + size] = bytes(size)
        log(crashed).write_bytes(damaged)
        assert not log_is_whole(log(crashed)), (start, size)


def test_a_log_cut_off_anywhere_gives_what_is_left_of_it(crashed: Path) -> None:
    whole, main = log(crashed).read_bytes(), crashed.read_bytes()
    assert len(whole) == HEADER + (1 + APPENDS) * FRAME  # the first frame is what the start itself wrote
    for length in (0, *range(HEADER, len(whole), 2000)):
        crashed.write_bytes(main)
        log(crashed).write_bytes(whole[:length])
        kept = max(0, (length - HEADER) // FRAME - 1)
        assert entries(crashed) == list(range(kept))


def test_a_log_of_nothing_is_whole(tmp_path: Path) -> None:
    assert log_is_whole(tmp_path / "none")
    for content in (b"", bytes(10), bytes(HEADER), bytes(3 * FRAME)):
        (tmp_path / "log").write_bytes(content)
        assert log_is_whole(tmp_path / "log")
    (tmp_path / "log").write_bytes(b"\x37\x7f")
    assert not log_is_whole(tmp_path / "log")


def test_a_commit_of_many_frames_that_a_crash_cut_short_is_dropped_whole(tmp_path: Path) -> None:
    live = tmp_path / "live.sqlite3"
    SqliteJournal.create(live, new_journal_id())
    with contextlib.closing(SqliteJournal.open(live)) as journal:
        journal.append([b"\0"])
        journal.append([bytes((1,)) * 5000 for _ in range(10)])
        image, whole = live.read_bytes(), log(live).read_bytes()
    frames = (len(whole) - HEADER) // FRAME
    assert frames > 10
    for lost in range(3, frames):  # the disk wrote all of the last commit's frames but one
        target = tmp_path / "torn.sqlite3"
        target.write_bytes(image)
        torn = bytearray(whole)
        torn[HEADER + lost * FRAME : HEADER + (lost + 1) * FRAME] = bytes(FRAME)
        log(target).write_bytes(torn)
        assert entries(target) == [0]


def test_frames_of_an_earlier_round_of_the_log_are_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    SqliteJournal.create(path, new_journal_id())
    image = tmp_path / "image.sqlite3"
    with contextlib.closing(SqliteJournal.open(path)) as journal:
        for number in range(600):  # more than a checkpoint's worth: the log has started over
            journal.append([bytes((number % 256,)) * 1000])
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{image}{suffix}")
    assert log(image).stat().st_size > 250 * FRAME
    assert entries(image) == [number % 256 for number in range(600)]
