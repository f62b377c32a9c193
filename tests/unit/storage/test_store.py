"""The store: after a failed write it accepts nothing, whatever the disk does then."""

from pathlib import Path

import pytest

from thalweg.errors import InvariantBroken
from thalweg.storage import Opened, SqliteJournal, intents, open_folder
from thalweg.storage.intents import SLOT_BYTES


@pytest.fixture
def opened(alice: Path) -> Opened:
    opened = open_folder(alice, "password")
    opened.journal.append([b"before"])
    return opened


def fail(*_: object) -> None:
    raise OSError(5, "broken")


@pytest.mark.parametrize("size", [10, 2 * SLOT_BYTES])
def test_nothing_is_acknowledged_after_a_failed_write(
    opened: Opened, alice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(intents, "write_synced", fail)

        def append(journal: SqliteJournal, entries: list[bytes], marks: None = None) -> None:
            raise InvariantBroken("the disk failed")

        broken.setattr(SqliteJournal, "append", append)
        with pytest.raises(InvariantBroken):
            opened.journal.append([bytes(size)])
    for attempt in (
        lambda: opened.journal.append([b"after"]),
        lambda: opened.journal.compact(b""),
        lambda: opened.journal.flush(),
        lambda: opened.journal.entries(),
    ):
        with pytest.raises(InvariantBroken):
            attempt()
    opened.close()
    again = open_folder(alice, "password")
    assert list(again.journal.entries())[:1] == [b"before"]
    again.close()
