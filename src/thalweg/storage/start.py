"""From a folder and a password to everything a node keeps: in this order, and all or nothing.

Lease, seed, journal (which counts the start), marks, intents of the run before, the keystore's record (which counts the
start too). What follows is the caller's: replay the journal, then ask `marks_ahead` whether the signer knows of more
than was replayed.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

from thalweg.errors import InvariantBroken, Reason, Unavailable
from thalweg.storage.folder import DataFolder
from thalweg.storage.identity import JournalRecord, Standing, load_record, save_record, standing
from thalweg.storage.intents import IntentFile
from thalweg.storage.journal import SqliteJournal
from thalweg.storage.keys import Keys, unlock
from thalweg.storage.signer import FileSigner
from thalweg.storage.store import Store, catch_up


class Opened(NamedTuple):
    """An open data folder. `close` gives it back."""

    folder: DataFolder
    keys: Keys
    journal: Store
    signer: FileSigner
    standing: Standing

    def close(self) -> None:
        """Close everything; another process may have the folder then."""
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
        found = _judge(folder, journal)
        signer = opened.enter_context(contextlib.closing(FileSigner.open(folder.marks(0), keys.channel(0))))
        _take_up(folder, journal, signer)
        store = Store(journal, signer, IntentFile.open(folder.intents))
        if found == Standing.OWN:
            save_record(folder, JournalRecord(journal.identity.id, journal.identity.generation))
        opened.pop_all()
        return Opened(folder, keys, store, signer, found)


def _open_journal(folder: DataFolder) -> SqliteJournal:
    """Open the journal; make it, only if none was ever started."""
    record = load_record(folder)
    if not folder.journal.exists() and record.generation == 0 and not record.recovering:
        SqliteJournal.create(folder.journal, record.journal_id)
    return SqliteJournal.open(folder.journal)


def _judge(folder: DataFolder, journal: SqliteJournal) -> Standing:
    """Judge the journal. That it is not the keystore's own is noted at once, until `identity.adopt`.

    At once, since every start counts: a few that fail later would make an old copy look like the newest journal.
    """
    record = load_record(folder)
    found = standing(journal.identity, record)
    if found == Standing.RECOVERING and not record.recovering:
        save_record(folder, JournalRecord(record.journal_id, record.generation, recovering=True))
    return found


def _take_up(folder: DataFolder, journal: SqliteJournal, signer: FileSigner) -> None:
    try:
        catch_up(folder.intents, journal, signer)
    except InvariantBroken as broken:
        detail = (
            f"what {folder.intents} holds could not be written where it belongs ({broken}). It is safe: start again"
        )
        raise Unavailable(Reason.UNREACHABLE, detail) from broken
