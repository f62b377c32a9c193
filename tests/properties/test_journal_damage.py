"""Whatever happens to the journal's bytes, it is refused or gives back what was written: never anything else."""

import contextlib
import functools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import Reason, UserFault
from thalweg.storage import SqliteJournal
from thalweg.storage.identity import JOURNAL_ID_BYTES

ID = bytes(range(JOURNAL_ID_BYTES))
SNAPSHOT = b"what came before " * 40
ENTRIES = [bytes((number,)) * (number * 37 % 900) for number in range(30)]
LOGGED = [bytes((number,)) * 500 for number in range(100, 110)]


class Image(dict[str, bytes]):
    """The files of a journal, by suffix, as a crash leaves them."""

    def put(self, folder: str) -> Path:
        """Write the files and return the journal's path."""
        path = Path(folder, "journal.sqlite3")
        for suffix, content in self.items():
            path.with_name(path.name + suffix).write_bytes(content)
        return path


@functools.cache
def image() -> Image:
    """Return a journal whose entries are in the main file, and whose last appends are in the log alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.sqlite3")
        SqliteJournal.create(path, ID)
        with contextlib.closing(SqliteJournal.open(path)) as journal:
            journal.append([b"forgotten"] * 3)
            journal.compact(SNAPSHOT)
            journal.append(ENTRIES)
        with contextlib.closing(SqliteJournal.open(path)) as journal:
            for entry in LOGGED:
                journal.append([entry])
            return Image({suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal")})


def replayed(files: Image) -> tuple[bytes, bytes | None, list[bytes]] | None:
    """Return what a journal gives back: its id, snapshot and entries; None, if it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = files.put(folder)
        try:
            with contextlib.closing(SqliteJournal.open(path)) as journal:
                return journal.identity.id, journal.snapshot(), list(journal.entries())
        except UserFault as error:
            if error.reason not in (Reason.CORRUPT, Reason.NEWER):
                raise
            return None


def test_undamaged_it_gives_back_everything() -> None:
    assert replayed(image()) == (ID, SNAPSHOT, ENTRIES + LOGGED)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_bytes_are_refused_or_change_nothing(data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(("", "-wal")))
    content = bytearray(image()[suffix])
    for _ in range(data.draw(st.integers(1, 3 if suffix == "" else 1))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    found = replayed(Image({**image(), suffix: bytes(content)}))
    if found is not None:
        assert found[:2] == (ID, SNAPSHOT)
        whole = ENTRIES + LOGGED
        assert found[2] in ((whole,) if suffix == "" else (whole, whole[:-1]))  # a last commit may look cut short


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_overwritten_ranges_are_refused_or_change_nothing(data: st.DataObject) -> None:
    content = image()[""]
    start = data.draw(st.integers(0, len(content) - 1))
    size = data.draw(st.integers(1, 5000))
    filler = data.draw(st.sampled_from((b"\0", b"\xff", b"\x0d")))
    found = replayed(Image({**image(), "": content[:start] + filler * size + content[start + size :]}))
    assert found in (None, (ID, SNAPSHOT, ENTRIES + LOGGED))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 100_000))
def test_a_shortened_main_file_is_refused_or_whole_by_its_log(length: int) -> None:
    content = image()[""]
    found = replayed(Image({**image(), "": content[: length % len(content)]}))
    assert found in (None, (ID, SNAPSHOT, ENTRIES + LOGGED))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 100_000))
def test_a_shortened_log_gives_whole_appends_up_to_one(length: int) -> None:
    content = image()["-wal"]
    found = replayed(Image({**image(), "-wal": content[: length % len(content)]}))
    if found is not None:
        whole = ENTRIES + LOGGED
        assert found[:2] == (ID, SNAPSHOT)
        assert found[2] == whole[: len(found[2])]
        assert len(found[2]) >= len(ENTRIES)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=2000), max_size=8) | st.binary(max_size=2000), max_size=12))
def test_replay_is_what_was_appended_since_the_last_snapshot(steps: list[list[bytes] | bytes]) -> None:
    snapshot: bytes | None = None
    entries: list[bytes] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.sqlite3")
        SqliteJournal.create(path, ID)
        for step in steps:
            with contextlib.closing(SqliteJournal.open(path)) as journal:
                assert (journal.snapshot(), list(journal.entries())) == (snapshot, entries)
                if isinstance(step, bytes):
                    journal.compact(step)
                    snapshot, entries = step, []
                else:
                    journal.append(step)
                    entries += step
        with contextlib.closing(SqliteJournal.open(path)) as journal:
            assert (journal.snapshot(), list(journal.entries())) == (snapshot, entries)
