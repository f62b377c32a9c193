"""From a folder and a password to everything a node keeps: in this order, and all or nothing.

Lease, seed, journal (which counts the start), the keystore's record (which counts it too), marks. What follows is the
caller's: replay the journal, then ask `marks_ahead` whether the signer knows of more than was replayed.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

from thalweg.storage.folder import DataFolder
from thalweg.storage.identity import JournalRecord, Standing, load_record, save_record, standing
from thalweg.storage.journal import SqliteJournal
from thalweg.storage.keys import Keys, unlock
from thalweg.storage.signer import FileSigner


class Opened(NamedTuple):
    """An open data folder. `close` gives it back."""

    folder: DataFolder
    keys: Keys
    journal: SqliteJournal
    signer: FileSigner
    standing: Standing

    def close(self) -> None:
        """Close everything; another process may have the folder then."""
        self.signer.close()
        self.journal.close()
        self.folder.close()


def open_folder(path: Path, password: str) -> Opened:
    """Take a data folder for a start of the node.

    Raises:
        UserFault: NOT_FOUND, EXPOSED, LOCKED, WRONG_PASSWORD, CORRUPT or NEWER: nothing was changed.
        Unavailable: the disk failed or is full.
    """
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(DataFolder.open(path))
        keys = unlock(folder, password)
        journal = opened.enter_context(contextlib.closing(_open_journal(folder)))
        found = _count_start(folder, journal)
        signer = opened.enter_context(contextlib.closing(FileSigner.open(folder.marks(0), keys.channel(0))))
        opened.pop_all()
        return Opened(folder, keys, journal, signer, found)


def _open_journal(folder: DataFolder) -> SqliteJournal:
    """Open the journal; make it, only if none was ever started."""
    record = load_record(folder)
    if not folder.journal.exists() and record.generation == 0 and not record.recovering:
        SqliteJournal.create(folder.journal, record.journal_id)
    return SqliteJournal.open(folder.journal)


def _count_start(folder: DataFolder, journal: SqliteJournal) -> Standing:
    """Judge the journal and note this start, or note that the node is recovering until `identity.adopt`."""
    record = load_record(folder)
    found = standing(journal.identity, record)
    match found:
        case Standing.OWN:
            save_record(folder, JournalRecord(record.journal_id, journal.identity.generation))
        case Standing.RECOVERING:
            save_record(folder, JournalRecord(record.journal_id, record.generation, recovering=True))
    return found
